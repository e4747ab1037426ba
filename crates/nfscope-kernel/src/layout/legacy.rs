//! Where the fields of x_tables' structs lie in the running kernel.
//!
//! From the kernel's type information. Linux 5.10 has none of modules; from its
//! `include/linux/netfilter/x_tables.h` as built for 64 bits:
//! ```text
//! xt_table        list@0 valid_hooks@16 private@24 me@32 af@40 priority@44 table_init@48 name@56 (32 bytes)
//! xt_table_info   size@0 number@4 initial_entries@8 hook_entry[5]@12 underflow[5]@32 stacksize@52 jumpstack@56 entries@64
//! xt_target       list@0 name@16 (29 bytes) revision@45 target@48
//! xt_action_param match@0 matchinfo@8 state@16
//! ```
//! A layout made from this table is a claim to be tried on known rules, not a fact.

use serde::Serialize;

use super::{LayoutError, LayoutSource, fields::Fields};
use crate::btf::Btf;

/// What is read of x_tables.
#[derive(Debug, Clone, Serialize)]
pub struct LegacyLayout {
    /// Where the numbers come from.
    pub source: LayoutSource,
    /// `xt_table.private`: pointer to the table's `struct xt_table_info`.
    pub table_private: u32,
    /// `xt_table.name`, 32 bytes.
    pub table_name: u32,
    /// `xt_table_info.size`: bytes of all entries.
    pub info_size: u32,
    /// `xt_table_info.number` of entries.
    pub info_number: u32,
    /// `xt_table_info.underflow`: for each hook, where its policy's entry is.
    pub info_underflow: u32,
    /// `xt_table_info.entries`: where they start.
    pub info_entries: u32,
    /// `xt_target.target`: the function; 0 of the standard target.
    pub target_function: u32,
    /// `xt_action_param.state`: pointer to `struct nf_hook_state`.
    pub param_state: u32,
    /// `nf_hook_state.hook`: offset of the number; the first byte is enough.
    pub state_hook: u32,
    /// `nf_hook_state.pf`
    pub state_pf: u32,
    /// `nf_hook_state.in`
    pub state_in: u32,
    /// `nf_hook_state.out`
    pub state_out: u32,
}

impl LegacyLayout {
    /// The layout that `btf` (of x_tables, or of a kernel with it built in) describes.
    pub fn from_btf(btf: &Btf) -> Result<Self, LayoutError> {
        let kernel = Fields(btf);
        let described = btf.has_struct("xt_table_info") && btf.has_struct("xt_target");
        let table = Self {
            source: LayoutSource::Table510,
            table_private: 24,
            table_name: 56,
            info_size: 0,
            info_number: 4,
            info_underflow: 32,
            info_entries: 64,
            target_function: 48,
            param_state: 16,
            state_hook: kernel.offset("nf_hook_state", "hook")?,
            state_pf: kernel.offset("nf_hook_state", "pf")?,
            state_in: kernel.offset("nf_hook_state", "in")?,
            state_out: kernel.offset("nf_hook_state", "out")?,
        };
        if !described {
            return Ok(table);
        }
        Ok(Self {
            source: LayoutSource::Btf,
            table_private: kernel.offset("xt_table", "private")?,
            table_name: kernel.offset("xt_table", "name")?,
            info_size: kernel.offset("xt_table_info", "size")?,
            info_number: kernel.offset("xt_table_info", "number")?,
            info_underflow: kernel.offset("xt_table_info", "underflow")?,
            info_entries: kernel.offset("xt_table_info", "entries")?,
            target_function: kernel.offset("xt_target", "target")?,
            param_state: kernel.offset("xt_action_param", "state")?,
            ..table
        })
    }
}
