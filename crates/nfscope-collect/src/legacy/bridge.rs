//! Tables of ebtables-legacy: which one ended a packet, by the entry and return of
//! `ebt_do_table` (`net/bridge/netfilter/ebtables.c`).
//!
//! There is no trial: a bridge would have to be made for it. Instead each note proves
//! itself in the kernel: the hook's state must be of a bridge, and the table must have
//! the name of one.

use std::path::Path;
use std::sync::Arc;

use nfscope_kernel::btf::Btf;
use nfscope_kernel::layout::LegacyLayout;

use super::Arguments;

/// The function that a frame goes through a table in.
pub(super) const FUNCTION: &str = "ebt_do_table";
/// Modules of tables that drop; `broute` routes what it is said to drop.
const MODULES: [&str; 2] = ["ebtable_filter", "ebtable_nat"];
/// `ebt_table.name` in 5.10, which has no types of modules
/// (`include/linux/netfilter_bridge/ebtables.h`: list@0 name@16).
const NAME_510: u32 = 16;

/// What is known of ebtables' function.
#[derive(Debug, Clone)]
pub struct BridgeSetup {
    pub(super) arguments: Arguments,
    pub(super) layout: LegacyLayout,
}

impl BridgeSetup {
    /// `layout`: of x_tables; `vmlinux`: the kernel's types. None if the function
    /// is not one that is known.
    pub fn of(layout: &LegacyLayout, vmlinux: Arc<Btf>) -> Option<Self> {
        let types = Btf::module("ebtables", vmlinux).ok()?;
        // without types it is that of 5.10, which has the packet first
        let arguments = *Arguments::of_function(FUNCTION, &types).first()?;
        let described = types.member("ebt_table", "name");
        let table_name = described.map_or(NAME_510, |member| member.byte_offset);
        // rules are not read: nothing else of the table is
        let layout = LegacyLayout { table_name, ..layout.clone() };
        Some(Self { arguments, layout })
    }
}

/// Whether such a table is there, as far as loaded modules tell.
pub fn bridge_tables_loaded() -> bool {
    MODULES.into_iter().any(|name| Path::new("/sys/module").join(name).exists())
}
