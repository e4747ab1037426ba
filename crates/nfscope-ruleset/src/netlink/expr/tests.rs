use nfscope_event::Family;
use proptest::prelude::*;

use super::*;
use crate::netlink::attr::{AttributeWriter, Attributes};
use crate::netlink::constants::{self as c, expr as e};
use crate::netlink::verdict::Verdict;
use crate::why::{End, PacketFacts, Rule, evaluated, explain};

type Fill<'a> = &'a dyn Fn(&mut AttributeWriter<'_>);

/// A rule's expression list as the kernel writes it.
fn list(expressions: &[(&str, Fill<'_>)]) -> Vec<u8> {
    let (mut bytes, mut too_long) = (Vec::new(), false);
    let mut writer = AttributeWriter::new(&mut bytes, &mut too_long);
    for (name, fill) in expressions {
        writer.nest(c::NFTA_LIST_ELEM, |w| {
            w.string(c::NFTA_EXPR_NAME, name);
            w.nest(c::NFTA_EXPR_DATA, |w| fill(w));
        });
    }
    bytes
}

fn value(w: &mut AttributeWriter<'_>, kind: u16, bytes: &[u8]) {
    w.nest(kind, |w| w.bytes(c::NFTA_DATA_VALUE, bytes));
}

/// One of each form that the machine's own nft may be too old to make.
fn newest() -> Vec<u8> {
    list(&[
        ("tunnel", &|w| {
            w.u32(e::TUNNEL_KEY, 1);
            w.u32(e::TUNNEL_DREG, 1);
            w.u32(e::TUNNEL_MODE, 1);
        }),
        ("inner", &|w| {
            w.u32(e::INNER_TYPE, 1);
            w.u32(e::INNER_FLAGS, 15);
            w.nest(e::INNER_EXPR, |w| {
                w.string(c::NFTA_EXPR_NAME, "payload");
                w.nest(c::NFTA_EXPR_DATA, |w| {
                    w.u32(e::PAYLOAD_BASE, 2);
                    w.u32(e::PAYLOAD_OFFSET, 2);
                    w.u32(e::PAYLOAD_LEN, 2);
                    w.u32(e::PAYLOAD_DREG, 8);
                });
            });
        }),
        ("bitwise", &|w| {
            w.u32(e::BITWISE_SREG, 1);
            w.u32(e::BITWISE_DREG, 9);
            w.u32(e::BITWISE_LEN, 4);
            w.u32(e::BITWISE_OP, 4);
            w.u32(e::BITWISE_SREG2, 23);
        }),
        ("bitwise", &|w| {
            w.u32(e::BITWISE_SREG, 9);
            w.u32(e::BITWISE_DREG, 9);
            w.u32(e::BITWISE_LEN, 4);
            w.u32(e::BITWISE_OP, 2);
            value(w, e::BITWISE_DATA, &8u32.to_ne_bytes());
        }),
        ("dynset", &|w| {
            w.string(e::DYNSET_SET_NAME, "s");
            w.u32(e::DYNSET_OP, 1);
            w.u32(e::DYNSET_SREG_KEY, 9);
            w.nest(e::DYNSET_EXPRESSIONS, |w| {
                w.nest(c::NFTA_LIST_ELEM, |w| {
                    w.string(c::NFTA_EXPR_NAME, "connlimit");
                    w.nest(c::NFTA_EXPR_DATA, |w| w.u32(e::CONNLIMIT_COUNT, 3));
                });
            });
        }),
        ("range", &|w| {
            w.u32(e::RANGE_SREG, 9);
            w.u32(e::RANGE_OP, 1);
            value(w, e::RANGE_FROM_DATA, &[1]);
            value(w, e::RANGE_TO_DATA, &[2]);
        }),
        ("lookup", &|w| {
            w.string(e::LOOKUP_SET, "s");
            w.u32(e::LOOKUP_SREG, 9);
            w.u32(e::LOOKUP_FLAGS, 1);
        }),
        ("xfrm", &|w| {
            w.u32(e::XFRM_KEY, 5);
            w.u8(e::XFRM_DIR, 1);
            w.u32(e::XFRM_DREG, 2);
        }),
        ("immediate", &|w| {
            w.u32(e::IMMEDIATE_DREG, 0);
            w.nest(e::IMMEDIATE_DATA, |w| {
                w.nest(c::NFTA_DATA_VERDICT, |w| Verdict::Jump("c".into()).write(w));
            });
        }),
        ("future", &|w| w.u32(1, 7)),
        ("cmp", &|_| ()),
    ])
}

fn register(number: u32) -> Register {
    Register::from_number(number).unwrap()
}

#[test]
fn registers_lie_where_the_kernel_has_them() {
    let at = |number| Register::from_number(number).map(Register::offset);
    assert_eq!((at(0), at(1), at(4)), (Some(0), Some(16), Some(64)));
    assert_eq!((at(8), at(9), at(23)), (Some(16), Some(20), Some(76)));
    assert_eq!((at(5), at(7), at(24), at(u32::MAX)), (None, None, None, None));
}

#[test]
fn forms_of_new_kernels_are_read() {
    let bytes = newest();
    let all = read(&bytes);
    let kinds: Vec<&Kind> = all.iter().map(|expr| &expr.kind).collect();
    let port = Payload { base: 2, offset: 2, length: 2 };
    let inner = Expr { name: "payload".into(), kind: Kind::Payload(port, register(8)) };
    let connlimit =
        Expr { name: "connlimit".into(), kind: Kind::Connlimit { count: 3, over: false } };
    let bitwise = |from, operation| Kind::Bitwise { from, to: register(9), length: 4, operation };
    let expected = [
        Kind::Tunnel { key: 1, mode: 1, to: register(1) },
        Kind::Inner { tunnel: 1, flags: 15, inner: Box::new(inner) },
        bitwise(register(1), Bitwise::Or(register(23))),
        bitwise(register(9), Bitwise::Right(8)),
        Kind::Dynset(Dynset {
            set: "s".into(),
            operation: 1,
            key: register(9),
            data: None,
            timeout: None,
            inverted: false,
            expressions: vec![connlimit],
        }),
        Kind::Range { from: register(9), inverted: true, low: vec![1], high: vec![2] },
        Kind::Lookup { set: "s".into(), from: register(9), to: None, inverted: true },
        Kind::Xfrm { key: 5, outward: true, number: 0, to: register(2) },
        Kind::Immediate(Register::VERDICT, Data::Verdict(Verdict::Jump("c".into()))),
        Kind::Other,
        Kind::Other,
    ];
    assert_eq!(kinds, expected.iter().collect::<Vec<_>>());
    assert_eq!(all[9].name, "future");
}

#[test]
fn expressions_in_expressions_end_somewhere() {
    // A rule whose inner expressions hold themselves deeper than any kernel's.
    let mut bytes = list(&[("counter", &|_| ())]);
    for _ in 0..200 {
        let deeper = bytes.clone();
        bytes = list(&[("inner", &|w| {
            w.u32(e::INNER_TYPE, 1);
            w.u32(e::INNER_FLAGS, 0);
            let element = Attributes::new(&deeper).next().unwrap();
            w.nest(e::INNER_EXPR, |w| {
                element.nested().for_each(|attribute| w.bytes(attribute.kind, attribute.payload));
            });
        })]);
    }
    assert_eq!(read(&bytes).len(), 1);
}

/// Names of all types, to be put over random attributes.
const NAMES: &[&str] = &[
    "cmp",
    "range",
    "payload",
    "inner",
    "meta",
    "ct",
    "exthdr",
    "fib",
    "rt",
    "socket",
    "tunnel",
    "xfrm",
    "osf",
    "numgen",
    "hash",
    "immediate",
    "bitwise",
    "byteorder",
    "lookup",
    "dynset",
    "limit",
    "quota",
    "connlimit",
    "match",
    "target",
    "counter",
    "last",
    "log",
    "nat",
    "masq",
    "redir",
    "reject",
    "queue",
    "tproxy",
    "synproxy",
    "dup",
    "fwd",
    "objref",
    "flow_offload",
    "notrack",
    "other",
];

/// An expression with attributes of a likely size and number each.
fn any_expression() -> impl Strategy<Value = (usize, Vec<(u16, Vec<u8>)>)> {
    let small = prop_oneof![0u32..40, any::<u32>()].prop_map(|n| n.to_be_bytes().to_vec());
    let bytes = proptest::collection::vec(any::<u8>(), 0..20);
    // NFTA_DATA_VALUE of 0 to 16 bytes.
    let data = proptest::collection::vec(any::<u8>(), 0..17).prop_map(|payload| {
        let (mut bytes, mut too_long) = (Vec::new(), false);
        AttributeWriter::new(&mut bytes, &mut too_long).bytes(1, &payload);
        bytes
    });
    let attribute = prop_oneof![4 => small, 1 => bytes, 2 => data];
    let attributes = proptest::collection::vec((1u16..11, attribute), 0..12);
    (0..NAMES.len(), attributes)
}

proptest! {
    #[test]
    fn any_rule_is_read_and_explained(
        rule in proptest::collection::vec(any_expression(), 0..8),
        registers in proptest::collection::vec(any::<u8>(), 80),
        header in proptest::collection::vec(any::<u8>(), 0..60),
        family in prop_oneof![
            Just(Family::Ip), Just(Family::Ip6), Just(Family::Inet), Just(Family::Arp),
            Just(Family::Bridge), Just(Family::Netdev),
        ],
        code: i32,
    ) {
        let (mut bytes, mut too_long) = (Vec::new(), false);
        let mut writer = AttributeWriter::new(&mut bytes, &mut too_long);
        for (name, attributes) in &rule {
            writer.nest(c::NFTA_LIST_ELEM, |w| {
                w.string(c::NFTA_EXPR_NAME, NAMES[*name]);
                w.nest(c::NFTA_EXPR_DATA, |w| {
                    attributes.iter().for_each(|(kind, payload)| w.bytes(*kind, payload));
                });
            });
        }
        let expressions = read(&bytes);
        prop_assert_eq!(expressions.len(), rule.len());
        let rule = Rule::new(family, expressions, Vec::new(), Vec::new(), 3600);
        let registers = registers.try_into().unwrap();
        let packet = PacketFacts {
            link: Some(&header),
            network: Some(&header),
            transport: Some(&header),
            ct_state: Some(8),
        };
        for failing in 0..=rule.expressions().len() {
            let why = explain(&rule, failing, &registers, &packet);
            prop_assert!(!why.reason.is_empty());
            let results = evaluated(&rule, End::Failed(failing));
            prop_assert_eq!(results.len(), rule.expressions().len());
        }
        let _ = evaluated(&rule, End::Verdict(code));
    }

    #[test]
    fn spoilt_rules_are_survived(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        length in any::<prop::sample::Index>(),
    ) {
        let mut bytes = newest();
        for (at, value) in &changes {
            let at = at.index(bytes.len());
            bytes[at] = *value;
        }
        bytes.truncate(length.index(bytes.len() + 1));
        let rule = Rule::new(Family::Inet, read(&bytes), Vec::new(), Vec::new(), 0);
        for failing in 0..=rule.expressions().len() {
            let _ = explain(&rule, failing, &[0xa5; 80], &PacketFacts::default());
        }
    }
}
