//! How long many small things took.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// The longest time that is told apart from longer ones.
const LONGEST: Duration = Duration::from_secs(60);

/// Collects times, to 0.1 %.
#[derive(Debug)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Latencies {
        Latencies::new()
    }
}

impl Latencies {
    /// An empty collection.
    pub fn new() -> Latencies {
        Latencies(Histogram::new_with_max(LONGEST.as_nanos() as u64, 3).expect("the bounds are constants"))
    }

    /// Adds one time; longer ones than a minute count as a minute.
    pub fn record(&mut self, took: Duration) {
        self.0.saturating_record(took.as_nanos().min(u128::from(u64::MAX)) as u64);
    }

    /// Adds all times of another collection.
    pub fn add(&mut self, other: &Latencies) {
        self.0.add(&other.0).expect("all collections have the same bounds");
    }

    /// What is worth telling.
    pub fn summary(&self) -> Summary {
        let us = |ns: u64| (ns as f64 / 100.0).round() / 10.0;
        let at = |quantile| us(self.0.value_at_quantile(quantile));
        Summary {
            count: self.0.len(),
            mean_us: us(self.0.mean() as u64),
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            max_us: us(self.0.max()),
        }
    }
}

/// Quantiles in microseconds.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Summary {
    /// Times in all.
    pub count: u64,
    /// Their mean.
    pub mean_us: f64,
    /// Half are no longer.
    pub p50_us: f64,
    /// 90 % are no longer.
    pub p90_us: f64,
    /// 99 % are no longer.
    pub p99_us: f64,
    /// The longest.
    pub max_us: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_in_microseconds() {
        let mut l = Latencies::new();
        (1..=100).for_each(|n| l.record(Duration::from_micros(n)));
        l.record(Duration::from_secs(3600));
        let s = l.summary();
        assert_eq!((s.count, s.p50_us, s.p99_us), (101, 51.0, 100.0));
        assert!((59e6..61e6).contains(&s.max_us), "{s:?}");
    }
}
