//! The floor of a mediated message: records from a client through a third process to a server, and the answer back.
//!
//! A request is one record of at most [`RECORD_BYTES`], or several that follow each other. Each connection has a thread
//! of its own in the relay and in the server, which sleeps in `recvmsg(2)`: nothing is waited for in any other way.

use std::path::Path;

use mach_bench::{Caller, Error, Load, checksum, noise};
use sys::seqpacket::{Received, Sent};
use sys::{Channel, Errno, SysError};

use super::socket;
use crate::failure::Result;

/// As many as a Mach header has.
const HEAD_BYTES: usize = 32;
/// The longest record.
const RECORD_BYTES: usize = 64 << 10;

/// What stands before the bytes of a request, and alone in an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Head {
    /// Bytes after it, in this record and in those that follow.
    size: u64,
    /// Whether no answer is wanted.
    one_way: bool,
    /// In an answer: of all bytes.
    sum: u64,
}

impl Head {
    fn to_bytes(self) -> [u8; HEAD_BYTES] {
        let mut bytes = [0; HEAD_BYTES];
        bytes[..8].copy_from_slice(&self.size.to_le_bytes());
        bytes[8..16].copy_from_slice(&u64::from(self.one_way).to_le_bytes());
        bytes[16..24].copy_from_slice(&self.sum.to_le_bytes());
        bytes
    }

    fn parse(record: &[u8]) -> Result<Head, SysError> {
        let word = |at: usize| record.get(at..at + 8).and_then(|w| w.try_into().ok()).map(u64::from_le_bytes);
        match (word(0), word(8), word(16), record.len() >= HEAD_BYTES) {
            (Some(size), Some(one_way), Some(sum), true) => Ok(Head { size, one_way: one_way != 0, sum }),
            _ => Err(SysError::new("recvmsg(2)", Errno::PROTO, "a record without a head")),
        }
    }
}

/// Answers every request with the sum of its bytes.
pub fn serve(path: &Path) -> Result<()> {
    socket::serve(path, |channel| {
        let (mut buffer, mut body) = (vec![0; RECORD_BYTES], Vec::new());
        while let Some(len) = receive(&channel, &mut buffer)? {
            let head = Head::parse(&buffer[..len])?;
            body.clear();
            body.extend_from_slice(&buffer[HEAD_BYTES..len]);
            while (body.len() as u64) < head.size {
                let Some(len) = receive(&channel, &mut buffer)? else { return Ok(()) };
                body.extend_from_slice(&buffer[..len]);
            }
            if !head.one_way {
                send(&channel, &Head { size: 0, one_way: false, sum: checksum(&body) }.to_bytes())?;
            }
        }
        Ok(())
    })
}

/// Carries requests to the server and answers back.
pub fn relay(path: &Path, server: &Path) -> Result<()> {
    // A process has one server; what the threads borrow lives as long as it.
    let server: &'static Path = Box::leak(server.to_owned().into_boxed_path());
    socket::serve(path, move |client| {
        let server = Channel::connect(server)?;
        let mut buffer = vec![0; RECORD_BYTES];
        while let Some(len) = receive(&client, &mut buffer)? {
            let head = Head::parse(&buffer[..len])?;
            send(&server, &buffer[..len])?;
            let mut passed = (len - HEAD_BYTES) as u64;
            while passed < head.size {
                let Some(len) = receive(&client, &mut buffer)? else { return Ok(()) };
                send(&server, &buffer[..len])?;
                passed += len as u64;
            }
            if !head.one_way {
                let Some(len) = receive(&server, &mut buffer)? else { return Ok(()) };
                send(&client, &buffer[..len])?;
            }
        }
        Ok(())
    })
}

/// Calls through the relay.
pub fn call(path: &Path) -> Result<()> {
    socket::call(|| Ok(Box::new(Client { channel: Channel::connect(path)?, request: Vec::new(), sum: 0 })))
}

struct Client {
    channel: Channel,
    /// Head and bytes, as they go out; kept while the size stays.
    request: Vec<u8>,
    /// Of the bytes.
    sum: u64,
}

impl Client {
    fn request(&mut self, size: u64, one_way: bool) -> Result<(), Error> {
        if self.request.len() as u64 != HEAD_BYTES as u64 + size {
            let body = noise(size);
            self.sum = checksum(&body);
            self.request = [&[0; HEAD_BYTES][..], &body].concat();
        }
        self.request[..HEAD_BYTES].copy_from_slice(&Head { size, one_way, sum: 0 }.to_bytes());
        for record in self.request.chunks(RECORD_BYTES) {
            send(&self.channel, record)?;
        }
        Ok(())
    }
}

impl Caller for Client {
    fn call(&mut self, load: &Load) -> Result<(), Error> {
        self.request(load.size, false)?;
        let mut answer = [0; HEAD_BYTES];
        let Some(len) = receive(&self.channel, &mut answer)? else { return Err("the relay ended".into()) };
        match Head::parse(&answer[..len])?.sum == self.sum {
            true => Ok(()),
            false => Err("an answer to other bytes".into()),
        }
    }

    fn post(&mut self, load: &Load) -> Result<(), Error> {
        self.request(load.size, true)
    }
}

/// The length of the next record; `None` when the other side is gone.
fn receive(channel: &Channel, buffer: &mut [u8]) -> Result<Option<usize>, SysError> {
    Ok(match channel.recv(buffer)? {
        Received::Record(len, _) => Some(len),
        Received::WouldBlock | Received::Closed => None,
    })
}

fn send(channel: &Channel, record: &[u8]) -> Result<(), SysError> {
    match channel.send(record, &[])? {
        Sent::Done => Ok(()),
        Sent::WouldBlock | Sent::Closed => Err(SysError::new("sendmsg(2)", Errno::PIPE, "a record")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_was_written() {
        let head = Head { size: 1 << 20, one_way: true, sum: u64::MAX };
        assert_eq!(Head::parse(&head.to_bytes()).unwrap(), head);
        assert_eq!(Head::parse(&[0; HEAD_BYTES - 1]).unwrap_err().errno, Errno::PROTO);
    }
}
