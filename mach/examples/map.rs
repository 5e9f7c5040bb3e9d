//! Maps the memory object that stands behind the bootstrap port, and prints its SHA-256.
//!
//! Run it as a task: `mach map NAME -- target/debug/examples/map`. The node's socket and the task's token come in the
//! environment; the object comes as the bootstrap port.

use std::process::ExitCode;

use sha2::{Digest, Sha256};

/// Bytes that are hashed at a time.
const PIECE: usize = 1 << 20;

fn main() -> ExitCode {
    match run() {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                text.push_str(&format!(": {cause}"));
                source = cause.source();
            }
            eprintln!("map: {text}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<String, Box<dyn std::error::Error>> {
    let task = mach::Task::attach(mach::AttachOptions::default())?;
    let mapping = task.map(&task.bootstrap(), mach::MapOptions::default())?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; PIECE];
    let mut offset = 0;
    while offset < mapping.len() {
        let len = PIECE.min((mapping.len() - offset) as usize);
        mapping.read_at(offset, &mut buffer[..len])?;
        hash.update(&buffer[..len]);
        offset += len as u64;
    }
    Ok(format!("{}  {} bytes mapped at {:#x}", hex::encode(hash.finalize()), mapping.len(), mapping.address()))
}
