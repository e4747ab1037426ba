//! Messages put together as the kernel does, and then spoilt.

use nfscope_event::Family;
use proptest::prelude::*;

use super::constants as c;
use super::*;
use crate::netlink::trace::{TraceMessage, TraceType};

/// One message of every kind that is read, in one datagram.
fn datagram() -> Vec<u8> {
    let mut request = Request::new();
    request.push(c::NFT_MSG_TRACE, 0, 2, 0, |w| {
        w.string(c::NFTA_TRACE_TABLE, "t");
        w.string(c::NFTA_TRACE_CHAIN, "c");
        w.u64(c::NFTA_TRACE_RULE_HANDLE, 77);
        w.u32(c::NFTA_TRACE_TYPE, 3);
        w.nest(c::NFTA_TRACE_VERDICT, |w| w.u32(c::NFTA_VERDICT_CODE, 0));
        w.u32(c::NFTA_TRACE_ID, 0xdead_beef);
        w.bytes(c::NFTA_TRACE_NETWORK_HEADER, &[0x45; 20]);
        w.u32(c::NFTA_TRACE_IIF, 3);
    });
    request.push(c::NFT_MSG_NEWTABLE, 0, 1, 0, |w| {
        w.string(c::NFTA_TABLE_NAME, "t");
        w.u64(c::NFTA_TABLE_HANDLE, 5);
    });
    request.push(c::NFT_MSG_NEWCHAIN, 0, 5, 0, |w| {
        w.string(c::NFTA_CHAIN_TABLE, "t");
        w.string(c::NFTA_CHAIN_NAME, "c");
        w.u64(c::NFTA_CHAIN_HANDLE, 1);
        w.nest(c::NFTA_CHAIN_HOOK, |w| {
            w.u32(c::NFTA_HOOK_HOOKNUM, 0);
            w.u32(c::NFTA_HOOK_PRIORITY, -500i32 as u32);
            w.nest(c::NFTA_HOOK_DEVS, |w| {
                w.string(c::NFTA_DEVICE_NAME, "lo");
                w.string(c::NFTA_DEVICE_NAME, "eth0");
            });
        });
        w.u32(c::NFTA_CHAIN_POLICY, 0);
        w.string(c::NFTA_CHAIN_TYPE, "filter");
    });
    request.push(c::NFT_MSG_NEWSET, 0, 1, 0, |w| {
        w.string(c::NFTA_SET_TABLE, "t");
        w.string(c::NFTA_SET_NAME, "__map0");
        w.u32(c::NFTA_SET_FLAGS, 1 | 4 | 8);
        w.u32(c::NFTA_SET_KEY_TYPE, 13);
        w.u32(c::NFTA_SET_KEY_LEN, 2);
    });
    request.push(c::NFT_MSG_NEWRULE, 0, 1, 0, |w| {
        w.string(c::NFTA_RULE_TABLE, "t");
        w.string(c::NFTA_RULE_CHAIN, "c");
        w.u64(c::NFTA_RULE_HANDLE, 9);
        w.nest(c::NFTA_RULE_EXPRESSIONS, |w| {
            let mut expression = |name: &str, fill: &dyn Fn(&mut AttributeWriter<'_>)| {
                w.nest(c::NFTA_LIST_ELEM, |w| {
                    w.string(c::NFTA_EXPR_NAME, name);
                    w.nest(c::NFTA_EXPR_DATA, |w| fill(w));
                });
            };
            expression("counter", &|_| ());
            expression("lookup", &|w| {
                w.string(c::NFTA_LOOKUP_SET, "__map0");
                w.u32(c::NFTA_LOOKUP_SREG, 8);
                w.u32(c::NFTA_LOOKUP_DREG, 0);
            });
            expression("reject", &|w| {
                w.u32(c::NFTA_REJECT_TYPE, 2);
                w.u8(c::NFTA_REJECT_ICMP_CODE, 1);
            });
            expression("queue", &|w| w.bytes(c::NFTA_QUEUE_NUM, &3u16.to_be_bytes()));
            expression("target", &|w| {
                w.string(c::NFTA_TARGET_NAME, "REJECT");
                w.bytes(c::NFTA_TARGET_INFO, &3u32.to_ne_bytes());
            });
        });
        w.bytes(c::NFTA_RULE_USERDATA, &[0, 4, b'w', b'h', b'y', 0]);
    });
    request.push(c::NFT_MSG_NEWSETELEM, 0, 1, 0, |w| {
        w.string(c::NFTA_SET_TABLE, "t");
        w.string(c::NFTA_SET_NAME, "s");
    });
    request.push(c::NFT_MSG_NEWGEN, 0, 0, 0, |w| w.u32(c::NFTA_GEN_ID, 41));
    request.finish().unwrap()
}

#[test]
fn messages_say_what_the_kernel_put_in() {
    let datagram = datagram();
    let mut messages = Messages::new(&datagram);
    let trace = TraceMessage::read(&messages.next().unwrap()).unwrap();
    assert_eq!((trace.kind, trace.rule_handle, trace.id), (TraceType::Rule, Some(77), 0xdead_beef));
    assert!(trace.drops());
    assert_eq!((trace.network_header.len(), trace.iif, trace.oif), (20, Some(3), None));
    let changes: Vec<Change> = messages.filter_map(|m| Change::read(&m)).collect();
    let [
        Change::NewTable(table),
        Change::NewChain(chain),
        Change::NewSet(set),
        Change::NewRule(rule),
        elements,
        generation,
    ] = changes.as_slice()
    else {
        panic!("{changes:?}")
    };
    assert_eq!((table.name.as_str(), table.handle), ("t", 5));
    let hook = chain.hook.as_ref().unwrap();
    assert_eq!(
        (hook.priority, hook.devices.as_slice()),
        (-500, ["lo".into(), "eth0".into()].as_slice())
    );
    assert_eq!((chain.family, chain.policy.as_ref()), (Family::Netdev, Some(&Verdict::Drop)));
    assert!(set.anonymous && set.interval && set.key_length == 2);
    assert_eq!((rule.handle, rule.comment.as_deref()), (9, Some("why")));
    let endings = [
        Ending::VerdictMap(VerdictMap { set: "__map0".into(), register: 8 }),
        Ending::Reject("icmpx port-unreachable".into()),
        Ending::Queue(Some(3)),
        Ending::Reject("icmp port-unreachable".into()),
    ];
    let mut expected = vec![Expression::Other("counter".into())];
    expected.extend(endings.map(Expression::Ending));
    assert_eq!(rule.expressions, expected);
    assert_eq!(elements, &Change::Elements(Family::Inet, "t".into(), "s".into()));
    assert_eq!(generation, &Change::Generation(41));
}

proptest! {
    #[test]
    fn spoilt_messages_are_survived(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        length in any::<prop::sample::Index>(),
    ) {
        let mut bytes = datagram();
        for (at, value) in &changes {
            let at = at.index(bytes.len());
            bytes[at] = *value;
        }
        bytes.truncate(length.index(bytes.len() + 1));
        for message in Messages::new(&bytes) {
            let _ = (TraceMessage::read(&message), Change::read(&message));
        }
    }
}
