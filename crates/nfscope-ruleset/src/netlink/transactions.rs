//! Transactions of nf_tables as the kernel announces them: all that each did, and
//! whose it was (`nf_tables_commit`, `net/netfilter/nf_tables_api.c`).

use std::os::fd::{AsFd, BorrowedFd};

use nfscope_event::Family;

use super::attr::Attribute;
use super::constants as c;
use super::error::Error;
use super::message::{APPEND, CREATE, Message};
use super::socket::Socket;

/// Room for transactions not yet read: 20,000 rules are about 10 MB.
const RECEIVE_BUFFER: usize = 32 * 1024 * 1024;
/// `NFT_SET_ANONYMOUS`
const SET_ANONYMOUS: u32 = 1;

/// `NLM_F_REPLACE`
const REPLACE: u16 = 0x100;

/// A kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Object {
    /// A table.
    Table,
    /// A chain.
    Chain,
    /// A rule.
    Rule,
    /// A set or map that has a name.
    Set,
    /// Elements of one.
    Elements,
    /// A counter, quota, limit and the like that has a name.
    Stateful,
    /// A flowtable.
    Flowtable,
}

/// What happened to one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// It was created or changed, else deleted.
    pub new: bool,
    /// What it is.
    pub object: Object,
    /// Family of its table.
    pub family: Family,
    /// Its table.
    pub table: String,
    /// Its name; of a rule its chain's, of elements their set's, of a table its own.
    pub name: String,
    /// Of a rule.
    pub handle: Option<u64>,
    /// Of a rule that comes: the kernel tells where in its chain. Older ones do not
    /// ("netfilter: nftables: honor NLM_F_CREATE and NLM_F_EXCL in event
    /// notification" and what came before it).
    pub placed: bool,
}

/// A transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// The ruleset's generation since then.
    pub generation: u32,
    /// The thread that asked for it, as the first pid namespace counts.
    pub thread: Option<u32>,
    /// That thread's name.
    pub command: Option<String>,
    /// What it did, in order.
    pub operations: Vec<Operation>,
}

/// What the kernel announces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Announced {
    /// A transaction.
    Transaction(Transaction),
    /// The kernel did it by itself: a base chain's device has gone.
    Kernel(Operation),
}

impl Operation {
    fn read(message: &Message<'_>) -> Option<Self> {
        use Object::*;
        let (object, new) = match message.nftables()? {
            c::NFT_MSG_NEWTABLE => (Table, true),
            c::NFT_MSG_DELTABLE => (Table, false),
            c::NFT_MSG_NEWCHAIN => (Chain, true),
            c::NFT_MSG_DELCHAIN => (Chain, false),
            c::NFT_MSG_NEWRULE => (Rule, true),
            c::NFT_MSG_DELRULE => (Rule, false),
            c::NFT_MSG_NEWSET => (Set, true),
            c::NFT_MSG_DELSET => (Set, false),
            c::NFT_MSG_NEWSETELEM => (Elements, true),
            c::NFT_MSG_DELSETELEM => (Elements, false),
            c::NFT_MSG_NEWOBJ => (Stateful, true),
            c::NFT_MSG_DELOBJ => (Stateful, false),
            c::NFT_MSG_NEWFLOWTABLE => (Flowtable, true),
            c::NFT_MSG_DELFLOWTABLE => (Flowtable, false),
            _ => return None,
        };
        let all = message.attributes();
        // sets, their elements, objects and flowtables have the same two numbers
        let name = match object {
            Table => c::NFTA_TABLE_NAME,
            Chain => c::NFTA_CHAIN_NAME,
            Rule => c::NFTA_RULE_CHAIN,
            Set | Elements | Stateful | Flowtable => c::NFTA_SET_NAME,
        };
        let handle = all.get(c::NFTA_RULE_HANDLE).filter(|_| object == Rule);
        Some(Self {
            new,
            object,
            family: Family::from_nfproto(message.family())?,
            // NFTA_*_TABLE, NFTA_TABLE_NAME
            table: all.get(c::NFTA_TABLE_NAME)?.string(),
            name: all.get(name)?.string(),
            handle: handle.and_then(Attribute::u64),
            placed: message.flags & (CREATE | APPEND | REPLACE) != 0,
        })
    }

    /// Whether it is of a set that is written out in a rule: nft does not list it,
    /// and neither does this.
    fn is_anonymous(&self, message: &Message<'_>) -> bool {
        let flags = message.attributes().get(c::NFTA_SET_FLAGS).and_then(Attribute::u32);
        match self.object {
            Object::Set => flags.unwrap_or(0) & SET_ANONYMOUS != 0 || is_anonymous_name(&self.name),
            Object::Elements => is_anonymous_name(&self.name),
            _ => false,
        }
    }
}

/// nft names them so (`__set%d`), and the kernel fills in the number.
fn is_anonymous_name(name: &str) -> bool {
    let number = name.strip_prefix("__set").or_else(|| name.strip_prefix("__map"));
    number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// A listener for transactions of one network namespace.
#[derive(Debug)]
pub struct TransactionMonitor {
    socket: Socket,
    begun: Vec<Operation>,
}

impl TransactionMonitor {
    /// Listens in the calling thread's network namespace.
    pub fn open() -> Result<Self, Error> {
        let socket = Socket::open()?;
        socket.set_receive_buffer(RECEIVE_BUFFER)?;
        socket.join(c::NFNLGRP_NFTABLES)?;
        Ok(Self { socket, begun: Vec::new() })
    }

    /// Appends what one datagram completes, if there is one; never waits.
    ///
    /// [`Error::Overrun`] means that announcements were lost; the next
    /// generation's number tells how many. The listener goes on working.
    pub fn receive(&mut self, to: &mut Vec<Announced>) -> Result<bool, Error> {
        let messages = match self.socket.receive() {
            Ok(Some(messages)) => messages,
            Ok(None) => return Ok(false),
            Err(error) => {
                self.begun.clear();
                return Err(error);
            }
        };
        for message in messages {
            if message.nftables() == Some(c::NFT_MSG_NEWGEN) {
                let all = message.attributes();
                let number = |kind| all.get(kind).and_then(Attribute::u32);
                let Some(generation) = number(c::NFTA_GEN_ID) else { continue };
                to.push(Announced::Transaction(Transaction {
                    generation,
                    thread: number(c::NFTA_GEN_PROC_PID),
                    command: all.get(c::NFTA_GEN_PROC_NAME).map(Attribute::string),
                    operations: std::mem::take(&mut self.begun),
                }));
            } else if let Some(operation) = Operation::read(&message) {
                if operation.is_anonymous(&message) {
                    continue;
                }
                if message.port == 0 {
                    to.push(Announced::Kernel(operation));
                } else {
                    self.begun.push(operation);
                }
            }
        }
        Ok(true)
    }
}

impl AsFd for TransactionMonitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_sets_in_rules() {
        assert!(is_anonymous_name("__set0") && is_anonymous_name("__map12"));
        assert!(!is_anonymous_name("__set%d") && !is_anonymous_name("set1"));
        assert!(!is_anonymous_name("__set"));
    }
}
