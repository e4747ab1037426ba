//! nftables rulesets as data.
//!
//! * [`changes`]: what each transaction of nftables changed, and tables' differences.
//! * [`netlink`]: nfnetlink sockets, messages and errors; building scratch
//!   tables, reading trace messages, watching ruleset changes.
//! * [`netns`]: network namespaces by inode: their names, entering them.
//! * [`nft`]: rule handle to text, per namespace, current through changes.
//! * [`why`]: which of a rule's expressions did not match, and why.
//! * [`xtables`]: tables of iptables-legacy: entry offset to chain, number, text.
//!
//! A rule's text for an event that names its handle:
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use nfscope_event::Family;
//! use nfscope_ruleset::nft::{Lookup, Options, RuleQuery, RulesetCache};
//!
//! let cache = RulesetCache::new(Options::default());
//! let namespace = 4026531840;
//! cache.watch(namespace);
//! let query = RuleQuery {
//!     family: Family::Inet,
//!     table: "filter",
//!     table_handle: None,
//!     handle: 7,
//!     at: nfscope_ruleset::monotonic_ns(),
//! };
//! let rule = loop {
//!     match cache.rule(namespace, &query) {
//!         Lookup::Known(rule) => break Some(rule),
//!         Lookup::Unknown => break None,
//!         Lookup::Pending => cache.wait(Duration::from_millis(50)),
//!     };
//! };
//! ```

pub mod changes;
pub mod netlink;
pub mod netns;
pub mod nft;
mod sys;
pub mod why;
mod words;
pub mod xtables;

pub use sys::monotonic_ns;

/// Whether the module nf_tables is loaded and ready. A kernel that has it built
/// in shows no such module. Any question to nf_tables would load it.
pub fn nf_tables_loaded() -> bool {
    let module = std::path::Path::new("/sys/module/nf_tables");
    match std::fs::read_to_string(module.join("initstate")) {
        Ok(state) => state.trim_end() == "live",
        Err(_) => module.exists(),
    }
}
