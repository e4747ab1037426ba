//! Tables of ebtables-legacy, whose structs are their own
//! (`include/uapi/linux/netfilter_bridge/ebtables.h`, on 64-bit machines):
//! ```text
//! ebt_replace   name@0 (32 bytes) valid_hooks@32 nentries@36 entries_size@40 hook_entry[6]@48
//!               num_counters@96 counters@104 entries@112, 120 bytes
//! ebt_entries   distinguisher@0 name@4 (32 bytes) counter_offset@36 policy:int@40 nentries@44 data@48
//! ebt_entry     bitmask@0 invflags@4 ethproto:be16@8 in@10 logical_in@26 out@42 logical_out@58 (16 bytes)
//!               sourcemac@74 sourcemsk@80 destmac@86 destmsk@92 watchers_offset@100 target_offset@104
//!               next_offset@108 elems@112
//! ebt_entry_match, _watcher, _target  name@0 (31 bytes) revision:u8@31 size@32 data@40
//! ```
//! A chain begins with a `struct ebt_entries`, which has its policy; rules follow it.

use std::fmt::Write;
use std::io;
use std::path::Path;

use super::print::{self, LEFT_OUT};
use super::socket::{LARGEST, Read, Socket, put_name};
use super::table::{Chain, Extension, Malformed, Rule, Table, Target};
use super::uapi::{Family, GET_ENTRIES, GET_INFO, INTERFACE, TABLE_NAME, name_at, u32_at};

/// `sizeof(struct ebt_replace)`
const REPLACE: usize = 120;
/// `sizeof(struct ebt_entries)`
const CHAIN: usize = 48;
/// `sizeof(struct ebt_entry)`, which ends where its matches begin.
const ENTRY: usize = 112;
/// `sizeof(struct ebt_entry_target)`
const EXTENSION: usize = 40;
/// `EBT_EXTENSION_MAXNAMELEN`
const EXTENSION_NAME: usize = 31;
/// Bit of `bitmask` that an entry has and a chain's beginning has not.
const EBT_ENTRY_OR_ENTRIES: u32 = 1;
/// Bit of `bitmask`: the protocol is not compared.
const EBT_NOPROTO: u32 = 2;
/// Bit of `bitmask`: a length stands in the protocol's place; the protocol is not compared.
const EBT_802_3: u32 = 4;
/// Name of the target without a function.
const STANDARD: &str = "standard";

/// A table. One whose module is not loaded is not asked for: the kernel would load it.
pub(super) fn read(socket: &Socket, name: &str) -> io::Result<Read> {
    if !Path::new("/sys/module").join(format!("ebtable_{name}")).exists() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let mut info = vec![0; REPLACE];
    put_name(&mut info, name);
    socket.get(GET_INFO, &mut info)?;
    let short = || io::Error::other("a short answer");
    let (count, size) = u32_at(&info, 36).zip(u32_at(&info, 40)).ok_or_else(short)?;
    if size > LARGEST {
        return Err(io::Error::other("the table is larger than anything that is read"));
    }
    // no counters are asked for; the entries are written behind the request
    let mut request = vec![0; REPLACE + size as usize];
    put_name(&mut request, name);
    let entries = request.as_mut_ptr().wrapping_add(REPLACE).expose_provenance();
    for (at, value) in [(36, count), (40, size)] {
        request[at..at + 4].copy_from_slice(&value.to_ne_bytes());
    }
    request[112..REPLACE].copy_from_slice(&entries.to_ne_bytes());
    socket.get(GET_ENTRIES, &mut request)?;
    let bytes = request.split_off(REPLACE);
    let table = parse(name, count, &bytes).map_err(io::Error::other)?;
    Ok(Read { bytes, table })
}

/// From the kernel's block of entries.
fn parse(name: &str, entries: u32, blob: &[u8]) -> Result<Table, Malformed> {
    let mut chains: Vec<Chain> = Vec::new();
    // (chain, rule) of each jump, and where it leads; where chains begin
    let mut jumps: Vec<(usize, usize, u32)> = Vec::new();
    let mut heads: Vec<u32> = Vec::new();
    let mut at = 0u32;
    while (at as usize) < blob.len() {
        let malformed = || Malformed(at);
        let bytes = &blob[at as usize..];
        let bitmask = u32_at(bytes, 0).ok_or_else(malformed)?;
        let step = if bitmask & EBT_ENTRY_OR_ENTRIES == 0 {
            heads.push(at);
            chains.push(head(bytes, at).ok_or_else(malformed)?);
            CHAIN
        } else {
            let (rule, jump, next) = entry(bytes, at).ok_or_else(malformed)?;
            let number = chains.len().checked_sub(1).ok_or_else(malformed)?;
            let rules = &mut chains[number].rules;
            jumps.extend(jump.map(|to| (number, rules.len(), to)));
            rules.push(rule);
            next
        };
        let step = u32::try_from(step).ok().and_then(|step| at.checked_add(step));
        at = step.ok_or_else(malformed)?;
    }
    for (chain, rule, to) in jumps {
        let head = heads.binary_search(&to).map_err(|_| Malformed(to))?;
        let name = chains[head].name.clone();
        chains[chain].rules[rule].target = Target::Chain { name, goto: false };
    }
    let size = u32::try_from(blob.len()).map_err(|_| Malformed(at))?;
    Ok(Table { family: Family::Bridge, name: name.to_owned(), entries, size, chains })
}

