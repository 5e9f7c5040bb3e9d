//! What Mach tells of a host (`proto/idl/mach/host.proto`), from what Linux tells of this machine.

use std::time::{SystemTime, UNIX_EPOCH};

use proto::iface::host::{GetKernelVersionReply, GetTimeReply, Info, InfoReply, Request, TimeValue};
use proto::msg::Reply as _;
use proto::{Body, KernReturn, NamedRight};
use sys::probe::Load;

/// `HOST_BASIC_INFO`: CPUs twice, bytes of memory in two words, type and subtype of the CPU.
const BASIC: u32 = 1;
/// `HOST_LOAD_INFO`: three averages of runnable threads, and what a thread got of a CPU meanwhile.
const LOAD: u32 = 4;
/// `LOAD_SCALE`.
const LOAD_SCALE: f64 = 1000.0;
/// `CPU_TYPE_X86_64` and the subtype that says no more.
const CPU_TYPE: [u32; 2] = [24, 0];

/// Carries one routine out. `node` is what the node calls itself.
///
/// Errors: `InvalidArgument` a flavor that there is not; `Failure` the caller takes fewer words than it has.
pub(crate) fn answer(request: &Request, node: &str) -> Result<Body<NamedRight>, KernReturn> {
    Ok(match request {
        Request::GetTime(_) => GetTimeReply { current_time: now() }.into_body(),
        Request::GetKernelVersion(_) => {
            let kernel_version = format!("Mach across machines {}: node {node}", env!("CARGO_PKG_VERSION"));
            GetKernelVersionReply { kernel_version }.into_body()
        }
        Request::Info(info) => InfoReply { host_info_out: words(info)? }.into_body(),
    })
}

fn words(info: &Info) -> Result<Vec<u32>, KernReturn> {
    let load = Load::now();
    let words = match info.flavor {
        BASIC => {
            let (cpus, bytes) = (load.cpus as u32, load.memory_bytes);
            vec![cpus, cpus, bytes as u32, (bytes >> 32) as u32, CPU_TYPE[0], CPU_TYPE[1]]
        }
        LOAD => {
            let factor = |average: f64| load.cpus as f64 / (average + 1.0).max(load.cpus as f64);
            let scaled = |value: f64| (value * LOAD_SCALE) as u32;
            load.averages.iter().copied().map(scaled).chain(load.averages.map(factor).map(scaled)).collect()
        }
        _ => return Err(KernReturn::InvalidArgument),
    };
    if (info.host_info_out_count as usize) < words.len() { Err(KernReturn::Failure) } else { Ok(words) }
}

fn now() -> TimeValue {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    TimeValue { seconds: since.as_secs() as i64, microseconds: since.subsec_micros().into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(flavor: u32, host_info_out_count: u32) -> Result<Vec<u32>, KernReturn> {
        words(&Info { flavor, host_info_out_count })
    }

    #[test]
    fn kern_host_1_a_host_tells_its_size_and_its_load() {
        let basic = info(BASIC, 6).unwrap();
        let bytes = u64::from(basic[3]) << 32 | u64::from(basic[2]);
        assert!(basic[0] >= 1 && basic[0] == basic[1] && bytes > 1 << 26, "{basic:?}");
        let load = info(LOAD, 1024).unwrap();
        assert!(load.len() == 6 && load[3..].iter().all(|factor| (1..=1000).contains(factor)), "{load:?}");
        assert!(now().seconds > 1_700_000_000);
    }

    #[test]
    fn kern_host_2_a_flavor_that_there_is_not_and_too_little_room_are_refused() {
        assert_eq!(info(BASIC, 5), Err(KernReturn::Failure));
        assert_eq!(info(99, 1024), Err(KernReturn::InvalidArgument));
    }
}
