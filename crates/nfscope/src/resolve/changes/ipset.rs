//! ipset's requests (`include/uapi/linux/netfilter/ipset/ip_set.h`).

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use nfscope_event::IpsetChange;
use nfscope_ruleset::netlink::{Attribute, Attributes, Messages};

/// `NFNL_SUBSYS_IPSET`
const SUBSYSTEM: u16 = 6;
/// `IPSET_CMD_ADD`, `IPSET_CMD_DEL`
const ADD: u16 = 9;
const DEL: u16 = 10;

/// `IPSET_ATTR_*` of a command
mod attribute {
    pub const NAME: u16 = 2;
    /// A set's type, or the other set's name.
    pub const TYPE: u16 = 3;
    pub const DATA: u16 = 7;
    pub const LIST: u16 = 8;
}

/// `IPSET_ATTR_*` of an element
mod part {
    pub const IP: u16 = 1;
    pub const IP_TO: u16 = 2;
    pub const CIDR: u16 = 3;
    pub const PORT: u16 = 4;
    pub const PORT_TO: u16 = 5;
    pub const TIMEOUT: u16 = 6;
    pub const PROTOCOL: u16 = 7;
    pub const FLAGS: u16 = 8;
    pub const LINE: u16 = 9;
    pub const MARK: u16 = 10;
    pub const ETHER: u16 = 17;
    pub const NAME: u16 = 18;
    pub const NAMEREF: u16 = 19;
    pub const IP2: u16 = 20;
    pub const CIDR2: u16 = 21;
    pub const IP2_TO: u16 = 22;
    pub const IFACE: u16 = 23;
    pub const COMMENT: u16 = 26;
    /// Those that are printed, and the line of the file that it came from.
    pub const TOLD: [u16; 18] = [
        IP, IP_TO, CIDR, PORT, PORT_TO, TIMEOUT, PROTOCOL, FLAGS, LINE, MARK, ETHER, NAME, NAMEREF,
        IP2, CIDR2, IP2_TO, IFACE, COMMENT,
    ];
}

/// `IPSET_FLAG_BEFORE`, `IPSET_FLAG_PHYSDEV`, `IPSET_FLAG_NOMATCH`
const BEFORE: u32 = 1;
const PHYSDEV: u32 = 2;
const NOMATCH: u32 = 4;

/// What a request asks for, elements of one set together. `cut`: it is longer.
pub fn changes(bytes: &[u8], cut: bool) -> Vec<IpsetChange> {
    let mut out: Vec<IpsetChange> = Vec::new();
    for message in Messages::new(bytes).filter(|m| m.kind >> 8 == SUBSYSTEM) {
        let number = message.kind & 0xff;
        let Some(command) = command(number) else { continue };
        let all = message.attributes();
        let text = |kind| all.get(kind).map(Attribute::string);
        let (set, other) = (text(attribute::NAME), text(attribute::TYPE));
        let other = other.filter(|_| matches!(number, 2 | 5 | 6));
        let (mut entries, mut incomplete) = (Vec::new(), false);
        if matches!(number, ADD | DEL) {
            for element in elements(all) {
                let entry = entry(element);
                let untold = element.into_iter().any(|part| !part::TOLD.contains(&part.kind));
                incomplete |= entry.is_none() || untold || flags(element) > 7;
                entries.extend(entry);
            }
        }
        let same = |last: &&mut IpsetChange| {
            matches!(number, ADD | DEL) && last.command == command && last.set == set
        };
        match out.last_mut().filter(same) {
            Some(last) => {
                last.entries.extend(entries);
                last.incomplete |= incomplete;
            }
            None => {
                let command = command.to_owned();
                out.push(IpsetChange { command, set, other, entries, incomplete });
            }
        }
    }
    if let Some(last) = out.last_mut() {
        last.incomplete |= cut;
    }
    out
}

fn command(number: u16) -> Option<&'static str> {
    Some(match number {
        2 => "create",
        3 => "destroy",
        4 => "flush",
        5 => "rename",
        6 => "swap",
        ADD => "add",
        DEL => "del",
        _ => return None,
    })
}

fn elements<'a>(all: Attributes<'a>) -> impl Iterator<Item = Attributes<'a>> {
    let list = all.get(attribute::LIST).map(Attribute::nested).into_iter().flatten();
    let one = all.get(attribute::DATA).into_iter();
    one.chain(list.filter(|a| a.kind == attribute::DATA)).map(Attribute::nested)
}

fn flags(element: Attributes<'_>) -> u32 {
    element.get(part::FLAGS).and_then(Attribute::u32).unwrap_or(0)
}

