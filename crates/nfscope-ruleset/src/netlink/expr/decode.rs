//! Reads expressions from netlink attributes (`nft_*_dump` in
//! `net/netfilter/nft_*.c`).

use super::kinds::{
    Bitwise, Comparison, Data, Direction, Dynset, ExthdrKind, Limit, Numgen, Payload, Unit,
};
use super::{Expr, Kind, Register};
use crate::netlink::attr::{Attribute, Attributes};
use crate::netlink::constants::{self as c, expr as e};
use crate::netlink::verdict::Verdict;

/// How deep expressions may hold expressions: `inner` and `dynset` hold one
/// level, and the kernel has no more.
const DEEPEST: u32 = 2;

/// Reads a rule's list of expressions (the inside of
/// `NFTA_RULE_EXPRESSIONS`).
pub(crate) fn read(list: &[u8]) -> Vec<Expr> {
    read_list(Attributes::new(list), DEEPEST)
}

fn read_list(list: Attributes<'_>, depth: u32) -> Vec<Expr> {
    let elements = list.filter(|element| element.kind == c::NFTA_LIST_ELEM);
    elements.map(|element| read_one(element.nested(), depth)).collect()
}

fn read_one(all: Attributes<'_>, depth: u32) -> Expr {
    let name = all.get(c::NFTA_EXPR_NAME).map(Attribute::string).unwrap_or_default();
    let data = all.get(c::NFTA_EXPR_DATA).map_or(Attributes::new(&[]), Attribute::nested);
    let kind = Reader { all: data, depth }.kind(&name).unwrap_or(Kind::Other);
    Expr { name, kind }
}

/// The attributes of one expression.
#[derive(Clone, Copy)]
struct Reader<'a> {
    all: Attributes<'a>,
    depth: u32,
}

