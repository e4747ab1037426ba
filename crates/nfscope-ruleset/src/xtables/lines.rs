//! A whole table as `-S` prints it.

use std::io;

use super::print;
use super::saved::Programs;
use super::socket::{Read, Socket, names};
use super::table::{Chain, Table};
use super::uapi::Family;

/// How often a table is read anew when others change it meanwhile.
const ATTEMPTS: usize = 5;

/// A table's lines at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Policies, chains, rules, as `-S` has them.
    pub lines: Vec<String>,
    /// Entries of the table.
    pub entries: u32,
    /// Some lines lack options: there is no program that prints them.
    pub outline: bool,
}

/// Reads tables.
#[derive(Debug)]
pub struct TableReader {
    programs: Programs,
}

/// The tables of a family that the calling thread's namespace has.
pub fn tables(family: Family) -> Vec<String> {
    names(family)
}

impl TableReader {
    /// Looks for the programs that print tables.
    pub fn new() -> Self {
        Self { programs: Programs::find() }
    }

    /// A table of the calling thread's namespace; it must exist.
    pub fn read(&self, family: Family, table: &str) -> io::Result<Reading> {
        let socket = Socket::open(family)?;
        let mut before = socket.read(table)?;
        for _ in 0..ATTEMPTS {
            let reading = self.lines(&before);
            let after = socket.read(table)?;
            if after.bytes == before.bytes {
                return Ok(reading);
            }
            before = after;
        }
        Err(io::Error::other("the table is being replaced all the time"))
    }

    fn lines(&self, read: &Read) -> Reading {
        let table: &Table = &read.table;
        let saved = self.programs.lines(table);
        let (mut lines, mut outline) = (Vec::new(), false);
        for chain in &table.chains {
            lines.push(head(chain));
        }
        for chain in &table.chains {
            for (rule, number) in chain.rules.iter().zip(1..) {
                let line = saved.as_ref().and_then(|saved| saved.line(&chain.name, number));
                lines.push(line.map(str::to_owned).unwrap_or_else(|| {
                    let (line, whole) = print::line(table.family, &chain.name, rule);
                    outline |= !whole;
                    line
                }));
            }
        }
        Reading { lines, entries: table.entries, outline }
    }
}

impl Default for TableReader {
    fn default() -> Self {
        Self::new()
    }
}

fn head(chain: &Chain) -> String {
    match chain.end.as_ref().filter(|_| chain.built_in) {
        Some(end) => format!("-P {} {}", chain.name, print::target_name(&end.target)),
        None => format!("-N {}", chain.name),
    }
}