/// An element as ipset writes it: `10.0.0.1,tcp:80`.
fn entry(all: Attributes<'_>) -> Option<String> {
    let mut parts: Vec<String> = Vec::new();
    parts.extend(addresses(all, part::IP, part::IP_TO, part::CIDR));
    parts.extend(port(all));
    parts.extend(addresses(all, part::IP2, part::IP2_TO, part::CIDR2));
    parts.extend(all.get(part::MARK).and_then(Attribute::u32).map(|mark| format!("{mark:#x}")));
    parts.extend(all.get(part::ETHER).map(|ether| {
        let bytes: Vec<String> = ether.payload.iter().map(|b| format!("{b:02x}")).collect();
        bytes.join(":")
    }));
    let flags = flags(all);
    let device = if flags & PHYSDEV == 0 { "" } else { "physdev:" };
    parts.extend(all.get(part::IFACE).map(|name| format!("{device}{}", name.string())));
    parts.extend(all.get(part::NAME).map(Attribute::string));
    if parts.is_empty() {
        return None;
    }
    let mut out = parts.join(",");
    if let Some(seconds) = all.get(part::TIMEOUT).and_then(Attribute::u32) {
        // writing to a String cannot fail
        let _ = write!(out, " timeout {seconds}");
    }
    if let Some(other) = all.get(part::NAMEREF) {
        let place = if flags & BEFORE == 0 { "after" } else { "before" };
        let _ = write!(out, " {place} {}", other.string());
    }
    if flags & NOMATCH != 0 {
        out.push_str(" nomatch");
    }
    if let Some(comment) = all.get(part::COMMENT) {
        let _ = write!(out, " comment \"{}\"", comment.string());
    }
    Some(out)
}

fn addresses(all: Attributes<'_>, first: u16, last: u16, cidr: u16) -> Option<String> {
    let mut text = address(all.get(first)?)?;
    if let Some(last) = all.get(last).and_then(address) {
        let _ = write!(text, "-{last}");
    }
    if let Some(cidr) = all.get(cidr).and_then(Attribute::u8) {
        let _ = write!(text, "/{cidr}");
    }
    Some(text)
}

fn address(attribute: Attribute<'_>) -> Option<String> {
    // IPSET_ATTR_IPADDR_IPV4, IPSET_ATTR_IPADDR_IPV6
    let value = attribute.nested().find(|a| a.kind == 1 || a.kind == 2)?;
    match value.payload.len() {
        4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(value.payload).ok()?).to_string()),
        16 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(value.payload).ok()?).to_string()),
        _ => None,
    }
}

fn port(all: Attributes<'_>) -> Option<String> {
    let number = all.get(part::PORT).and_then(Attribute::u16)?;
    let protocol = all.get(part::PROTOCOL).and_then(Attribute::u8);
    let mut text = match protocol {
        None => number.to_string(),
        Some(protocol @ (1 | 58)) => {
            let [kind, code] = number.to_be_bytes();
            format!("{}:{kind}/{code}", if protocol == 1 { "icmp" } else { "icmpv6" })
        }
        Some(6) => format!("tcp:{number}"),
        Some(17) => format!("udp:{number}"),
        Some(132) => format!("sctp:{number}"),
        Some(136) => format!("udplite:{number}"),
        Some(other) => format!("{other}:{number}"),
    };
    if let Some(last) = all.get(part::PORT_TO).and_then(Attribute::u16) {
        let _ = write!(text, "-{last}");
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
        let length = (4 + payload.len()) as u16;
        let mut out = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        out.extend(payload);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    fn message(number: u16, payload: &[u8]) -> Vec<u8> {
        let mut out = (20 + payload.len() as u32).to_ne_bytes().to_vec();
        out.extend((SUBSYSTEM << 8 | number).to_ne_bytes());
        out.extend([0; 10]);
        out.extend([2, 0, 0, 0]);
        out.extend(payload);
        out
    }

    #[test]
    fn elements_as_ipset_writes_them() {
        let ip = attribute(part::IP, &attribute(1, &[10, 0, 0, 1]));
        let tcp = [attribute(part::PORT, &[0, 80]), attribute(part::PROTOCOL, &[6])].concat();
        let data = |parts: &[u8]| attribute(attribute::DATA, parts);
        let set = attribute(attribute::NAME, b"web\0");
        let bytes = [
            message(ADD, &[set.clone(), data(&[ip.clone(), tcp].concat())].concat()),
            message(
                ADD,
                &[set.clone(), data(&[ip, attribute(part::CIDR, &[8])].concat())].concat(),
            ),
            message(4, &set),
            message(4, &[]),
        ]
        .concat();
        let all = changes(&bytes, false);
        let short: Vec<_> = all.iter().map(|c| (c.command.as_str(), c.set.as_deref())).collect();
        assert_eq!(short, [("add", Some("web")), ("flush", Some("web")), ("flush", None)]);
        assert_eq!(all[0].entries, ["10.0.0.1,tcp:80", "10.0.0.1/8"]);
        assert!(changes(&bytes, true)[2].incomplete && !all[2].incomplete);
    }

    #[test]
    fn what_an_element_is_besides() {
        let net = attribute(part::IP, &attribute(1, &[10, 0, 0, 0]));
        let parts = [net, attribute(part::CIDR, &[8]), attribute(part::FLAGS, &[0, 0, 0, 4])];
        let add = |parts: &[u8]| {
            let data = attribute(attribute::DATA, parts);
            let all = [attribute(attribute::NAME, b"s\0"), data].concat();
            changes(&message(ADD, &all), false).remove(0)
        };
        let told = add(&parts.concat());
        assert_eq!((told.entries, told.incomplete), (vec!["10.0.0.0/8 nomatch".to_owned()], false));
        // IPSET_ATTR_SKBMARK
        let marked = add(&[parts.concat(), attribute(27, &[0; 8])].concat());
        assert!(marked.incomplete && marked.entries.len() == 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..128)) {
            changes(&bytes, false);
            changes(&message(ADD, &attribute(attribute::DATA, &bytes)), true);
        }
    }
}
