//! A packet's way through nftables and the tables of x_tables: the chains and
//! tables it enters, what rules and policies decide, what becomes of it.

mod collector;
mod config;
mod conntrack;
mod fate;
mod functions;
mod netlink;
mod own_packets;
mod programs;
mod record;
mod self_test;
mod tables;

pub use collector::{TraceCollector, TraceLosses, TraceOptions};
pub use conntrack::{Connection, Tuple};
pub use fate::{Fate, FateKind, SocketPart};
pub use functions::{Function, Functions, MOST_POSITIONS};
pub use netlink::NetlinkCollector;
pub use programs::{Attachment, TraceSetup};
pub use record::{Call, Decision, DecisionKind, Entry, Head, Miss, Record, TraceRecord};
pub use tables::{TableDecision, TableEntry, TableRule};
