//! Programs that no expression leads to: valid ones must do what libpcap's own
//! machine does, all others must be refused without a panic.

mod common;

use common::packets::{Kind, packet};
use common::programs::program;
use common::{Random, interpreter, libpcap_matches};
use nfscope_filter::{ClassicInsn, FilterError, translate};
use proptest::prelude::*;

#[test]
fn random_programs_do_what_libpcap_does() {
    let mut random = Random::new(7);
    let packets: Vec<_> = (0..150).map(|_| packet(&mut random, Kind::Any)).collect();
    let (mut matched, mut rejected) = (0, 0);
    for _ in 0..1500 {
        let length = 1 + random.below(60);
        let classic = program(&mut random, length);
        let compiled = translate(&classic).unwrap_or_else(|e| panic!("{e}: {classic:?}"));
        interpreter::check_shape(&compiled.insns).unwrap_or_else(|e| panic!("{e}: {classic:?}"));
        for packet in &packets {
            let expected = libpcap_matches(&classic, &packet.bytes, packet.wirelen);
            let kept = packet.bytes.len().min(compiled.bytes_needed as usize);
            for caplen in [packet.bytes.len(), kept] {
                let result = interpreter::run(
                    &compiled.insns,
                    &packet.buffer(),
                    caplen as u32,
                    packet.wirelen,
                )
                .unwrap_or_else(|e| panic!("{e}: {classic:?}"));
                assert_eq!(result != 0, expected, "{classic:?} on {packet:02x?}");
            }
            if expected {
                matched += 1;
            } else {
                rejected += 1;
            }
        }
    }
    assert!(matched > 20_000 && rejected > 20_000, "{matched} {rejected}");
}

fn any_insn() -> impl Strategy<Value = ClassicInsn> {
    let k = prop_oneof![0u32..40, any::<u32>(), 500u32..600];
    // Half of the codes are ones that exist.
    let code = prop_oneof![
        any::<u16>(),
        prop::sample::select(vec![
            0x00u16, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x15, 0x16, 0x1d, 0x20, 0x25, 0x28,
            0x30, 0x34, 0x35, 0x3c, 0x40, 0x45, 0x48, 0x50, 0x60, 0x61, 0x64, 0x6c, 0x80, 0x81,
            0x84, 0x87, 0x94, 0x9c, 0xb1,
        ]),
    ];
    (code, 0u8..6, 0u8..6, k).prop_map(|(code, jt, jf, k)| ClassicInsn { code, jt, jf, k })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_translated_or_refused(
        mut program in prop::collection::vec(any_insn(), 0..24),
        ends in any::<bool>(),
        caplen in 0u32..=512,
    ) {
        if ends {
            program.extend((0..8).map(|k| ClassicInsn { code: 6, jt: 0, jf: 0, k: k & 1 }));
        }
        if let Ok(compiled) = translate(&program) {
            interpreter::check_shape(&compiled.insns).map_err(TestCaseError::fail)?;
            let frame = vec![0x45; 544];
            interpreter::run(&compiled.insns, &frame, caplen, 1500).map_err(TestCaseError::fail)?;
        }
    }
}

#[test]
fn loops_are_unrolled_or_refused() {
    let insn = |code, jt, jf, k: i32| ClassicInsn { code, jt, jf, k: k as u32 };
    // X = X + 1 as long as it is less than 10; then accept.
    let counting = [
        insn(0x87, 0, 0, 0),
        insn(0x35, 3, 0, 10),
        insn(0x04, 0, 0, 1),
        insn(0x07, 0, 0, 0),
        insn(0x05, 0, 0, -5),
        insn(0x06, 0, 0, 1),
    ];
    let compiled = translate(&counting).expect("a simple loop");
    interpreter::check_shape(&compiled.insns).expect("no loop any more");
    let run = |insns: &[_]| interpreter::run(insns, &[0; 544], 100, 100);
    assert_eq!(run(&compiled.insns), Ok(1));
    // Twenty turns are more than are followed: no match.
    let mut longer = counting;
    longer[1].k = 20;
    assert_eq!(run(&translate(&longer).expect("longer").insns), Ok(0));
    // Into the middle of the loop from outside.
    let mut two_entries = vec![insn(0x15, 2, 0, 1)];
    two_entries.extend(counting);
    assert!(matches!(translate(&two_entries), Err(FilterError::Untranslatable { .. })));
    // A loop that nothing leaves.
    let endless = [insn(0x00, 0, 0, 1), insn(0x05, 0, 0, -2)];
    assert_eq!(run(&translate(&endless).expect("endless").insns), Ok(0));
}
