//! Requests with how they ended, as changes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use nfscope_collect::changes::{ChangeRecord, Outcome, Request, RequestKind};
use nfscope_event::{
    Change, ChangeAction, Event, LossPlace, Lost, Netns, Notice, Process, TableOperation,
    Transaction,
};
use nfscope_ruleset::netlink::Messages;
use nfscope_ruleset::netns::Names;

use super::options::Table;
use super::reads::Reads;
use super::tables::{self, Tables};
use super::transactions::{Told, Transactions};
use super::{conntrack, ipset, sysctl};
use crate::resolve::wall_clock;

/// A request whose end is not seen for so long is told without it.
const PATIENCE: Duration = Duration::from_secs(10);
/// How old the names of namespaces may be.
const NAMES: Duration = Duration::from_millis(500);
/// `NFNL_MSG_BATCH_BEGIN`
const BATCH: u16 = 0x10;

/// Requests under way, and what they change.
pub struct Requests {
    only: Option<u32>,
    numeric: bool,
    open: HashMap<u64, (Request, Instant)>,
    transactions: Transactions,
    tables: Tables,
    reads: Reads,
    names: Names,
    named: Instant,
}

impl Requests {
    /// Begins to follow namespaces: `only` this one, else all. `numeric`: they are
    /// not named. `has_nf_tables`: the kernel has it, else it is waited for.
    pub fn start(only: Option<u32>, numeric: bool, has_nf_tables: bool) -> std::io::Result<Self> {
        let namespaces = Transactions::namespaces(only);
        Ok(Self {
            only,
            numeric,
            open: HashMap::new(),
            transactions: Transactions::start(only, &namespaces, has_nf_tables),
            tables: Tables::start(&namespaces)?,
            reads: Reads::default(),
            names: Names::scan(),
            named: Instant::now(),
        })
    }

    /// Whether all that is there is known.
    pub fn ready(&self, awaits_nf_tables: bool) -> bool {
        self.tables.ready() && self.transactions.ready(awaits_nf_tables)
    }

    /// Whether no nft program was found.
    pub fn nft_missing(&self) -> bool {
        self.transactions.nft_missing()
    }

    /// Takes what others have read since. The kernel's records up to now must be
    /// [taken](Requests::take) between this call and [`Requests::events`].
    pub fn learn(&mut self) {
        self.transactions.learn();
        self.tables.read();
    }

    /// Takes a record, and gives what can be told at once.
    pub fn take(&mut self, record: ChangeRecord) -> Vec<Event> {
        match record {
            ChangeRecord::Request(request) => {
                if self.only.is_none_or(|only| only == request.netns) {
                    self.begun(*request);
                }
                Vec::new()
            }
            ChangeRecord::Outcome(outcome) => self.ended(&outcome),
        }
    }

    fn begun(&mut self, request: Request) {
        match &request.kind {
            RequestKind::Get { .. } => return self.reads.take(request),
            RequestKind::Netlink { messages, .. } => {
                let first = Messages::new(messages).next().map(|message| message.kind);
                if first == Some(BATCH) {
                    return self.transactions.begun(request);
                }
                let changes = actions(&request.kind);
                if changes.is_empty() {
                    return self.reads.take(request);
                }
            }
            RequestKind::Set { .. } => {
                if let Some(table) = replaced(&request.kind) {
                    self.tables.begun(&request, &table);
                }
            }
            RequestKind::Sysctl { .. } => {}
        }
        self.open.insert(request.number, (request, Instant::now()));
    }

    fn ended(&mut self, outcome: &Outcome) -> Vec<Event> {
        if let Some(refused) = self.transactions.ended(outcome) {
            let action = ChangeAction::Nft(Transaction::default());
            return vec![self.change(&refused, action, Ended::with(outcome))];
        }
        match self.open.remove(&outcome.number) {
            Some((request, _)) => self.complete(request, Ended::with(outcome)),
            None => Vec::new(),
        }
    }

    fn complete(&mut self, request: Request, ended: Ended) -> Vec<Event> {
        if let Some(table) = Table::of(&request.kind) {
            let change = tables::bare(&table);
            let replaces = table.operation == TableOperation::Replace;
            let request = match ended {
                Ended::Well(at) if replaces => match self.tables.replaced(request, table, at) {
                    Some(request) => request,
                    None => return Vec::new(),
                },
                _ => {
                    self.tables.failed(&request, &table);
                    request
                }
            };
            return vec![self.change(&request, ChangeAction::Table(change), ended)];
        }
        let actions = actions(&request.kind).into_iter();
        let mut out: Vec<Event> =
            actions.map(|action| self.change(&request, action, ended)).collect();
        if matches!(request.kind, RequestKind::Netlink { cut: true, .. }) {
            let (pid, time_ns) = (request.pid, wall_clock::now_ns());
            let text = format!("process {pid} asked for more at once than is kept of a request");
            out.push(Event::Notice(Notice { time_ns, text }));
        }
        out
    }

