//! nfnetlink: the kernel's netfilter subsystem over netlink sockets.

mod attr;
pub mod conntrack;
mod constants;
mod elements;
mod error;
pub mod expr;
mod expression;
mod lists;
mod message;
mod monitor;
mod objects;
pub mod scratch;
mod socket;
pub mod trace;
mod transactions;
mod verdict;

pub use attr::{Attribute, AttributeWriter, Attributes};
pub use elements::{Element, SetContents};
pub use error::Error;
pub use expression::{Ending, Expression, VerdictMap};
pub use message::{Message, Messages, Request};
pub use monitor::{Change, Monitor};
pub use objects::{ChainInfo, Hook, RuleInfo, SetInfo, TableInfo};
pub use socket::Socket;
pub use transactions::{Announced, Object, Operation, Transaction, TransactionMonitor};
pub use verdict::Verdict;

#[cfg(test)]
mod decode_tests;
