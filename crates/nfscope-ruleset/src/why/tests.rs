use nfscope_event::Family;

use super::*;
use crate::netlink::expr::{Bitwise, Comparison, Data, Expr, Payload, Register};
use crate::netlink::{SetContents, SetInfo, Verdict};

fn register(number: u32) -> Register {
    Register::from_number(number).unwrap()
}

fn rule(expressions: Vec<(&str, Kind)>) -> Rule {
    let expressions =
        expressions.into_iter().map(|(name, kind)| Expr { name: name.into(), kind }).collect();
    Rule::new(Family::Inet, expressions, Vec::new(), Vec::new(), 0)
}

fn payload(base: u32, offset: u32, length: u32) -> (&'static str, Kind) {
    ("payload", Kind::Payload(Payload { base, offset, length }, register(1)))
}

fn cmp(operation: Comparison, value: &[u8]) -> (&'static str, Kind) {
    ("cmp", Kind::Cmp(register(1), operation, value.to_vec()))
}

fn mask(mask: &[u8]) -> (&'static str, Kind) {
    let operation = Bitwise::Mask { mask: mask.to_vec(), xor: vec![0; mask.len()] };
    let length = mask.len() as u32;
    ("bitwise", Kind::Bitwise { from: register(1), to: register(1), length, operation })
}

fn why(rule: &Rule, failing: usize, bytes: &[u8], packet: &PacketFacts<'_>) -> String {
    let mut registers = [0; REGISTERS_SIZE];
    registers[16..16 + bytes.len()].copy_from_slice(bytes);
    explain(rule, failing, &registers, packet).to_string()
}

const CT_STATE: u32 = 0;
const L4PROTO: u32 = 16;

#[test]
fn what_the_mask_took_away_comes_from_the_packet_if_it_agrees() {
    let state = ("ct", Kind::Ct { key: CT_STATE, direction: None, to: register(1) });
    let established =
        rule(vec![state, mask(&6u32.to_ne_bytes()), cmp(Comparison::NotEqual, &[0; 4])]);
    let text =
        |ct_state| why(&established, 2, &[0; 4], &PacketFacts { ct_state, ..Default::default() });
    assert_eq!(text(Some(8)), "ct state established,related: is new");
    assert_eq!(text(Some(1)), "ct state established,related: is invalid");
    // Another packet's state, or a later one.
    let none = "ct state established,related: is none of established,related";
    assert_eq!((text(Some(2)).as_str(), text(None).as_str()), (none, none));

    let network = rule(vec![
        ("meta", Kind::Meta(15, register(1))),
        cmp(Comparison::Equal, &[2]),
        payload(1, 12, 3),
        cmp(Comparison::Equal, &[10, 0, 0]),
    ]);
    let mut header = [0; 20];
    header[12..16].copy_from_slice(&[10, 0, 9, 7]);
    let packet = PacketFacts { network: Some(&header), ..Default::default() };
    assert_eq!(why(&network, 3, &[10, 0, 9], &packet), "ip saddr 10.0.0.0/24: packet has 10.0.9.7");
    assert_eq!(
        why(&network, 3, &[10, 0, 8], &packet),
        "ip saddr 10.0.0.0/24: packet has 10.0.8.0/24"
    );

    let syn = rule(vec![
        ("meta", Kind::Meta(L4PROTO, register(1))),
        cmp(Comparison::Equal, &[6]),
        payload(2, 13, 1),
        mask(&[2]),
        cmp(Comparison::NotEqual, &[0]),
    ]);
    let header = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x11];
    let packet = PacketFacts { transport: Some(&header), ..Default::default() };
    assert_eq!(why(&syn, 4, &[0], &packet), "tcp flags syn: packet has fin,ack");
    let mut later = [0; 20];
    (later[0], later[7]) = (0x45, 1);
    let packet = PacketFacts { network: Some(&later), ..Default::default() };
    assert_eq!(
        why(&syn, 2, &[], &packet),
        "tcp flags syn: packet is a later fragment, without a transport header"
    );
}

