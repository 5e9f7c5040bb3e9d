//! `mach vm`: what a task has mapped, how much of that is here, and what nodes count of their memory.

mod map;

use proto::iface::{node, task};
use proto::{Inherit, KernReturn, PAGE_SIZE, Prot};
use serde::Serialize;

use super::Context;
use super::lists::each_node;
use crate::args::{Vm, VmStat, VmTask, Watch};
use crate::client::Client;
use crate::failure::{Exit, Failure, Result};
use crate::out::Row;
use crate::units::Bytes;

/// A region of a task.
#[derive(Serialize)]
struct RegionRow {
    address: u64,
    size: u64,
    protection: String,
    max_protection: String,
    inheritance: &'static str,
    shared: bool,
    wired: bool,
    /// As `mach object ls` names it; absent for zero-filled memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<String>,
    offset: u64,
    /// Mappings of the object on the node, with this one.
    mappings: u32,
    resident_pages: u64,
    dirty_pages: u64,
    /// Of zero-filled memory, pages that only the default pager has.
    paged_out_pages: u64,
    /// There may be more pages here than were counted.
    partial: bool,
}

impl RegionRow {
    fn of(r: &node::RegionInfo) -> RegionRow {
        RegionRow {
            address: r.address,
            size: r.size,
            protection: access(r.protection),
            max_protection: access(r.max_protection),
            inheritance: inheritance(r.inheritance),
            shared: r.shared,
            wired: r.wired != 0,
            object: (!r.object.is_empty()).then(|| r.object.clone()),
            offset: r.offset,
            mappings: r.mappings,
            resident_pages: r.resident_pages,
            dirty_pages: r.dirty_pages,
            paged_out_pages: r.paged_out_pages,
            partial: r.partial,
        }
    }

    fn range(&self) -> String {
        format!("{:x}-{:x}", self.address, self.address.saturating_add(self.size))
    }

    fn object(&self) -> &str {
        self.object.as_deref().unwrap_or("zero-fill")
    }

    /// How many pages, in bytes.
    fn counted(&self, pages: u64) -> String {
        format!("{}{}", Bytes(pages * PAGE_SIZE), if self.partial { "+" } else { "" })
    }
}

impl Row for RegionRow {
    const HEADS: &'static [&'static str] =
        &["RANGE", ">SIZE", "PROT/MAX", "INHERIT", "SHARED", "OBJECT", ">OFFSET", ">RESIDENT", ">DIRTY", "WIRED"];

    fn cells(&self) -> Vec<String> {
        let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
        vec![
            self.range(),
            Bytes(self.size).to_string(),
            format!("{}/{}", self.protection, self.max_protection),
            self.inheritance.into(),
            yes(self.shared),
            self.object().into(),
            format!("{:#x}", self.offset),
            self.counted(self.resident_pages),
            self.counted(self.dirty_pages),
            yes(self.wired),
        ]
    }
}

/// What a node counts.
#[derive(Serialize)]
struct StatRow {
    node: String,
    page_size: u32,
    free: u32,
    active: u32,
    inactive: u32,
    wired: u32,
    zero_fill: u32,
    reactivations: u32,
    pageins: u32,
    pageouts: u32,
    faults: u32,
    cow_faults: u32,
    lookups: u32,
    hits: u32,
    /// Bytes that count against the limit.
    memory_bytes: u64,
    /// Of that, what may be in use before pages leave; 0 is no limit.
    memory_limit: u64,
    /// Bytes of anonymous memory that only the default pager has.
    paged_out_bytes: u64,
    /// Bytes of its file that they take.
    swap_bytes: u64,
}

impl Row for StatRow {
    const HEADS: &'static [&'static str] = &[
        "NODE",
        ">FREE",
        ">ACTIVE",
        ">INACTIVE",
        ">WIRED",
        ">ZEROED",
        ">REACT",
        ">IN",
        ">OUT",
        ">FAULTS",
        ">COW",
        ">LOOKUPS",
        ">HITS",
        ">USED/LIMIT",
        ">ON PAGER",
    ];

    fn cells(&self) -> Vec<String> {
        let counts = [
            self.free,
            self.active,
            self.inactive,
            self.wired,
            self.zero_fill,
            self.reactivations,
            self.pageins,
            self.pageouts,
            self.faults,
            self.cow_faults,
            self.lookups,
            self.hits,
        ];
        let limit = if self.memory_limit > 0 { Bytes(self.memory_limit).to_string() } else { "-".into() };
        let used = format!("{}/{limit}", Bytes(self.memory_bytes));
        let counts = counts.map(|count| count.to_string());
        let bytes = [used, Bytes(self.paged_out_bytes).to_string()];
        std::iter::once(self.node.clone()).chain(counts).chain(bytes).collect()
    }
}