impl Reader<'_> {
    fn u8(self, kind: u16) -> Option<u8> {
        self.all.get(kind)?.u8()
    }

    fn u16(self, kind: u16) -> Option<u16> {
        self.all.get(kind)?.u16()
    }

    fn u32(self, kind: u16) -> Option<u32> {
        self.all.get(kind)?.u32()
    }

    fn u64(self, kind: u16) -> Option<u64> {
        self.all.get(kind)?.u64()
    }

    fn string(self, kind: u16) -> Option<String> {
        self.all.get(kind).map(Attribute::string)
    }

    fn register(self, kind: u16) -> Option<Register> {
        Register::from_number(self.u32(kind)?)
    }

    /// `struct nft_data` that is a value.
    fn value(self, kind: u16) -> Option<Vec<u8>> {
        let value = self.all.get(kind)?.nested().get(c::NFTA_DATA_VALUE)?;
        Some(value.payload.to_vec())
    }

    /// Whether a flag of a word that may be absent is set.
    fn flag(self, kind: u16, flag: u32) -> bool {
        self.u32(kind).unwrap_or(0) & flag != 0
    }

    fn kind(self, name: &str) -> Option<Kind> {
        self.loading(name).or_else(|| self.deciding(name)).or_else(|| self.acting(name))
    }

    /// Expressions that put something into a register.
    fn loading(self, name: &str) -> Option<Kind> {
        Some(match name {
            "payload" => {
                let payload = Payload {
                    base: self.u32(e::PAYLOAD_BASE)?,
                    offset: self.u32(e::PAYLOAD_OFFSET)?,
                    length: self.u32(e::PAYLOAD_LEN)?,
                };
                match self.register(e::PAYLOAD_SREG) {
                    Some(from) => Kind::PayloadSet(payload, from),
                    None => Kind::Payload(payload, self.register(e::PAYLOAD_DREG)?),
                }
            }
            "inner" if self.depth > 0 => Kind::Inner {
                tunnel: self.u32(e::INNER_TYPE)?,
                flags: self.u32(e::INNER_FLAGS)?,
                inner: Box::new(read_one(self.all.get(e::INNER_EXPR)?.nested(), self.depth - 1)),
            },
            "meta" => match self.register(e::META_SREG) {
                Some(from) => Kind::MetaSet(self.u32(e::META_KEY)?, from),
                None => Kind::Meta(self.u32(e::META_KEY)?, self.register(e::META_DREG)?),
            },
            "ct" => {
                let key = self.u32(e::CT_KEY)?;
                let direction = match self.u8(e::CT_DIRECTION) {
                    Some(0) => Some(Direction::Original),
                    Some(1) => Some(Direction::Reply),
                    _ => None,
                };
                match self.register(e::CT_SREG) {
                    Some(from) => Kind::CtSet { key, direction, from },
                    None => Kind::Ct { key, direction, to: self.register(e::CT_DREG)? },
                }
            }
            "exthdr" => {
                let what = ExthdrKind::from_number(self.u32(e::EXTHDR_OP).unwrap_or(0))?;
                let number = self.u8(e::EXTHDR_TYPE)?;
                match (self.register(e::EXTHDR_DREG), self.register(e::EXTHDR_SREG)) {
                    (Some(to), _) => Kind::Exthdr {
                        what,
                        number,
                        offset: self.u32(e::EXTHDR_OFFSET)?,
                        length: self.u32(e::EXTHDR_LEN)?,
                        present: self.flag(e::EXTHDR_FLAGS, 1),
                        to,
                    },
                    (None, from) => Kind::ExthdrSet { what, number, from },
                }
            }
            "fib" => Kind::Fib {
                result: self.u32(e::FIB_RESULT)?,
                flags: self.u32(e::FIB_FLAGS)?,
                to: self.register(e::FIB_DREG)?,
            },
            "rt" => Kind::Rt(self.u32(e::RT_KEY)?, self.register(e::RT_DREG)?),
            "socket" => Kind::Socket {
                key: self.u32(e::SOCKET_KEY)?,
                level: self.u32(e::SOCKET_LEVEL).unwrap_or(0),
                to: self.register(e::SOCKET_DREG)?,
            },
            "tunnel" => Kind::Tunnel {
                key: self.u32(e::TUNNEL_KEY)?,
                mode: self.u32(e::TUNNEL_MODE).unwrap_or(0),
                to: self.register(e::TUNNEL_DREG)?,
            },
            "xfrm" => Kind::Xfrm {
                key: self.u32(e::XFRM_KEY)?,
                // XFRM_POLICY_IN, XFRM_POLICY_OUT
                outward: match self.u8(e::XFRM_DIR)? {
                    0 => false,
                    1 => true,
                    _ => return None,
                },
                number: self.u32(e::XFRM_SPNUM).unwrap_or(0),
                to: self.register(e::XFRM_DREG)?,
            },
            "osf" => Kind::Osf {
                ttl: self.u8(e::OSF_TTL).unwrap_or(0),
                version: self.flag(e::OSF_FLAGS, 1),
                to: self.register(e::OSF_DREG)?,
            },
            "numgen" => {
                let numgen = Numgen {
                    random: self.u32(e::NG_TYPE)? == 1,
                    modulus: self.u32(e::NG_MODULUS)?,
                    offset: self.u32(e::NG_OFFSET).unwrap_or(0),
                };
                Kind::Numgen(numgen, self.register(e::NG_DREG)?)
            }
            "hash" => {
                // NFT_HASH_JENKINS, NFT_HASH_SYM
                let from = match self.u32(e::HASH_TYPE)? {
                    0 => Some((self.register(e::HASH_SREG)?, self.u32(e::HASH_LEN)?)),
                    _ => None,
                };
                Kind::Hash {
                    from,
                    modulus: self.u32(e::HASH_MODULUS)?,
                    seed: self.u32(e::HASH_SEED),
                    offset: self.u32(e::HASH_OFFSET).unwrap_or(0),
                    to: self.register(e::HASH_DREG)?,
                }
            }
            "immediate" => {
                let data = self.all.get(e::IMMEDIATE_DATA)?.nested();
                let data = match data.get(c::NFTA_DATA_VERDICT) {
                    Some(verdict) => Data::Verdict(Verdict::read(verdict.nested())?),
                    None => Data::Value(data.get(c::NFTA_DATA_VALUE)?.payload.to_vec()),
                };
                Kind::Immediate(self.register(e::IMMEDIATE_DREG)?, data)
            }
            "bitwise" => Kind::Bitwise {
                from: self.register(e::BITWISE_SREG)?,
                to: self.register(e::BITWISE_DREG)?,
                length: self.u32(e::BITWISE_LEN)?,
                operation: self.bitwise()?,
            },
            "byteorder" => Kind::Byteorder {
                from: self.register(e::BYTEORDER_SREG)?,
                to: self.register(e::BYTEORDER_DREG)?,
                length: self.u32(e::BYTEORDER_LEN)?,
                size: self.u32(e::BYTEORDER_SIZE)?,
            },
            _ => return None,
        })
    }

    fn bitwise(self) -> Option<Bitwise> {
        // Shifts are numbers in the host's order.
        let shift = || {
            let bytes = self.value(e::BITWISE_DATA)?;
            Some(u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?))
        };
        Some(match self.u32(e::BITWISE_OP).unwrap_or(0) {
            0 => Bitwise::Mask {
                mask: self.value(e::BITWISE_MASK)?,
                xor: self.value(e::BITWISE_XOR)?,
            },
            1 => Bitwise::Left(shift()?),
            2 => Bitwise::Right(shift()?),
            3 => Bitwise::And(self.register(e::BITWISE_SREG2)?),
            4 => Bitwise::Or(self.register(e::BITWISE_SREG2)?),
            5 => Bitwise::Xor(self.register(e::BITWISE_SREG2)?),
            _ => return None,
        })
    }

    /// Expressions that decide whether the rule matches.
    fn deciding(self, name: &str) -> Option<Kind> {
        Some(match name {
            "cmp" => Kind::Cmp(
                self.register(e::CMP_SREG)?,
                Comparison::from_number(self.u32(e::CMP_OP)?)?,
                self.value(e::CMP_DATA)?,
            ),
            "range" => Kind::Range {
                from: self.register(e::RANGE_SREG)?,
                inverted: self.u32(e::RANGE_OP)? == 1,
                low: self.value(e::RANGE_FROM_DATA)?,
                high: self.value(e::RANGE_TO_DATA)?,
            },
            "lookup" => Kind::Lookup {
                set: self.string(e::LOOKUP_SET)?,
                from: self.register(e::LOOKUP_SREG)?,
                to: self.register(e::LOOKUP_DREG),
                inverted: self.flag(e::LOOKUP_FLAGS, 1),
            },
            "dynset" => Kind::Dynset(Dynset {
                set: self.string(e::DYNSET_SET_NAME)?,
                operation: self.u32(e::DYNSET_OP)?,
                key: self.register(e::DYNSET_SREG_KEY)?,
                data: self.register(e::DYNSET_SREG_DATA),
                timeout: self.u64(e::DYNSET_TIMEOUT).filter(|timeout| *timeout != 0),
                inverted: self.flag(e::DYNSET_FLAGS, 1),
                expressions: self.dynset_expressions(),
            }),
            "limit" => Kind::Limit(Limit {
                rate: self.u64(e::LIMIT_RATE)?,
                seconds: self.u64(e::LIMIT_UNIT)?,
                burst: self.u32(e::LIMIT_BURST).unwrap_or(0),
                unit: match self.u32(e::LIMIT_TYPE).unwrap_or(0) {
                    0 => Unit::Packets,
                    1 => Unit::Bytes,
                    _ => return None,
                },
                over: self.flag(e::LIMIT_FLAGS, 1),
            }),
            "quota" => Kind::Quota {
                bytes: self.u64(e::QUOTA_BYTES)?,
                consumed: self.u64(e::QUOTA_CONSUMED).unwrap_or(0),
                over: self.flag(e::QUOTA_FLAGS, 1),
            },
            "connlimit" => Kind::Connlimit {
                count: self.u32(e::CONNLIMIT_COUNT)?,
                over: self.flag(e::CONNLIMIT_FLAGS, 1),
            },
            "match" => {
                Kind::Match(self.string(e::MATCH_NAME)?, self.u32(e::MATCH_REV).unwrap_or(0))
            }
            _ => return None,
        })
    }

    fn dynset_expressions(self) -> Vec<Expr> {
        let Some(depth) = self.depth.checked_sub(1) else { return Vec::new() };
        let one = self.all.get(e::DYNSET_EXPR).map(|one| vec![read_one(one.nested(), depth)]);
        let several = self.all.get(e::DYNSET_EXPRESSIONS).map(|all| read_list(all.nested(), depth));
        several.or(one).unwrap_or_default()
    }

    /// Expressions that do something with the packet or for the user.
    fn acting(self, name: &str) -> Option<Kind> {
        Some(match name {
            // NFTA_TARGET_NAME and _REV have the numbers of NFTA_MATCH_*.
            "target" => {
                Kind::Target(self.string(e::MATCH_NAME)?, self.u32(e::MATCH_REV).unwrap_or(0))
            }
            "counter" => Kind::Counter {
                packets: self.u64(e::COUNTER_PACKETS)?,
                bytes: self.u64(e::COUNTER_BYTES)?,
            },
            "last" => {
                Kind::Last(self.u64(e::LAST_MSECS).filter(|_| self.u32(e::LAST_SET) != Some(0)))
            }
            "log" => Kind::Log {
                prefix: self.string(e::LOG_PREFIX),
                group: self.u16(e::LOG_GROUP),
                level: self.u32(e::LOG_LEVEL),
            },
            "nat" => Kind::Nat {
                destination: self.u32(e::NAT_TYPE)? == 1,
                address: self.register(e::NAT_REG_ADDR_MIN),
                port: self.register(e::NAT_REG_PROTO_MIN),
            },
            "masq" => Kind::Masq(self.register(e::MASQ_REG_PROTO_MIN)),
            "redir" => Kind::Redir(self.register(e::REDIR_REG_PROTO_MIN)),
            "reject" => Kind::Reject {
                kind: self.u32(c::NFTA_REJECT_TYPE)?,
                code: self.u8(c::NFTA_REJECT_ICMP_CODE).unwrap_or(0),
            },
            "queue" => {
                let computed = self.all.get(c::NFTA_QUEUE_SREG_QNUM).is_some();
                Kind::Queue(self.u16(c::NFTA_QUEUE_NUM).filter(|_| !computed))
            }
            "tproxy" => Kind::Tproxy {
                family: self.u32(e::TPROXY_FAMILY)?,
                address: self.register(e::TPROXY_REG_ADDR),
                port: self.register(e::TPROXY_REG_PORT),
            },
            "synproxy" => Kind::Synproxy {
                mss: self.u16(e::SYNPROXY_MSS).unwrap_or(0),
                wscale: self.u8(e::SYNPROXY_WSCALE).unwrap_or(0),
            },
            "dup" => Kind::Dup {
                address: self.register(e::DUP_SREG_ADDR),
                device: self.register(e::DUP_SREG_DEV),
            },
            "fwd" => Kind::Fwd {
                device: self.register(e::FWD_SREG_DEV),
                address: self.register(e::FWD_SREG_ADDR),
            },
            "objref" => match self.string(e::OBJREF_SET_NAME) {
                Some(set) => Kind::ObjrefMap { set, from: self.register(e::OBJREF_SET_SREG)? },
                None => Kind::Objref {
                    kind: self.u32(e::OBJREF_IMM_TYPE)?,
                    object: self.string(e::OBJREF_IMM_NAME)?,
                },
            },
            "flow_offload" => Kind::FlowOffload(self.string(e::FLOW_TABLE_NAME)?),
            "notrack" => Kind::Notrack,
            _ => return None,
        })
    }
}