#[test]
fn tunnels_and_packets_within_them() {
    let tunnel = Kind::Tunnel { key: 1, mode: 0, to: register(1) };
    let id = rule(vec![("tunnel", tunnel), cmp(Comparison::Equal, &7u32.to_ne_bytes())]);
    assert_eq!(why(&id, 1, &8u32.to_ne_bytes(), &PacketFacts::default()), "tunnel id 7: is 8");
    assert_eq!(
        why(&id, 0, &[], &PacketFacts::default()),
        "tunnel id 7: packet has no tunnel metadata"
    );
    let inner = |kind| {
        let inner = Box::new(Expr { name: "inner".into(), kind });
        ("inner", Kind::Inner { tunnel: 1, flags: 15, inner })
    };
    let port = Payload { base: 2, offset: 2, length: 2 };
    let within = rule(vec![
        ("meta", Kind::Meta(L4PROTO, register(1))),
        cmp(Comparison::Equal, &[17]),
        inner(Kind::Meta(L4PROTO, register(1))),
        cmp(Comparison::Equal, &[6]),
        inner(Kind::Payload(port, register(1))),
        cmp(Comparison::Equal, &[0, 80]),
    ]);
    let facts = PacketFacts::default();
    let vni = Payload { base: 4, offset: 4, length: 3 };
    let header =
        rule(vec![inner(Kind::Payload(vni, register(1))), cmp(Comparison::Equal, &[0, 0, 5])]);
    assert_eq!(why(&header, 1, &[0, 0, 6], &facts), "vxlan vni 5: packet has 6");
    assert_eq!(why(&within, 5, &[0, 81], &facts), "vxlan tcp dport 80: packet has 81");
    assert_eq!(
        why(&within, 4, &[], &facts),
        "vxlan tcp dport 80: packet has no vxlan tunnel with these bytes inside"
    );
}

#[test]
fn what_is_not_known_is_said_with_its_registers() {
    let unknown = rule(vec![("future", Kind::Other), cmp(Comparison::Equal, &[1, 2])]);
    let text = why(&unknown, 0, &[1, 2, 3, 4], &PacketFacts::default());
    let start = "future: why it does not match is not known; registers: 01020304 00000000 ";
    assert!(text.starts_with(start), "{text}");
    assert_eq!(
        why(&unknown, 1, &[3, 4], &PacketFacts::default()),
        "register at byte 16 0x0102: it holds 0x0304, and what that is is not known"
    );
    let raw = rule(vec![payload(2, 4, 4), cmp(Comparison::Less, &[0, 0, 0, 9])]);
    assert_eq!(
        why(&raw, 1, &[0, 0, 0, 10], &PacketFacts::default()),
        "@th,32,32 < 0x9: packet has 0xa"
    );
    assert!(why(&raw, 9, &[], &PacketFacts::default()).starts_with("expression: why"));
    let key = rule(vec![("meta", Kind::Meta(999, register(1))), cmp(Comparison::Equal, &[1])]);
    assert_eq!(
        why(&key, 1, &[2], &PacketFacts::default()),
        "register at byte 16 0x01: it holds 0x02, and what that is is not known"
    );
}

#[test]
fn values_that_were_computed_say_how() {
    let shifted = rule(vec![
        ("meta", Kind::Meta(3, register(1))),
        (
            "bitwise",
            Kind::Bitwise {
                from: register(1),
                to: register(1),
                length: 4,
                operation: Bitwise::Right(8),
            },
        ),
        cmp(Comparison::Equal, &1u32.to_ne_bytes()),
    ]);
    assert_eq!(
        why(&shifted, 2, &2u32.to_ne_bytes(), &PacketFacts::default()),
        "meta mark >> 8 == 0x00000001: packet has 0x00000002"
    );
    let constant = rule(vec![
        ("immediate", Kind::Immediate(register(1), Data::Value(vec![1, 2]))),
        cmp(Comparison::Equal, &[3, 4]),
    ]);
    assert_eq!(why(&constant, 1, &[1, 2], &PacketFacts::default()), "0x0102 0x0304: is 0x0102");
}

#[test]
fn a_set_whose_elements_have_limits_may_fail_by_those() {
    let info = SetInfo {
        family: Family::Inet,
        table: "t".into(),
        name: "s".into(),
        anonymous: false,
        key_type: 13,
        key_length: 2,
        interval: false,
    };
    let set = SetContents { info, elements: Vec::new(), count: 20_000, more: true, stateful: true };
    let lookup = Kind::Lookup { set: "s".into(), from: register(1), to: None, inverted: false };
    let expressions = [payload(2, 2, 2), ("lookup", lookup)];
    let expressions = expressions.map(|(name, kind)| Expr { name: name.into(), kind }).to_vec();
    let rule = Rule::new(Family::Inet, expressions, vec![set], Vec::new(), 0);
    assert_eq!(
        why(&rule, 1, &[0, 80], &PacketFacts::default()),
        "th dport @s: 80 is not in the set (more than 20000 elements), or its element's limit is \
         exceeded"
    );
}

