//! `mach port`.

use std::str::FromStr;

use clap::{Args, Subcommand};

use super::Target;

/// `mach port`.
#[derive(Subcommand, Debug)]
pub enum Port {
    /// Lists ports (receiver, rights, queue), or the names of one task
    Ls(PortLs),
    /// Shows one port: rights and who holds them, references, queue, who waits, what was asked for
    Show(PortShow),
}

/// `mach port ls`.
#[derive(Args, Debug)]
pub struct PortLs {
    /// The names of this task, and what each denotes (`mach task ls` has the numbers)
    #[arg(long, value_name = "T")]
    pub task: Option<u32>,
    /// Which node.
    #[command(flatten)]
    pub target: Target,
}

/// `mach port show`.
#[derive(Args, Debug)]
pub struct PortShow {
    /// A port as `mach port ls` shows it, such as 19a2b3c:17; a name of --task, such as 0x1002; or a name that is checked
    /// in with the name server
    pub port: PortGiven,
    /// The task whose name it is
    #[arg(long, value_name = "T")]
    pub task: Option<u32>,
    /// Which node.
    #[command(flatten)]
    pub target: Target,
}

/// How a port was named on the command line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PortGiven {
    /// By its identity: origin and serial number.
    Uid(u64, u64),
    /// By a task's name for it.
    Name(u32),
    /// By the name it is checked in under.
    CheckedIn(String),
}

impl FromStr for PortGiven {
    type Err = String;

    fn from_str(text: &str) -> Result<PortGiven, String> {
        let uid = |(origin, serial): (&str, &str)| Some((u64::from_str_radix(origin, 16).ok()?, serial.parse().ok()?));
        if let Some((origin, serial)) = text.split_once(':').and_then(uid) {
            return Ok(PortGiven::Uid(origin, serial));
        }
        match text.strip_prefix("0x").map(|hex| u32::from_str_radix(hex, 16)) {
            Some(Ok(name)) => Ok(PortGiven::Name(name)),
            Some(Err(_)) => Err(format!("`{text}` is no name of a task: write 0x1002")),
            None if text.is_empty() => Err("write a port: 19a2b3c:17, 0x1002 with --task, or a name".into()),
            None => Ok(PortGiven::CheckedIn(text.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_given_in_three_ways() {
        assert_eq!("19a2b3c:17".parse(), Ok(PortGiven::Uid(0x19a_2b3c, 17)));
        assert_eq!("0x1002".parse(), Ok(PortGiven::Name(0x1002)));
        assert_eq!("data".parse(), Ok(PortGiven::CheckedIn("data".into())));
        assert_eq!("a:b".parse(), Ok(PortGiven::CheckedIn("a:b".into())));
        assert!("0xyz".parse::<PortGiven>().unwrap_err().contains("write 0x1002"));
        assert!("".parse::<PortGiven>().is_err());
    }
}
