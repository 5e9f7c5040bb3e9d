//! Everything the commands say: results on standard output, remarks on standard error.
//!
//! Invariants: (1) with `--json` standard output carries one JSON document and nothing else; (2) a reader that goes
//! away (`mach port ls | head`) ends the program quietly; (3) remarks never mix with results.

use std::io::{self, IsTerminal, Write};

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use crate::failure::{Exit, Failure, OrFail, Result};

/// How to speak, from the command line.
#[derive(Clone, Copy, Debug)]
pub struct Out {
    json: bool,
    quiet: bool,
}

/// Something that is shown in a list: a line of a table for people, an object for programs.
pub trait Row: Serialize {
    /// The heads of the columns; one that starts with `>` is aligned to the right.
    const HEADS: &'static [&'static str];

    /// The columns, as many as heads.
    fn cells(&self) -> Vec<String>;
}

impl Out {
    /// `json`: results as JSON. `quiet`: no remarks.
    pub fn new(json: bool, quiet: bool) -> Out {
        Out { json, quiet }
    }

    /// Whether results are wanted as JSON.
    pub fn json(self) -> bool {
        self.json
    }

    /// Whether progress may be drawn over itself.
    pub fn draws(self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }

    /// Columns of the terminal that results go to; `None` if they go elsewhere.
    pub fn width(self) -> Option<usize> {
        Table::new().width().map(usize::from).filter(|_| io::stdout().is_terminal())
    }

    /// Whether results may have colours: they go to a terminal, and `NO_COLOR` is not set.
    pub fn colours(self) -> bool {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        !self.json && !unwanted && io::stdout().is_terminal()
    }

    /// Makes room for the next of several results: a terminal is cleared, elsewhere an empty line stands between them.
    pub fn clear(self) -> Result<()> {
        match io::stdout().is_terminal() {
            _ if self.json => Ok(()),
            true => self.bytes(b"\x1b[H\x1b[2J"),
            false => self.line(""),
        }
    }

    /// One line of results.
    pub fn line(self, text: impl AsRef<str>) -> Result<()> {
        self.bytes(format!("{}\n", text.as_ref()).as_bytes())
    }

    /// Results that are not text.
    pub fn bytes(self, bytes: &[u8]) -> Result<()> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                Err(Failure::new(Exit::NobodyListens, "nobody reads standard output any more"))
            }
            other => other.or_fail(|| "cannot write to standard output".into()),
        }
    }

    /// A remark for whoever watches; it is no part of the result.
    pub fn note(self, text: impl AsRef<str>) {
        if !self.quiet {
            // A remark that nobody can read is no reason to stop.
            let _ = writeln!(io::stderr().lock(), "{}", text.as_ref());
        }
    }

    /// A list, as a table or as a JSON array. `empty` is the remark for an empty one.
    pub fn list<R: Row>(self, rows: &[R], empty: &str) -> Result<()> {
        if self.json {
            return self.value(&rows);
        }
        if rows.is_empty() {
            self.note(empty);
            return Ok(());
        }
        self.line(render(R::HEADS, rows.iter().map(Row::cells)))
    }

    /// One thing, as `name: value` lines or as a JSON object.
    pub fn record<T: Serialize>(self, value: &T, lines: &[(&str, String)]) -> Result<()> {
        if self.json {
            return self.value(value);
        }
        let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 1;
        for (name, value) in lines {
            self.line(format!("{:<width$} {value}", format!("{name}:")))?;
        }
        Ok(())
    }

    /// A JSON document.
    pub fn value<T: Serialize>(self, value: &T) -> Result<()> {
        let text =
            serde_json::to_string_pretty(value).or_exit(Exit::Failed, || "cannot write the result as JSON".into())?;
        self.line(text)
    }
}

/// The text of a table without rules, which `awk` reads as well as a person.
pub fn render(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(heads.iter().map(|h| h.trim_start_matches('>')).collect::<Vec<_>>());
    for row in rows {
        debug_assert_eq!(row.len(), heads.len());
        table.add_row(row);
    }
    for (index, head) in heads.iter().enumerate() {
        if let Some(column) = table.column_mut(index) {
            column.set_padding((0, 2));
            if head.starts_with('>') {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    table.lines().map(|l| l.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_aligned_columns_and_no_rules() {
        let rows = [
            vec!["data".into(), "256 MiB".into(), "n1".into()],
            vec!["longer-name".into(), "4 KiB".into(), "n2".into()],
        ];
        let text = render(&["NAME", ">SIZE", "NODE"], rows.into_iter());
        expect_test::expect![[r#"
            NAME            SIZE  NODE
            data         256 MiB  n1
            longer-name    4 KiB  n2"#]]
        .assert_eq(&text);
    }
}