#[test]
fn results_end_where_the_kernel_did() {
    let drop = ("immediate", Kind::Immediate(Register::VERDICT, Data::Verdict(Verdict::Drop)));
    let plain = rule(vec![payload(2, 2, 2), cmp(Comparison::Equal, &[0, 80]), drop.clone()]);
    let outcomes = |rule: &Rule, end| -> Vec<Outcome> {
        evaluated(rule, end).into_iter().map(|one| one.outcome).collect()
    };
    let code = Outcome::Code;
    assert_eq!(outcomes(&plain, End::Failed(1)), [code(-1), code(-2), Outcome::NotReached]);
    assert_eq!(outcomes(&plain, End::Verdict(0)), [code(-1), code(-1), code(0)]);
    let counted = rule(vec![payload(2, 2, 2)]);
    assert_eq!(outcomes(&counted, End::Matched), [code(-1)]);
    assert_eq!(evaluated(&counted, End::Matched)[0].name, "payload");
    // The map and the fixed verdict can both have dropped.
    let map = Kind::Lookup {
        set: "m".into(),
        from: register(1),
        to: Some(Register::VERDICT),
        inverted: false,
    };
    let either = rule(vec![payload(2, 2, 2), ("lookup", map), drop]);
    assert_eq!(outcomes(&either, End::Verdict(0)), [code(-1), Outcome::Unknown, Outcome::Unknown]);
    // Only the map can have jumped.
    assert_eq!(outcomes(&either, End::Verdict(-3)), [code(-1), code(-3), Outcome::NotReached]);
}

#[test]
fn conditions_are_worded_as_the_rules_text_is() {
    let flags = rule(vec![
        ("meta", Kind::Meta(L4PROTO, register(1))),
        cmp(Comparison::Equal, &[6]),
        payload(2, 13, 1),
        mask(&[0x12]),
        cmp(Comparison::Equal, &[2]),
    ]);
    let worded = |text: Option<&str>| {
        let rule = flags.clone().with_text(text.map(str::to_owned));
        why(&rule, 4, &[0x10], &PacketFacts::default())
    };
    let now = "tcp flags & (syn | ack) == syn: packet has ack of syn,ack";
    let before = "tcp flags syn / syn,ack: packet has ack of syn,ack";
    assert_eq!(worded(None), now);
    assert_eq!(worded(Some("tcp flags & (syn | ack) == syn drop")), now);
    assert_eq!(worded(Some("tcp flags syn / syn,ack drop")), before);
    assert_eq!(worded(Some("something else")), now);
    let fragments = rule(vec![
        ("meta", Kind::Meta(15, register(1))),
        cmp(Comparison::Equal, &[2]),
        payload(1, 6, 2),
        mask(&[0x1f, 0xff]),
        cmp(Comparison::NotEqual, &[0, 0]),
    ]);
    assert_eq!(
        why(&fragments, 4, &[0, 0], &PacketFacts::default()),
        "ip frag-off & 0x1fff != 0x0: packet has 0x0 under the mask 0x1fff"
    );
}

#[test]
fn what_is_loaded_to_be_stored_is_for_no_condition() {
    let rule = rule(vec![
        ("ct", Kind::Ct { key: 3, direction: None, to: register(1) }),
        ("meta", Kind::MetaSet(3, register(1))),
        ("meta", Kind::Meta(L4PROTO, register(1))),
        cmp(Comparison::Equal, &[6]),
    ]);
    assert_eq!(
        why(&rule, 0, &[], &PacketFacts::default()),
        "ct mark: packet belongs to no connection (untracked or invalid)"
    );
    // That stands in the rule's text.
    let mut expressions = rule.expressions[2..].to_vec();
    let (name, kind) = payload(2, 2, 2);
    expressions.push(Expr { name: name.into(), kind });
    let (name, kind) = cmp(Comparison::Equal, &[0, 80]);
    expressions.push(Expr { name: name.into(), kind });
    let port = Rule::new(Family::Inet, expressions, Vec::new(), Vec::new(), 0);
    let tcp = why(&port, 1, &[17], &PacketFacts::default());
    assert_eq!(tcp, "tcp dport 80: packet is udp");
    let written = port.with_text(Some("meta l4proto tcp tcp dport 80".into()));
    let tcp = why(&written, 1, &[17], &PacketFacts::default());
    assert_eq!(tcp, "meta l4proto tcp: packet is udp");
}
