//! Rules in iptables' words.

use super::super::uapi::inverted;
use super::*;

fn rule(header: Vec<u8>, matches: Vec<Extension>, target: Target) -> Rule {
    Rule { offset: 0, header, matches, target }
}

fn extension(name: &str, revision: u8, data: &[u8]) -> Extension {
    Extension { name: name.into(), revision, data: data.to_vec() }
}

fn words(values: &[u16], rest: &[u8]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_ne_bytes()).chain(rest.iter().copied()).collect()
}

#[test]
fn addresses_interfaces_and_ports() {
    let mut header = vec![0; 112];
    header[4..8].copy_from_slice(&[127, 0, 0, 1]);
    header[12..16].fill(255);
    // any name that begins with "eth", and not lo
    header[16..19].copy_from_slice(b"eth");
    header[48..51].fill(255);
    header[32..34].copy_from_slice(b"lo");
    header[64..67].fill(255);
    header[80..82].copy_from_slice(&6u16.to_ne_bytes());
    header[83] = inverted::OUTPUT;
    let tcp = extension("tcp", 0, &words(&[0, 65535, 9080, 9080], &[0; 4]));
    let (text, whole) = line(Family::Ipv4, "OUTPUT", &rule(header, vec![tcp], Target::Drop));
    assert_eq!(
        text,
        "-A OUTPUT -d 127.0.0.1/32 -i eth+ ! -o lo -p tcp -m tcp --dport 9080 -j DROP"
    );
    assert!(whole);
}

#[test]
fn the_sign_of_a_wildcard_is_printed_once() {
    let mut header = vec![0; 112];
    header[16..20].copy_from_slice(b"eth+");
    header[48..51].fill(255);
    let (text, _) = line(Family::Ipv4, "a", &rule(header, Vec::new(), Target::Drop));
    assert_eq!(text, "-A a -i eth+ -j DROP");
}

#[test]
fn masks_that_are_no_prefix() {
    let mut header = vec![0; 112];
    header[..4].copy_from_slice(&[10, 0, 0, 1]);
    header[8..12].copy_from_slice(&[255, 0, 0, 255]);
    let (text, _) = line(Family::Ipv4, "a", &rule(header, Vec::new(), Target::Return));
    assert_eq!(text, "-A a -s 10.0.0.1/255.0.0.255 -j RETURN");
}

#[test]
fn what_is_not_known_is_left_out_and_said() {
    let limit = extension("limit", 0, &[1; 16]);
    let target = Target::Extension(extension("NFQUEUE", 3, &[0; 8]));
    let (text, whole) = line(Family::Ipv6, "a", &rule(vec![0; 168], vec![limit], target));
    assert_eq!(text, "-A a -m limit […] -j NFQUEUE […]");
    assert!(!whole);
}

#[test]
fn comments_and_rejects() {
    let comment = extension("comment", 0, b"no \"way\"\0\0\0");
    let reject = extension("REJECT", 0, &3u32.to_ne_bytes());
    let rule = rule(vec![0; 112], vec![comment], Target::Extension(reject));
    let (text, whole) = line(Family::Ipv4, "a", &rule);
    assert_eq!(
        text,
        r#"-A a -m comment --comment "no \"way\"" -j REJECT --reject-with icmp-port-unreachable"#
    );
    assert!(whole);
    assert_eq!(super::comment(&rule).as_deref(), Some("no \"way\""));
}

#[test]
fn short_data_is_no_panic() {
    for name in ["tcp", "udp", "comment"] {
        let rule = rule(vec![], vec![extension(name, 0, &[])], Target::Continue);
        let _ = line(Family::Ipv4, "a", &rule);
    }
}
