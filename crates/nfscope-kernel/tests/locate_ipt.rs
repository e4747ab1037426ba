//! The points of `ipt_do_table`, `ip6t_do_table` and `arpt_do_table` in the modules of several kernels (see `fixtures/`).

use nfscope_kernel::locate::ipt::{Tables, locate};
use nfscope_kernel::text::FunctionText;

#[track_caller]
fn shows(tables: Tables, text: &str, expected: &str) {
    let text: FunctionText = text.parse().expect("a fixture");
    let found = locate(&text, tables).map_or_else(|e| e.to_string(), |found| found.to_string());
    assert_eq!(found, expected);
}

#[test]
fn linux_5_10_x86_64() {
    shows(
        Tables::Ipv4,
        include_str!("fixtures/ipt_do_table-5.10-amd64.txt"),
        "matched +0x2a7  entry=rbx skb=r12 table=[sp+0x20] param=sp+0x90\nverdict +0x301  entry=rbx skb=r12 table=[sp+0x20] param=sp+0x90 verdict=rax",
    );
    shows(
        Tables::Ipv6,
        include_str!("fixtures/ip6t_do_table-5.10-amd64.txt"),
        "matched +0x291  entry=rbx skb=r15 table=[sp+0x20] param=sp+0x90\nverdict +0x2ed  entry=rbx skb=r15 table=[sp+0x20] param=sp+0x90 verdict=rax",
    );
}

#[test]
fn linux_6_1_x86_64() {
    shows(
        Tables::Ipv4,
        include_str!("fixtures/ipt_do_table-6.1-amd64.txt"),
        "matched +0x2cf  entry=rbx skb=r12 table=[sp+0x40] param=sp+0xa0\nverdict +0x32a  entry=rbx skb=r12 table=[sp+0x40] param=sp+0xa0 verdict=rax",
    );
    shows(
        Tables::Ipv6,
        include_str!("fixtures/ip6t_do_table-6.1-amd64.txt"),
        "matched +0x298  entry=rbx skb=r15 table=[sp+0x40] param=sp+0xa0\nverdict +0x2f5  entry=rbx skb=r15 table=[sp+0x40] param=sp+0xa0 verdict=rax",
    );
}

#[test]
fn linux_6_12_x86_64() {
    shows(
        Tables::Ipv4,
        include_str!("fixtures/ipt_do_table-6.12-amd64.txt"),
        "matched +0x2e0  entry=rbx skb=r14 table=[sp+0x50] param=sp+0xa8\nverdict +0x335  entry=rbx skb=r14 table=[sp+0x50] param=sp+0xa8 verdict=rax",
    );
    shows(
        Tables::Ipv6,
        include_str!("fixtures/ip6t_do_table-6.12-amd64.txt"),
        "matched +0x2aa  entry=r13 skb=rbx table=[sp+0x48] param=sp+0xa8\nverdict +0x301  entry=r13 skb=rbx table=[sp+0x48] param=sp+0xa8 verdict=rax",
    );
}

#[test]
fn linux_6_12_arm64() {
    shows(
        Tables::Ipv4,
        include_str!("fixtures/ipt_do_table-6.12-arm64.txt"),
        "matched +0x2bc  entry=x21 skb=x22 table=[sp+0x60] param=sp+0xd0\nverdict +0x2fc  entry=x21 skb=x22 table=[sp+0x60] param=sp+0xd0 verdict=x0",
    );
    shows(
        Tables::Ipv6,
        include_str!("fixtures/ip6t_do_table-6.12-arm64.txt"),
        "matched +0x280  entry=x28 skb=x21 table=[sp+0x68] param=sp+0xe0\nverdict +0x2c0  entry=x28 skb=x21 table=[sp+0x68] param=sp+0xe0 verdict=x0",
    );
}

#[test]
fn linux_6_18_x86_64() {
    shows(
        Tables::Ipv4,
        include_str!("fixtures/ipt_do_table-6.18-amd64.txt"),
        "matched +0x305  entry=r13 skb=rbp table=[sp+0x18] param=sp+0xb0\nverdict +0x359  entry=r13 skb=rbp table=[sp+0x18] param=sp+0xb0 verdict=rax",
    );
    shows(
        Tables::Ipv6,
        include_str!("fixtures/ip6t_do_table-6.18-amd64.txt"),
        "matched +0x2c1  entry=r13 skb=rbp table=[sp+0x50] param=sp+0xb0\nverdict +0x318  entry=r13 skb=rbp table=[sp+0x50] param=sp+0xb0 verdict=rax",
    );
}

#[test]
fn linux_7_2_x86_64() {
    shows(
        Tables::Ipv4,
        include_str!("fixtures/ipt_do_table-7.2-amd64.txt"),
        "matched +0x2eb  entry=r15 skb=r14 table=[sp+0x40] param=sp+0xa0\nverdict +0x345  entry=r15 skb=r14 table=[sp+0x40] param=sp+0xa0 verdict=rax",
    );
    shows(
        Tables::Ipv6,
        include_str!("fixtures/ip6t_do_table-7.2-amd64.txt"),
        "matched +0x2cd  entry=rbx skb=r14 table=[sp+0x48] param=sp+0xa8\nverdict +0x32a  entry=rbx skb=r14 table=[sp+0x48] param=sp+0xa8 verdict=rax",
    );
}

#[test]
fn arp_tables() {
    shows(
        Tables::Arp,
        include_str!("fixtures/arpt_do_table-5.10-amd64.txt"),
        "matched +0x362  entry=rbx skb=r13 info=rbp param=sp+0x28\nverdict +0x39a  entry=rbx skb=r13 info=rbp param=sp+0x28 verdict=rax",
    );
    shows(
        Tables::Arp,
        include_str!("fixtures/arpt_do_table-6.1-amd64.txt"),
        "matched +0x338  entry=rbx skb=r12 info=r14 param=sp+0x28\nverdict +0x374  entry=rbx skb=r12 info=r14 param=sp+0x28 verdict=rax",
    );
    shows(
        Tables::Arp,
        include_str!("fixtures/arpt_do_table-6.12-amd64.txt"),
        "matched +0x36c  entry=rbx skb=rbp info=[sp+0x8] param=sp+0x30\nverdict +0x3a6  entry=rbx skb=rbp info=[sp+0x8] param=sp+0x30 verdict=rax",
    );
    shows(
        Tables::Arp,
        include_str!("fixtures/arpt_do_table-6.12-arm64.txt"),
        "matched +0x388  entry=x19 skb=x28 info=x22 param=sp+0x20\nverdict +0x3b8  entry=x19 skb=x28 info=x22 param=sp+0x20 verdict=x0",
    );
    shows(
        Tables::Arp,
        include_str!("fixtures/arpt_do_table-6.18-amd64.txt"),
        "matched +0x40d  entry=rbx skb=r15 info=[sp+0x18] param=sp+0x78\nverdict +0x448  entry=rbx skb=r15 info=[sp+0x18] param=sp+0x78 verdict=rax",
    );
    shows(
        Tables::Arp,
        include_str!("fixtures/arpt_do_table-7.2-amd64.txt"),
        "matched +0x3da  entry=rbx skb=rbp info=r15 param=sp+0x70\nverdict +0x416  entry=rbx skb=rbp info=r15 param=sp+0x70 verdict=rax",
    );
}
