//! What an explanation is made of.

use nfscope_event::Family;

use super::headers::base;
use super::value::{Names, Style};
use crate::netlink::SetContents;
use crate::netlink::expr::Expr;

/// One rule in full, with what its expressions refer to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Family of its table.
    pub(super) family: Family,
    /// In order.
    pub(super) expressions: Vec<Expr>,
    /// The sets and maps that it uses, as far as they could be read.
    pub(super) sets: Vec<SetContents>,
    pub(super) names: Names,
    pub(super) text: Option<String>,
    pub(super) iptables: Option<String>,
}

impl Rule {
    /// A rule of a table of that family.
    ///
    /// `interfaces` are those of its namespace by index; `utc_offset` is how
    /// many seconds local time is ahead of UTC.
    pub fn new(
        family: Family,
        expressions: Vec<Expr>,
        sets: Vec<SetContents>,
        interfaces: Vec<(u32, String)>,
        utc_offset: i64,
    ) -> Self {
        let names = Names { interfaces, utc_offset, style: Style::Now };
        Self { family, expressions, sets, names, text: None, iptables: None }
    }

    /// The same, with the text that nft prints for it: conditions are worded
    /// as the nft of that text words them.
    pub fn with_text(self, text: Option<String>) -> Self {
        Self { text, ..self }
    }

    /// The same, with the `-A CHAIN …` line of which iptables-nft made it, for
    /// the words of its matches.
    pub fn with_iptables(self, line: Option<String>) -> Self {
        Self { iptables: line, ..self }
    }

    /// Its expressions, in order.
    pub fn expressions(&self) -> &[Expr] {
        &self.expressions
    }

    /// The same in the words of an older nft.
    pub(super) fn as_before(&self) -> Self {
        let names = Names { style: Style::Before, ..self.names.clone() };
        Self { names, ..self.clone() }
    }

    pub(super) fn set(&self, name: &str) -> Option<&SetContents> {
        self.sets.iter().find(|set| set.info.name == name)
    }
}

/// What is known of the packet beside the registers. All of it may be absent;
/// what does not agree with the registers is not used.
#[derive(Debug, Clone, Copy, Default)]
pub struct PacketFacts<'a> {
    /// From the link header on.
    pub link: Option<&'a [u8]>,
    /// From the network header on.
    pub network: Option<&'a [u8]>,
    /// From the transport header on.
    pub transport: Option<&'a [u8]>,
    /// What `ct state` loads: a bit of `NF_CT_STATE_BIT`.
    pub ct_state: Option<u32>,
}

impl<'a> PacketFacts<'a> {
    pub(super) fn header(&self, at: u32) -> Option<&'a [u8]> {
        match at {
            base::LINK => self.link,
            base::NETWORK => self.network,
            base::TRANSPORT => self.transport,
            _ => None,
        }
    }
}
