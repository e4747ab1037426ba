//! Expressions of single rules, as the kernel tells them.

use std::collections::{HashMap, HashSet};

use nfscope_event::Family;

use super::attr::{Attribute, Attributes};
use super::constants as c;
use super::error::Error;
use super::expr::{self, Expr};
use super::socket::Socket;

impl Socket {
    /// A rule's expressions in full, as it is now; none if there is no such
    /// rule.
    pub fn rule_expressions(
        &mut self,
        family: Family,
        table: &str,
        chain: &str,
        handle: u64,
    ) -> Result<Option<Vec<Expr>>, Error> {
        let list = self.expression_list(family, table, chain, handle)?;
        Ok(list.map(|list| expr::read(&list)))
    }

    /// As [`Socket::rule_expressions`], the attributes.
    pub(crate) fn expression_list(
        &mut self,
        family: Family,
        table: &str,
        chain: &str,
        handle: u64,
    ) -> Result<Option<Vec<u8>>, Error> {
        let mut found = None;
        let request = (c::NFT_MSG_GETRULE, family.nfproto(), false);
        let result = self.ask(
            request,
            "tell a rule",
            |w| {
                w.string(c::NFTA_RULE_TABLE, table);
                w.string(c::NFTA_RULE_CHAIN, chain);
                w.u64(c::NFTA_RULE_HANDLE, handle);
            },
            |message| found = Some(list(message.attributes())),
        );
        match result {
            Err(error) if error.errno() == Some(libc::ENOENT) => Ok(None),
            result => result.map(|()| found),
        }
    }

    /// The attributes of those of a chain's rules that are `wanted`, by
    /// handle.
    pub(crate) fn expression_lists(
        &mut self,
        family: Family,
        table: &str,
        chain: &str,
        wanted: &HashSet<u64>,
    ) -> Result<HashMap<u64, Vec<u8>>, Error> {
        let lists = self.chain_rules(family, table, chain, |handle, all| {
            wanted.contains(&handle).then(|| (handle, list(all)))
        })?;
        Ok(lists.into_iter().flatten().collect())
    }

    /// Handles of a chain's rules, in order; none if there is no such chain.
    pub(crate) fn rule_handles(
        &mut self,
        family: Family,
        table: &str,
        chain: &str,
    ) -> Result<Option<Vec<u64>>, Error> {
        self.chain_rules(family, table, chain, |handle, _| Some(handle))
    }

    /// What is to be read of a chain's rules, in order; none if there is no
    /// such chain.
    fn chain_rules<T>(
        &mut self,
        family: Family,
        table: &str,
        chain: &str,
        read: impl Fn(u64, Attributes<'_>) -> Option<T>,
    ) -> Result<Option<Vec<T>>, Error> {
        let rules = self.dump(
            (c::NFT_MSG_GETRULE, family.nfproto()),
            "list a chain's rules",
            |w| {
                w.string(c::NFTA_RULE_TABLE, table);
                w.string(c::NFTA_RULE_CHAIN, chain);
            },
            |message| {
                let all = message.attributes();
                // Kernels that know no filter by chain send all rules.
                let same = |kind, value: &str| all.get(kind).is_some_and(|a| a.string() == value);
                let ours = same(c::NFTA_RULE_TABLE, table) && same(c::NFTA_RULE_CHAIN, chain);
                let handle = all.get(c::NFTA_RULE_HANDLE).and_then(Attribute::u64)?;
                if ours { read(handle, all) } else { None }
            },
        );
        match rules {
            Err(error) if error.errno() == Some(libc::ENOENT) => Ok(None),
            rules => rules.map(Some),
        }
    }
}

fn list(rule: Attributes<'_>) -> Vec<u8> {
    rule.get(c::NFTA_RULE_EXPRESSIONS).map(|list| list.payload.to_vec()).unwrap_or_default()
}
