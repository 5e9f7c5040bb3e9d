//! `mach vm map`: a picture of an address space, each cell some pages.
//!
//! A letter says what is in a cell, so that the picture is the same without colours: capital letters are memory that other
//! mappings show as well. In colour, what is bold fills its cell.

use proto::PAGE_SIZE;
use proto::iface::node;
use proto::limits::REGION_CELLS_MAX;
use serde::Serialize;

use super::{RegionRow, again};
use crate::args::VmTask;
use crate::client::Client;
use crate::cmd::Context;
use crate::failure::Result;
use crate::units::Bytes;

/// Lines of cells that a picture may have, unless there are more regions than that.
const LINES: u64 = 24;
/// Columns where nobody says how wide the terminal is.
const WIDTH: usize = 80;
/// Of a cell in the node's answer: something is here, all of it is, something is dirty, something only the default pager has.
const SOME: u8 = 1;
const ALL: u8 = 2;
const DIRTY: u8 = 4;
const OUT: u8 = 8;

const LEGEND: &str = "  . never touched  - on its pager  r here  d dirty  R D the same, mapped elsewhere too";

/// For programs.
#[derive(Serialize)]
struct Picture {
    node: String,
    task: u32,
    /// Pages of a cell.
    cell_pages: u64,
    regions: Vec<Drawn>,
}

#[derive(Serialize)]
struct Drawn {
    #[serde(flatten)]
    region: RegionRow,
    /// A letter for each cell; the legend is that of the picture.
    cells: String,
}

/// `mach vm map`.
pub fn run(cx: &Context, VmTask { task, watch, target }: &VmTask) -> Result<()> {
    let client = Client::attach(&cx.place(target)?)?;
    again(cx, *watch, || show(cx, &client, *task))
}

fn show(cx: &Context, client: &Client, task: u32) -> Result<()> {
    let width = cx.out.width().unwrap_or(WIDTH).max(20);
    let sizes: Vec<u64> = client.regions(task, 0)?.iter().map(|r| r.size / PAGE_SIZE).collect();
    let cell_pages = cell_for(&sizes, width as u64);
    // What was mapped in between may need more lines than was thought.
    let regions = client.regions(task, cell_pages)?;
    let draw = |r: &node::RegionInfo| Drawn {
        region: RegionRow::of(r),
        cells: r.cells.iter().map(|c| letter(r, *c)).collect(),
    };
    if cx.out.json() {
        let node = client.node().to_owned();
        return cx.out.value(&Picture { node, task, cell_pages, regions: regions.iter().map(draw).collect() });
    }
    if regions.is_empty() {
        cx.out.note("nothing is mapped");
        return Ok(());
    }
    for info in &regions {
        let Drawn { region, cells } = draw(info);
        cx.out.line(head(&region))?;
        let letters: Vec<char> = cells.chars().collect();
        for (line, bits) in letters.chunks(width).zip(info.cells.chunks(width)) {
            cx.out.line(painted(line, bits, cx.out.colours()))?;
        }
    }
    let bold = if cx.out.colours() { "  bold: all of the cell" } else { "" };
    cx.out.line(format!("each cell {}{LEGEND}{bold}", Bytes(cell_pages * PAGE_SIZE)))
}

/// What stands above the cells of a region.
fn head(r: &RegionRow) -> String {
    let offset = if r.object.is_some() { format!("+{:#x}", r.offset) } else { String::new() };
    let wired = if r.wired { ", wired" } else { "" };
    let out = match r.paged_out_pages {
        0 => String::new(),
        pages => format!(", {} on its pager", r.counted(pages)),
    };
    format!(
        "{} {} {} {}{offset}: {} here, {} dirty{out}{wired}",
        r.range(),
        Bytes(r.size),
        r.protection,
        r.object(),
        r.counted(r.resident_pages),
        r.counted(r.dirty_pages)
    )
}

