//! A rule of arptables in the words of `arptables-legacy -L -n`, which has the
//! target first, where that program is not there to print it.

use std::fmt::Write;

use super::print::{self, LEFT_OUT, show_address, show_mask};
use super::table::{Rule, Target};
use super::uapi::{INTERFACE, name_at, u16_at};

/// Bytes of a hardware address that arptables prints.
const MAC: usize = 6;

/// Bits of `arpt_arp.invflags`.
mod inverted {
    pub const INPUT: u16 = 1;
    pub const OUTPUT: u16 = 2;
    pub const SOURCE: u16 = 4;
    pub const TARGET: u16 = 8;
    pub const SOURCE_MAC: u16 = 16;
    pub const TARGET_MAC: u16 = 32;
    pub const OPERATION: u16 = 64;
    pub const HARDWARE: u16 = 128;
    pub const PROTOCOL: u16 = 256;
    pub const LENGTH: u16 = 512;
}

/// The rule as a line, and whether nothing was left out of it.
pub(super) fn line(chain: &str, rule: &Rule) -> (String, bool) {
    let mut out = format!("-A {chain}");
    let mut whole = rule.matches.is_empty();
    let target = print::target_name(&rule.target);
    if !target.is_empty() {
        let _ = write!(out, " -j {target}");
    }
    header(&rule.header, &mut out);
    for part in &rule.matches {
        let _ = write!(out, " -m {} {LEFT_OUT}", part.name);
    }
    if let Target::Extension(part) = &rule.target
        && !part.data.is_empty()
    {
        let _ = write!(out, " {LEFT_OUT}");
        whole = false;
    }
    (out, whole)
}

/// The part of the entry that is compared with the packet. Writing to a String
/// cannot fail.
fn header(bytes: &[u8], out: &mut String) {
    let flags = u16_at(bytes, 160).unwrap_or(0);
    let not = |bit: u16| if flags & bit != 0 { " !" } else { "" };
    let field = |at: usize, len: usize| bytes.get(at..at + len).unwrap_or_default();
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
    let be16 = |at: usize| u16_at(bytes, at).map_or(0, u16::from_be);

    for (at, option, bit) in [(94, "-i", inverted::INPUT), (110, "-o", inverted::OUTPUT)] {
        let name = name_at(bytes, at, INTERFACE).unwrap_or_default();
        if name.is_empty() && flags & bit == 0 {
            continue;
        }
        let covered = field(at + 2 * INTERFACE, INTERFACE).iter().take_while(|b| **b != 0).count();
        // arptables keeps the sign in the name
        let any = if covered <= name.len() && !name.ends_with('+') { "+" } else { "" };
        let _ = write!(out, "{} {option} {name}{any}", not(bit));
    }
    let sides = [
        (0, "-s", inverted::SOURCE, 18, "--src-mac", inverted::SOURCE_MAC),
        (4, "-d", inverted::TARGET, 50, "--dst-mac", inverted::TARGET_MAC),
    ];
    for (at, option, bit, mac, mac_option, mac_bit) in sides {
        let (address, mask) = (field(at, 4), field(at + 8, 4));
        if mask.iter().any(|b| *b != 0) || flags & bit != 0 {
            let _ = write!(out, "{} {option} {}", not(bit), show_address(address));
            if mask.iter().any(|b| *b != 0xff) {
                let _ = write!(out, "/{}", show_mask(mask));
            }
        }
        let mask = field(mac + 16, 16);
        if mask.iter().any(|b| *b != 0) || flags & mac_bit != 0 {
            let _ = write!(out, "{} {mac_option} {}", not(mac_bit), show_mac(field(mac, MAC)));
            let mask = &mask[..MAC.min(mask.len())];
            if mask.iter().any(|b| *b != 0xff) {
                let _ = write!(out, "/{}", show_mac(mask));
            }
        }
    }
    let (length, mask) = (byte(16), byte(17));
    if mask != 0 || flags & inverted::LENGTH != 0 {
        let _ = write!(out, "{} --h-length {length}", not(inverted::LENGTH));
        if mask != u8::MAX {
            let _ = write!(out, "/{mask}");
        }
    }
    for (at, option, bit) in
        [(82, "--opcode", inverted::OPERATION), (86, "--h-type", inverted::HARDWARE)]
    {
        let (value, mask) = (be16(at), be16(at + 2));
        if mask != 0 || flags & bit != 0 {
            let _ = write!(out, "{} {option} {value}", not(bit));
            if mask != u16::MAX {
                let _ = write!(out, "/{mask}");
            }
        }
    }
    let (value, mask) = (be16(90), be16(92));
    if mask != 0 || flags & inverted::PROTOCOL != 0 {
        let _ = write!(out, "{} --proto-type {value:#x}", not(inverted::PROTOCOL));
        if mask != u16::MAX {
            let _ = write!(out, "/{mask:x}");
        }
    }
}

fn show_mac(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::super::table::Extension;
    use super::*;

    fn rule(header: Vec<u8>, target: Target) -> Rule {
        Rule { offset: 0, header, matches: Vec::new(), target }
    }

    #[test]
    fn every_part_of_the_header() {
        let mut header = vec![0; 192];
        header[..4].copy_from_slice(&[10, 0, 0, 0]);
        header[8..11].fill(255);
        header[4..8].copy_from_slice(&[10, 0, 0, 1]);
        header[12..16].fill(255);
        header[18..24].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
        header[34..40].fill(255);
        (header[16], header[17]) = (6, 255);
        header[82..84].copy_from_slice(&1u16.to_be_bytes());
        header[84..86].fill(255);
        header[90..92].copy_from_slice(&0x800u16.to_be_bytes());
        header[92..94].fill(255);
        header[94..98].copy_from_slice(b"eth+");
        header[126..129].fill(255);
        let flags = inverted::TARGET | inverted::OPERATION;
        header[160..162].copy_from_slice(&flags.to_ne_bytes());
        let (text, whole) = line("INPUT", &rule(header, Target::Drop));
        assert_eq!(
            text,
            "-A INPUT -j DROP -i eth+ -s 10.0.0.0/24 --src-mac 02:00:00:00:00:01 ! -d 10.0.0.1 \
             --h-length 6 ! --opcode 1 --proto-type 0x800"
        );
        assert!(whole);
    }

    #[test]
    fn what_is_not_known_is_left_out_and_said() {
        let mangle = Extension { name: "mangle".into(), revision: 0, data: vec![0; 48] };
        let (text, whole) = line("OUTPUT", &rule(vec![0; 192], Target::Extension(mangle)));
        assert_eq!(text, "-A OUTPUT -j mangle […]");
        assert!(!whole);
        let (text, whole) = line("a", &rule(Vec::new(), Target::Continue));
        assert_eq!((text.as_str(), whole), ("-A a", true));
    }
}
