//! A process that is measured: it does what standard input says, until that ends.

use std::io::{self, BufRead, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::crew::{Error, Figures};

/// One line to whoever started the process.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Told<T = Figures> {
    /// It can be measured now.
    Ready,
    /// What a load came to.
    Done(T),
    /// Why a load could not be carried out. The process goes on.
    Failed(String),
}

/// Says that it is ready, then carries out one load for each line of standard input.
///
/// Errors: standard output is closed, or a line is no load. The end of standard input is the end of the work.
pub fn work<L: DeserializeOwned, T: Serialize>(mut run: impl FnMut(&L) -> Result<T, Error>) -> io::Result<()> {
    tell(&Told::<T>::Ready)?;
    for line in io::stdin().lock().lines() {
        let load = serde_json::from_str(&line?)?;
        tell(&match run(&load) {
            Ok(done) => Told::Done(done),
            Err(error) => Told::Failed(error.to_string()),
        })?;
    }
    Ok(())
}

/// Writes one line and sees that it goes out.
fn tell<T: Serialize>(told: &Told<T>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(told)?)?;
    out.flush()
}
