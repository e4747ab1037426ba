//! Reads tables of iptables-legacy in a thread of its own.

use std::sync::mpsc::{Receiver, Sender, channel};

use nfscope_ruleset::netns::{self, Handle};
use nfscope_ruleset::xtables::{Family, Reading, Subject, TableReader, tables};

/// What to read.
enum Job {
    /// All tables of a namespace.
    All(netns::Inode),
    /// One table.
    One(Subject),
}

/// What was read.
#[derive(Debug)]
pub enum Read {
    /// All tables of a namespace have been read, if it was found.
    All(Option<netns::Inode>),
    /// A table.
    One(Box<OneRead>),
}

/// A table that was read.
#[derive(Debug)]
pub struct OneRead {
    /// Which.
    pub subject: Subject,
    /// Its lines; else why it could not be read.
    pub reading: Result<Reading, String>,
    /// Between these times (monotonic ns).
    pub from: u64,
    /// See `from`.
    pub to: u64,
}

/// The thread. It ends when this is dropped.
pub struct Readings {
    jobs: Sender<Job>,
    done: Receiver<Read>,
}

impl Readings {
    /// Starts it.
    pub fn start() -> std::io::Result<Self> {
        let ((jobs, theirs), (answers, done)) = (channel(), channel());
        let thread = std::thread::Builder::new().name("nfscope-tables".into());
        thread.spawn(move || work(&theirs, &answers))?;
        Ok(Self { jobs, done })
    }

    /// Asks for all tables that a namespace has.
    pub fn read_all(&self, netns: netns::Inode) {
        // where nobody works nothing comes, which the asker notices
        let _ = self.jobs.send(Job::All(netns));
    }

    /// Asks for one table, which must exist.
    pub fn read(&self, subject: Subject) {
        let _ = self.jobs.send(Job::One(subject));
    }

    /// What was read since the last call.
    pub fn done(&self) -> Vec<Read> {
        self.done.try_iter().collect()
    }
}

fn work(jobs: &Receiver<Job>, done: &Sender<Read>) {
    let reader = TableReader::new();
    while let Ok(job) = jobs.recv() {
        let went_well = match job {
            Job::All(netns) => all(&reader, netns, done),
            Job::One(subject) => one(&reader, subject, done),
        };
        if went_well.is_none() {
            // nobody asks, or the thread is lost in a foreign namespace
            return;
        }
    }
}

fn all(reader: &TableReader, netns: netns::Inode, done: &Sender<Read>) -> Option<()> {
    let names = match Handle::find(netns) {
        Ok(handle) => handle.within(|| Family::ALL.map(|f| (f, tables(f)))).ok()?.to_vec(),
        Err(_) => return done.send(Read::All(None)).ok(),
    };
    for (family, table) in
        names.into_iter().flat_map(|(f, all)| all.into_iter().map(move |t| (f, t)))
    {
        one(reader, Subject { netns, family, table }, done)?;
    }
    done.send(Read::All(Some(netns))).ok()
}

fn one(reader: &TableReader, subject: Subject, done: &Sender<Read>) -> Option<()> {
    let from = nfscope_ruleset::monotonic_ns();
    let reading = match Handle::find(subject.netns) {
        Ok(handle) => {
            let read = handle.within(|| reader.read(subject.family, &subject.table)).ok()?;
            read.map_err(|error| error.to_string())
        }
        Err(error) => Err(error.to_string()),
    };
    let to = nfscope_ruleset::monotonic_ns();
    done.send(Read::One(Box::new(OneRead { subject, reading, from, to }))).ok()
}