    /// What is to be told now; `last`: no more will come.
    pub fn events(&mut self, last: bool) -> Vec<Event> {
        let mut out = Vec::new();
        let told = self.transactions.told();
        let rest = if last { self.transactions.rest() } else { Vec::new() };
        for one in told.into_iter().chain(rest) {
            out.push(match one {
                Told::Transaction(request, netns, transaction, by) => {
                    let action = ChangeAction::Nft(*transaction);
                    match request {
                        Some(request) => self.change(&request, action, Ended::Well(0)),
                        None => self.unseen(netns, action, by),
                    }
                }
                Told::Lost(count) => {
                    let (time_ns, place) = (wall_clock::now_ns(), LossPlace::Transactions);
                    Event::Lost(Lost { time_ns, place, count })
                }
                Told::Notice(text) => Event::Notice(Notice { time_ns: wall_clock::now_ns(), text }),
            });
        }
        for (netns, over) in self.transactions.gone() {
            self.tables.forget(netns, over);
        }
        let mut tables = self.tables.told(last);
        if last {
            tables.extend(self.tables.give_up());
        }
        for (request, change) in tables {
            out.push(self.change(&request, ChangeAction::Table(change), Ended::Well(0)));
        }
        for (request, read) in self.reads.ended(last) {
            out.push(self.change(&request, ChangeAction::Read(read), Ended::Well(0)));
        }
        let late: Vec<u64> = self
            .open
            .iter()
            .filter(|(_, (_, since))| last || since.elapsed() >= PATIENCE)
            .map(|(number, _)| *number)
            .collect();
        for number in late {
            if let Some((request, _)) = self.open.remove(&number) {
                out.extend(self.complete(request, Ended::Unseen));
            }
        }
        out
    }

    /// Nothing more is to be read: what is on its way is to be told.
    pub fn stop(&self) {
        self.transactions.stop();
    }

    /// Whether something still is.
    pub fn waits(&self) -> bool {
        !self.transactions.stopped() || self.tables.waits()
    }

    fn change(&mut self, request: &Request, action: ChangeAction, ended: Ended) -> Event {
        let wall = i128::from(request.monotonic_ns) + wall_clock::offset_ns();
        let (pid, command) = (request.pid, request.command.clone());
        let parent = Process { pid: request.parent, command: request.parent_command.clone() };
        Event::Change(Box::new(Change {
            time_ns: u64::try_from(wall).unwrap_or(0),
            netns: self.netns(request.netns),
            process: Some(Process { pid, command }),
            uid: Some(request.uid),
            parent: (request.parent != 0).then_some(parent),
            arguments: request.arguments.clone(),
            arguments_cut: request.cut,
            error: match ended {
                Ended::Refused(errno) => Some(refusal(errno, &action)),
                _ => None,
            },
            outcome_unknown: matches!(ended, Ended::Unseen),
            action,
        }))
    }

    /// A change whose request was not seen; `by`: what the kernel says of the thread.
    fn unseen(&mut self, netns: u32, action: ChangeAction, by: Option<(u32, String)>) -> Event {
        Event::Change(Box::new(Change {
            time_ns: wall_clock::now_ns(),
            netns: self.netns(netns),
            process: by.map(|(pid, command)| Process { pid, command }),
            uid: None,
            parent: None,
            arguments: Vec::new(),
            arguments_cut: false,
            error: None,
            outcome_unknown: false,
            action,
        }))
    }

    fn netns(&mut self, inode: u32) -> Netns {
        if self.named.elapsed() >= NAMES {
            self.names = Names::scan();
            self.named = Instant::now();
        }
        let name = self.names.get(inode).filter(|_| !self.numeric).map(str::to_owned);
        Netns { inode, name }
    }
}

/// How a request ended.
#[derive(Debug, Clone, Copy)]
enum Ended {
    /// It returned then (monotonic ns).
    Well(u64),
    /// The kernel refused it.
    Refused(i32),
    /// Nobody saw it.
    Unseen,
}

impl Ended {
    fn with(outcome: &Outcome) -> Self {
        outcome.errno.map_or(Self::Well(outcome.monotonic_ns), Self::Refused)
    }
}

/// The table that a request replaces.
fn replaced(kind: &RequestKind) -> Option<Table> {
    Table::of(kind).filter(|table| table.operation == TableOperation::Replace)
}

/// What a request that is neither about a table nor a batch asks for.
fn actions(kind: &RequestKind) -> Vec<ChangeAction> {
    match kind {
        RequestKind::Netlink { messages, cut } => {
            let sets = ipset::changes(messages, *cut).into_iter().map(ChangeAction::Ipset);
            let connections = conntrack::changes(messages).into_iter();
            sets.chain(connections.map(ChangeAction::Conntrack)).collect()
        }
        RequestKind::Sysctl { name, value, cut } => {
            let change = sysctl::change(name, value.as_deref(), *cut);
            change.map(ChangeAction::Sysctl).into_iter().collect()
        }
        RequestKind::Set { .. } | RequestKind::Get { .. } => Vec::new(),
    }
}

/// The kernel's words for an error; ipset has numbers of its own from 4096 on
/// (`IPSET_ERR_PRIVATE`).
fn refusal(errno: i32, action: &ChangeAction) -> String {
    match action {
        ChangeAction::Ipset(_) if errno >= 4096 => format!("ipset's error {errno}"),
        _ => {
            let text = std::io::Error::from_raw_os_error(errno).to_string();
            text.split(" (os error").next().unwrap_or_default().to_owned()
        }
    }
}
