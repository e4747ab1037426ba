//! Ruleset changes as the kernel announces them.
//!
//! The kernel sends the messages of a transaction in order when it commits,
//! and a generation message behind them (`nf_tables_commit`,
//! `net/netfilter/nf_tables_api.c`).

use std::os::fd::{AsFd, BorrowedFd};

use nfscope_event::Family;

use super::attr::Attribute;
use super::constants as c;
use super::error::Error;
use super::message::Message;
use super::objects::{ChainInfo, RuleInfo, SetInfo, TableInfo};
use super::socket::Socket;

/// Room for transactions not yet read: 20,000 rules are about 10 MB.
const RECEIVE_BUFFER: usize = 32 * 1024 * 1024;

/// One change of the ruleset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A table was created or changed.
    NewTable(TableInfo),
    /// A table went.
    DeletedTable(TableInfo),
    /// A chain was created or changed (its policy).
    NewChain(ChainInfo),
    /// A chain went.
    DeletedChain(ChainInfo),
    /// A rule was created. A replaced rule is a new one, under the same handle
    /// or a new one, and the old one deleted.
    NewRule(RuleInfo),
    /// A rule went.
    DeletedRule(RuleInfo),
    /// A set or map was created or changed.
    NewSet(SetInfo),
    /// A set or map went.
    DeletedSet(SetInfo),
    /// Elements of a set or map came or went: family, table, set.
    Elements(Family, String, String),
    /// The transaction that the changes before belong to is complete; the
    /// ruleset now is that generation.
    Generation(u32),
}

impl Change {
    /// Reads a notification; none if it is about something else.
    pub fn read(message: &Message<'_>) -> Option<Self> {
        Some(match message.nftables()? {
            c::NFT_MSG_NEWTABLE => Self::NewTable(TableInfo::read(message)?),
            c::NFT_MSG_DELTABLE => Self::DeletedTable(TableInfo::read(message)?),
            c::NFT_MSG_NEWCHAIN => Self::NewChain(ChainInfo::read(message)?),
            c::NFT_MSG_DELCHAIN => Self::DeletedChain(ChainInfo::read(message)?),
            c::NFT_MSG_NEWRULE => Self::NewRule(RuleInfo::read(message)?),
            c::NFT_MSG_DELRULE => Self::DeletedRule(RuleInfo::read(message)?),
            c::NFT_MSG_NEWSET => Self::NewSet(SetInfo::read(message)?),
            c::NFT_MSG_DELSET => Self::DeletedSet(SetInfo::read(message)?),
            c::NFT_MSG_NEWSETELEM | c::NFT_MSG_DELSETELEM => {
                // NFTA_SET_ELEM_LIST_TABLE and _SET have the numbers of
                // NFTA_SET_TABLE and _NAME.
                let all = message.attributes();
                Self::Elements(
                    Family::from_nfproto(message.family())?,
                    all.get(c::NFTA_SET_TABLE)?.string(),
                    all.get(c::NFTA_SET_NAME)?.string(),
                )
            }
            c::NFT_MSG_NEWGEN => {
                let id = message.attributes().get(c::NFTA_GEN_ID).and_then(Attribute::u32)?;
                Self::Generation(id)
            }
            _ => return None,
        })
    }
}

/// A listener for ruleset changes of one network namespace.
#[derive(Debug)]
pub struct Monitor {
    socket: Socket,
}

impl Monitor {
    /// Listens in the calling thread's network namespace.
    pub fn open() -> Result<Self, Error> {
        let socket = Socket::open()?;
        socket.set_receive_buffer(RECEIVE_BUFFER)?;
        socket.join(c::NFNLGRP_NFTABLES)?;
        Ok(Self { socket })
    }

    /// Appends what one datagram holds, if there is one; never waits.
    ///
    /// [`Error::Overrun`] means that changes were lost: the ruleset must be
    /// read anew. The listener goes on working.
    pub fn receive(&mut self, to: &mut Vec<Change>) -> Result<bool, Error> {
        let Some(messages) = self.socket.receive()? else { return Ok(false) };
        to.extend(messages.filter_map(|message| Change::read(&message)));
        Ok(true)
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
