//! Memory of the node that messages from and to other nodes passed through.
//!
//! What was freed stays with the C library, since something small that lives on lies behind it. It is given back when no
//! more passes: in the midst of much it would only be taken again, page by page.

/// What has passed.
#[derive(Debug, Default)]
pub struct Passed {
    /// When it was last looked at.
    seen: u64,
    /// When memory was last given back.
    given_back: u64,
}

impl Passed {
    /// `total` bytes have passed by now; whether memory is to be given back.
    pub fn is_over(&mut self, total: u64) -> bool {
        let quiet = total - self.seen < QUIET_BYTES_MAX;
        self.seen = total;
        let due = quiet && total - self.given_back >= WORTH_BYTES_MIN;
        if due {
            self.given_back = total;
        }
        due
    }
}

/// So few bytes between two looks are none.
const QUIET_BYTES_MAX: u64 = 1 << 20;
/// Less than this is not worth the time.
const WORTH_BYTES_MIN: u64 = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_given_back_once_after_much_and_not_in_the_midst_of_it() {
        let mut passed = Passed::default();
        assert!(!passed.is_over(0) && !passed.is_over(60 << 20) && !passed.is_over(120 << 20), "it goes on");
        assert!(passed.is_over((120 << 20) + 100));
        assert!(!passed.is_over((120 << 20) + 200), "once");
        // Little, now and then, is worth it in the end.
        let worth = (1..20u64).filter(|n| passed.is_over((120 << 20) + n * (QUIET_BYTES_MAX - 1))).count();
        assert_eq!(worth, 2);
    }
}
