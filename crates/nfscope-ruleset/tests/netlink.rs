//! Tables built and traced in a namespace of the test's own. Needs root.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod skip;

use std::net::UdpSocket;
use std::os::unix::fs::MetadataExt;
use std::thread;
use std::time::Duration;

use nfscope_event::Family;
use nfscope_ruleset::netlink::Verdict;
use nfscope_ruleset::netlink::scratch::{Base, ChainSpec, HookSpec, RuleSpec, Table, TableSpec};
use nfscope_ruleset::netlink::trace::{TraceMessage, TraceSocket, TraceType};
use nfscope_ruleset::netns;
use skip::skip;

/// Runs `test` in an empty network namespace with `lo` up, or says that it
/// cannot.
fn in_namespace(test: impl FnOnce() + Send + 'static) {
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        skip("needs root for a network namespace");
        return;
    }
    thread::spawn(|| {
        netns::unshare().unwrap();
        let up = std::process::Command::new("ip").args(["link", "set", "lo", "up"]).status();
        assert!(up.unwrap().success());
        test();
    })
    .join()
    .unwrap();
}

fn chain(name: &str, hook: Option<(u32, Verdict)>, rules: Vec<RuleSpec>) -> ChainSpec {
    let hook = hook.map(|(number, policy)| HookSpec { number, priority: 0, policy, device: None });
    ChainSpec { name: name.into(), hook, rules }
}

fn table(owned: bool, chains: Vec<ChainSpec>) -> TableSpec {
    TableSpec { family: Family::Inet, name: "nfscope".into(), owned, chains, maps: Vec::new() }
}

#[test]
fn root_trace_tells_each_decision() {
    in_namespace(|| {
        let jump = RuleSpec::new().udp_to(1003).verdict(Verdict::Jump("side".into()));
        let spec = table(
            false,
            vec![
                chain("side", None, vec![RuleSpec::new().udp_to(1003).verdict(Verdict::Drop)]),
                chain(
                    "out",
                    Some((3, Verdict::Drop)),
                    vec![
                        RuleSpec::new().set_nftrace(true),
                        RuleSpec::new().udp_to(1001).verdict(Verdict::Accept),
                        RuleSpec::new().udp_to(1002).verdict(Verdict::Drop),
                        jump,
                        RuleSpec::new()
                            .payload_masked(Base::Network, 16, &[127, 9, 0, 0], &[255, 255, 0, 0])
                            .verdict(Verdict::Drop),
                    ],
                ),
            ],
        );
        let mut listener = TraceSocket::open().unwrap();
        let table = Table::create(&spec).unwrap();
        let handles = table.handles("out").to_vec();
        assert_eq!(handles.len(), 5);
        let side = table.handles("side")[0];
        // Somebody at home, or an ICMP error would be a packet of its own.
        let _receiver = UdpSocket::bind("127.0.0.1:1001").unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let send = |to: &str| {
            let _ = socket.send_to(b"hello", to);
        };
        for to in
            ["127.0.0.1:1001", "127.0.0.1:1002", "127.0.0.1:1003", "127.9.1.1:9", "127.0.0.1:9"]
        {
            send(to);
        }
        let all = listener.drain(Duration::from_millis(200)).unwrap();
        let rules: Vec<_> =
            all.iter().filter(|m| m.drops()).map(|m| (m.chain.as_str(), m.rule_handle)).collect();
        assert_eq!(
            rules,
            [
                ("out", Some(handles[2])),
                ("side", Some(side)),
                ("out", Some(handles[4])),
                ("out", None)
            ]
        );
        let accepted = all.iter().find(|m| m.verdict == Some(Verdict::Accept)).unwrap();
        assert_eq!(accepted.rule_handle, Some(handles[1]));
        assert_eq!(accepted.family, Family::Inet);
        assert_eq!(accepted.table, "nfscope");
        let policy = all.iter().find(|m| m.kind == TraceType::Policy).unwrap();
        assert_eq!(policy.policy, Some(Verdict::Drop));
        let ids: std::collections::HashSet<u32> = all.iter().map(|m| m.id).collect();
        assert_eq!(ids.len(), 5, "one id a packet");
        let first: &TraceMessage = &all[0];
        assert!(first.oif.is_some() && first.iif.is_none());
        assert_eq!(first.network_header.first(), Some(&0x45));
        assert_eq!(&first.transport_header[2..4], &1001u16.to_be_bytes());
        send("127.0.0.1:1002");
        assert!(listener.reached(), "nothing was asked for");
        listener.mark().unwrap();
        let mut last = Vec::new();
        while !listener.reached() {
            assert!(listener.receive(Duration::from_secs(5), &mut last).unwrap());
        }
        assert!(last.iter().any(TraceMessage::drops), "the answer comes behind what was sent");
        table.delete().unwrap();
    });
}

#[test]
fn root_an_owned_table_goes_with_its_owner() {
    in_namespace(|| {
        let rules = vec![RuleSpec::new().set_nftrace(false), RuleSpec::new().set_mark(7).mark(7)];
        let spec = table(true, vec![chain("unhooked", None, rules)]);
        let owned = match Table::create(&spec) {
            Ok(table) => table,
            Err(error) => {
                skip(&format!("{error} (owner tables came with kernel 5.12)"));
                return;
            }
        };
        assert_eq!(owned.handles("unhooked").len(), 2);
        let again = Table::create(&spec).unwrap_err();
        assert_eq!(again.errno(), Some(libc::EPERM), "{again}");
        drop(owned);
        Table::create(&spec).unwrap();
    });
}

#[test]
fn root_a_refused_transaction_leaves_nothing() {
    in_namespace(|| {
        let bad = RuleSpec::new().verdict(Verdict::Jump("nowhere".into()));
        let spec = table(false, vec![chain("c", None, vec![bad])]);
        let error = Table::create(&spec).unwrap_err();
        assert_eq!(error.errno(), Some(libc::ENOENT));
        assert!(error.to_string().contains("create table inet nfscope"), "{error}");
        let good = table(false, vec![chain("c", None, vec![RuleSpec::new()])]);
        Table::create(&good).unwrap();
    });
}
