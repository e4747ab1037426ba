//! The locator on machine code of several kernels (see `fixtures/`), against what DWARF says of those
//! builds, and on damaged code.

use nfscope_kernel::layout::{NftLayout, Scalar, StateLayout};
use nfscope_kernel::locate::nft::{DropCause, NftPoints, TraceStyle, locate};
use nfscope_kernel::text::FunctionText;
use proptest::prelude::*;

const FIXTURES: [(&str, &str); 6] = [
    ("5.10", include_str!("fixtures/nft_do_chain-5.10-amd64.txt")),
    ("6.1", include_str!("fixtures/nft_do_chain-6.1-amd64.txt")),
    ("6.12", include_str!("fixtures/nft_do_chain-6.12-amd64.txt")),
    ("6.18", include_str!("fixtures/nft_do_chain-6.18-amd64.txt")),
    ("7.2", include_str!("fixtures/nft_do_chain-7.2-amd64.txt")),
    ("arm64", include_str!("fixtures/nft_do_chain-6.12-arm64.txt")),
];

fn fixture(name: &str) -> FunctionText {
    let (_, text) = FIXTURES.iter().find(|(n, _)| *n == name).expect("a fixture");
    text.parse().expect("a fixture that reads")
}

/// Of the layout the locator only uses what is the same on all these kernels, and `nft_traceinfo.rule`.
fn layout(name: &str) -> NftLayout {
    let field = Scalar { offset: 0, size: 1 };
    let state = StateLayout { hook: field, pf: field, input: 8, output: 16, sk: 24, net: 32 };
    let mut layout = NftLayout::table_5_10(state);
    layout.traceinfo.rule = match name {
        "5.10" => Some(24),
        "6.1" => Some(32),
        _ => None,
    };
    layout
}

fn points(name: &str) -> NftPoints {
    locate(&fixture(name), &layout(name), None).expect("points")
}

#[track_caller]
fn shows(name: &str, lines: &[&str]) {
    let shown = points(name).to_string();
    let shown: Vec<&str> = shown.lines().map(str::trim_end).collect();
    assert_eq!(shown, lines, "points of {name}");
}

#[test]
fn linux_5_10() {
    shows(
        "5.10",
        &[
            "BREAK     +0x1c7  before: +0x1c7  rule=rbx pkt=r15 regs=sp+0x48 verdict=sp+0x48 chain=[sp+0x0] basechain=[sp+0x10] expr=r12",
            "CONTINUE  +0x2f0  split: +0x2f5, +0x361  rule=rbx pkt=r15 regs=sp+0x48 verdict=sp+0x48 chain=[sp+0x0] basechain=[sp+0x10]",
            "VERDICT   +0x3ba  split: +0x3bf, +0x41e  rule=rbx pkt=r15 regs=sp+0x48 verdict=sp+0x48 chain=[sp+0x0] basechain=[sp+0x10]",
            "drops     none: this kernel frees a dropped packet outside nft_do_chain",
            "POLICY    +0x4de  pkt=r15 basechain=rax",
            "eval      rule=rbx basechain=[sp+0x18] at the entry of every expression (11 calls agree)",
        ],
    );
    assert_eq!(points("5.10").style, TraceStyle::Info);
}

#[test]
fn linux_6_1() {
    shows(
        "6.1",
        &[
            "BREAK     +0x1e6  before: +0x1de  rule=r13 pkt=r14 regs=sp+0x48 verdict=sp+0x48 chain=[sp+0x0] basechain=[sp+0x10] expr=rbp",
            "CONTINUE  +0x3a9  split: +0x3ab, +0x3b0  rule=r13 pkt=r14 regs=sp+0x48 verdict=sp+0x48 chain=[sp+0x0] basechain=[sp+0x10]",
            "VERDICT   +0x212  split: +0x217, +0x414  rule=r13 pkt=r14 regs=sp+0x48 verdict=sp+0x48 chain=[sp+0x0] basechain=[sp+0x10]",
            "drops     none: this kernel frees a dropped packet outside nft_do_chain",
            "POLICY    +0x564  +0x578  pkt=r14 basechain=rbp",
            "eval      rule=r13 basechain=[sp+0x18] at the entry of every expression (12 calls agree)",
        ],
    );
}

