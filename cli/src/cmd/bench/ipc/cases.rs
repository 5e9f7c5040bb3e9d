//! What is measured: the cases, made of the options.

use mach_bench::{Load, What};

use crate::args::BenchIpc;
use crate::failure::{Exit, Failure, Result};

/// Clients of the largest case; each has a connection of its own.
const CLIENTS_MAX: u32 = 128;
/// Bytes of the largest request.
const SIZE_MAX: u64 = 16 << 20;
/// Rights of the largest request.
const RIGHTS_MAX: u32 = 1024;

/// One kind of call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Case {
    /// Whether it is answered.
    pub what: What,
    /// Bytes of a request.
    pub size: u64,
    /// Rights of a request.
    pub rights: u32,
    /// Clients at once.
    pub clients: u32,
}

impl Case {
    const NULL: Case = Case { what: What::Rpc, size: 0, rights: 0, clients: 1 };

    /// What a client is asked to do; for how long is not said yet.
    pub fn load(&self) -> Load {
        let Case { what, size, rights, clients } = *self;
        Load { what, size, rights, clients, within_ms: 0 }
    }

    /// For people.
    pub fn name(&self) -> String {
        let Case { what, size, rights, clients } = *self;
        let kind = match (what, rights, size) {
            (What::OneWay, ..) => "one-way".to_owned(),
            (What::Rpc, 1, _) => "1 right".to_owned(),
            (What::Rpc, 2.., _) => format!("{rights} rights"),
            (What::Rpc, 0, 0) => "null".to_owned(),
            (What::Rpc, 0, _) => bytes(size),
        };
        if clients == 1 { kind } else { format!("{kind}, {clients} clients") }
    }
}

/// The cases of a run: every size, every number of clients, every number of rights, and messages one way.
///
/// Errors: a number that is not permitted.
pub fn of(args: &BenchIpc) -> Result<Vec<Case>> {
    let over = |what: &str, max: &dyn std::fmt::Display| {
        Err(Failure::new(Exit::Usage, format!("{what} may be at most {max} here")))
    };
    if args.sizes.iter().any(|s| s.0 > SIZE_MAX) {
        return over("--size", &SIZE_MAX);
    }
    if args.clients.iter().any(|c| *c > CLIENTS_MAX || *c == 0) {
        return over("--clients must be at least 1, and", &CLIENTS_MAX);
    }
    if args.rights.iter().any(|r| *r > RIGHTS_MAX) {
        return over("--rights", &RIGHTS_MAX);
    }
    let sizes = args.sizes.iter().map(|size| Case { size: size.0, ..Case::NULL });
    let clients = args.clients.iter().map(|clients| Case { clients: *clients, ..Case::NULL });
    let rights = args.rights.iter().map(|rights| Case { rights: *rights, ..Case::NULL });
    let one_way = Case { what: What::OneWay, ..Case::NULL };
    let mut cases: Vec<Case> = Vec::new();
    for case in sizes.chain(clients).chain(rights).chain([one_way]) {
        if !cases.contains(&case) {
            cases.push(case);
        }
    }
    Ok(cases)
}

fn bytes(size: u64) -> String {
    match size {
        _ if size >= 1 << 20 && size.is_multiple_of(1 << 20) => format!("{} MiB", size >> 20),
        _ if size >= 1 << 10 && size.is_multiple_of(1 << 10) => format!("{} KiB", size >> 10),
        _ => format!("{size} B"),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, FromArgMatches, Parser};

    use super::*;
    use crate::args::Pin;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: BenchIpc,
    }

    fn parse(words: &[&str]) -> BenchIpc {
        let matches = Line::command().try_get_matches_from([&["ipc"], words].concat()).unwrap();
        Line::from_arg_matches(&matches).unwrap().args
    }

    fn names(args: &BenchIpc) -> Vec<String> {
        of(args).unwrap().iter().map(Case::name).collect()
    }

    #[test]
    fn the_defaults_cover_sizes_clients_rights_and_one_way() {
        let args = parse(&[]);
        let expected = expect_test::expect![[r#"
            null
            64 B
            4 KiB
            64 KiB
            1 MiB
            null, 8 clients
            null, 64 clients
            1 right
            16 rights
            256 rights
            one-way"#]];
        expected.assert_eq(&names(&args).join("\n"));
        assert_eq!((args.pin, args.awake, args.peers), (Pin::Free, false, None));
    }

    #[test]
    fn options_are_lists_and_equal_cases_are_one() {
        let args = parse(&["--size", "0,1500", "--clients", "1,2", "--rights", "0", "--pin", "cross"]);
        assert_eq!(names(&args), ["null", "1500 B", "null, 2 clients", "one-way"]);
        assert_eq!(args.pin, Pin::Cross);
    }

    #[test]
    fn what_is_too_much_is_refused() {
        for words in [["--size", "17MiB"], ["--clients", "129"], ["--clients", "0"], ["--rights", "1025"]] {
            assert_eq!(of(&parse(&words)).unwrap_err().exit(), Exit::Usage, "{words:?}");
        }
    }
}
