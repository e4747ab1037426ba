//! Tables, chains, rules and sets as the kernel describes them, in dumps and
//! in notifications alike (`nf_tables_fill_*_info`,
//! `net/netfilter/nf_tables_api.c`).

use nfscope_event::Family;

use super::attr::Attribute;
use super::constants as c;
use super::error::Error;
use super::expression::{self, Expression};
use super::message::Message;
use super::socket::Socket;
use super::verdict::Verdict;

/// `NFT_SET_ANONYMOUS`
const SET_ANONYMOUS: u32 = 1;
/// `NFT_SET_INTERVAL`
const SET_INTERVAL: u32 = 4;
/// `NFTNL_UDATA_RULE_COMMENT`: a comment in a rule's user data, written by
/// the nft program (libnftnl, `include/libnftnl/udata.h`): a byte of type, a
/// byte of length, a string ending in zero.
const UDATA_RULE_COMMENT: u8 = 0;

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableInfo {
    /// Family.
    pub family: Family,
    /// Name, unique in the family.
    pub name: String,
    /// Number that no other table of the namespace has or had.
    pub handle: u64,
}

/// Where a base chain is called from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Number of the hook; its meaning depends on the family.
    pub number: u32,
    /// Priority.
    pub priority: i32,
    /// Devices, for families that bind to them.
    pub devices: Vec<String>,
}

/// A chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainInfo {
    /// Family of the table.
    pub family: Family,
    /// Table.
    pub table: String,
    /// Name, unique in the table; may be changed.
    pub name: String,
    /// Number that no other chain of the table has or had.
    pub handle: u64,
    /// For a base chain.
    pub hook: Option<Hook>,
    /// For a base chain: accept or drop.
    pub policy: Option<Verdict>,
    /// For a base chain: `filter`, `nat`, `route`.
    pub kind: Option<String>,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleInfo {
    /// Family of the table.
    pub family: Family,
    /// Table.
    pub table: String,
    /// Chain.
    pub chain: String,
    /// Number that no other rule of the table has; one that it replaced may have
    /// had it.
    pub handle: u64,
    /// What the rule consists of, in order.
    pub expressions: Vec<Expression>,
    /// The comment that the nft program stored.
    pub comment: Option<String>,
}

/// A set or map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetInfo {
    /// Family of the table.
    pub family: Family,
    /// Table.
    pub table: String,
    /// Name, unique in the table.
    pub name: String,
    /// Made for one rule, listed as part of it.
    pub anonymous: bool,
    /// nft's number of the key's data type (concatenations: 6 bits each).
    pub key_type: u32,
    /// Length of the key in bytes.
    pub key_length: u32,
    /// Its elements may be ranges.
    pub interval: bool,
}

fn family(message: &Message<'_>) -> Option<Family> {
    Family::from_nfproto(message.family())
}

impl TableInfo {
    /// Reads a table message.
    pub fn read(message: &Message<'_>) -> Option<Self> {
        let all = message.attributes();
        Some(Self {
            family: family(message)?,
            name: all.get(c::NFTA_TABLE_NAME)?.string(),
            handle: all.get(c::NFTA_TABLE_HANDLE)?.u64()?,
        })
    }
}

impl Hook {
    fn read(attribute: Attribute<'_>) -> Option<Self> {
        let all = attribute.nested();
        let one = all.get(c::NFTA_HOOK_DEV).map(Attribute::string);
        let list = all.get(c::NFTA_HOOK_DEVS).map(Attribute::nested);
        let more = list.into_iter().flatten().filter(|a| a.kind == c::NFTA_DEVICE_NAME);
        Some(Self {
            number: all.get(c::NFTA_HOOK_HOOKNUM)?.u32()?,
            priority: all.get(c::NFTA_HOOK_PRIORITY)?.u32()? as i32,
            // With one device the kernel tells it in both ways.
            devices: match one {
                Some(device) => vec![device],
                None => more.map(Attribute::string).collect(),
            },
        })
    }
}

