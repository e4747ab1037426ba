//! The drop of `nf_hook_slow` on machine code of several kernels, as it runs (see `fixtures/`).

use nfscope_kernel::locate::hook_slow::{EntriesLayout, locate};
use nfscope_kernel::text::FunctionText;

/// The same on all these kernels.
const LAYOUT: EntriesLayout = EntriesLayout { hooks: 8, entry_size: 16, hook: 0, private: 8 };

#[track_caller]
fn shows(text: &str, expected: &str) {
    let text: FunctionText = text.parse().expect("a fixture");
    let found = locate(&text, LAYOUT).map_or_else(|e| e.to_string(), |found| found.to_string());
    assert_eq!(found, expected);
}

#[test]
fn linux_5_10() {
    shows(
        include_str!("fixtures/nf_hook_slow-5.10-amd64.txt"),
        "hook drop +0x87   returns +0x93  skb=r13 state=r14 entries=rbp index=rbx",
    );
}

#[test]
fn linux_6_1() {
    shows(
        include_str!("fixtures/nf_hook_slow-6.1-amd64.txt"),
        "hook drop +0x8b   returns +0x9b  skb=rbp state=r12 entries=r14 index=r13",
    );
}

#[test]
fn linux_6_12() {
    shows(
        include_str!("fixtures/nf_hook_slow-6.12-amd64.txt"),
        "hook drop +0x69   returns +0x7b  skb=rbp state=r12 entries=r14 index=r13",
    );
}

#[test]
fn linux_6_18() {
    shows(
        include_str!("fixtures/nf_hook_slow-6.18-amd64.txt"),
        "hook drop +0x69   returns +0x7b  skb=rbp state=r12 entries=r14 index=r13",
    );
}

#[test]
fn linux_7_2() {
    shows(
        include_str!("fixtures/nf_hook_slow-7.2-amd64.txt"),
        "hook drop +0x6a   returns +0x7d  skb=rbx state=rbp entries=r13 index=r12",
    );
}

#[test]
fn another_layout_is_refused() {
    let text: FunctionText = include_str!("fixtures/nf_hook_slow-6.12-amd64.txt").parse().unwrap();
    let refusal = locate(&text, EntriesLayout { private: 16, ..LAYOUT }).unwrap_err().to_string();
    assert!(refusal.contains("hooks[s].priv"), "{refusal}");
}
