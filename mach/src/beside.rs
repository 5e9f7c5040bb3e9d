//! The descriptors beside a record: memory that is too large for it, on its way to the node and from there.
//!
//! Memory that came frozen is not copied: its bytes are read where they lie, and go out again as the descriptor that
//! they came in.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use proto::limits::TRAP_INLINE_OOL_BYTES_MAX;
use proto::{Payload, Store, codec};
use sys::{Frozen, Memfd, SysError};

use crate::buffer;

/// What goes beside a record.
#[derive(Default, Debug)]
pub(crate) struct Outbound {
    own: Option<Memfd>,
    frozen: Vec<Arc<Frozen>>,
}

impl Outbound {
    /// Errors: no memory or descriptor for what is not frozen yet.
    pub fn new(beside: codec::Beside) -> Result<Outbound, SysError> {
        let own = match beside.bytes.is_empty() {
            true => None,
            false => Some(Memfd::frozen("mach-out-of-line", &beside.bytes)?),
        };
        let frozen = |store: Store| store.downcast().expect("this library makes no store of another kind");
        Ok(Outbound { own, frozen: beside.stores.into_iter().map(frozen).collect() })
    }

    /// The descriptors, in order.
    pub fn fds(&self) -> Vec<BorrowedFd<'_>> {
        self.own.iter().map(|memfd| memfd.as_fd()).chain(self.frozen.iter().map(|f| f.as_fd())).collect()
    }
}

/// What came beside a record.
#[derive(Debug)]
pub(crate) struct Inbound(Vec<Option<File>>);

#[derive(Debug)]
enum File {
    /// To be copied out of.
    Small(Memfd),
    Frozen(Arc<Frozen>),
}

impl Inbound {
    /// What is no memfd is missing where somebody looks for it.
    pub fn new(fds: Vec<OwnedFd>) -> Inbound {
        Inbound(fds.into_iter().map(|fd| File::new(Memfd::adopt(fd).ok()?)).collect())
    }

    /// A part of one of them, as `proto::codec::decode` asks for it.
    ///
    /// Errors: `None` it is not there, or there is no memory for it.
    pub fn fetch(&self, fd: u32, offset: u64, length: usize) -> Option<Payload> {
        match self.0.get(fd as usize)?.as_ref()? {
            File::Frozen(frozen) => {
                let mut payload = Payload::default();
                payload.push_stored(frozen.bytes(offset, length)?, frozen.clone(), offset);
                Some(payload)
            }
            File::Small(memfd) => {
                offset.checked_add(length as u64).filter(|end| *end <= memfd.size())?;
                let mut bytes = buffer::zeroes(length).ok()?;
                memfd.read_at(offset, &mut bytes).ok()?;
                Some(bytes.into())
            }
        }
    }
}

impl File {
    fn new(memfd: Memfd) -> Option<File> {
        match memfd.size() > TRAP_INLINE_OOL_BYTES_MAX as u64 {
            true if !memfd.is_frozen() => None,
            // Where there is no address space for all of it, what is wanted is copied.
            true => Some(match memfd.writer().and_then(Memfd::adopt).and_then(Frozen::new) {
                Ok(frozen) => File::Frozen(Arc::new(frozen)),
                Err(_) => File::Small(memfd),
            }),
            false => Some(File::Small(memfd)),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn what_came_frozen_goes_out_as_it_came() {
        let own = codec::Beside { bytes: vec![Bytes::from(vec![5; 300_000])], stores: Vec::new() };
        let sent = Outbound::new(own).unwrap();
        let fds = || sent.fds().into_iter().map(|fd| fd.try_clone_to_owned().unwrap()).collect();
        let received = Inbound::new(fds());
        let payload = received.fetch(0, 10, 200_000).unwrap();
        assert_eq!((payload.held_bytes(), payload.chunks()[0][199_999]), (0, 5));
        let (store, offset) = payload.chunks()[0].stored().unwrap();
        let again = Outbound::new(codec::Beside { bytes: Vec::new(), stores: vec![store.clone()] }).unwrap();
        let back = Inbound::new(again.fds().into_iter().map(|fd| fd.try_clone_to_owned().unwrap()).collect());
        assert_eq!(back.fetch(0, offset, 200_000).unwrap(), payload);
        assert!(received.fetch(0, 200_000, 110_000).is_none() && received.fetch(1, 0, 1).is_none());
    }

    #[test]
    fn small_files_are_copied_and_other_files_are_missing() {
        let small = Memfd::frozen("test", &[[1u8; 100]]).unwrap();
        let unfrozen = Memfd::create("test", 1 << 20).unwrap();
        let (pipe, _writer) = std::io::pipe().unwrap();
        let received = Inbound::new(vec![small.into(), unfrozen.into(), pipe.into()]);
        assert_eq!(received.fetch(0, 4086, 10).unwrap().held_bytes(), 10);
        assert!(received.fetch(0, 4086, 11).is_none());
        assert!(received.fetch(1, 0, 1).is_none() && received.fetch(2, 0, 1).is_none());
    }
}
