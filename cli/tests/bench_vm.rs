//! `mach bench vm` run very shortly: every figure of every size comes out, and the floors give ratios.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

fn bench(args: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mach"));
    command.args(["bench", "vm"]).args(args).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.output().unwrap()
}

#[test]
fn every_size_has_figures_and_ratios_to_the_floors() {
    let begun = Instant::now();
    let output = bench(&["--json", "--rounds", "2", "--sizes", "1,300KiB,16MiB", "--threads", "1,3", "--faults", "48"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(begun.elapsed() < Duration::from_secs(60));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["mode"]["pin"], &report["mode"]["rounds"]), (&"free".into(), &2.into()));
    let sends = report["sends"].as_array().unwrap();
    let sizes: Vec<u64> = sends.iter().map(|s| s["bytes"].as_u64().unwrap()).collect();
    assert_eq!(sizes, [4096, 300 << 10, 16 << 20]);
    for size in sends {
        // A page goes as bytes in the message, the others as files.
        let copied = if size["bytes"] == 4096 { 4096 } else { 0 };
        assert_eq!(size["copied_bytes"], copied, "{}", size["bytes"]);
        let figures = size["figures"].as_object().unwrap();
        // From a hundred pages on it goes as an address space of a hundred regions, too.
        let spaces = if sizes[2] == size["bytes"].as_u64().unwrap() { 4 } else { 0 };
        assert_eq!(figures.len(), 28 + spaces);
        for (name, figure) in figures {
            let us = |what: &str| figure[what].as_f64().unwrap();
            assert!(0.0 < us("median_us") && us("least_us") <= us("median_us"), "{name}: {figure}");
            assert!(us("median_us") <= us("most_us"), "{name}: {figure}");
            assert!(figure["rounds_us"].as_array().unwrap().len() >= 2, "{name}");
        }
        for name in ["held", "delivered", "again_none_held", "again_run_delivered", "again_scattered_delivered"] {
            for floor in ["over_fork", "over_memcpy", "over_socket"] {
                assert!(figures[name][floor].as_f64().is_some_and(|r| r > 0.0), "{name} {floor}");
            }
        }
        for name in ["fill", "read_one", "read_all", "write_one", "write_all"] {
            assert!(figures[name]["over_native"].as_f64().is_some_and(|r| r > 0.0), "{name}");
        }
        let median = |name: &str| figures[name]["median_us"].as_f64().unwrap();
        assert!(median("frozen") <= median("held") && median("again_run_frozen") <= median("again_run_held"));
    }
    let faults = report["faults"].as_array().unwrap();
    assert_eq!(faults.iter().map(|f| f["threads"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 3]);
    for line in faults {
        for figure in ["per_second", "bare_per_second", "bare_page_per_second", "over_bare", "p50_us"] {
            assert!(line[figure].as_f64().unwrap() > 0.0, "{figure} of {line}");
        }
        let rounds = line["rounds"].as_array().unwrap();
        assert!(rounds.len() == 2 && rounds.iter().all(|r| r["ours"]["took"]["count"] == 48), "{line}");
    }
}

#[test]
fn what_cannot_be_measured_is_refused_before_anything_starts() {
    let wrong = [
        (["--rounds", "0"], 2),
        (["--sizes", "0"], 2),
        (["--sizes", "5GiB"], 2),
        (["--threads", "0"], 2),
        (["--threads", "257"], 2),
        (["--faults", "63"], 2),
    ];
    for (args, code) in wrong {
        let output = bench(&args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