/// `mach vm`.
pub fn run(cx: &Context, command: &Vm) -> Result<()> {
    match command {
        Vm::Stat(args) => stat(cx, args),
        Vm::Map(args) => map::run(cx, args),
        Vm::Regions(VmTask { task, watch, target }) => {
            let client = Client::attach(&cx.place(target)?)?;
            again(cx, *watch, || {
                let rows: Vec<RegionRow> = client.regions(*task, 0)?.iter().map(RegionRow::of).collect();
                cx.out.list(&rows, "nothing is mapped")
            })
        }
    }
}

fn stat(cx: &Context, VmStat { watch, target }: &VmStat) -> Result<()> {
    again(cx, *watch, || {
        let rows = each_node(cx, target, |client| {
            let (s, info) = (client.statistics()?, client.info()?);
            Ok(vec![StatRow {
                node: client.node().to_owned(),
                page_size: s.pagesize,
                free: s.free_count,
                active: s.active_count,
                inactive: s.inactive_count,
                wired: s.wire_count,
                zero_fill: s.zero_fill_count,
                reactivations: s.reactivations,
                pageins: s.pageins,
                pageouts: s.pageouts,
                faults: s.faults,
                cow_faults: s.cow_faults,
                lookups: s.lookups,
                hits: s.hits,
                memory_bytes: info.memory_bytes,
                memory_limit: info.memory_limit,
                paged_out_bytes: info.paged_out_bytes,
                swap_bytes: info.swap_bytes,
            }])
        })?;
        cx.out.list(&rows, "no nodes")
    })
}

/// Shows something once, or again and again until it fails or nobody listens any more.
fn again(cx: &Context, watch: Watch, mut show: impl FnMut() -> Result<()>) -> Result<()> {
    let Some(every) = watch.every else { return show() };
    loop {
        cx.out.clear()?;
        show()?;
        std::thread::sleep(every.0);
    }
}

/// `rw-` for reading and writing.
fn access(bits: u32) -> String {
    let all = [(Prot::READ, 'r'), (Prot::WRITE, 'w'), (Prot::EXECUTE, 'x')];
    all.into_iter().map(|(bit, letter)| if bits & bit.bits() != 0 { letter } else { '-' }).collect()
}

fn inheritance(raw: u32) -> &'static str {
    match Inherit::from_raw(raw) {
        Some(Inherit::Share) => "share",
        Some(Inherit::Copy) => "copy",
        Some(Inherit::None) => "none",
        None => "?",
    }
}

impl Client {
    /// What a task has mapped; with a picture if a cell has pages.
    ///
    /// Errors: exit `NotFound` no such task.
    fn regions(&self, task: u32, cell_pages: u64) -> Result<Vec<node::RegionInfo>> {
        let what = format!("look at the memory of task {task}");
        let answer = self.talk(&what, move |own| {
            let (mut regions, mut address) = (Vec::new(), 0);
            loop {
                let reply = own.rpc(&own.host(), node::Regions { task, address, cell_pages })?;
                regions.extend(reply.regions);
                // What does not go on would be asked for ever.
                if reply.next <= address {
                    return Ok(regions);
                }
                address = reply.next;
            }
        })?;
        answer.map_err(|error: mach::RpcError| match error.kern() {
            Some(KernReturn::InvalidTask) => {
                Failure::new(Exit::NotFound, format!("node {} has no task {task} with memory", self.node()))
                    .cure("mach task ls")
            }
            _ => self.explain(&what, error),
        })
    }

    /// What the node counts of its memory.
    fn statistics(&self) -> Result<task::VmCounts> {
        let what = "tell what it counts of its memory";
        let answer = self.talk(what, |own| own.rpc(&own.task_self(), task::VmStatistics))?;
        answer.map(|reply| reply.vm_stats).map_err(|error| self.explain(what, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_shows_its_attributes() {
        let info = node::RegionInfo {
            address: 0x7000_0000_0000,
            size: 3 << 20,
            protection: 1,
            max_protection: 7,
            inheritance: 1,
            wired: 3,
            resident_pages: 2,
            partial: true,
            ..node::RegionInfo::default()
        };
        let cells = RegionRow::of(&info).cells();
        assert_eq!(cells.len(), RegionRow::HEADS.len());
        let expected = [
            "700000000000-700000300000",
            "3 MiB",
            "r--/rwx",
            "copy",
            "no",
            "zero-fill",
            "0x0",
            "8 KiB+",
            "0 B+",
            "yes",
        ];
        assert_eq!(cells, expected);
        assert_eq!((access(2), inheritance(9)), ("-w-".into(), "?"));
    }
}
