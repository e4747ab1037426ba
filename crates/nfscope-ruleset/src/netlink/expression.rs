//! The expressions of a rule, as far as they tell how it can end a packet.

use nfscope_event::Family;

use super::attr::{Attribute, Attributes};
use super::constants as c;
use super::verdict::Verdict;

/// One expression of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// One that can end the packet.
    Ending(Ending),
    /// Reads packet data: base (`enum nft_payload_bases`) and offset.
    Payload(u32, u32),
    /// Reads or sets meta information (`enum nft_meta_keys`).
    Meta(u32),
    /// Logs: to programs of this group (`log group 1`), else into the kernel log.
    Log(Option<u16>),
    /// A target of iptables by its name, if it is not one that can end the packet.
    Target(String),
    /// Anything else, by the kernel's name: `counter`, `cmp`, `lookup`; an
    /// iptables match as `match`.
    Other(String),
}

/// An expression that gives a verdict, or ends a packet by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// A fixed verdict.
    Verdict(Verdict),
    /// A verdict map.
    VerdictMap(VerdictMap),
    /// `reject`, or iptables' REJECT: what it sends, as nft words it:
    /// `icmp port-unreachable`, `icmpv6 admin-prohibited`,
    /// `icmpx port-unreachable`, `tcp reset`.
    Reject(String),
    /// `queue`, with the first queue's number, if that is fixed.
    Queue(Option<u16>),
    /// `synproxy`
    Synproxy,
    /// `fwd` to another device.
    Forward,
}

/// A verdict map used by a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerdictMap {
    /// Name of the map; `__map0` and the like for those written in the rule.
    pub set: String,
    /// Register that holds the key, as the kernel numbers them for user space.
    pub register: u32,
}

impl VerdictMap {
    /// Where the key lies in the kernel's `struct nft_regs` when the rule is
    /// evaluated, in bytes from its start: `nft_parse_register`,
    /// `net/netfilter/nf_tables_api.c`.
    pub fn key_offset(&self) -> Option<usize> {
        match self.register {
            // NFT_REG_1 to NFT_REG_4, 16 bytes each, behind the verdict's.
            1..=4 => Some(self.register as usize * 16),
            // NFT_REG32_00 to NFT_REG32_15, 4 bytes each.
            8..=23 => Some((self.register as usize - 8) * 4 + 16),
            _ => None,
        }
    }
}

/// Reads a rule's expression list.
pub(crate) fn read(list: Attributes<'_>, family: Family) -> Vec<Expression> {
    list.filter(|element| element.kind == c::NFTA_LIST_ELEM)
        .filter_map(|element| {
            let name = element.nested().get(c::NFTA_EXPR_NAME)?.string();
            let data = element.nested().get(c::NFTA_EXPR_DATA).map(Attribute::nested);
            let known = data.and_then(|data| telling(&name, data, family));
            Some(known.unwrap_or(Expression::Other(name)))
        })
        .collect()
}

fn telling(name: &str, data: Attributes<'_>, family: Family) -> Option<Expression> {
    let number = |kind| data.get(kind).and_then(Attribute::u32);
    match name {
        "payload" => {
            let base = number(c::NFTA_PAYLOAD_BASE)?;
            Some(Expression::Payload(base, number(c::NFTA_PAYLOAD_OFFSET)?))
        }
        "meta" => Some(Expression::Meta(number(c::NFTA_META_KEY)?)),
        "log" => Some(Expression::Log(data.get(c::expr::LOG_GROUP).and_then(Attribute::u16))),
        _ => ending(name, data, family).map(Expression::Ending).or_else(|| {
            let name = (name == "target").then(|| data.get(c::NFTA_TARGET_NAME)).flatten()?;
            Some(Expression::Target(name.string()))
        }),
    }
}

fn ending(name: &str, data: Attributes<'_>, family: Family) -> Option<Ending> {
    let number = |kind| data.get(kind).and_then(Attribute::u32);
    match name {
        "immediate" => {
            let value = data.get(c::NFTA_IMMEDIATE_DATA)?.nested();
            let verdict = value.get(c::NFTA_DATA_VERDICT)?.nested();
            Some(Ending::Verdict(Verdict::read(verdict)?))
        }
        "lookup" if number(c::NFTA_LOOKUP_DREG)? == c::REG_VERDICT => {
            Some(Ending::VerdictMap(VerdictMap {
                set: data.get(c::NFTA_LOOKUP_SET)?.string(),
                register: number(c::NFTA_LOOKUP_SREG)?,
            }))
        }
        "reject" => {
            let code = data.get(c::NFTA_REJECT_ICMP_CODE).and_then(Attribute::u8);
            Some(Ending::Reject(reject(number(c::NFTA_REJECT_TYPE)?, code.unwrap_or(0), family)))
        }
        "queue" => {
            let fixed = data.get(c::NFTA_QUEUE_NUM).and_then(Attribute::u16);
            Some(Ending::Queue(fixed.filter(|_| data.get(c::NFTA_QUEUE_SREG_QNUM).is_none())))
        }
        "synproxy" => Some(Ending::Synproxy),
        "fwd" => Some(Ending::Forward),
        "target" => {
            let info = data.get(c::NFTA_TARGET_INFO)?.payload;
            match data.get(c::NFTA_TARGET_NAME)?.string().as_str() {
                "REJECT" => Some(Ending::Reject(iptables_reject(info, family)?)),
                // struct xt_NFQ_info: the number comes first, in host order.
                "NFQUEUE" => {
                    let number = u16::from_ne_bytes(info.get(..2)?.try_into().ok()?);
                    Some(Ending::Queue(Some(number)))
                }
                "SYNPROXY" => Some(Ending::Synproxy),
                _ => None,
            }
        }
        _ => None,
    }
}

