//! wip
#![allow(dead_code, unused_imports)]
mod args;
mod config;
mod failure;
mod out;
mod process;
mod progress;
mod state;
mod units;
fn main() {}
