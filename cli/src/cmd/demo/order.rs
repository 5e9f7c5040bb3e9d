//! What the demo tells its task processes to do, and what they report: JSON documents, one to a line of a pipe.

use serde::{Deserialize, Serialize};

use mach_bench::Summary;

/// One order; each is answered by any number of [`Report::Progress`] and then one other report.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case")]
pub enum Order {
    /// Map an object. Answered by `Mapped`.
    Map {
        /// Its name.
        name: String,
        /// Whether to write, too.
        writable: bool,
    },
    /// Read pages in the order that the seed gives. Answered by `Read`.
    Random {
        /// Pages; each is read once.
        count: u64,
        /// Fixes the choice.
        seed: u64,
    },
    /// Read everything in order. Answered by `Read`.
    Sequential,
    /// Write bytes and wait until the pager has them durably. Answered by `Done`.
    Write {
        /// Where.
        offset: u64,
        /// What, in hexadecimal.
        bytes: String,
    },
    /// Read a place until it holds these bytes. Answered by `Done` or, when the time is over, `Failed`.
    Await {
        /// Where.
        offset: u64,
        /// What, in hexadecimal.
        bytes: String,
        /// How long.
        limit_ms: u64,
    },
    /// Read pages in the order of the seed until there is a memory error. Answered by `Stopped`.
    ReadUntilError {
        /// Fixes the order.
        seed: u64,
    },
    /// Read every page, in order, and go on after memory errors. Answered by `Survey`.
    Survey,
}

/// One report.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "kebab-case")]
pub enum Report {
    /// Units done since the order: bytes, or pages.
    Progress {
        /// How many.
        done: u64,
    },
    /// The object is mapped.
    Mapped {
        /// Bytes in it.
        size: u64,
    },
    /// The reads are done.
    Read {
        /// Bytes read.
        bytes: u64,
        /// Time of the reading, without that of the hashing.
        read_ns: u64,
        /// Time of each read.
        latency: Summary,
        /// SHA-256 of everything read, in that order.
        sha256: String,
    },
    /// The order is carried out.
    Done {
        /// How long it took.
        took_ns: u64,
    },
    /// A memory error came, or every page was read without one.
    Stopped {
        /// Pages read before it.
        pages: u64,
        /// SHA-256 of those, in that order.
        sha256: String,
        /// The error; none if every page could be read.
        error: Option<String>,
        /// How long the failing read took.
        took_ns: u64,
    },
    /// How the pages are.
    Survey {
        /// Pages that gave a memory error, in ascending order.
        unreadable: Vec<u64>,
        /// SHA-256 of all others, in order.
        sha256: String,
        /// The longest read.
        longest_ns: u64,
    },
    /// The order could not be carried out.
    Failed {
        /// Why.
        error: String,
    },
}

/// The pages of an object in the order of a seed, each once: the first `count` of them, which are the same for any count.
pub fn shuffled(pages: u64, count: u64, seed: u64) -> Vec<u64> {
    use rand::SeedableRng;
    let mut rng = rand::rngs::StdRng::seed_from_u64(seed);
    let (pages, count) = (pages as usize, count.min(pages) as usize);
    // All are drawn: which are drawn of a few depends on how many.
    rand::seq::index::sample(&mut rng, pages, pages).into_iter().take(count).map(|p| p as u64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_begins_as_any_shorter_one() {
        let all = shuffled(5000, u64::MAX, 7);
        assert_eq!(all.len(), 5000);
        for count in [0, 1, 19, 40, 200, 4999] {
            assert_eq!(shuffled(5000, count, 7), all[..count as usize]);
        }
    }

    #[test]
    fn orders_and_reports_survive_the_pipe() {
        let order = Order::Await { offset: 1, bytes: "ff".into(), limit_ms: 2 };
        let text = serde_json::to_string(&order).unwrap();
        assert_eq!(text, r#"{"order":"await","offset":1,"bytes":"ff","limit_ms":2}"#);
        assert_eq!(serde_json::from_str::<Order>(&text).unwrap(), order);
        let report = Report::Stopped { pages: 1, sha256: "00".into(), error: None, took_ns: 3 };
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    }

    #[test]
    fn a_seed_gives_the_same_pages_each_once() {
        let all = shuffled(1000, 5000, 7);
        let mut sorted = all.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..1000).collect::<Vec<_>>());
        assert_eq!(shuffled(1000, 1000, 7), all);
        assert_ne!(shuffled(1000, 1000, 8), all);
    }
}