/// What `reject` sends, by `enum nft_reject_types` and its code.
fn reject(kind: u32, code: u8, family: Family) -> String {
    let (protocol, name) = match kind {
        0 if family == Family::Ip6 => ("icmpv6", icmpv6_code(code)),
        0 => ("icmp", icmp_code(code)),
        1 => return "tcp reset".into(),
        2 => ("icmpx", icmpx_code(code)),
        _ => return format!("type {kind} code {code}"),
    };
    name.map_or_else(|| format!("{protocol} {code}"), |name| format!("{protocol} {name}"))
}

/// Codes of ICMP destination unreachable, as nft names them.
fn icmp_code(code: u8) -> Option<&'static str> {
    Some(match code {
        0 => "net-unreachable",
        1 => "host-unreachable",
        2 => "prot-unreachable",
        3 => "port-unreachable",
        4 => "frag-needed",
        9 => "net-prohibited",
        10 => "host-prohibited",
        13 => "admin-prohibited",
        _ => return None,
    })
}

/// Codes of ICMPv6 destination unreachable, as nft names them.
fn icmpv6_code(code: u8) -> Option<&'static str> {
    Some(match code {
        0 => "no-route",
        1 => "admin-prohibited",
        3 => "addr-unreachable",
        4 => "port-unreachable",
        5 => "policy-fail",
        6 => "reject-route",
        _ => return None,
    })
}

/// `enum nft_reject_inet_code`
fn icmpx_code(code: u8) -> Option<&'static str> {
    Some(match code {
        0 => "no-route",
        1 => "port-unreachable",
        2 => "host-unreachable",
        3 => "admin-prohibited",
        _ => return None,
    })
}

/// What iptables' REJECT sends: `enum ipt_reject_with`
/// (`include/uapi/linux/netfilter_ipv4/ipt_REJECT.h`) and
/// `enum ip6t_reject_with` (`netfilter_ipv6/ip6t_REJECT.h`).
fn iptables_reject(info: &[u8], family: Family) -> Option<String> {
    let with = u32::from_ne_bytes(info.get(..4)?.try_into().ok()?);
    let text = if family == Family::Ip6 {
        match with {
            0 => "icmpv6 no-route",
            1 => "icmpv6 admin-prohibited",
            2 => "icmpv6 2",
            3 => "icmpv6 addr-unreachable",
            4 => "icmpv6 port-unreachable",
            6 => "tcp reset",
            7 => "icmpv6 policy-fail",
            8 => "icmpv6 reject-route",
            _ => return None,
        }
    } else {
        match with {
            0 => "icmp net-unreachable",
            1 => "icmp host-unreachable",
            2 => "icmp prot-unreachable",
            3 => "icmp port-unreachable",
            5 => "icmp net-prohibited",
            6 => "icmp host-prohibited",
            7 => "tcp reset",
            8 => "icmp admin-prohibited",
            _ => return None,
        }
    };
    Some(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_a_reject_sends() {
        assert_eq!(reject(0, 3, Family::Ip), "icmp port-unreachable");
        assert_eq!(reject(0, 4, Family::Ip6), "icmpv6 port-unreachable");
        assert_eq!(reject(2, 1, Family::Inet), "icmpx port-unreachable");
        assert_eq!(reject(1, 0, Family::Bridge), "tcp reset");
        assert_eq!(reject(0, 77, Family::Ip), "icmp 77");
        assert_eq!(iptables_reject(&7u32.to_ne_bytes(), Family::Ip).as_deref(), Some("tcp reset"));
        assert_eq!(iptables_reject(&[3], Family::Ip), None);
    }

    #[test]
    fn knows_where_a_key_lies() {
        let at = |register| VerdictMap { set: String::new(), register }.key_offset();
        assert_eq!((at(1), at(2), at(8), at(9)), (Some(16), Some(32), Some(16), Some(20)));
        assert_eq!((at(0), at(5), at(24)), (None, None, None));
    }
}
