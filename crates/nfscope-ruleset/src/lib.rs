//! nftables rulesets as data.
//!
//! * [`netlink`]: nfnetlink sockets, messages and errors; building scratch
//!   tables, reading trace messages, watching ruleset changes.
//! * [`netns`]: network namespaces by inode: their names, entering them.

pub mod netlink;
pub mod netns;
pub mod nft;
mod sys;

pub use sys::monotonic_ns;
