//! A process that is measured: it does what standard input says, until that ends.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};

use crate::crew::{Error, Figures, Load};

/// One line to whoever started the process.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Told {
    /// It can be measured now.
    Ready,
    /// What a load came to.
    Done(Figures),
    /// Why a load could not be carried out. The process goes on.
    Failed(String),
}

/// Says that it is ready, then carries out one load for each line of standard input.
///
/// Errors: standard output is closed, or a line is no load. The end of standard input is the end of the work.
pub fn work(mut run: impl FnMut(&Load) -> Result<Figures, Error>) -> io::Result<()> {
    tell(&Told::Ready)?;
    for line in io::stdin().lock().lines() {
        let load = serde_json::from_str(&line?)?;
        tell(&match run(&load) {
            Ok(figures) => Told::Done(figures),
            Err(error) => Told::Failed(error.to_string()),
        })?;
    }
    Ok(())
}

/// Writes one line and sees that it goes out.
fn tell(told: &Told) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(told)?)?;
    out.flush()
}
