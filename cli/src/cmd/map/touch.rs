//! `mach map --touch`: reads pages and tells how long each took.

use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use serde::Serialize;

use super::super::Context;
use crate::client::Mapped;
use crate::failure::{Exit, Failure, Result};
use crate::progress::Unit;
use crate::units::{Span, Touch, megabytes_per_second};
use crate::view::View;
use mach_bench::{Latencies, Summary};

/// The result, as `--json` prints it.
#[derive(Serialize)]
struct Touched {
    name: String,
    node: String,
    order: &'static str,
    seed: Option<u64>,
    bytes: u64,
    mb_per_s: f64,
    latency: Summary,
}

/// Reads pages in an order. Those that are on this node already count as well; they are the fast ones.
pub fn run(cx: &Context, mapped: &Mapped, order: Touch) -> Result<()> {
    let all = mapped.size().div_ceil(proto::PAGE_SIZE);
    let touched = match order {
        Touch::Sequential => touch(cx, mapped, 0..all, all, None)?,
        Touch::Random { count, seed } => {
            let seed = seed.unwrap_or_else(|| rand::rng().random_range(0..1_000_000));
            let pages = choose(all, count, seed)?;
            if (pages.len() as u64) < count {
                cx.out.note(format!("`{}` has {all} pages; each is read once", mapped.name()));
            }
            let many = pages.len() as u64;
            touch(cx, mapped, pages.into_iter(), many, Some(seed))?
        }
    };
    if cx.out.json() {
        return cx.out.value(&touched);
    }
    let l = &touched.latency;
    let us = |value: f64| format!("{value:.1} us");
    let mut lines = vec![
        ("pages", l.count.to_string()),
        ("p50", us(l.p50_us)),
        ("p90", us(l.p90_us)),
        ("p99", us(l.p99_us)),
        ("longest", us(l.max_us)),
        ("mean", us(l.mean_us)),
        ("rate", format!("{:.1} MB/s", touched.mb_per_s)),
    ];
    if let Some(seed) = touched.seed {
        lines.push(("again with", format!("--touch random:{}:{seed}", l.count)));
    }
    cx.out.record(&touched, &lines)
}

fn touch(
    cx: &Context,
    mapped: &Mapped,
    pages: impl Iterator<Item = u64>,
    many: u64,
    seed: Option<u64>,
) -> Result<Touched> {
    let mut progress = cx.progress(&format!("touching {}", mapped.name()), Unit::Count("pages"), many);
    let mut latencies = Latencies::new();
    let (mut bytes, mut spent) = (0, Duration::ZERO);
    let mut page = [0; proto::PAGE_SIZE as usize];
    let begun = Instant::now();
    for number in pages {
        let offset = number * proto::PAGE_SIZE;
        let len = (mapped.size() - offset).min(proto::PAGE_SIZE) as usize;
        let start = Instant::now();
        mapped.read(offset, &mut page[..len]).map_err(|f| f.because(so_far(&latencies, begun.elapsed())))?;
        let took = start.elapsed();
        latencies.record(took);
        spent += took;
        bytes += len as u64;
        progress.add(1);
    }
    progress.out_of_the_way();
    Ok(Touched {
        name: mapped.name().to_owned(),
        node: mapped.node().to_owned(),
        order: if seed.is_some() { "random" } else { "sequential" },
        seed,
        bytes,
        mb_per_s: megabytes_per_second(bytes, spent),
        latency: latencies.summary(),
    })
}

/// `count` of `all` pages, each at most once.
fn choose(all: u64, count: u64, seed: u64) -> Result<Vec<u64>> {
    let count = count.min(all);
    let (Ok(all), Ok(count)) = (usize::try_from(all), usize::try_from(count)) else {
        return Err(Failure::new(Exit::Usage, "so many pages do not fit in this machine's memory"));
    };
    let mut rng = rand::rngs::StdRng::seed_from_u64(seed);
    Ok(rand::seq::index::sample(&mut rng, all, count).into_iter().map(|p| p as u64).collect())
}

fn so_far(latencies: &Latencies, took: Duration) -> String {
    format!("{} pages were read in {} before it", latencies.summary().count, Span(took))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_chosen_once_and_by_the_seed() {
        let mut pages = choose(100, 1000, 3).unwrap();
        assert_eq!(pages, choose(100, 1000, 3).unwrap());
        pages.sort_unstable();
        assert_eq!(pages, (0..100).collect::<Vec<_>>());
        assert_eq!(choose(1 << 40, 10, 3).unwrap().len(), 10, "a large object needs no large table");
    }
}
