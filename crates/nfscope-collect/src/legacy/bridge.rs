//! Tables of ebtables-legacy: which rule or policy ended a frame, by two places in
//! `ebt_do_table` (`net/bridge/netfilter/ebtables.c`); where those are not to be found,
//! which table, by its entry and return.
//!
//! There is no trial: a bridge would have to be made for it. Instead each note proves
//! itself in the kernel: the hook's state must be of a bridge, the table must have the
//! name of one, what the rule or chain is taken for must lie among the table's entries,
//! and say drop there, too.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;

use nfscope_event::Family;
use nfscope_kernel::btf::Btf;
use nfscope_kernel::layout::LegacyLayout;
use nfscope_kernel::locate::ebt::{BridgeLocated, BridgePoint, FUNCTION, MODULE, TARGET_OFFSET};

use super::edges::POINT_WORDS;
use super::probes::{LegacyProbes, words_of};
use super::{Arguments, Changes};
use crate::nft::ValueAt;
use crate::object::Compiled;
use crate::{CollectError, object, raw};

/// The compiled programs.
const OBJECT: Compiled = object::compiled!("ebtables");
const VERDICT: &str = "at_verdict";
const POLICY: &str = "at_policy";
/// Modules of tables that drop; `broute` routes what it is said to drop.
const MODULES: [&str; 2] = ["ebtable_filter", "ebtable_nat"];

/// Where ebtables keeps what.
#[derive(Debug, Clone, Copy)]
struct Offsets {
    name: u32,
    private: u32,
    size: u32,
    number: u32,
    hook_entry: u32,
    entries: u32,
    /// Another place where `private` may be.
    other_private: Option<u32>,
}

impl Offsets {
    /// 5.10, which has no types of modules (`include/linux/netfilter_bridge/ebtables.h`:
    /// ebt_table list@0 name@16 (32 bytes) table@48 valid_hooks@56 lock@60 private@72;
    /// ebt_table_info entries_size@0 nentries@4 hook_entry\[6\]@8 chainstack@56 entries@64).
    /// Until "netfilter: ebtables: reject blobs that don't provide all entry points", which
    /// 5.10's later releases have too, private was behind a function's pointer.
    const TABLE_510: Self = Self {
        name: 16,
        private: 72,
        size: 0,
        number: 4,
        hook_entry: 8,
        entries: 64,
        other_private: Some(80),
    };

    fn of(types: &Btf) -> Option<Self> {
        if !types.has_struct("ebt_table_info") {
            return Some(Self::TABLE_510);
        }
        Some(Self {
            name: types.offset("ebt_table", "name")?,
            private: types.offset("ebt_table", "private")?,
            size: types.offset("ebt_table_info", "entries_size")?,
            number: types.offset("ebt_table_info", "nentries")?,
            hook_entry: types.offset("ebt_table_info", "hook_entry")?,
            entries: types.offset("ebt_table_info", "entries")?,
            other_private: None,
        })
    }
}

/// What is known of ebtables' function.
#[derive(Debug, Clone)]
pub struct BridgeSetup {
    pub(super) arguments: Arguments,
    pub(super) layout: LegacyLayout,
    hook_entry: u32,
    other_private: Option<u32>,
    /// The places in it, else why there are none.
    pub located: Result<BridgeLocated, String>,
}

impl BridgeSetup {
    /// `layout`: of x_tables; `vmlinux`: the kernel's types. None if the function
    /// is not one that is known.
    pub fn of(layout: &LegacyLayout, vmlinux: Arc<Btf>) -> Option<Self> {
        let types = Btf::module(MODULE, vmlinux).ok()?;
        let offsets = Offsets::of(&types)?;
        // without types it is that of 5.10, which has the packet first
        let arguments = *Arguments::of_function(FUNCTION, &types).first()?;
        let layout = LegacyLayout {
            table_name: offsets.name,
            table_private: offsets.private,
            info_size: offsets.size,
            info_number: offsets.number,
            info_entries: offsets.entries,
            ..layout.clone()
        };
        let located = BridgeLocated::find(Some(&types)).map_err(|e| e.to_string());
        let (hook_entry, other_private) = (offsets.hook_entry, offsets.other_private);
        Some(Self { arguments, layout, hook_entry, other_private, located })
    }

    /// What all of the programs read, as `struct legacy_config` has it.
    pub(super) fn layout_words(&self) -> [u32; 14] {
        words_of(Family::Bridge, TARGET_OFFSET, &self.layout)
    }

    /// `struct ebtables_config`.
    fn config(&self, located: &BridgeLocated) -> Vec<u8> {
        let values = |p: &BridgePoint| {
            let places = [p.entry, p.skb, p.table, p.param].map(ValueAt::from);
            let places = places.into_iter().chain([ValueAt::from(p.verdict)]);
            places.flat_map(ValueAt::words).chain([p.table_beyond, 0])
        };
        let words = values(&located.points.verdict).chain(values(&located.points.policy));
        let words = words.chain([ValueAt::None.words()[0]; POINT_WORDS]);
        let words = words.chain(self.layout_words()).chain(self.arguments.words());
        let own = [self.hook_entry, self.other_private.unwrap_or(0)];
        words.chain(own).flat_map(u32::to_ne_bytes).collect()
    }
}

/// Whether such a table is there, as far as loaded modules tell.
pub fn bridge_tables_loaded() -> bool {
    MODULES.into_iter().any(|name| Path::new("/sys/module").join(name).exists())
}

impl LegacyProbes {
    /// Attaches to the places in ebtables' function.
    pub(crate) fn attach_bridge(
        setup: &BridgeSetup,
        located: &BridgeLocated,
        notes: BorrowedFd<'_>,
        changes: &Changes,
    ) -> Result<Self, CollectError> {
        let btf = Btf::vmlinux().map_err(CollectError::load)?;
        let mut open = object::open(OBJECT, Some(&btf))?;
        object::set_rodata(&mut open, &setup.config(located))?;
        object::share(&mut open, &[("notes", notes), ("changes", changes.map().as_fd())])?;
        let object = object::load(open, &[VERDICT, POLICY])?;
        let attach = |program, point: &BridgePoint| {
            let offset = u64::from(point.probe);
            object::with_program(&object, program, |p| {
                let by_address = located.address.and_then(|function| {
                    raw::attach_kprobe_at(p, function.checked_add(offset)?).ok()
                });
                by_address.map_or_else(|| raw::attach_kprobe(p, FUNCTION, offset), Ok)
            })
        };
        let points = &located.points;
        let links = vec![attach(VERDICT, &points.verdict)?, attach(POLICY, &points.policy)?];
        Self::new(links, object, None)
    }
}