#[test]
fn linux_6_12() {
    shows(
        "6.12",
        &[
            "BREAK     +0x14a  before: +0x142  rule=r14 pkt=rbp regs=sp+0x20 verdict=sp+0x20 basechain=[sp+0x0] expr=rbx",
            "CONTINUE  +0x36e  split: +0x370, +0x375  rule=r14 pkt=rbp regs=sp+0x20 verdict=sp+0x20 basechain=[sp+0x0]",
            "VERDICT   +0x16a  split: +0x16f, +0x3d9  rule=r14 pkt=rbp regs=sp+0x20 verdict=sp+0x20 basechain=[sp+0x0]",
            "rule drop +0x3fe  returns +0x40e  rule=r14 pkt=rbp regs=sp+0x20 basechain=[sp+0x0]",
            "policy    +0x5bc  returns +0x5cc  rule=r14 pkt=rbp regs=sp+0x20 basechain=[sp+0x0]",
            "POLICY    +0x5b0  pkt=rbp basechain=rax",
            "eval      rule=r14 basechain=[sp+0x8] at the entry of every expression (15 calls agree)",
        ],
    );
    assert_eq!(points("6.12").style, TraceStyle::Packet);
}

#[test]
fn linux_6_18() {
    shows(
        "6.18",
        &[
            "BREAK     +0x158  before: +0x150  rule=r13 pkt=rbp regs=sp+0x38 verdict=sp+0x38 basechain=[sp+0x0] expr=rbx",
            "CONTINUE  +0x3a6  split: +0x3a8, +0x3ad  rule=r13 pkt=rbp regs=sp+0x38 verdict=sp+0x38 basechain=[sp+0x0]",
            "VERDICT   +0x17a  split: +0x17f, +0x411  rule=r13 pkt=rbp regs=sp+0x38 verdict=sp+0x38 basechain=[sp+0x0]",
            "rule drop +0x436  returns +0x446  rule=r13 pkt=rbp regs=sp+0x38 basechain=[sp+0x0]",
            "policy    +0x605  returns +0x615  rule=r13 pkt=rbp regs=sp+0x38 basechain=[sp+0x0]",
            "POLICY    +0x5f9  pkt=rbp basechain=rax",
            "eval      rule=r13 basechain=[sp+0x8] at the entry of every expression (15 calls agree)",
        ],
    );
}

/// Here a third call frees the packet, when the jump stack runs over: neither a rule nor the policy.
#[test]
fn linux_7_2() {
    shows(
        "7.2",
        &[
            "BREAK     +0x1b0  before: +0x1a8  rule=r14 pkt=r15 regs=sp+0x30 verdict=sp+0x30 basechain=rbp expr=rbx",
            "CONTINUE  +0x41d  split: +0x41f, +0x424  rule=r14 pkt=r15 regs=sp+0x30 verdict=sp+0x30 basechain=rbp",
            "VERDICT   +0x1d0  split: +0x1d5, +0x48d  rule=r14 pkt=r15 regs=sp+0x30 verdict=sp+0x30 basechain=rbp",
            "rule drop +0x4b4  returns +0x4c3  rule=r14 pkt=r15 regs=sp+0x30 basechain=rbp",
            "other     +0x664  returns +0x673  rule=r14 pkt=r15 regs=sp+0x30 basechain=rbp",
            "policy    +0x73c  returns +0x74b  rule=r14 pkt=r15 regs=sp+0x30 basechain=rbp",
            "POLICY    +0x730  pkt=r15 basechain=rbp",
            "eval      rule=r14 basechain=rbp at the entry of every expression (15 calls agree)",
        ],
    );
}

/// Here the compiler let both drops share one call.
#[test]
fn linux_6_12_arm64() {
    shows(
        "arm64",
        &[
            "BREAK     +0x168  before: +0x164  rule=x22 pkt=x20 regs=sp+0x28 verdict=sp+0x28 basechain=[sp+0x0] expr=x19",
            "CONTINUE  +0x2e0  split: +0x2e4, +0x2e8  rule=x22 pkt=x20 regs=sp+0x28 verdict=sp+0x28 basechain=[sp+0x0]",
            "VERDICT   +0x190  split: +0x194, +0x324  rule=x22 pkt=x20 regs=sp+0x28 verdict=sp+0x28 basechain=[sp+0x0]",
            "drop      +0x344  returns +0x354  rule=x22 pkt=x20 regs=sp+0x28 basechain=[sp+0x0]",
            "POLICY    +0x440  pkt=x20 basechain=x0",
            "eval      rule=x22 basechain=[sp+0x0] at the entry of every expression (1 calls agree)",
        ],
    );
    let drops = points("arm64").drops.unwrap();
    assert_eq!(drops[0].cause, DropCause::RuleOrPolicy);
}

/// Replaces bytes of a fixture at an offset.
fn patch(text: &mut FunctionText, at: usize, bytes: &[u8]) {
    text.code[at..at + bytes.len()].copy_from_slice(bytes);
}

