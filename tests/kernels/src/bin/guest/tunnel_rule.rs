//! `nfscope-guest tunnel-rule`: a rule on tunnel metadata. The kernel has the
//! expression (`net/netfilter/nft_tunnel.c`), for the family netdev only; nft has
//! no words for it.

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::Read;

/// Append a rule that compares a packet's tunnel metadata.
#[derive(clap::Args)]
pub struct Arguments {
    /// Table of the family netdev.
    table: String,
    /// Chain.
    chain: String,
    /// What is compared.
    key: Key,
    /// With what.
    wanted: u32,
    /// The rule's comment.
    comment: String,
}

/// `enum nft_tunnel_keys`
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Key {
    /// Whether there is metadata.
    Path,
    /// The tunnel's number.
    Id,
}

/// `NETLINK_NETFILTER`
const NETLINK_NETFILTER: i32 = 12;
/// `NFNL_SUBSYS_NFTABLES`
const NFTABLES: u16 = 10;
/// `NFNL_MSG_BATCH_BEGIN`, `NFNL_MSG_BATCH_END`, `NFT_MSG_NEWRULE`
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NEW_RULE: u16 = NFTABLES << 8 | 6;
/// `NLM_F_REQUEST`; `NLM_F_ACK`, `NLM_F_CREATE`, `NLM_F_APPEND`
const REQUEST: u16 = 1;
const NEW: u16 = REQUEST | 4 | 0x400 | 0x800;
/// `NFPROTO_NETDEV`
const NETDEV: u8 = 5;
/// `NLA_F_NESTED`
const NESTED: u16 = 0x8000;
/// `NLMSG_ERROR`
const ERROR: u16 = 2;

/// Run it.
///
/// # Errors
/// When the kernel refuses the rule.
pub fn run(arguments: &Arguments) -> Result<()> {
    let mut socket = Socket::new(
        Domain::from(libc::AF_NETLINK),
        Type::RAW,
        Some(Protocol::from(NETLINK_NETFILTER)),
    )
    .context("cannot open a netlink socket")?;
    let body = rule(arguments);
    let batch = [
        message(BATCH_BEGIN, REQUEST, 0, NFTABLES, &[]),
        message(NEW_RULE, NEW, NETDEV, 0, &body),
        message(BATCH_END, REQUEST, 0, NFTABLES, &[]),
    ]
    .concat();
    let sent = socket.send(&batch).context("cannot send the rule")?;
    ensure!(sent == batch.len(), "the rule was sent in part");
    let mut answer = [0; 4096];
    let length = socket.read(&mut answer).context("no answer to the rule")?;
    // struct nlmsghdr, then struct nlmsgerr begins with the error
    let [_, _, _, _, kind @ ..] = &answer[..length] else { bail!("no answer to the rule") };
    let (Some(kind), Some(error)) =
        (kind.first_chunk(), kind.get(12..).and_then(|e| e.first_chunk()))
    else {
        bail!("a short answer to the rule");
    };
    ensure!(u16::from_ne_bytes(*kind) == ERROR, "an answer of another kind");
    match i32::from_ne_bytes(*error) {
        0 => Ok(()),
        error => {
            bail!("the kernel refuses the rule: {}", std::io::Error::from_raw_os_error(-error))
        }
    }
}

/// `struct nlmsghdr`, `struct nfgenmsg`, attributes.
fn message(kind: u16, flags: u16, family: u8, resource: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend((20 + body.len() as u32).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([family, 0]);
    bytes.extend(resource.to_be_bytes());
    bytes.extend(body);
    bytes
}

/// `struct nlattr`, padded to four bytes.
fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend((4 + payload.len() as u16).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn string(kind: u16, text: &str) -> Vec<u8> {
    attribute(kind, format!("{text}\0").as_bytes())
}

fn number(kind: u16, value: u32) -> Vec<u8> {
    attribute(kind, &value.to_be_bytes())
}

/// One element of a rule's list: `NFTA_EXPR_NAME`, `NFTA_EXPR_DATA`.
fn expression(name: &str, data: &[Vec<u8>]) -> Vec<u8> {
    let data = attribute(2 | NESTED, &data.concat());
    attribute(1 | NESTED, &[string(1, name), data].concat())
}

/// `include/uapi/linux/netfilter/nf_tables.h`: `NFTA_RULE_*`, `NFTA_TUNNEL_*`,
/// `NFTA_CMP_*`
fn rule(arguments: &Arguments) -> Vec<u8> {
    let (key, wanted) = match arguments.key {
        Key::Path => (0, vec![arguments.wanted as u8]),
        Key::Id => (1, arguments.wanted.to_ne_bytes().to_vec()),
    };
    let register = |kind| number(kind, 1);
    let tunnel = expression("tunnel", &[number(1, key), register(2)]);
    let data = attribute(3 | NESTED, &attribute(1, &wanted));
    let cmp = expression("cmp", &[register(1), number(2, 0), data]);
    let comment = format!("{}\0", arguments.comment);
    let comment = [&[0, comment.len() as u8], comment.as_bytes()].concat();
    [
        string(1, &arguments.table),
        string(2, &arguments.chain),
        attribute(4 | NESTED, &[tunnel, cmp, expression("counter", &[])].concat()),
        attribute(7, &comment),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_nested() {
        assert_eq!(string(1, "abcd"), [9, 0, 1, 0, b'a', b'b', b'c', b'd', 0, 0, 0, 0]);
        let all = expression("cmp", &[number(2, 0)]);
        assert_eq!(all.len(), 4 + 8 + 4 + 8);
        assert_eq!(all[..4], [24, 0, 1, 0x80]);
        let message = message(BATCH_BEGIN, REQUEST, 0, NFTABLES, &[]);
        assert_eq!((message.len(), message[0], &message[18..]), (20, 20, &[0, 10][..]));
    }
}
