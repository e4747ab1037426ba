//! What replacements of tables changed.
//!
//! A replacement is told when the table has been read after it. A reading that
//! another replacement may have come into is not believed but repeated; those that
//! came before one reading are told together.

use std::collections::{HashMap, HashSet, VecDeque};

use nfscope_collect::changes::Request;
use nfscope_event::{TableChange, TableOperation};
use nfscope_ruleset::changes::{Step, difference};
use nfscope_ruleset::netns;
use nfscope_ruleset::xtables::{Reading, Subject};

use super::options::Table;
use super::readings::{OneRead, Read, Readings};

/// How often a table is read anew while it is being replaced.
const ATTEMPTS: u32 = 20;
/// Why it is then not told what a replacement changed.
const DISTURBED: &str = "the table was replaced again while it was read";

/// A replacement that has returned.
struct Replaced {
    request: Request,
    table: Table,
    returned: u64,
}

/// A table.
#[derive(Default)]
struct Known {
    reading: Option<Reading>,
    /// Replaced since then, the oldest first.
    replaced: VecDeque<Replaced>,
    /// Replacements that have not returned, by their number, and when they began.
    begun: HashMap<u64, u64>,
    asked: bool,
    attempts: u32,
    /// It was there before this reading, or would be if one had come.
    older: bool,
}

/// Tables by namespace.
pub struct Tables {
    readings: Readings,
    known: HashMap<Subject, Known>,
    /// Namespaces that were there at the start, and whose tables were not read then.
    unread: HashSet<u32>,
    /// Namespaces whose first readings are awaited.
    awaited: usize,
    held: Vec<OneRead>,
}

impl Tables {
    /// Begins to read the tables of namespaces.
    pub fn start(namespaces: &[u32]) -> std::io::Result<Self> {
        let readings = Readings::start()?;
        namespaces.iter().for_each(|netns| readings.read_all(*netns));
        let awaited = namespaces.len();
        let unread = netns::all().into_iter().collect();
        Ok(Self { readings, known: HashMap::new(), unread, awaited, held: Vec::new() })
    }

    /// Whether the tables that were there at the start have been read.
    pub fn ready(&self) -> bool {
        self.awaited == 0
    }

    /// Whether replacements wait for a reading.
    pub fn waits(&self) -> bool {
        self.known.values().any(|known| !known.replaced.is_empty())
    }

    fn subject(request: &Request, table: &Table) -> Option<Subject> {
        let family = table.readable()?;
        Some(Subject { netns: request.netns, family, table: table.name.clone() })
    }

    /// A replacement begins.
    pub fn begun(&mut self, request: &Request, table: &Table) {
        if let Some(subject) = Self::subject(request, table) {
            let known = self.known.entry(subject).or_default();
            known.begun.insert(request.number, request.monotonic_ns);
        }
    }

    /// It was refused, or its end was not seen.
    pub fn failed(&mut self, request: &Request, table: &Table) {
        if let Some(subject) = Self::subject(request, table) {
            self.known.entry(subject).or_default().begun.remove(&request.number);
        }
    }

    /// It went well. Handed back where the table cannot be read.
    pub fn replaced(&mut self, request: Request, table: Table, returned: u64) -> Option<Request> {
        let Some(subject) = Self::subject(&request, &table) else { return Some(request) };
        let known = self.known.entry(subject.clone()).or_default();
        known.begun.remove(&request.number);
        known.replaced.push_back(Replaced { request, table, returned });
        if !std::mem::replace(&mut known.asked, true) {
            self.readings.read(subject);
        }
        None
    }

    /// Takes what was read since. What happened up to now must have been told to this
    /// between this call and [`Tables::told`].
    pub fn read(&mut self) {
        for read in self.readings.done() {
            match read {
                Read::All(netns) => {
                    self.awaited = self.awaited.saturating_sub(1);
                    if let Some(netns) = netns {
                        self.unread.remove(&netns);
                    }
                }
                Read::One(one) => self.held.push(*one),
            }
        }
    }