fn head(bytes: &[u8], offset: u32) -> Option<Chain> {
    let name = name_at(bytes.get(..CHAIN)?, 4, TABLE_NAME)?;
    let policy = verdict(u32_at(bytes, 40)?)?;
    let built_in = Family::Bridge.built_in().contains(&name.as_str());
    let end = Rule { offset, header: Vec::new(), matches: Vec::new(), target: policy };
    Some(Chain { name, rules: Vec::new(), end: Some(end), built_in })
}

/// `EBT_ACCEPT` and so on; none is a jump.
fn verdict(number: u32) -> Option<Target> {
    match number.cast_signed() {
        -1 => Some(Target::Accept),
        -2 => Some(Target::Drop),
        -3 => Some(Target::Continue),
        -4 => Some(Target::Return),
        _ => None,
    }
}

/// A rule, where it jumps to, and its size.
fn entry(bytes: &[u8], offset: u32) -> Option<(Rule, Option<u32>, usize)> {
    let at = |field| Some(u32_at(bytes, field)? as usize);
    let (target_offset, next) = (at(104)?, at(108)?);
    if target_offset < ENTRY || next < target_offset.checked_add(EXTENSION)? {
        return None;
    }
    let bytes = bytes.get(..next)?;
    let mut matches = Vec::new();
    let mut place = ENTRY;
    // watchers follow the matches
    while place < target_offset {
        let (found, size) = extension(bytes.get(place..target_offset)?)?;
        matches.push(found);
        place = place.checked_add(size)?;
    }
    let (target, _) = extension(bytes.get(target_offset..)?)?;
    let mut jump = None;
    let target = if target.name == STANDARD {
        let number = u32_at(&target.data, 0)?;
        jump = Some(number).filter(|number| number.cast_signed() >= 0);
        if jump.is_some() { Target::Continue } else { verdict(number)? }
    } else {
        Target::Extension(target)
    };
    Some((Rule { offset, header: bytes[..ENTRY].to_vec(), matches, target }, jump, next))
}

/// A match, watcher or target with its size.
fn extension(bytes: &[u8]) -> Option<(Extension, usize)> {
    let size = EXTENSION.checked_add(u32_at(bytes, 32)? as usize)?;
    Some((
        Extension {
            name: name_at(bytes, 0, EXTENSION_NAME)?,
            revision: *bytes.get(EXTENSION_NAME)?,
            data: bytes.get(EXTENSION..size)?.to_vec(),
        },
        size,
    ))
}

/// A chain's policy as a line.
pub(super) fn policy(chain: &str, policy: &Target) -> String {
    format!("-P {chain} {}", print::target_name(policy))
}

/// The rule as a line, where ebtables-legacy is not there to print it, and whether nothing
/// was left out of it. Writing to a String cannot fail.
pub(super) fn line(chain: &str, rule: &Rule) -> (String, bool) {
    let mut out = format!("-A {chain}");
    let header = &rule.header;
    let word = |at| u32_at(header, at).unwrap_or(0);
    let (bitmask, inverted) = (word(0), word(4));
    let not = |bit: u32| if inverted & bit != 0 { " !" } else { "" };
    if bitmask & EBT_802_3 != 0 {
        let _ = write!(out, " -p{} LENGTH", not(1));
    } else if bitmask & EBT_NOPROTO == 0 {
        let number = header.get(8..10).unwrap_or_default();
        let number = number.iter().fold(0u32, |sum, byte| sum << 8 | u32::from(*byte));
        let _ = write!(out, " -p{} {number:#06x}", not(1));
    }
    let devices =
        [(10, "-i", 2), (26, "--logical-in", 32), (42, "-o", 4), (58, "--logical-out", 64)];
    for (at, option, bit) in devices {
        let name = name_at(header, at, INTERFACE).unwrap_or_default();
        if !name.is_empty() {
            // 1 stands for any end of a name
            let _ = write!(out, " {option}{} {}", not(bit), name.replace('\u{1}', "+"));
        }
    }
    for (at, option, given, bit) in [(74, "-s", 8, 8), (86, "-d", 16, 16)] {
        if bitmask & given != 0 {
            let (address, mask) = (mac(header, at), mac(header, at + 6));
            let _ = write!(out, " {option}{} {address}/{mask}", not(bit));
        }
    }
    let mut whole = true;
    for part in &rule.matches {
        let _ = write!(out, " --{} {LEFT_OUT}", part.name);
        whole = false;
    }
    let target = match print::target_name(&rule.target) {
        none if none.is_empty() => "CONTINUE".to_owned(),
        name => name,
    };
    let _ = write!(out, " -j {target}");
    if matches!(rule.target, Target::Extension(_)) {
        let _ = write!(out, " {LEFT_OUT}");
        whole = false;
    }
    (out, whole)
}

fn mac(header: &[u8], at: usize) -> String {
    let bytes = header.get(at..at + 6).unwrap_or_default();
    bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
#[path = "bridge_tests.rs"]
mod tests;