/// The fewest pages of a cell, a power of two, with which regions of so many pages fit into [`LINES`].
fn cell_for(pages: &[u64], width: u64) -> u64 {
    let total: u64 = pages.iter().sum();
    let lines = LINES.max(pages.len() as u64);
    let fits = |cell: &u64| {
        let taken: u64 = pages.iter().map(|p| p.div_ceil(*cell).div_ceil(width)).sum();
        let cells: u64 = pages.iter().map(|p| p.div_ceil(*cell)).sum();
        // Half, since regions may come between the question and the answer.
        taken <= lines && cells <= REGION_CELLS_MAX / 2
    };
    let largest = total.max(1).next_power_of_two();
    (0..=largest.trailing_zeros()).map(|power| 1 << power).find(fits).unwrap_or(largest)
}

fn letter(r: &node::RegionInfo, cell: u8) -> char {
    let elsewhere = r.mappings > 1;
    match (cell & DIRTY != 0, cell & SOME != 0) {
        (true, _) if elsewhere => 'D',
        (true, _) => 'd',
        (_, true) if elsewhere => 'R',
        (_, true) => 'r',
        _ if r.object.is_empty() && cell & OUT == 0 => '.',
        _ => '-',
    }
}

/// The letters, in colours if they are wanted: a change of colour stands before the first letter of each run.
fn painted(letters: &[char], bits: &[u8], colours: bool) -> String {
    let mut text = String::new();
    let mut last = "";
    for (letter, cell) in letters.iter().zip(bits) {
        let colour = match letter {
            'd' | 'D' if cell & ALL != 0 => "\x1b[0;1;31m",
            'd' | 'D' => "\x1b[0;31m",
            'R' if cell & ALL != 0 => "\x1b[0;1;36m",
            'R' => "\x1b[0;36m",
            'r' if cell & ALL != 0 => "\x1b[0;1;32m",
            'r' => "\x1b[0;32m",
            '-' => "\x1b[0;34m",
            _ => "\x1b[0;2m",
        };
        if colours && colour != last {
            text.push_str(colour);
            last = colour;
        }
        text.push(*letter);
    }
    if colours {
        text.push_str("\x1b[0m");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_grow_until_the_picture_fits() {
        assert_eq!(cell_for(&[], 80), 1);
        assert_eq!(cell_for(&[24 * 80], 80), 1);
        assert_eq!(cell_for(&[24 * 80 + 1], 80), 2);
        assert_eq!(cell_for(&[1, 1 << 30], 80), 1 << 20);
        // More regions than lines: each has one.
        assert_eq!(cell_for(&vec![80; 100], 80), 1);
        assert_eq!(cell_for(&vec![81; 100], 80), 2);
        assert!(cell_for(&vec![1000; 16_384], 1000) >= 500, "never more cells than an answer has room for");
    }

    #[test]
    fn a_letter_says_all_without_colour() {
        let file = |mappings| node::RegionInfo { object: "x".into(), mappings, ..node::RegionInfo::default() };
        let zero = node::RegionInfo { mappings: 1, ..node::RegionInfo::default() };
        let all =
            |r: &node::RegionInfo| [0, SOME, SOME | ALL, SOME | DIRTY].map(|c| letter(r, c)).iter().collect::<String>();
        assert_eq!((all(&file(1)), all(&file(2)), all(&zero)), ("-rrd".into(), "-RRD".into(), ".rrd".into()));
        assert_eq!([OUT, OUT | SOME, OUT | DIRTY | SOME].map(|c| letter(&zero, c)), ['-', 'r', 'd']);
        assert_eq!(painted(&['r', 'r', '-'], &[1, 1, 0], false), "rr-");
        let coloured = painted(&['r', 'r', 'r', '-'], &[1, 1, 3, 0], true);
        assert_eq!(coloured, "\x1b[0;32mrr\x1b[0;1;32mr\x1b[0;34m-\x1b[0m");
    }
}
