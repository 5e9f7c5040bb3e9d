//! SOCK_SEQPACKET connections between tasks and their node: whole records, each with descriptors beside it.
//!
//! 1. A record arrives whole or not at all: one that was cut, or that came with more descriptors than permitted, is an
//!    error, and what came of its descriptors is closed.
//! 2. Writing to a closed connection is an outcome, never SIGPIPE.
//! 3. Whether a call waits is the call's choice (`MSG_DONTWAIT`), not the descriptor's.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use proto::limits::TRAP_FDS_MAX;
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};

use crate::error::{Context, Errno, SysError, last_errno};
use crate::pidfd::PidFd;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;
/// Wanted of the send buffer, so that a record of the largest size always fits; the system's maximum may give less.
const SEND_BUFFER_BYTES: usize = 512 << 10;

/// A socket that others connect to by its path. Dropping it removes the path.
#[derive(Debug)]
pub struct Listener {
    fd: OwnedFd,
    path: PathBuf,
    /// Held as long as the listener lives: whoever has it may replace the socket.
    _lock: OwnedFd,
}

impl Listener {
    /// Listens at `path`, which only processes of the own uid (and those with the mode's permission) can connect to.
    ///
    /// A socket left behind by a listener that died is replaced. `path` with `.lock` appended is created beside it and
    /// stays.
    /// Errors: `EADDRINUSE` a living listener has the path; `ENAMETOOLONG` above 107 bytes.
    pub fn bind(path: &Path, mode: u32) -> Result<Listener, SysError> {
        let said = || path.display().to_string();
        let address = SocketAddrUnix::new(path).context("unix(7)", said)?;
        let lock_path = PathBuf::from(format!("{}.lock", path.display()));
        let lock_flags = OFlags::CREATE | OFlags::RDWR | OFlags::CLOEXEC;
        let lock = rustix::fs::open(&lock_path, lock_flags, Mode::RUSR | Mode::WUSR).context("open(2)", said)?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|errno| {
            let errno = if errno == Errno::WOULDBLOCK { Errno::ADDRINUSE } else { errno };
            SysError::new("flock(2)", errno, format!("another process listens at {}", path.display()))
        })?;
        // The lock is ours, so a socket that is there has no listener any more.
        match rustix::fs::unlink(path) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(SysError::new("unlink(2)", errno, said())),
        }
        let fd = socket()?;
        rustix::net::bind(&fd, &address).context("bind(2)", said)?;
        // Nobody can connect before listen(2), so the mode is in force from the first connection on.
        rustix::fs::chmod(path, Mode::from_raw_mode(mode)).context("chmod(2)", said)?;
        rustix::net::listen(&fd, BACKLOG).context("listen(2)", said)?;
        rustix::io::ioctl_fionbio(&fd, true).context("ioctl(2)", said)?;
        Ok(Listener { fd, path: path.to_owned(), _lock: lock })
    }

    /// The next connection, or `None` when none waits.
    pub fn try_accept(&self) -> Result<Option<Channel>, SysError> {
        match rustix::net::accept_with(&self.fd, SocketFlags::CLOEXEC) {
            Ok(fd) => Channel::new(fd).map(Some),
            Err(Errno::AGAIN | Errno::CONNABORTED | Errno::INTR) => Ok(None),
            Err(errno) => Err(SysError::new("accept(2)", errno, self.path.display().to_string())),
        }
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // While the lock is held nobody else puts a socket there.
        let _ = rustix::fs::unlink(&self.path);
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// One end of a connection.
#[derive(Debug)]
pub struct Channel {
    fd: OwnedFd,
}

/// What came of sending.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Sent {
    /// The record is in the peer's queue.
    Done,
    /// The peer's queue is full; nothing was sent.
    WouldBlock,
    /// The peer closed the connection.
    Closed,
}

/// What came of receiving.
#[derive(Debug)]
#[must_use]
pub enum Received {
    /// A record: its length in the caller's buffer, and its descriptors.
    Record(usize, Vec<OwnedFd>),
    /// None waits.
    WouldBlock,
    /// The peer closed the connection, or sent an empty record.
    Closed,
}

/// Who connected, as of then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PeerCredentials {
    /// The process.
    pub pid: u32,
    /// Its effective user.
    pub uid: u32,
    /// Its effective group.
    pub gid: u32,
}

