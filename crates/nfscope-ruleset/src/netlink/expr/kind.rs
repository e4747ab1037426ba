//! What an expression does.

use super::{
    Bitwise, Comparison, Data, Direction, Dynset, Expr, ExthdrKind, Limit, Numgen, Payload,
    Register,
};
use crate::netlink::verdict::Verdict;

/// What an expression does, by the attributes that the kernel dumps for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Compares a register; fails if that is not so.
    Cmp(Register, Comparison, Vec<u8>),
    /// Fails if a register is outside two values (or inside, if `inverted`).
    Range {
        /// Register that is read.
        from: Register,
        /// Fails in the opposite case.
        inverted: bool,
        /// Lowest value.
        low: Vec<u8>,
        /// Highest value.
        high: Vec<u8>,
    },
    /// Loads packet data.
    Payload(Payload, Register),
    /// Writes packet data.
    PayloadSet(Payload, Register),
    /// Runs an expression on the packet within a tunnel's packet
    /// (`enum nft_inner_type`, `enum nft_inner_flags`).
    Inner {
        /// `enum nft_inner_type`
        tunnel: u32,
        /// `enum nft_inner_flags`
        flags: u32,
        /// What is run.
        inner: Box<Expr>,
    },
    /// Loads meta information (`enum nft_meta_keys`).
    Meta(u32, Register),
    /// Sets meta information.
    MetaSet(u32, Register),
    /// Loads conntrack information (`enum nft_ct_keys`).
    Ct {
        /// Which one.
        key: u32,
        /// Of which direction, where that matters.
        direction: Option<Direction>,
        /// Register that is written.
        to: Register,
    },
    /// Sets conntrack information.
    CtSet {
        /// Which one.
        key: u32,
        /// Of which direction, where that matters.
        direction: Option<Direction>,
        /// Register that is read.
        from: Register,
    },
    /// Loads an extension header or option, or (`present`) whether there is
    /// one.
    Exthdr {
        /// Of which protocol.
        what: ExthdrKind,
        /// Which one, by its number.
        number: u8,
        /// First byte, or what is added.
        offset: u32,
        /// How many bytes.
        length: u32,
        /// Whether there is one, instead of its bytes.
        present: bool,
        /// Register that is written.
        to: Register,
    },
    /// Writes an option (`from`), or removes it.
    ExthdrSet {
        /// Of which protocol.
        what: ExthdrKind,
        /// Which one, by its number.
        number: u8,
        /// Register that is written there; none: it is removed.
        from: Option<Register>,
    },
    /// Asks the routing table (`enum nft_fib_result`, `enum nft_fib_flags`).
    Fib {
        /// `enum nft_fib_result`
        result: u32,
        /// `enum nft_fib_flags`
        flags: u32,
        /// Register that is written.
        to: Register,
    },
    /// Loads from the packet's route (`enum nft_rt_keys`).
    Rt(u32, Register),
    /// Loads from the packet's socket (`enum nft_socket_keys`); `level` of
    /// the control group.
    Socket {
        /// Which one.
        key: u32,
        /// Level of the control group.
        level: u32,
        /// Register that is written.
        to: Register,
    },
    /// Loads tunnel metadata (`enum nft_tunnel_keys`, `enum nft_tunnel_mode`).
    Tunnel {
        /// Which one.
        key: u32,
        /// `enum nft_tunnel_mode`
        mode: u32,
        /// Register that is written.
        to: Register,
    },
    /// Loads from an IPsec state (`enum nft_xfrm_keys`); `outward`: of the
    /// route, else of the packet's past.
    Xfrm {
        /// Which one.
        key: u32,
        /// Of the route, not of the past.
        outward: bool,
        /// Which one, by its number.
        number: u32,
        /// Register that is written.
        to: Register,
    },
    /// Loads the name of the system that sent a TCP SYN.
    Osf {
        /// How strictly the TTL is compared.
        ttl: u8,
        /// With the version.
        version: bool,
        /// Register that is written.
        to: Register,
    },
    /// Generates a number.
    Numgen(Numgen, Register),
    /// Hashes `length` bytes of a register, or (none) the flow.
    Hash {
        /// Register and bytes; none: the flow.
        from: Option<(Register, u32)>,
        /// Exclusive limit.
        modulus: u32,
        /// Where the rule gives one.
        seed: Option<u32>,
        /// First byte, or what is added.
        offset: u32,
        /// Register that is written.
        to: Register,
    },
    /// Loads a constant, or ends the rule with a verdict.
    Immediate(Register, Data),
    /// Changes a register bit by bit.
    Bitwise {
        /// Register that is read.
        from: Register,
        /// Register that is written.
        to: Register,
        /// How many bytes.
        length: u32,
        /// What is done.
        operation: Bitwise,
    },
    /// Swaps the bytes of `size`-byte numbers between host and network order.
    Byteorder {
        /// Register that is read.
        from: Register,
        /// Register that is written.
        to: Register,
        /// How many bytes.
        length: u32,
        /// Bytes of one number.
        size: u32,
    },
    /// Looks a register up in a set; fails if it is not there (or is, if
    /// `inverted`). With `to` loads the map's value.
    Lookup {
        /// The set or map.
        set: String,
        /// Register that is read.
        from: Register,
        /// Register that is written.
        to: Option<Register>,
        /// Fails in the opposite case.
        inverted: bool,
    },
    /// Changes a set's elements.
    Dynset(Dynset),
    /// Fails beyond a rate.
    Limit(Limit),
    /// Fails beyond so many bytes (up to them, if `over`).
    Quota {
        /// How many bytes.
        bytes: u64,
        /// How many are used up.
        consumed: u64,
        /// Fails below instead of above.
        over: bool,
    },
    /// Fails beyond so many connections (up to them, if `over`).
    Connlimit {
        /// How many.
        count: u32,
        /// Fails below instead of above.
        over: bool,
    },
    /// An iptables match: name and revision.
    Match(String, u32),
    /// An iptables target: name and revision.
    Target(String, u32),
    /// Counts.
    Counter {
        /// How many packets.
        packets: u64,
        /// How many bytes.
        bytes: u64,
    },
    /// Remembers when the rule matched last, so many milliseconds ago.
    Last(Option<u64>),
    /// Logs.
    Log {
        /// Text in front.
        prefix: Option<String>,
        /// Where to, if not the kernel log.
        group: Option<u16>,
        /// Its urgency (`enum nft_log_level`).
        level: Option<u32>,
    },
    /// `snat` or (`destination`) `dnat`.
    Nat {
        /// The destination, not the source.
        destination: bool,
        /// Register of the address.
        address: Option<Register>,
        /// Register of the port.
        port: Option<Register>,
    },
    /// `masquerade`
    Masq(Option<Register>),
    /// `redirect`
    Redir(Option<Register>),
    /// `reject` (`enum nft_reject_types`), with its ICMP code.
    Reject {
        /// `enum nft_reject_types`
        kind: u32,
        /// ICMP code.
        code: u8,
    },
    /// `queue`, to a fixed number.
    Queue(Option<u16>),
    /// `tproxy`
    Tproxy {
        /// `NFPROTO_*`
        family: u32,
        /// Register of the address.
        address: Option<Register>,
        /// Register of the port.
        port: Option<Register>,
    },
    /// `synproxy`
    Synproxy {
        /// Largest segment.
        mss: u16,
        /// Window scale.
        wscale: u8,
    },
    /// `dup`
    Dup {
        /// Register of the address.
        address: Option<Register>,
        /// Register of the device.
        device: Option<Register>,
    },
    /// `fwd`
    Fwd {
        /// Register of the device.
        device: Option<Register>,
        /// Register of the address.
        address: Option<Register>,
    },
    /// A named object (`NFT_OBJECT_*`).
    Objref {
        /// `NFT_OBJECT_*`
        kind: u32,
        /// Its name.
        object: String,
    },
    /// A named object from a map.
    ObjrefMap {
        /// The set or map.
        set: String,
        /// Register that is read.
        from: Register,
    },
    /// `flow add`: the flow table.
    FlowOffload(String),
    /// `notrack`
    Notrack,
    /// One that is not known here, or has a form that is not.
    Other,
}

impl Kind {
    /// The set or map that it uses.
    pub fn set(&self) -> Option<&str> {
        match self {
            Self::Lookup { set, .. } | Self::ObjrefMap { set, .. } => Some(set),
            Self::Dynset(dynset) => Some(&dynset.set),
            _ => None,
        }
    }

    /// The fixed verdict that it ends the rule with.
    pub fn verdict(&self) -> Option<&Verdict> {
        match self {
            Self::Immediate(_, Data::Verdict(verdict)) => Some(verdict),
            _ => None,
        }
    }
}
