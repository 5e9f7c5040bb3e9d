//! Keeping CPUs awake while threads wait for pages of other nodes, and while one fault follows the other.
//!
//! A page that comes over a link costs several wake-ups, one that is here two, and waking a CPU from an idle state costs more
//! than all the work between them. The hold is taken with the first wait for another node, or when a thread goes through its
//! pages, and given back when nothing of that has come for a while, since it costs power on the whole machine. Where it is not
//! permitted (it takes root as a rule) faults are served all the same, more slowly.

use kernel_core::Time;
use sys::latency::LatencyHold;

/// How long after a wait the hold is kept: long enough to span the pauses of a program that touches page after page.
const KEPT_MS: u64 = 20;

/// So many faults and orders without a pause are a thread that goes through its memory.
const RUN_FAULTS: u32 = 16;
/// A pause.
const PAUSE_MS: u64 = 1;

/// The hold on `/dev/cpu_dma_latency`, while there is one.
#[derive(Debug, Default)]
pub struct Awake {
    wanted: bool,
    hold: Option<LatencyHold>,
    until: Time,
    /// Faults and orders without a pause, and when the last of them came.
    run: (u32, Time),
}

impl Awake {
    /// Holds nothing yet, and nothing ever unless `wanted`.
    pub fn new(wanted: bool) -> Awake {
        Awake { wanted, ..Awake::default() }
    }

    /// A thread's fault was served here, or an order carried out.
    pub fn served(&mut self, now: Time) {
        let goes_on = now <= self.run.1.after_ms(PAUSE_MS);
        self.run = (if goes_on { self.run.0.saturating_add(1) } else { 1 }, now);
        if self.run.0 >= RUN_FAULTS {
            self.waited(now);
        }
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
                    tracing::info!(%error, "CPUs cannot be kept awake while threads wait for pages");
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
    fn faults_one_after_the_other_are_worth_it_and_others_are_not() {
        let mut awake = Awake::new(true);
        let mut now = Time(0);
        let mut faults = |awake: &mut Awake, count, apart_ms| {
            (0..count).for_each(|_| {
                now = now.after_ms(apart_ms);
                awake.served(now);
            });
            now
        };
        faults(&mut awake, 3 * RUN_FAULTS, PAUSE_MS + 1);
        faults(&mut awake, RUN_FAULTS - 2, PAUSE_MS);
        assert_eq!(awake.next_deadline(), None);
        let last = faults(&mut awake, 2, PAUSE_MS);
        if let Some(until) = awake.next_deadline() {
            assert_eq!(until, last.after_ms(KEPT_MS));
        }
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