impl ChainInfo {
    /// Reads a chain message.
    pub fn read(message: &Message<'_>) -> Option<Self> {
        let all = message.attributes();
        let policy = all.get(c::NFTA_CHAIN_POLICY).and_then(Attribute::u32);
        Some(Self {
            family: family(message)?,
            table: all.get(c::NFTA_CHAIN_TABLE)?.string(),
            name: all.get(c::NFTA_CHAIN_NAME)?.string(),
            handle: all.get(c::NFTA_CHAIN_HANDLE)?.u64()?,
            hook: all.get(c::NFTA_CHAIN_HOOK).and_then(Hook::read),
            policy: policy.map(|code| Verdict::new(code as i32, None)),
            kind: all.get(c::NFTA_CHAIN_TYPE).map(Attribute::string),
        })
    }
}

impl RuleInfo {
    /// Reads a rule message.
    pub fn read(message: &Message<'_>) -> Option<Self> {
        let all = message.attributes();
        let family = family(message)?;
        let list = all.get(c::NFTA_RULE_EXPRESSIONS).map(Attribute::nested);
        Some(Self {
            family,
            table: all.get(c::NFTA_RULE_TABLE)?.string(),
            chain: all.get(c::NFTA_RULE_CHAIN)?.string(),
            handle: all.get(c::NFTA_RULE_HANDLE)?.u64()?,
            expressions: list.map(|list| expression::read(list, family)).unwrap_or_default(),
            comment: all.get(c::NFTA_RULE_USERDATA).and_then(|a| comment(a.payload)),
        })
    }
}

fn comment(mut data: &[u8]) -> Option<String> {
    while let [kind, length, rest @ ..] = data {
        let value = rest.get(..usize::from(*length))?;
        if *kind == UDATA_RULE_COMMENT {
            return Some(Attribute { kind: 0, payload: value }.string());
        }
        data = &rest[usize::from(*length)..];
    }
    None
}

impl SetInfo {
    /// Reads a set message.
    pub fn read(message: &Message<'_>) -> Option<Self> {
        let all = message.attributes();
        let number = |kind| all.get(kind).and_then(Attribute::u32);
        let flags = number(c::NFTA_SET_FLAGS).unwrap_or(0);
        Some(Self {
            family: family(message)?,
            table: all.get(c::NFTA_SET_TABLE)?.string(),
            name: all.get(c::NFTA_SET_NAME)?.string(),
            anonymous: flags & SET_ANONYMOUS != 0,
            interval: flags & SET_INTERVAL != 0,
            // Newer kernels announce a set's end without these.
            key_type: number(c::NFTA_SET_KEY_TYPE).unwrap_or(0),
            key_length: number(c::NFTA_SET_KEY_LEN).unwrap_or(0),
        })
    }
}

/// All families at once (`NFPROTO_UNSPEC`).
const ALL: u8 = 0;

impl Socket {
    /// The number of the ruleset's current generation, 0 if there is none.
    pub fn generation(&mut self) -> Result<u32, Error> {
        let mut id = 0;
        let request = (c::NFT_MSG_GETGEN, ALL, false);
        let result = self.ask(
            request,
            "tell the ruleset's generation",
            |_| (),
            |message| {
                id = message.attributes().get(c::NFTA_GEN_ID).and_then(Attribute::u32).unwrap_or(0);
            },
        );
        result.map(|()| id)
    }

    /// All tables of the namespace.
    pub fn tables(&mut self) -> Result<Vec<TableInfo>, Error> {
        self.dump((c::NFT_MSG_GETTABLE, ALL), "list tables", |_| (), TableInfo::read)
    }

    /// All chains of the namespace.
    pub fn chains(&mut self) -> Result<Vec<ChainInfo>, Error> {
        self.dump((c::NFT_MSG_GETCHAIN, ALL), "list chains", |_| (), ChainInfo::read)
    }

    /// All rules of the namespace, table by table, chain by chain, in order.
    pub fn rules(&mut self) -> Result<Vec<RuleInfo>, Error> {
        self.dump((c::NFT_MSG_GETRULE, ALL), "list rules", |_| (), RuleInfo::read)
    }

    /// All sets and maps of the namespace.
    pub fn sets(&mut self) -> Result<Vec<SetInfo>, Error> {
        self.dump((c::NFT_MSG_GETSET, ALL), "list sets", |_| (), SetInfo::read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_comment_behind_other_user_data() {
        let data = [1, 2, 7, 7, 0, 4, b'h', b'"', b'!', 0];
        assert_eq!(comment(&data).as_deref(), Some("h\"!"));
        assert_eq!(comment(&[0, 9, b'x']), None);
        assert_eq!(comment(&[]), None);
    }
}
