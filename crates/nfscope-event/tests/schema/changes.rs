//! Changes of firewalls, with and without what may be left out.

use nfscope_event::{
    Change, ChangeAction, ChangeKind, ConntrackChange, Event, Family, FirewallRead, IpsetChange,
    Netns, Process, RulesetChange, SysctlChange, TableChange, TableOperation, Transaction,
};

use super::samples::text;

fn change(full: bool, action: ChangeAction) -> Event {
    let process = |pid| full.then(|| Process { pid, command: "nft".into() });
    Event::Change(Box::new(Change {
        time_ns: 1,
        netns: Netns { inode: 1, name: text("blue").filter(|_| full) },
        process: process(7),
        uid: full.then_some(0),
        parent: process(1),
        arguments: if full { vec!["nft".into(), "-f".into()] } else { Vec::new() },
        arguments_cut: full,
        error: text("Operation not permitted").filter(|_| full),
        outcome_unknown: full,
        action,
    }))
}

fn ruleset() -> Vec<RulesetChange> {
    let of = |change, handle, before| RulesetChange {
        change,
        object: "rule".into(),
        line: "add rule ip filter input drop".into(),
        handle,
        before,
    };
    use ChangeKind::*;
    vec![
        of(Added, Some(1), None),
        of(Deleted, Some(2), text("accept")),
        of(Replaced, Some(u64::MAX), text("accept")),
        of(Updated, None, None),
    ]
}

/// One of each kind, whole and bare.
pub fn changes() -> Vec<Event> {
    let table = |operation, full: bool| TableChange {
        family: Family::Bridge,
        table: "filter".into(),
        operation,
        entries_before: full.then_some(4),
        entries: full.then_some(5),
        removed: if full { vec!["-P INPUT ACCEPT".into()] } else { Vec::new() },
        added: if full { vec!["-P INPUT DROP".into()] } else { Vec::new() },
        together: full.then_some(2),
        text_unknown: text("gone").filter(|_| full),
    };
    let mut out = Vec::new();
    for full in [true, false] {
        let some = |word: &str| text(word).filter(|_| full);
        let actions = [
            ChangeAction::Nft(Transaction {
                generation_before: full.then_some(1),
                generation: full.then_some(2),
                changes: if full { ruleset() } else { Vec::new() },
                unchanged: full.then_some(3),
                text_unknown: some("there is no nft program to print it"),
            }),
            ChangeAction::Table(table(TableOperation::Replace, full)),
            ChangeAction::Table(table(TableOperation::AddCounters, full)),
            ChangeAction::Ipset(IpsetChange {
                command: "add".into(),
                set: some("web"),
                other: some("hash:ip"),
                entries: if full { vec!["10.0.0.1".into()] } else { Vec::new() },
                incomplete: full,
            }),
            ChangeAction::Conntrack(ConntrackChange {
                operation: "flush".into(),
                table: "conntrack".into(),
                family: full.then_some(Family::Ip),
                tuple: some("src=10.0.0.1"),
                filtered: full,
            }),
            ChangeAction::Sysctl(SysctlChange {
                name: "net.netfilter.nf_conntrack_max".into(),
                value: some("1"),
            }),
            ChangeAction::Read(FirewallRead {
                of: "nft".into(),
                what: vec!["rules".into()],
                requests: 1,
            }),
        ];
        out.extend(actions.map(|action| change(full, action)));
    }
    out
}
