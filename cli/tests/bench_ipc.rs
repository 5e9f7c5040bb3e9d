//! `mach bench ipc` run very shortly: every case comes out with figures, and the floors give ratios.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

fn bench(args: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mach"));
    command.args(["bench", "ipc"]).args(args).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.output().unwrap()
}

#[test]
fn every_case_has_figures_and_ratios_to_the_floors() {
    let begun = Instant::now();
    let sizes = "0,100,65535,70000,1MiB";
    let output = bench(&[
        "--json",
        "--rounds",
        "2",
        "--seconds",
        "1",
        "--size",
        sizes,
        "--clients",
        "3",
        "--rights",
        "1,7",
        "--pin",
        "same",
    ]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(begun.elapsed() < Duration::from_secs(60));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["mode"]["pin"], &report["mode"]["awake"]), (&"same".into(), &false.into()));
    let lines = report["lines"].as_array().unwrap();
    let ours: Vec<&Value> = lines.iter().filter(|l| l["system"] == "mach").collect();
    let cases: Vec<&str> = ours.iter().map(|l| l["case"].as_str().unwrap()).collect();
    let wanted = ["null", "100 B", "65535 B", "70000 B", "1 MiB", "null, 3 clients", "1 right", "7 rights", "one-way"];
    assert_eq!(cases, wanted);
    for line in lines {
        for figure in ["p50_us", "p99_us", "per_second"] {
            assert!(line[figure].as_f64().unwrap() > 0.0, "{figure} of {line}");
        }
        assert!(line["p99_us"].as_f64() >= line["p50_us"].as_f64(), "{line}");
        assert_eq!(line["rounds"].as_array().unwrap().len(), 2);
    }
    for line in ours {
        let rights = line["rights"].as_u64().unwrap() > 0;
        let relay = line["over_relay"].as_f64();
        let futex = line["over_futex"].as_f64();
        assert!(rights || relay.is_some_and(|r| r > 0.0), "{line}");
        assert!(line["one_way"] == true || futex.is_some_and(|r| r > 0.0), "{line}");
    }
}

#[test]
fn what_cannot_be_measured_is_refused_before_anything_starts() {
    for (args, code) in [(["--rounds", "0"], 2), (["--clients", "0"], 2), (["--peers", "/nowhere/peers"], 3)] {
        let output = bench(&args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
