//! Tables made up as the kernel would give them, and any bytes at all.

use proptest::prelude::*;

use super::*;
use crate::xtables::uapi::Family;

/// An IPv4 entry with one target.
fn entry(name: &str, data: &[u8]) -> Vec<u8> {
    let size = EXTENSION + data.len().next_multiple_of(8);
    let mut out = vec![0; 112 + size];
    out[88..90].copy_from_slice(&112u16.to_ne_bytes());
    out[90..92].copy_from_slice(&(112 + size as u16).to_ne_bytes());
    out[112..114].copy_from_slice(&(size as u16).to_ne_bytes());
    out[114..114 + name.len()].copy_from_slice(name.as_bytes());
    out[144..144 + data.len()].copy_from_slice(data);
    out
}

fn standard(verdict: i32) -> Vec<u8> {
    entry("", &verdict.to_ne_bytes())
}

fn goto(to: u32) -> Vec<u8> {
    let mut out = standard(to.cast_signed());
    out[82] = 2;
    out
}

fn error(name: &str) -> Vec<u8> {
    let mut data = [0; 30];
    data[..name.len()].copy_from_slice(name.as_bytes());
    entry("ERROR", &data)
}

/// INPUT (hook 1) with five rules and policy DROP; OUTPUT (hook 3) with none;
/// the user chain `web` with two.
fn table() -> (Info, Vec<u8>) {
    let parts = [
        standard(-2),
        // chains begin behind the entry with their name: 5 + 1 + 1 + 1 before it
        standard(7 * 152 + 176),
        goto(7 * 152 + 176),
        standard(2 * 152 + 152 + 152),
        entry("MARK", &[0; 8]),
        standard(-1),
        standard(-2),
        error("web"),
        standard(-5),
        standard(-4),
        standard(-5),
        error("ERROR"),
    ];
    let blob = parts.concat();
    let mut info = Info {
        valid_hooks: 0b1010,
        hook_entry: [0; HOOKS],
        underflow: [0; HOOKS],
        entries: 12,
        size: blob.len() as u32,
    };
    info.underflow[1] = 5 * 152;
    info.hook_entry[3] = 6 * 152;
    info.underflow[3] = 6 * 152;
    (info, blob)
}

#[test]
fn chains_rules_and_policies() {
    let (info, blob) = table();
    let table = Table::parse(Family::Ipv4, "filter", &info, &blob).unwrap();
    let names: Vec<(&str, usize, bool)> =
        table.chains.iter().map(|c| (c.name.as_str(), c.rules.len(), c.built_in)).collect();
    assert_eq!(names, [("INPUT", 5, true), ("OUTPUT", 0, true), ("web", 2, false)]);
    let targets: Vec<&Target> = table.chains[0].rules.iter().map(|r| &r.target).collect();
    let web = |goto| Target::Chain { name: "web".into(), goto };
    assert_eq!(targets[..4], [&Target::Accept, &web(false), &web(true), &Target::Continue]);
    assert!(matches!(targets[4], Target::Extension(part) if part.name == "MARK"));
    assert_eq!(table.chains[0].end.as_ref().map(|r| &r.target), Some(&Target::Drop));
    let at = |offset| table.at(offset).map(|(chain, number, _)| (chain.name.as_str(), number));
    assert_eq!(at(152), Some(("INPUT", 2)));
    assert_eq!(at(5 * 152), Some(("INPUT", 0)));
    assert_eq!(at(6 * 152), Some(("OUTPUT", 0)));
    assert_eq!(at(7 * 152 + 176 + 152), Some(("web", 2)));
    assert_eq!(at(153), None);
}

#[test]
fn damage_is_told() {
    let (info, blob) = table();
    for cut in 1..blob.len() {
        // the cut entry, unless it was cut between two
        let parsed = Table::parse(Family::Ipv4, "filter", &info, &blob[..cut]);
        if let Err(Malformed(at)) = parsed {
            assert!((at as usize) < cut);
        }
    }
    let mut blob = blob;
    blob[90..92].fill(0);
    assert_eq!(Table::parse(Family::Ipv4, "filter", &info, &blob), Err(Malformed(0)));
}

proptest! {
    #[test]
    fn any_bytes(
        blob in proptest::collection::vec(any::<u8>(), 0..2_000),
        (valid_hooks, hook_entry, underflow) in any::<(u32, [u32; HOOKS], [u32; HOOKS])>(),
        v6 in any::<bool>(),
    ) {
        let family = if v6 { Family::Ipv6 } else { Family::Ipv4 };
        let size = blob.len() as u32;
        let info = Info { valid_hooks, hook_entry, underflow, entries: 3, size };
        // whatever it says, it says it without a panic
        let _ = Table::parse(family, "filter", &info, &blob);
    }

    #[test]
    fn a_table_with_any_byte_changed(at in 0usize..1_848, value in any::<u8>()) {
        let (info, mut blob) = table();
        let at = at % blob.len();
        blob[at] = value;
        if let Ok(table) = Table::parse(Family::Ipv4, "filter", &info, &blob) {
            for chain in &table.chains {
                for rule in &chain.rules {
                    let _ = crate::xtables::print::line(Family::Ipv4, &chain.name, rule);
                }
            }
        }
    }
}