#[test]
fn a_clobbered_register_is_not_taken_for_the_rule() {
    // 6.12: behind the VERDICT site `mov 0x20(%rsp),%eax` becomes `xor %r14d,%r14d; nop`, r14 being rule.
    let mut text = fixture("6.12");
    assert_eq!(&text.code[0x16f..0x173], [0x8b, 0x44, 0x24, 0x20]);
    patch(&mut text, 0x16f, &[0x45, 0x31, 0xf6, 0x90]);
    let points = locate(&text, &layout("6.12"), None).unwrap();
    assert!(points.drops.is_err(), "{points}");
}

#[test]
fn a_rule_overwritten_on_one_way_only_is_not_live_behind_the_meeting() {
    // 6.12: behind the trace call (+0x3ec, `mov 0x20(%rsp),%eax`, 4 bytes) the way joins the untraced one.
    let mut text = fixture("6.12");
    assert_eq!(&text.code[0x3ec..0x3f0], [0x8b, 0x44, 0x24, 0x20]);
    patch(&mut text, 0x3ec, &[0x4d, 0x31, 0xf6, 0x90]);
    let points = locate(&text, &layout("6.12"), None).unwrap();
    assert!(points.drops.is_err(), "{points}");
    assert!(points.verdict.is_ok(), "the VERDICT probes lie before that");
}

#[test]
fn an_expression_given_another_packet_refuses_everything() {
    // 6.12: `mov %rbp,%rdx` before one of the direct calls becomes `mov %rbx,%rdx`.
    let mut text = fixture("6.12");
    assert_eq!(&text.code[0x3b3..0x3b6], [0x48, 0x89, 0xea]);
    patch(&mut text, 0x3b3, &[0x48, 0x89, 0xda]);
    let refusal = locate(&text, &layout("6.12"), None).unwrap_err().to_string();
    assert!(refusal.contains("another packet"), "{refusal}");
}

#[test]
fn a_patched_probe_place_is_refused() {
    let mut text = fixture("6.12");
    text.patched.push(nfscope_kernel::text::Patched {
        offset: 0x16f,
        len: 1,
        table: ".altinstructions".to_owned(),
    });
    let points = locate(&text, &layout("6.12"), None).unwrap();
    let refusal = points.verdict.unwrap_err().to_string();
    assert!(refusal.contains("+0x16f") && refusal.contains(".altinstructions"), "{refusal}");
    assert!(points.matched.is_ok());
}

#[test]
fn a_cold_part_elsewhere_is_refused() {
    let mut text = fixture("6.12");
    let jump = text
        .relocations
        .iter()
        .find(|(_, s)| *s == "__x86_return_thunk")
        .map(|(at, _)| *at)
        .unwrap();
    text.relocations.insert(jump, "nft_do_chain.cold".to_owned());
    let refusal = locate(&text, &layout("6.12"), None).unwrap_err().to_string();
    assert!(refusal.contains("nft_do_chain.cold"), "{refusal}");
}

#[test]
fn text_form_reads_back() {
    for (name, _) in FIXTURES {
        let text = fixture(name);
        assert_eq!(text.to_string().parse::<FunctionText>().unwrap(), text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Damaged code is refused or located, but never panics or runs on.
    #[test]
    fn damaged_code(which in 0..FIXTURES.len(), changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let (name, _) = FIXTURES[which];
        let mut text = fixture(name);
        for (at, value) in changes {
            let at = at.index(text.code.len());
            text.code[at] = value;
        }
        if let Ok(points) = locate(&text, &layout(name), None) {
            let _ = points.to_string();
        }
    }

    #[test]
    fn random_code(bytes in proptest::collection::vec(any::<u8>(), 0..600), which in 0..FIXTURES.len()) {
        let (name, _) = FIXTURES[which];
        let mut text = fixture(name);
        text.code = bytes;
        let _ = locate(&text, &layout(name), None);
    }

    #[test]
    fn random_lines(lines in "(function x86_64 f\n)?((code|reloc|near|jump|patched) [-0-9a-fx ]{0,12}\n){0,4}") {
        let _ = lines.parse::<FunctionText>();
    }
}

/// What `doctor --points --json` shows: registers and places by name, a refusal as its sentence.
#[test]
fn as_json() {
    let mut text = fixture("6.12");
    text.jump_sites.retain(|site| site.offset != 0x36e);
    let points = locate(&text, &layout("6.12"), None).unwrap();
    let json = serde_json::to_value(&points).unwrap();
    assert_eq!(json["verdict"]["holds"]["rule"], "r14");
    assert_eq!(json["verdict"]["holds"]["basechain"], "[sp+0x0]");
    assert_eq!(json["drops"][0]["cause"], "rule");
    let refused = json["continue"]["refused"].as_str().unwrap();
    assert!(refused.contains("trace call for a matching rule"), "{refused}");
}