    /// A namespace may have ended, and another may get its number; `over`: it has.
    pub fn forget(&mut self, netns: u32, over: bool) {
        if !over {
            self.unread.insert(netns);
        }
        for (_, known) in self.known.iter_mut().filter(|(subject, _)| subject.netns == netns) {
            known.reading = None;
        }
        // what is under way there is still to be told
        let idle = |k: &Known| !k.asked && k.replaced.is_empty() && k.begun.is_empty();
        self.known.retain(|subject, known| subject.netns != netns || !idle(known));
    }

    /// What replacements changed; `last`: no matter what else came.
    pub fn told(&mut self, last: bool) -> Vec<(Request, TableChange)> {
        let mut out = Vec::new();
        for one in std::mem::take(&mut self.held) {
            let known = self.known.entry(one.subject.clone()).or_default();
            known.asked = false;
            let disturbed = known.begun.values().any(|begun| *begun < one.to)
                || known
                    .replaced
                    .iter()
                    .any(|r| r.returned > one.from && r.request.monotonic_ns < one.to);
            known.attempts = if disturbed { known.attempts + 1 } else { 0 };
            known.older |= self.unread.contains(&one.subject.netns);
            if disturbed {
                if known.attempts >= ATTEMPTS || last {
                    known.attempts = 0;
                    let all = std::mem::take(&mut known.replaced).into_iter();
                    let of_this = |r: &Replaced| r.request.monotonic_ns < one.to;
                    let (before, behind) = all.partition::<VecDeque<_>, _>(of_this);
                    known.replaced = behind;
                    out.extend(tell(known, before.into(), Err(DISTURBED.into())));
                }
                // also if none is left, for the next one's sake
                known.asked = true;
                self.readings.read(one.subject);
                continue;
            }
            let before = known.replaced.iter().take_while(|r| r.returned <= one.from).count();
            let replaced: Vec<Replaced> = known.replaced.drain(..before).collect();
            out.extend(tell(known, replaced, one.reading));
            if !known.replaced.is_empty() {
                known.asked = true;
                self.readings.read(one.subject);
            }
        }
        out
    }

    /// What waits goes without a difference.
    pub fn give_up(&mut self) -> Vec<(Request, TableChange)> {
        let mut out = Vec::new();
        for known in self.known.values_mut() {
            let replaced = known.replaced.drain(..).collect();
            out.extend(tell(known, replaced, Err("it was not read in time".into())));
        }
        out
    }
}

/// The replacements with their difference, which the last of them has.
fn tell(
    known: &mut Known,
    replaced: Vec<Replaced>,
    reading: Result<Reading, String>,
) -> Vec<(Request, TableChange)> {
    let count = replaced.len();
    let first_entries = replaced.first().and_then(|r| r.table.entries.0);
    let mut out = Vec::with_capacity(count);
    for (Replaced { request, table, .. }, number) in replaced.into_iter().zip(1..) {
        let mut change = bare(&table);
        if number < count {
            change.text_unknown = Some("it is told with the next replacement of the table".into());
        } else {
            change.together = u32::try_from(count).ok().filter(|count| *count > 1);
            match &reading {
                Ok(after) => {
                    let before = match &known.reading {
                        Some(reading) => Before::Read(reading),
                        None if known.older => Before::Unknown,
                        None => Before::Nothing,
                    };
                    differ(&mut change, before, first_entries, after);
                }
                Err(why) => change.text_unknown = Some(why.clone()),
            }
        }
        out.push((request, change));
    }
    known.older = true;
    known.reading = reading.ok();
    out
}

/// A change of a table of which nothing but the request is known.
pub fn bare(table: &Table) -> TableChange {
    TableChange {
        family: table.family,
        table: table.name.clone(),
        operation: table.operation,
        entries_before: table.entries.0,
        entries: table.entries.1,
        removed: Vec::new(),
        added: Vec::new(),
        together: None,
        text_unknown: (table.operation == TableOperation::Replace && table.readable().is_none())
            .then(|| "tables of ebtables-legacy are not read".into()),
    }
}

/// What a table had before a replacement.
enum Before<'a> {
    /// This.
    Read(&'a Reading),
    /// It was there, and that is all.
    Unknown,
    /// It was not there, or nobody had replaced it.
    Nothing,
}

