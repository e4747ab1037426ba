//! Random packets that filters have something to say about: few addresses and
//! ports, all the protocols, options and extension headers, tags, and cuts.

use super::Random;
use nfscope_filter::{FRAME_CAPACITY, MAX_BYTES};

/// A frame as the BPF program would hand it to the filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Valid bytes, at most [`MAX_BYTES`].
    pub bytes: Vec<u8>,
    /// Length of the whole frame.
    pub wirelen: u32,
}

impl Packet {
    /// The frame buffer: garbage behind the valid bytes, which must not matter.
    pub fn buffer(&self) -> Vec<u8> {
        let mut buffer = self.bytes.clone();
        buffer.resize(FRAME_CAPACITY as usize, 0x45);
        buffer
    }
}

/// Whether headers may lead a filter into an endless loop: libpcap's code for
/// `protochain` can go in circles on authentication headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Any,
    /// No authentication headers, no random bytes where headers stand.
    Sane,
}

pub fn packet(random: &mut Random, kind: Kind) -> Packet {
    let mut bytes = link(random);
    if kind == Kind::Any && random.one_in(40) {
        let extra = random.below(80);
        bytes.extend((0..extra).map(|_| random.next() as u8));
    } else {
        tagged(random, &mut bytes, kind);
    }
    if kind == Kind::Any && random.one_in(6) {
        for _ in 0..1 + random.below(3) {
            let at = random.below(bytes.len());
            bytes[at] = random.next() as u8;
        }
    }
    if random.one_in(5) {
        let more = random.below(900);
        bytes.extend((0..more).map(|i| i as u8));
    }
    let mut wirelen = bytes.len() as u32;
    if random.one_in(5) {
        // Cut in the middle, as a linear part can be.
        bytes.truncate(random.below(bytes.len() + 1));
    }
    if random.one_in(10) {
        wirelen += random.below(1500) as u32;
    }
    bytes.truncate(MAX_BYTES as usize);
    Packet { bytes, wirelen }
}

fn link(random: &mut Random) -> Vec<u8> {
    let mac = |random: &mut Random| match random.below(6) {
        0 => [0xff; 6],
        1 if random.one_in(2) => [30, 0, 0, 0, 0, 7],
        1 => [1, 0, 0x5e, 0, 0, 1],
        2 => [0; 6],
        n => [2, 0, 0, 0, 0, n as u8 - 2],
    };
    let mut bytes = mac(random).to_vec();
    bytes.extend(mac(random));
    bytes
}

fn tagged(random: &mut Random, bytes: &mut Vec<u8>, kind: Kind) {
    while random.one_in(4) {
        let tpid: u16 = *random.pick(&[&0x8100, &0x88a8, &0x9100, &0x8100]);
        bytes.extend(tpid.to_be_bytes());
        bytes.extend([random.below(2) as u8 * 0x20, random.pick(&[&5u8, &6, &100]).to_owned()]);
    }
    match random.below(20) {
        0 | 1 => arp(random, bytes),
        2 => other(random, bytes),
        3 => {
            // MPLS: a label, the last of its stack, then IP.
            bytes.extend(0x8847u16.to_be_bytes());
            bytes.extend([0, 0x40, 0x01, 64]);
            ip(random, bytes, kind, 0);
        }
        4 => {
            // PPPoE session with IPv4 or IPv6.
            bytes.extend(0x8864u16.to_be_bytes());
            bytes.extend([0x11, 0, 0, 1, 0, 100]);
            let six = random.one_in(2);
            bytes.extend(if six { [0, 0x57] } else { [0, 0x21] });
            if six {
                ip6(random, bytes, kind, 0);
            } else {
                ip4(random, bytes, kind, 0);
            }
        }
        n if n < 13 => {
            bytes.extend(0x0800u16.to_be_bytes());
            ip4(random, bytes, kind, 0);
        }
        _ => {
            bytes.extend(0x86ddu16.to_be_bytes());
            ip6(random, bytes, kind, 0);
        }
    }
}

