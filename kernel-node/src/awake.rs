//! Keeping CPUs awake while threads wait for pages of other nodes.
//!
//! A page that comes over a link costs several wake-ups, and waking a CPU from an idle state costs more than all the work
//! between them. The hold is taken with the first wait and given back when none has come for a while, since it costs power
//! on the whole machine. Where it is not permitted (it takes root as a rule) faults are served all the same, more slowly.

use kernel_core::Time;
use sys::latency::LatencyHold;

/// How long after a wait the hold is kept: long enough to span the pauses of a program that touches page after page.
const KEPT_MS: u64 = 20;

/// The hold on `/dev/cpu_dma_latency`, while there is one.
#[derive(Debug, Default)]
pub struct Awake {
    wanted: bool,
    hold: Option<LatencyHold>,
    until: Time,
}

impl Awake {
    /// Holds nothing yet, and nothing ever unless `wanted`.
    pub fn new(wanted: bool) -> Awake {
        Awake { wanted, ..Awake::default() }
    }

    /// A thread waits for a page.
    pub fn waited(&mut self, now: Time) {
        if !self.wanted {
            return;
        }
        self.until = now.after_ms(KEPT_MS);
        if self.hold.is_none() {
            match LatencyHold::acquire(0) {
                Ok(hold) => self.hold = Some(hold),
                Err(error) => {
                    tracing::info!(%error, "CPUs cannot be kept awake while threads wait for remote pages");
                    self.wanted = false;
                }
            }
        }
    }

    /// When [`Awake::tick`] has something to do.
    pub fn next_deadline(&self) -> Option<Time> {
        self.hold.as_ref().map(|_| self.until)
    }

    /// Gives the hold back if it was not needed for a while.
    pub fn tick(&mut self, now: Time) {
        if self.until <= now {
            self.hold = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_held_unasked() {
        let mut awake = Awake::new(false);
        awake.waited(Time(1));
        assert_eq!(awake.next_deadline(), None);
    }

    #[test]
    fn a_hold_ends_after_the_last_wait() {
        let mut awake = Awake::new(true);
        awake.waited(Time(0));
        awake.waited(Time(0).after_ms(5));
        // Where the device is not permitted there is nothing to hold, and nothing to wait for.
        if let Some(until) = awake.next_deadline() {
            assert_eq!(until, Time(0).after_ms(5 + KEPT_MS));
            awake.tick(Time(0).after_ms(KEPT_MS));
            assert!(awake.next_deadline().is_some());
            awake.tick(until);
        }
        assert_eq!(awake.next_deadline(), None);
    }
}