fn differ(change: &mut TableChange, before: Before<'_>, entries: Option<u32>, after: &Reading) {
    // the kernel takes a replacement only from those who know how many there are
    let not = |reading: &Reading, count: Option<u32>| count.is_some_and(|c| c != reading.entries);
    if matches!(&before, Before::Read(reading) if not(reading, entries)) {
        change.text_unknown = Some("the table had been replaced before, unseen".into());
        return;
    }
    if not(after, change.entries) {
        change.text_unknown = Some("the table was replaced again, unseen".into());
        return;
    }
    // a table that came with this request, or a moment ago, has its policies only
    let policies = || {
        let heads = after.lines.iter().filter_map(|line| line.strip_prefix("-P "));
        let chains = heads.filter_map(|head| head.split(' ').next());
        let lines: Vec<String> = chains.map(|chain| format!("-P {chain} ACCEPT")).collect();
        // each has its entry, the table has one at its end
        let fits = u32::try_from(lines.len() + 1).ok() == entries;
        fits.then_some(lines)
    };
    let (old, old_outline) = match before {
        Before::Read(reading) => (Some(reading.lines.clone()), reading.outline),
        Before::Unknown => (None, false),
        Before::Nothing => (policies(), false),
    };
    let Some(old) = old else {
        change.text_unknown = Some("the table was not known before".into());
        return;
    };
    for step in difference(&old, &after.lines) {
        match step {
            Step::Kept(..) => {}
            Step::Removed(at) => change.removed.push(old[at].clone()),
            Step::Added(at) => change.added.push(after.lines[at].clone()),
        }
    }
    if after.outline || old_outline {
        change.text_unknown = Some("options are missing in lines: no program prints them".into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(entries: u32, lines: &[&str]) -> Reading {
        let lines = lines.iter().map(|line| (*line).to_owned()).collect();
        Reading { lines, entries, outline: false }
    }

    fn change() -> TableChange {
        let name = "filter".to_owned();
        let operation = TableOperation::Replace;
        let family = nfscope_event::Family::Ip;
        bare(&Table { family, name, operation, entries: (Some(2), Some(3)) })
    }

    #[test]
    fn the_difference_of_two_readings() {
        let (old, new) = (
            reading(3, &["-P INPUT ACCEPT", "-A INPUT -j a"]),
            reading(3, &["-P INPUT DROP", "-A INPUT -j a"]),
        );
        let mut told = change();
        differ(&mut told, Before::Read(&old), Some(3), &new);
        assert_eq!(
            (told.removed, told.added),
            (vec!["-P INPUT ACCEPT".to_owned()], vec!["-P INPUT DROP".to_owned()])
        );
    }

    #[test]
    fn a_table_that_has_just_come_was_empty_or_is_not_known() {
        let new = reading(3, &["-P INPUT ACCEPT", "-A INPUT -j a"]);
        let mut told = change();
        differ(&mut told, Before::Nothing, Some(2), &new);
        assert_eq!((told.removed.len(), told.added), (0, vec!["-A INPUT -j a".to_owned()]));
        for before in [Before::Nothing, Before::Unknown] {
            let entries = if matches!(before, Before::Nothing) { 3 } else { 2 };
            let mut told = change();
            differ(&mut told, before, Some(entries), &new);
            assert!(told.text_unknown.is_some() && told.added.is_empty());
        }
    }

    #[test]
    fn readings_that_are_not_of_this_replacement_are_not_compared() {
        let (old, new) = (reading(2, &["-P INPUT ACCEPT"]), reading(3, &["-P INPUT DROP", "-A a"]));
        for (entries, wanted) in [(2, false), (4, true)] {
            let mut told = change();
            differ(&mut told, Before::Read(&old), Some(entries), &new);
            assert_eq!((told.text_unknown.is_some(), told.added.is_empty()), (wanted, wanted));
        }
        let mut told = change();
        differ(&mut told, Before::Read(&old), Some(2), &old);
        assert!(told.text_unknown.is_some() && told.added.is_empty());
    }
}
