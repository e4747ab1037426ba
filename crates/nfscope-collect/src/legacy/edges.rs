//! Where the places in a table function are not to be found: which table ended
//! a packet, by the function's entry and return. The rule stays unknown.

use std::os::fd::{AsFd, BorrowedFd};

use nfscope_kernel::btf::Btf;
use nfscope_kernel::layout::LegacyLayout;
use nfscope_kernel::locate::ebt;
use nfscope_kernel::locate::ipt::Tables;

use super::Changes;
use super::bridge::BridgeSetup;
use super::probes::{LegacyProbes, OBJECT, layout_words};
use crate::nft::ValueAt;
use crate::{CollectError, object, raw};

const ENTRY: &str = "at_table_entry";
const RETURN: &str = "at_table_return";
/// Words of the settings that only probe points need: two points with four
/// values each and a flag, and the target's verdict.
pub(super) const POINT_WORDS: usize = 2 * (4 * 2 + 2) + 2;

/// The numbers of a table function's arguments: packet, table, hook state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arguments([u32; 3]);

impl Arguments {
    /// Since 5.16 ("netfilter: iptables: allow use of ipt_do_table as hookfn")
    /// the table comes first.
    const NEWER: Self = Self([1, 0, 2]);
    const OLDER: Self = Self([0, 2, 1]);

    /// Those of a function whose packet is this argument.
    pub(crate) fn with_packet(number: u32) -> Self {
        if number == 0 { Self::OLDER } else { Self::NEWER }
    }

    /// As `struct legacy_config` has them.
    pub(crate) fn words(self) -> [u32; 3] {
        self.0
    }

    /// Those that the running kernel may have: one where its types tell, else
    /// both are to be tried.
    pub fn of(tables: Tables, btf: &Btf) -> Vec<Self> {
        Self::of_function(tables.function(), btf)
    }

    /// The same of a function by its name.
    pub(super) fn of_function(function: &str, btf: &Btf) -> Vec<Self> {
        let Some(params) = btf.func_params(function) else {
            return vec![Self::OLDER, Self::NEWER];
        };
        let number = |name: &str| params.iter().position(|(_, kind)| kind.contains(name));
        match (number("sk_buff"), number("nf_hook_state")) {
            (Some(0), Some(1)) => vec![Self::OLDER],
            (Some(1), Some(2)) => vec![Self::NEWER],
            _ => Vec::new(),
        }
    }
}

/// What is known of a family's table function.
#[derive(Debug, Clone)]
pub struct EdgesSetup {
    /// The family.
    pub tables: Tables,
    /// What the function is called with.
    pub arguments: Arguments,
    /// Where x_tables keeps what.
    pub layout: LegacyLayout,
}

impl LegacyProbes {
    /// Attaches to the function's entry and return; notes are left in the map
    /// `notes`.
    pub(crate) fn attach_edges(
        setup: &EdgesSetup,
        notes: BorrowedFd<'_>,
        changes: &Changes,
    ) -> Result<Self, CollectError> {
        let words = layout_words(setup.tables, &setup.layout);
        let function = setup.tables.function();
        Self::at_edges(function, Some(setup.tables), words, setup.arguments, notes, changes)
    }

    /// The same for ebtables.
    pub(crate) fn attach_bridge_edges(
        setup: &BridgeSetup,
        notes: BorrowedFd<'_>,
        changes: &Changes,
    ) -> Result<Self, CollectError> {
        let words = setup.layout_words();
        Self::at_edges(ebt::FUNCTION, None, words, setup.arguments, notes, changes)
    }

    fn at_edges(
        function: &str,
        tables: Option<Tables>,
        layout: [u32; 14],
        arguments: Arguments,
        notes: BorrowedFd<'_>,
        changes: &Changes,
    ) -> Result<Self, CollectError> {
        let btf = Btf::vmlinux().map_err(CollectError::load)?;
        let mut open = object::open(OBJECT, Some(&btf))?;
        let words = [ValueAt::None.words()[0]; POINT_WORDS].into_iter();
        let words = words.chain(layout).chain(arguments.words());
        let config: Vec<u8> = words.flat_map(u32::to_ne_bytes).collect();
        object::set_rodata(&mut open, &config)?;
        object::share(&mut open, &[("notes", notes), ("changes", changes.map().as_fd())])?;
        let object = object::load(open, &[ENTRY, RETURN])?;
        // first the entry: a return whose entry was not seen tells nothing
        let entry = object::with_program(&object, ENTRY, |p| raw::attach_kprobe(p, function, 0))?;
        let back = object::with_program(&object, RETURN, |p| raw::attach_kretprobe(p, function))?;
        Self::new(vec![entry, back], object, tables)
    }
}