/// What is neither IP nor ARP: old Ethernet types, and 802.2 with a length instead.
fn other(random: &mut Random, bytes: &mut Vec<u8>) {
    if random.one_in(2) {
        let types: [&u16; 11] = [
            &0x88cc, &0x8863, &0x6003, &0x6003, &0x6004, &0x6002, &0x809b, &0x80f3, &0x8137,
            &0x86dd, &0x0800,
        ];
        bytes.extend(random.pick(&types).to_be_bytes());
        if random.one_in(2) {
            // A short DECnet header, from and to area 1, node 2.
            bytes.extend([10, 0, 2, 2, 4, 2, 4, 0, 0, 0, 0, 0]);
        }
    } else {
        bytes.extend([0, 0x26]);
        let start: [&[u8]; 6] = [
            &[0x42, 0x42, 3],
            &[0xfe, 0xfe, 3, 0x83],
            &[0xfe, 0xfe, 3, 0x81],
            &[0xe0, 0xe0, 3],
            &[0xf0, 0xf0, 3],
            &[0xaa, 0xaa, 3, 0, 0, 0, 0x80, 0x9b],
        ];
        bytes.extend(random.pick(&start));
    }
    bytes.extend((0..random.below(60)).map(|i| (i as u8).wrapping_mul(7)));
}

fn arp(random: &mut Random, bytes: &mut Vec<u8>) {
    let kind: u16 = if random.one_in(3) { 0x8035 } else { 0x0806 };
    bytes.extend(kind.to_be_bytes());
    bytes.extend([0, 1, 8, 0, 6, 4, 0, 1 + random.below(2) as u8]);
    bytes.extend([2, 0, 0, 0, 0, 1]);
    bytes.extend(address4(random));
    bytes.extend([0; 6]);
    bytes.extend(address4(random));
}

fn ip(random: &mut Random, bytes: &mut Vec<u8>, kind: Kind, depth: usize) {
    if random.one_in(2) {
        ip4(random, bytes, kind, depth);
    } else {
        ip6(random, bytes, kind, depth);
    }
}

fn address4(random: &mut Random) -> [u8; 4] {
    match random.below(8) {
        0 => [224, 0, 0, 1],
        1 => [192, 168, 0, 1],
        2 => [255; 4],
        n => [10, 0, 0, n as u8 - 2],
    }
}

fn address6(random: &mut Random) -> [u8; 16] {
    let mut address = [0; 16];
    let start: &[u8] = random.pick(&[
        &[0xfe, 0x80][..],
        &[0x20, 1, 0x0d, 0xb8],
        &[0x20, 1, 0x0d, 0xb8],
        &[0xff, 2],
    ]);
    address[..start.len()].copy_from_slice(start);
    address[15] = 1 + random.below(3) as u8;
    address
}

fn ip4(random: &mut Random, bytes: &mut Vec<u8>, kind: Kind, depth: usize) {
    let mut payload = Vec::new();
    let proto = transport(random, &mut payload, false, kind, depth);
    let words = if random.one_in(4) { 5 + random.below(11) } else { 5 };
    let fragment: u16 = match random.below(8) {
        0 => 0x2000,
        1 => 0x00b9,
        2 => 0x4000,
        _ => 0,
    };
    let total = (words * 4 + payload.len()) as u16;
    bytes.extend([0x40 | words as u8, 0]);
    bytes.extend(total.to_be_bytes());
    bytes.extend([0, random.below(256) as u8]);
    bytes.extend(fragment.to_be_bytes());
    bytes.extend([random.pick(&[&64u8, &1, &33, &32, &255]).to_owned(), proto, 0, 0]);
    bytes.extend(address4(random));
    bytes.extend(address4(random));
    bytes.extend((20..words * 4).map(|_| 1));
    bytes.extend(payload);
}

