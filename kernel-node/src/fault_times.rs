//! How long faults took: a histogram of fixed size, since a fault costs a few microseconds in all, and a node serves any
//! number of them without ever being asked.
//!
//! The kernel thread counts, the operator's reads; what a reader sees of a fault that is being counted may be a part.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kernel_core::vm::FaultClass;

/// Upper bounds of the buckets: 2 us to 10 s.
const BOUNDS_NS: [u64; 20] = [
    2_000,
    5_000,
    10_000,
    20_000,
    30_000,
    40_000,
    50_000,
    65_000,
    80_000,
    100_000,
    150_000,
    200_000,
    300_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    50_000_000,
    1_000_000_000,
    10_000_000_000,
];

/// The faults of one class.
#[derive(Debug, Default)]
struct Times {
    /// Faults in each bucket, and behind the last bound.
    buckets: [AtomicU64; BOUNDS_NS.len() + 1],
    sum_ns: AtomicU64,
}

/// All classes.
#[derive(Debug, Default)]
pub struct FaultTimes {
    classes: [Times; FaultClass::ALL.len()],
}

impl FaultTimes {
    /// Counts a fault.
    pub fn record(&self, class: FaultClass, took: Duration) {
        let took_ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let times = &self.classes[class as usize];
        let bucket = BOUNDS_NS.iter().position(|bound| took_ns <= *bound).unwrap_or(BOUNDS_NS.len());
        times.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        times.sum_ns.fetch_add(took_ns, Ordering::Relaxed);
    }

    /// Appends what there is to say, in the Prometheus text format: nothing of classes without a fault.
    pub fn render(&self, out: &mut String) {
        out.push_str("# TYPE mach_fault_seconds histogram\n");
        for (class, times) in FaultClass::ALL.iter().zip(&self.classes) {
            let counts = times.buckets.each_ref().map(|count| count.load(Ordering::Relaxed));
            let all: u64 = counts.iter().sum();
            if all == 0 {
                continue;
            }
            let (label, mut below) = (class.label(), 0);
            for (bound_ns, count) in BOUNDS_NS.iter().zip(counts) {
                below += count;
                let bound = *bound_ns as f64 / 1e9;
                let _ = writeln!(out, "mach_fault_seconds_bucket{{class=\"{label}\",le=\"{bound}\"}} {below}");
            }
            let sum = times.sum_ns.load(Ordering::Relaxed) as f64 / 1e9;
            let _ = writeln!(out, "mach_fault_seconds_bucket{{class=\"{label}\",le=\"+Inf\"}} {all}");
            let _ = writeln!(out, "mach_fault_seconds_sum{{class=\"{label}\"}} {sum}");
            let _ = writeln!(out, "mach_fault_seconds_count{{class=\"{label}\"}} {all}");
        }
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_in_its_bucket_and_in_all_above() {
        let times = FaultTimes::default();
        for took_us in [1, 2, 3, 70, 20_000_000] {
            times.record(FaultClass::Minor, Duration::from_micros(took_us));
        }
        times.record(FaultClass::Error, Duration::MAX);
        let mut text = String::new();
        times.render(&mut text);
        let has = |line: &str| assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        has("mach_fault_seconds_bucket{class=\"minor\",le=\"0.000002\"} 2");
        has("mach_fault_seconds_bucket{class=\"minor\",le=\"0.000005\"} 3");
        has("mach_fault_seconds_bucket{class=\"minor\",le=\"0.00008\"} 4");
        has("mach_fault_seconds_bucket{class=\"minor\",le=\"10\"} 4");
        has("mach_fault_seconds_bucket{class=\"minor\",le=\"+Inf\"} 5");
        has("mach_fault_seconds_sum{class=\"minor\"} 20.000076");
        has("mach_fault_seconds_count{class=\"error\"} 1");
        assert_eq!(text.matches("class=\"zero\"").count(), 0);
    }
}
