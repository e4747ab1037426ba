//! The points of `ebt_do_table` in the modules of several kernels (see `fixtures/`).

use nfscope_kernel::locate::ebt::locate;
use nfscope_kernel::text::FunctionText;

#[track_caller]
fn shows(text: &str, expected: &str) {
    let text: FunctionText = text.parse().expect("a fixture");
    let found = locate(&text).map_or_else(|e| e.to_string(), |found| found.to_string());
    assert_eq!(found, expected);
}

#[test]
fn linux_5_10_x86_64() {
    shows(
        include_str!("fixtures/ebt_do_table-5.10-amd64.txt"),
        "verdict +0x4c1  entry=rbx skb=rbp table=[sp+0x30]-0x3c param=sp+0x40 verdict=rax\npolicy  +0x57d  entry=r12 skb=rbp table=[sp+0x30]-0x3c param=sp+0x40 verdict=rax",
    );
}

#[test]
fn linux_6_1_x86_64() {
    shows(
        include_str!("fixtures/ebt_do_table-6.1-amd64.txt"),
        "verdict +0x595  entry=rbx skb=r13 table=[sp+0x30]-0x3c param=sp+0x40 verdict=rax\npolicy  +0x648  entry=[sp+0x0] skb=r13 table=[sp+0x30]-0x3c param=sp+0x40 verdict=rax",
    );
}

#[test]
fn linux_6_12_x86_64() {
    shows(
        include_str!("fixtures/ebt_do_table-6.12-amd64.txt"),
        "verdict +0x620  entry=rbx skb=r12 table=[sp+0x30]-0x3c param=sp+0x40 verdict=rax\npolicy  +0x6d3  entry=[sp+0x0] skb=r12 table=[sp+0x30]-0x3c param=sp+0x40 verdict=rax",
    );
}

#[test]
fn linux_6_12_arm64() {
    shows(
        include_str!("fixtures/ebt_do_table-6.12-arm64.txt"),
        "verdict +0x620  entry=x27 skb=x26 table=[sp+0x28]-0x0 param=sp+0x40 verdict=x0\npolicy  +0x440  entry=x28 skb=x26 table=[sp+0x28]-0x0 param=sp+0x40 verdict=x0",
    );
}