fn ip6(random: &mut Random, bytes: &mut Vec<u8>, kind: Kind, depth: usize) {
    let mut payload = Vec::new();
    let mut next = transport(random, &mut payload, true, kind, depth);
    while random.one_in(3) {
        let header: u8 = *random.pick(&[&0, &43, &44, &60, &51]);
        if header == 51 && kind == Kind::Sane {
            continue;
        }
        let length = if header == 44 { 0 } else { random.below(3) };
        let mut chained = vec![next, length as u8];
        let bytes = if header == 51 { length * 4 + 8 } else { length * 8 + 8 };
        chained.resize(bytes, 0);
        chained.extend(payload);
        payload = chained;
        next = header;
    }
    bytes.extend([0x60, 0, 0, 0]);
    bytes.extend((payload.len() as u16).to_be_bytes());
    bytes.extend([next, random.pick(&[&64u8, &1, &255]).to_owned()]);
    bytes.extend(address6(random));
    bytes.extend(address6(random));
    bytes.extend(payload);
}

fn port(random: &mut Random) -> [u8; 2] {
    let ports: [&u16; 9] = [&80, &443, &53, &22, &10_000, &1000, &1500, &50, &6081];
    random.pick(&ports).to_be_bytes()
}

fn transport(random: &mut Random, bytes: &mut Vec<u8>, six: bool, kind: Kind, depth: usize) -> u8 {
    let data = random.below(40);
    match random.below(12) {
        0..=3 => {
            bytes.extend(port(random));
            bytes.extend(port(random));
            bytes.extend([0, 0, random.below(3) as u8, random.next() as u8, 0, 0, 0, 1]);
            let words = 5 + if random.one_in(3) { random.below(11) } else { 0 };
            let flags: u8 = *random.pick(&[&2, &0x12, &0x10, &0x11, &4, &0x18]);
            bytes.extend([(words << 4) as u8, flags, 0xff, 0xff, 0, 0, 0, 0]);
            bytes.extend((20..words * 4).map(|_| 1));
            let text: &[u8] = random.pick(&[&b"GET / HTTP/1.1"[..], b"\x01\x02\x03\x04", b""]);
            bytes.extend(text);
            6
        }
        4..=6 => {
            bytes.extend(port(random));
            let geneve = depth == 0 && random.one_in(3);
            bytes.extend(if geneve { 6081u16.to_be_bytes() } else { port(random) });
            bytes.extend([0, 8 + data as u8, 0, 0]);
            if geneve {
                // Version 0, options of up to 8 bytes, IPv4 or IPv6 inside.
                let options = random.below(3);
                let inner: u16 = if random.one_in(2) { 0x0800 } else { 0x86dd };
                bytes.extend([options as u8, 0]);
                bytes.extend(inner.to_be_bytes());
                bytes.extend([0, 1, 0x23, 0]);
                bytes.extend(std::iter::repeat_n(0, options * 4));
                if inner == 0x0800 {
                    ip4(random, bytes, kind, depth + 1);
                } else {
                    ip6(random, bytes, kind, depth + 1);
                }
            } else {
                bytes.extend((0..data).map(|i| i as u8 + 1));
            }
            17
        }
        7 | 8 => {
            let types: [&u8; 5] =
                if six { [&128, &129, &135, &136, &1] } else { [&8, &0, &3, &11, &5] };
            bytes.extend([*random.pick(&types), random.below(3) as u8, 0, 0, 0, 1, 0, 1]);
            bytes.extend((0..data).map(|i| i as u8));
            if six { 58 } else { 1 }
        }
        9 => {
            bytes.extend(port(random));
            bytes.extend(port(random));
            bytes.extend([0; 12]);
            132
        }
        _ => {
            let others: [&u8; 8] = [&2, &103, &112, &47, &50, &115, &59, &4];
            bytes.extend((0..data).map(|i| i as u8));
            *random.pick(&others)
        }
    }
}