impl Channel {
    /// Connects to a listener; waits while its backlog is full.
    ///
    /// Errors: `ENOENT` or `ECONNREFUSED` nobody listens; `EACCES` not permitted.
    pub fn connect(path: &Path) -> Result<Channel, SysError> {
        let said = || path.display().to_string();
        let address = SocketAddrUnix::new(path).context("unix(7)", said)?;
        let fd = socket()?;
        rustix::net::connect(&fd, &address).context("connect(2)", said)?;
        Channel::new(fd)
    }

    /// Two ends of one connection.
    pub fn pair() -> Result<(Channel, Channel), SysError> {
        let (a, b) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .context("socketpair(2)", || "SOCK_SEQPACKET")?;
        Ok((Channel::new(a)?, Channel::new(b)?))
    }

    /// Sends a record, waiting while the peer's queue is full. `WouldBlock` is never answered.
    pub fn send(&self, record: &[u8], fds: &[BorrowedFd<'_>]) -> Result<Sent, SysError> {
        self.send_with(record, fds, SendFlags::NOSIGNAL)
    }

    /// Sends a record without waiting.
    ///
    /// Errors: `EMSGSIZE` larger than the send buffer; `EINVAL` more than [`TRAP_FDS_MAX`] descriptors.
    pub fn try_send(&self, record: &[u8], fds: &[BorrowedFd<'_>]) -> Result<Sent, SysError> {
        self.send_with(record, fds, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)
    }

    /// Receives a record into `buffer`, waiting for one. `WouldBlock` is never answered.
    ///
    /// Errors: as [`Channel::try_recv`].
    pub fn recv(&self, buffer: &mut [u8]) -> Result<Received, SysError> {
        self.recv_with(buffer, RecvFlags::CMSG_CLOEXEC)
    }

    /// Receives a record into `buffer` if one waits.
    ///
    /// Errors: `EMSGSIZE` it is larger than the buffer or has more than [`TRAP_FDS_MAX`] descriptors; `EMFILE` the process has
    /// no descriptors left to take them. It is gone then, and its descriptors are closed.
    pub fn try_recv(&self, buffer: &mut [u8]) -> Result<Received, SysError> {
        self.recv_with(buffer, RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT)
    }

    /// Whether no record waits. Cheaper than to find out by [`Channel::try_recv`].
    pub fn is_drained(&self) -> Result<bool, SysError> {
        let waiting = rustix::io::ioctl_fionread(&self.fd).context("ioctl(2)", || "FIONREAD")?;
        Ok(waiting == 0)
    }

    /// Who is at the other end.
    pub fn peer_credentials(&self) -> Result<PeerCredentials, SysError> {
        let cred = rustix::net::sockopt::socket_peercred(&self.fd).context("getsockopt(2)", || "SO_PEERCRED")?;
        let pid = cred.pid.as_raw_nonzero().get() as u32;
        Ok(PeerCredentials { pid, uid: cred.uid.as_raw(), gid: cred.gid.as_raw() })
    }

    /// The process that connected, as a descriptor that no other process can come to mean.
    ///
    /// Errors: `ESRCH` it is gone. Before 6.5 the number is looked up afterwards and could have been used again.
    pub fn peer_pidfd(&self) -> Result<PidFd, SysError> {
        const SO_PEERPIDFD: libc::c_int = 77;
        let mut fd: RawFd = -1;
        let mut len = size_of::<RawFd>() as libc::socklen_t;
        // SAFETY: the option's value is one int; `fd` is valid for writes of the length that is passed.
        let result = unsafe {
            libc::getsockopt(
                self.fd.as_raw_fd(),
                libc::SOL_SOCKET,
                SO_PEERPIDFD,
                std::ptr::from_mut(&mut fd).cast(),
                &mut len,
            )
        };
        if result == 0 {
            // SAFETY: the kernel has just made the descriptor for us alone.
            return Ok(PidFd::from(unsafe { OwnedFd::from_raw_fd(fd) }));
        }
        match last_errno() {
            Errno::NOPROTOOPT => PidFd::open(self.peer_credentials()?.pid),
            errno => Err(SysError::new("getsockopt(2)", errno, "SO_PEERPIDFD")),
        }
    }

    /// Ends the connection for both sides; whoever waits in it comes back with `Closed`.
    pub fn shutdown(&self) {
        let _ = rustix::net::shutdown(&self.fd, rustix::net::Shutdown::Both);
    }

    fn new(fd: OwnedFd) -> Result<Channel, SysError> {
        rustix::net::sockopt::set_socket_send_buffer_size(&fd, SEND_BUFFER_BYTES)
            .context("setsockopt(2)", || "SO_SNDBUF")?;
        Ok(Channel { fd })
    }

    fn send_with(&self, record: &[u8], fds: &[BorrowedFd<'_>], flags: SendFlags) -> Result<Sent, SysError> {
        if fds.is_empty() {
            // Most records have none, and then the kernel need not look for any.
            return sent(record, || rustix::net::send(&self.fd, record, flags));
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(TRAP_FDS_MAX))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err(SysError::new("sendmsg(2)", Errno::INVAL, format!("{} descriptors in one record", fds.len())));
        }
        sent(record, || rustix::net::sendmsg(&self.fd, &[IoSlice::new(record)], &mut control, flags))
    }

    fn recv_with(&self, buffer: &mut [u8], flags: RecvFlags) -> Result<Received, SysError> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(TRAP_FDS_MAX))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let message = loop {
            match rustix::net::recvmsg(&self.fd, &mut [IoSliceMut::new(buffer)], &mut control, flags) {
                Ok(message) => break message,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(Received::WouldBlock),
                Err(Errno::CONNRESET | Errno::NOTCONN) => return Ok(Received::Closed),
                Err(errno) => return Err(SysError::new("recvmsg(2)", errno, "a record")),
            }
        };
        // Taken out before anything can fail, so that they are closed in every case.
        let fds: Vec<OwnedFd> = control
            .drain()
            .filter_map(|m| if let RecvAncillaryMessage::ScmRights(fds) = m { Some(fds) } else { None })
            .flatten()
            .collect();
        if message.flags.contains(ReturnFlags::CTRUNC) && fds.len() < TRAP_FDS_MAX {
            let what = "a record whose descriptors this process has no room for (RLIMIT_NOFILE)";
            return Err(SysError::new("recvmsg(2)", Errno::MFILE, what));
        }
        if message.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) || fds.len() > TRAP_FDS_MAX {
            let what = format!("a record larger than {} bytes or {TRAP_FDS_MAX} descriptors", buffer.len());
            return Err(SysError::new("recvmsg(2)", Errno::MSGSIZE, what));
        }
        Ok(if message.bytes == 0 { Received::Closed } else { Received::Record(message.bytes, fds) })
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A connection that was inherited or sent. Whether it is one shows at the first call.
impl From<OwnedFd> for Channel {
    fn from(fd: OwnedFd) -> Channel {
        Channel { fd }
    }
}

/// Sends until no signal comes in between, and says what came of it.
fn sent(record: &[u8], mut send: impl FnMut() -> Result<usize, Errno>) -> Result<Sent, SysError> {
    loop {
        return match send() {
            Ok(_) => Ok(Sent::Done),
            Err(Errno::INTR) => continue,
            Err(Errno::AGAIN) => Ok(Sent::WouldBlock),
            Err(Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN) => Ok(Sent::Closed),
            Err(errno) => Err(SysError::new("sendmsg(2)", errno, format!("a record of {} bytes", record.len()))),
        };
    }
}

fn socket() -> Result<OwnedFd, SysError> {
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .context("socket(2)", || "SOCK_SEQPACKET")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use proto::limits::TRAP_RECORD_BYTES_MAX;

    use super::*;

    fn record(channel: &Channel, buffer: &mut [u8]) -> (usize, Vec<OwnedFd>) {
        match channel.try_recv(buffer).unwrap() {
            Received::Record(len, fds) => (len, fds),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_largest_record_arrives_whole_with_its_descriptors() {
        let (a, b) = Channel::pair().unwrap();
        let memfd = crate::Memfd::frozen("test", &[b"beside"]).unwrap();
        let data: Vec<u8> = (0..TRAP_RECORD_BYTES_MAX).map(|i| i as u8).collect();
        assert_eq!(a.try_send(&data, &[memfd.as_fd(), memfd.as_fd()]).unwrap(), Sent::Done);
        let mut buffer = vec![0; TRAP_RECORD_BYTES_MAX];
        let (len, fds) = record(&b, &mut buffer);
        assert!(buffer[..len] == data[..]);
        let mut text = [0; 6];
        for fd in fds {
            crate::Memfd::adopt(fd).unwrap().read_at(0, &mut text).unwrap();
            assert_eq!(&text, b"beside");
        }
        assert!(matches!(b.try_recv(&mut buffer).unwrap(), Received::WouldBlock));
        drop(a);
        assert!(matches!(b.recv(&mut buffer).unwrap(), Received::Closed));
        assert_eq!(b.send(b"x", &[]).unwrap(), Sent::Closed);
    }

    #[test]
    fn a_record_that_is_too_large_is_refused_and_its_descriptors_closed() {
        let (a, b) = Channel::pair().unwrap();
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        assert_eq!(a.try_send(&[1; 100], &[writer.as_fd()]).unwrap(), Sent::Done);
        assert_eq!(b.try_recv(&mut [0; 99]).unwrap_err().errno, Errno::MSGSIZE);
        // More descriptors than the receiver takes: sent by hand, since `send` refuses.
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(TRAP_FDS_MAX + 3))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let many = [writer.as_fd(); TRAP_FDS_MAX + 3];
        assert!(control.push(SendAncillaryMessage::ScmRights(&many)));
        rustix::net::sendmsg(&a, &[IoSlice::new(b"x")], &mut control, SendFlags::empty()).unwrap();
        assert_eq!(b.try_recv(&mut [0; 99]).unwrap_err().errno, Errno::MSGSIZE);
        assert_eq!(a.try_send(b"x", &many).unwrap_err().errno, Errno::INVAL);
        // The pipe ends when no copy of its writer is left anywhere.
        drop(writer);
        assert_eq!(rustix::io::read(&reader, &mut [0; 1]), Ok(0));
        // The connection still works.
        assert_eq!(a.try_send(b"y", &[]).unwrap(), Sent::Done);
        assert_eq!(record(&b, &mut [0; 9]).0, 1);
    }

    #[test]
    fn a_channel_is_drained_when_its_last_record_is_taken() {
        let (a, b) = Channel::pair().unwrap();
        assert!(b.is_drained().unwrap());
        for text in [&b"one"[..], b"two"] {
            assert_eq!(a.try_send(text, &[]).unwrap(), Sent::Done);
        }
        assert_eq!(record(&b, &mut [0; 9]).0, 3);
        assert!(!b.is_drained().unwrap());
        assert_eq!(record(&b, &mut [0; 9]).0, 3);
        assert!(b.is_drained().unwrap());
        // The end is no record.
        drop(a);
        assert!(b.is_drained().unwrap() && matches!(b.try_recv(&mut [0; 9]).unwrap(), Received::Closed));
    }

    #[test]
    fn a_full_queue_is_an_outcome() {
        let (a, b) = Channel::pair().unwrap();
        let mut sent = 0;
        while a.try_send(&[0; 4096], &[]).unwrap() == Sent::Done {
            sent += 1;
        }
        assert!(sent > 10);
        let mut buffer = [0; 4096];
        for _ in 0..sent {
            record(&b, &mut buffer);
        }
        assert_eq!(a.try_send(&[0; 4096], &[]).unwrap(), Sent::Done);
    }

    #[test]
    fn a_listener_replaces_a_dead_one_and_not_a_living_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.sock");
        let listener = Listener::bind(&path, 0o600).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Listener::bind(&path, 0o600).unwrap_err().errno, Errno::ADDRINUSE);
        drop(listener);
        assert_eq!(Channel::connect(&path).unwrap_err().errno, Errno::NOENT);
        // What a killed listener leaves: a socket that nobody listens at.
        let stale = socket().unwrap();
        rustix::net::bind(&stale, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        drop(stale);
        assert_eq!(Channel::connect(&path).unwrap_err().errno, Errno::CONNREFUSED);
        let listener = Listener::bind(&path, 0o600).unwrap();
        assert!(listener.try_accept().unwrap().is_none());
        let ours = Channel::connect(&path).unwrap();
        let theirs = listener.try_accept().unwrap().unwrap();
        assert_eq!(ours.send(b"hello", &[]).unwrap(), Sent::Done);
        assert_eq!(record(&theirs, &mut [0; 9]).0, 5);
    }

    #[test]
    fn the_peer_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.sock");
        let listener = Listener::bind(&path, 0o600).unwrap();
        let _ours = Channel::connect(&path).unwrap();
        let theirs = listener.try_accept().unwrap().unwrap();
        assert_eq!(theirs.peer_credentials().unwrap().pid, std::process::id());
        let pidfd = theirs.peer_pidfd().unwrap();
        assert!(!pidfd.has_exited().unwrap());
    }

    #[test]
    fn a_path_that_is_too_long_is_refused() {
        let path = PathBuf::from(format!("/tmp/{}", "x".repeat(120)));
        assert_eq!(Listener::bind(&path, 0o600).unwrap_err().errno, Errno::NAMETOOLONG);
    }

    #[test]
    fn shutdown_ends_a_wait() {
        let (a, b) = Channel::pair().unwrap();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| matches!(a.recv(&mut [0; 9]).unwrap(), Received::Closed));
            b.shutdown();
            assert!(waiter.join().unwrap());
        });
    }
}
