//! The translated filters against libpcap's own, on random packets.

mod common;

use common::expressions::{EXPRESSIONS, generated, long};
use common::packets::{Kind, Packet, packet};
use common::{Random, interpreter, libpcap_matches};
use nfscope_filter::{classic, translate};

const PACKETS: usize = 2500;

fn packets(seed: u64, kind: Kind) -> Vec<Packet> {
    let mut random = Random::new(seed);
    (0..PACKETS).map(|_| packet(&mut random, kind)).collect()
}

/// Runs one expression over the packets; gives how many matched.
fn compare(expression: &str, packets: &[Packet]) -> usize {
    let program = classic(expression).unwrap_or_else(|e| panic!("`{expression}`: {e}"));
    let compiled = translate(&program).unwrap_or_else(|e| panic!("`{expression}`: {e}"));
    interpreter::check_shape(&compiled.insns).unwrap_or_else(|e| panic!("`{expression}`: {e}"));
    let mut matched = 0;
    for packet in packets {
        let kept = packet.bytes.len().min(compiled.bytes_needed as usize);
        let expected = libpcap_matches(&program, &packet.bytes, packet.wirelen);
        for caplen in [packet.bytes.len(), kept] {
            let result =
                interpreter::run(&compiled.insns, &packet.buffer(), caplen as u32, packet.wirelen)
                    .unwrap_or_else(|e| panic!("`{expression}`: {e}"));
            assert_eq!(
                result != 0,
                expected,
                "`{expression}` on {packet:02x?}, {caplen} bytes of it, needs {}",
                compiled.bytes_needed
            );
        }
        matched += usize::from(expected);
    }
    matched
}

#[test]
fn expressions_of_the_whole_language_agree() {
    let (any, sane) = (packets(1, Kind::Any), packets(2, Kind::Sane));
    let mut never = Vec::new();
    for expression in EXPRESSIONS {
        let set = if expression.contains("protochain") { &sane } else { &any };
        if compare(expression, set) == 0 {
            never.push(*expression);
        }
    }
    // A comparison of two filters that say "no" to everything shows nothing.
    assert_eq!(never, ["5 > len"], "expressions that no packet matched");
}

#[test]
fn generated_combinations_agree() {
    let packets = packets(3, Kind::Any);
    assert_ne!(compare(&long(), &packets), 0);
    let mut random = Random::new(4);
    for expression in generated(&mut random, 150) {
        compare(&expression, &packets[..1000]);
    }
}
