//! Rules as text: what `nft` and `iptables-nft` print, by handle.
//!
//! A [`RulesetCache`] watches network namespaces, each in a thread of its
//! own: it reads tables, chains and handles over netlink (milliseconds),
//! has the nft program list the texts behind that, and follows changes by
//! the kernel's notifications and by what `nft monitor` prints for them.
//! Questions never wait: they are answered with what is there, or by
//! [`Lookup::Pending`].

mod announced;
mod cache;
mod details;
mod element;
mod iptables;
mod jobs;
mod life;
pub(crate) mod listing;
mod lookup;
mod order;
pub(crate) mod program;
mod rule;
mod shared;
mod snapshot;
mod store;
mod texts;
mod worker;

pub use cache::{Options, RulesetCache};
pub use iptables::is_table as is_table_of_iptables;
pub use lookup::{ChainQuery, Lookup, RuleQuery};
pub use order::Order;
pub use rule::{BaseChain, Chain, Rule, hook_name};
