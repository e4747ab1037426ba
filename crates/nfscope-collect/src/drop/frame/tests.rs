//! Stacks made up as the kernel would leave them.

use super::*;

const RULE_SITE: u64 = 0xffff_ffff_c047_e4fe;
const POLICY_SITE: u64 = 0xffff_ffff_c047_e6bc;
const BASE_CHAIN: u64 = 0xffff_8efd_5cb4_f6c0;
const TABLE: u64 = 0xffff_8efd_4233_c000;
const IMMEDIATE: u64 = 0xffff_ffff_c04c_5440;
const LOOKUP: u64 = 0xffff_ffff_c04c_6020;
/// Where things stand, in words: the saved rule and expression below the
/// return address, the base chain and the registers above.
const RULE: usize = 60;
const EXPR: usize = 104;
const PKT: usize = 100;
const END: usize = 107;
const CHAIN: usize = 108;
const REGS: usize = 112;

fn offsets() -> NftOffsets {
    let mut nft = NftOffsets::default();
    nft.fields[RULE_SHIFT] = 13;
    nft.fields[CHAIN_TABLE] = 64;
    nft.fields[CHAIN_HANDLE] = 72;
    nft
}

fn trials() -> Vec<Trial> {
    let trial = |port, note, handle| Trial {
        port,
        note,
        handle,
        jumps: false,
        missed: vec![],
        other_caller: port == 40006,
    };
    vec![
        trial(40001, Note::Rule, 5),
        trial(40002, Note::None, 0),
        trial(40003, Note::Rule, 4),
        trial(40004, Note::Rule, 8),
        trial(40005, Note::Policy, 0),
        trial(40006, Note::Rule, 3),
    ]
}

/// The drops, with everything `shift` words further up.
fn stacks(shift: usize) -> Vec<Seen> {
    let one = |trial: &Trial| {
        let site = if trial.note == Note::Rule { RULE_SITE } else { POLICY_SITE };
        let skb = 0xffff_8efd_4231_0000 + u64::from(trial.port);
        let mut seen = Seen::empty(skb, site, "nft_do_chain+0x40e/0x630 [nf_tables]");
        seen.words[END + shift] = site;
        // a copy, in a callee's frame
        seen.words[END + shift - 10] = site;
        seen.put(PKT + shift, 0xffff_d352_c061_3a78, 0, skb);
        let chain = BASE_CHAIN + u64::from(trial.other_caller) * 0x400;
        seen.put(CHAIN + shift, chain, 64, TABLE);
        seen.put(CHAIN + shift, chain, 72, 2);
        if trial.note == Note::Rule {
            let rule = 0xffff_8efd_4201_3000 + trial.handle * 0x100;
            let ops = if trial.port == 40004 { LOOKUP } else { IMMEDIATE };
            seen.put(RULE + shift, rule, 0, trial.handle << 13);
            seen.put(EXPR + shift, rule + 0x58, 0, ops);
            let [high, low] = trial.port.to_be_bytes();
            seen.words[REGS + shift + 2] = u64::from_ne_bytes([high, low, 0, 0, 0, 0, 0, 0]);
        }
        seen
    };
    trials().iter().filter(|t| t.note != Note::None).map(one).collect()
}

fn from_anchor(n: usize) -> i64 {
    (n as i64 - ANCHOR as i64) * 8
}

#[test]
fn both_ways_are_measured() {
    let found = FrameLayout::find(&[stacks(0), stacks(6)], &trials(), &offsets()).unwrap();
    let way = |shift| Way {
        end: from_anchor(END + shift),
        rule: from_anchor(RULE + shift),
        pkt: from_anchor(PKT + shift),
        chain: from_anchor(CHAIN + shift),
        expr: from_anchor(EXPR + shift),
    };
    let wanted = FrameLayout {
        rule_site: RULE_SITE,
        policy_site: POLICY_SITE,
        ways: [way(0), way(6)],
        regs: ((REGS - END) * 8) as i64,
        immediate: IMMEDIATE,
    };
    assert_eq!(found, wanted);
}

#[test]
fn remains_of_one_call_are_not_taken_for_the_rule() {
    let mut ways = [stacks(0), stacks(6)];
    for seen in ways.iter_mut().flatten() {
        seen.words[RULE] = 0;
        seen.words[RULE + 6] = 0;
        seen.put(RULE, 0, 0, 0);
        seen.put(RULE + 6, 0, 0, 0);
    }
    // nearer than the rule itself was, and right for all but the map's packet
    for (seen, trial) in ways[0].iter_mut().zip(trials().iter().filter(|t| t.note != Note::None)) {
        let handle = if trial.port == 40004 { 5 } else { trial.handle };
        seen.put(END - 2, 0xffff_8efd_4201_3500, 0, handle << 13);
    }
    let error = FrameLayout::find(&ways, &trials(), &offsets()).unwrap_err();
    assert!(error.contains("the rule"), "{error}");
}

#[test]
fn a_kernel_that_frees_elsewhere_is_refused() {
    let elsewhere = |seen: &mut Seen| seen.name = "nf_hook_slow+0xa9/0x120".into();
    let mut ways = [stacks(0), stacks(0)];
    ways.iter_mut().flatten().for_each(elsewhere);
    let error = FrameLayout::find(&ways, &trials(), &offsets()).unwrap_err();
    assert!(error.contains("nf_hook_slow"), "{error}");
}

#[test]
fn what_is_missing_is_refused() {
    let mut ways = [stacks(0), stacks(0)];
    ways[1].pop();
    assert!(FrameLayout::find(&ways, &trials(), &offsets()).is_err());
    assert!(FrameLayout::find(&[], &trials(), &offsets()).is_err());
    let mut ways = [stacks(0), stacks(0)];
    ways[0][0].location = RULE_SITE + 1;
    assert!(FrameLayout::find(&ways, &trials(), &offsets()).is_err());
}
