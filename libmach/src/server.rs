//! `mach_msg_server`: receive, have it served, reply, in one trap for each request.

use proto::{MigError, MsgReturn};

use crate::abi::{BITS_COMPLEX, HEADER_BYTES, Header, MIG_REPLY_BYTES, MigReply, option};
use crate::destroy::mach_msg_destroy;
use crate::face::guarded;
use crate::message::mach_msg;

/// Serves one request: reads it and writes a reply.
pub type Demux = extern "C" fn(*mut Header, *mut Header) -> i32;

const SUCCESS: i32 = MsgReturn::Success.raw();
const NO_REPLY: i32 = MigError::NoReply.raw();
/// `MIG_DESTROY_REQUEST`.
const DESTROY_REQUEST: i32 = -309;
const MOVE_SEND_ONCE: u32 = proto::Disposition::MoveSendOnce as u32;

/// Serves requests from a port or set until a receive fails; answers why it did.
///
/// # Safety
///
/// `demux` writes no more than `max_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mach_msg_server(demux: Demux, max_size: u32, from: u32) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { mach_msg_server_timeout(demux, max_size, from, 0, 0) }
}

/// The same; with `MACH_RCV_TIMEOUT` it ends when no request comes in time.
///
/// # Safety
///
/// As [`mach_msg_server`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mach_msg_server_timeout(
    demux: Demux,
    max_size: u32,
    from: u32,
    options: i32,
    timeout: u32,
) -> i32 {
    guarded(MsgReturn::RcvInvalidData.raw(), || {
        let max_size = max_size.max(MIG_REPLY_BYTES as u32);
        let mut server =
            Server { request: buffer(max_size), reply: buffer(max_size), max_size, from, options, timeout };
        // SAFETY: the caller's promise.
        unsafe { server.run(demux) }
    })
}

struct Server {
    request: Vec<u64>,
    reply: Vec<u64>,
    max_size: u32,
    from: u32,
    options: i32,
    timeout: u32,
}

impl Server {
    /// # Safety
    ///
    /// `demux` writes no more than a buffer has.
    unsafe fn run(&mut self, demux: Demux) -> i32 {
        loop {
            let mut code = self.receive(0, 0);
            while code == SUCCESS {
                // SAFETY: the caller's promise.
                let answered = unsafe { self.serve(demux) };
                code = if answered { self.reply_and_receive() } else { self.receive(0, 0) };
            }
            match MsgReturn::from_raw(code) {
                // The request was too large and is gone; its sender has a send-once notification.
                Some(MsgReturn::RcvTooLarge) if self.options & option::RCV_LARGE == 0 => {}
                // The client has not waited for the reply; what the reply carries, nobody gets.
                Some(MsgReturn::SendInvalidDest | MsgReturn::SendTimedOut) => {
                    // SAFETY: the buffer holds the message that was not sent.
                    unsafe { mach_msg_destroy(self.request.as_mut_ptr().cast()) }
                }
                _ => return code,
            }
        }
    }

    /// Has the request served; answers whether there is a reply to send.
    ///
    /// # Safety
    ///
    /// As [`Server::run`].
    unsafe fn serve(&mut self, demux: Demux) -> bool {
        let (request, reply) = (self.request.as_mut_ptr().cast::<Header>(), self.reply.as_mut_ptr().cast::<MigReply>());
        // SAFETY: a message was received into the buffer.
        let head = unsafe { request.read() };
        // SAFETY: the buffer has room for the smallest reply.
        unsafe { reply.write(MigReply::to(&head, MigError::BadId.raw())) };
        demux(request, reply.cast());
        // SAFETY: a reply was written above, and perhaps another by the server.
        let MigReply { head: answer, code, .. } = unsafe { reply.read() };
        let simple = answer.bits & BITS_COMPLEX == 0;
        match code {
            NO_REPLY if simple => return false,
            DESTROY_REQUEST if simple => {
                // SAFETY: the buffer holds the message that was received.
                unsafe { mach_msg_destroy(request) };
                return false;
            }
            0 => {}
            _ if simple => {
                // The server took nothing; only the right to reply is still needed.
                // SAFETY: the buffer is ours.
                unsafe { (*request).remote = 0 };
                // SAFETY: the buffer holds the message that was received.
                unsafe { mach_msg_destroy(request) };
            }
            _ => {}
        }
        if answer.remote == 0 {
            if !simple {
                // SAFETY: the buffer holds the reply.
                unsafe { mach_msg_destroy(reply.cast()) };
            }
            return false;
        }
        true
    }

    /// Sends the reply and receives the next request into the same buffer.
    fn reply_and_receive(&mut self) -> i32 {
        std::mem::swap(&mut self.request, &mut self.reply);
        let head = header(&self.request);
        // A client that gave a send right could have a full queue, which the server is not to wait for.
        let once = head.remote_type() == MOVE_SEND_ONCE;
        if once || self.options & option::RCV_TIMEOUT == 0 {
            let send = option::SEND_MSG | if once { 0 } else { option::SEND_TIMEOUT };
            return self.receive(send, head.size);
        }
        match self.trap(option::SEND_MSG | option::SEND_TIMEOUT, head.size, 0) {
            SUCCESS => self.receive(0, 0),
            code => code,
        }
    }

    fn receive(&mut self, send: i32, send_size: u32) -> i32 {
        let options = self.options & !(option::SEND_MSG | option::SEND_TIMEOUT);
        let timeout = if options & option::RCV_TIMEOUT != 0 { self.timeout } else { 0 };
        self.trap(option::RCV_MSG | options | send, send_size, timeout)
    }

    fn trap(&mut self, options: i32, send_size: u32, timeout: u32) -> i32 {
        // SAFETY: the buffer has `max_size` bytes, and no more than that is sent of it.
        unsafe {
            mach_msg(
                self.request.as_mut_ptr().cast(),
                options,
                send_size.min(self.max_size),
                self.max_size,
                self.from,
                timeout,
                0,
            )
        }
    }
}

fn buffer(bytes: u32) -> Vec<u64> {
    vec![0; (bytes as usize).div_ceil(8)]
}

fn header(message: &[u64]) -> Header {
    let mut bytes = [0; HEADER_BYTES];
    bytes.chunks_exact_mut(8).zip(message).for_each(|(to, word)| to.copy_from_slice(&word.to_ne_bytes()));
    Header::from_bytes(&bytes)
}
