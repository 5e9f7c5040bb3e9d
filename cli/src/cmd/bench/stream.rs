//! `mach bench stream`: reading a remote object from end to end beside the bare transfer of as many bytes.

use serde::Serialize;

use super::raw::Raw;
use super::stage::{NAME, Stage, timed};
use super::{hundredth, median, tenth};
use crate::args::BenchStream;
use crate::client::Mapped;
use crate::cmd::Context;
use crate::failure::{Exit, Failure, Result};
use crate::progress::Unit;
use crate::units::megabytes_per_second;
use crate::view::View;

/// Bytes that the reader takes at a time.
const PIECE: usize = 256 << 10;

#[derive(Serialize)]
struct Measured {
    bytes: u64,
    mapped_mb_s: f64,
    quinn_stream_mb_s: f64,
    /// Of the bare stream's rate.
    share: f64,
    mapped_rounds_mb_s: Vec<f64>,
    quinn_rounds_mb_s: Vec<f64>,
}

/// Runs the measurement.
pub fn run(cx: &Context, args: &BenchStream) -> Result<()> {
    let bytes = args.size.0;
    if bytes == 0 || args.rounds == 0 {
        return Err(Failure::new(Exit::Usage, "there is nothing to measure in no bytes or no rounds"));
    }
    let stage = Stage::set(cx, &["a", "b"], bytes)?;
    let mut raw = Raw::start(&stage)?;
    let mut progress = cx.progress("measuring", Unit::Count("rounds"), args.rounds);
    let (mut mapped, mut bare) = (Vec::new(), Vec::new());
    raw.transfer(bytes.min(64 << 20))?;
    for _ in 0..args.rounds {
        bare.push(tenth(megabytes_per_second(bytes, raw.transfer(bytes)?)));
        // A mapping that is new finds nothing on this node: the last one took its pages with it.
        let object = stage.client.map(NAME, "*", false)?;
        let ((), took) = timed(|| scan(&object))?;
        mapped.push(tenth(megabytes_per_second(bytes, took)));
        progress.add(1);
    }
    progress.out_of_the_way();
    let (mapped_mb_s, quinn_stream_mb_s) = (median(mapped.iter().copied()), median(bare.iter().copied()));
    let measured = Measured {
        bytes,
        mapped_mb_s,
        quinn_stream_mb_s,
        share: hundredth(mapped_mb_s / quinn_stream_mb_s),
        mapped_rounds_mb_s: mapped,
        quinn_rounds_mb_s: bare,
    };
    cx.out.record(
        &measured,
        &[
            ("sequential read of a mapping", format!("{mapped_mb_s:.0} MB/s")),
            ("bare quinn stream", format!("{quinn_stream_mb_s:.0} MB/s")),
            ("share", format!("{:.2}", measured.share)),
        ],
    )
}

/// Copies every byte out of the mapping, in order.
fn scan(object: &Mapped) -> Result<()> {
    let mut piece = vec![0; PIECE];
    let size = object.size();
    for at in (0..size).step_by(PIECE) {
        let len = (size - at).min(PIECE as u64) as usize;
        object.read(at, &mut piece[..len])?;
    }
    Ok(())
}
