//! Rules of x_tables (iptables-legacy, ip6tables-legacy, arptables-legacy): probes in the table
//! functions leave notes for the drop tracepoint, as those of nftables do.

mod bridge;
mod changes;
mod edges;
mod probes;
mod self_test;

pub use bridge::{BridgeSetup, bridge_tables_loaded};
pub use changes::{ChangeCount, Changes};
pub use edges::{Arguments, EdgesSetup};
pub(crate) use probes::LegacyProbes;
pub use probes::LegacySetup;
pub(crate) use probes::family;
pub(crate) use self_test::{LOCAL_OUT, SelfTest, Told};

use nfscope_kernel::locate::ipt::Tables;

/// Whether a table of the family is there, as far as loaded modules tell. With
/// none loaded no rule can drop anything.
pub fn tables_loaded(tables: Tables) -> bool {
    self_test::loaded_table(tables).is_some()
}
