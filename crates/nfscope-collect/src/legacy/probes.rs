//! The probes in one family's table function.

use std::os::fd::{AsFd, BorrowedFd};

use libbpf_rs::{Link, Object};
use nfscope_event::Family;
use nfscope_kernel::layout::LegacyLayout;
use nfscope_kernel::locate::ipt::{TableLoc, TablePoint, TablePoints, Tables};

use super::{Arguments, Changes};
use crate::memory::MapMemory;
use crate::nft::ValueAt;
use crate::object::Compiled;
use crate::{CollectError, object, raw};

/// The compiled programs.
pub(super) const OBJECT: Compiled = object::compiled!("legacy");
const MATCH: &str = "at_table_match";
const VERDICT: &str = "at_table_verdict";

/// What is known of a family's table function.
#[derive(Debug, Clone)]
pub struct LegacySetup {
    /// The family.
    pub tables: Tables,
    /// Where the probes go.
    pub points: TablePoints,
    /// Address of the function, where it is known.
    pub address: Option<u64>,
    /// Where x_tables keeps what.
    pub layout: LegacyLayout,
}

impl LegacySetup {
    /// `struct legacy_config`.
    pub(crate) fn config(&self) -> Vec<u8> {
        let values = |p: &TablePoint| {
            let (table, is_info) = match p.table {
                TableLoc::Table(at) => (at, 0),
                TableLoc::Info(at) => (at, 1),
            };
            let values = [p.entry, p.skb, table, p.param].map(ValueAt::from);
            values.into_iter().flat_map(ValueAt::words).chain([is_info, 0])
        };
        let points = &self.points;
        let values = values(&points.matched).chain(values(&points.verdict));
        let words = values.chain(ValueAt::from(points.verdict_register).words());
        let words = words.chain(layout_words(self.tables, &self.layout));
        let words = words.chain(Arguments::with_packet(points.packet_argument).words());
        words.flat_map(u32::to_ne_bytes).collect()
    }
}

/// What all of the programs read, as `struct legacy_config` has it.
pub(super) fn layout_words(tables: Tables, l: &LegacyLayout) -> [u32; 14] {
    words_of(family(tables), tables.target_offset(), l)
}

/// The same of a family that has no such tables.
pub(super) fn words_of(family: Family, target_offset: u32, l: &LegacyLayout) -> [u32; 14] {
    [
        u32::from(family.nfproto()),
        target_offset,
        l.table_private,
        l.table_name,
        l.info_size,
        l.info_number,
        l.info_underflow,
        l.info_entries,
        l.target_function,
        l.param_state,
        l.state_hook,
        l.state_pf,
        l.state_in,
        l.state_out,
    ]
}

/// The family as events name it.
pub(crate) fn family(tables: Tables) -> Family {
    match tables {
        Tables::Ipv4 => Family::Ip,
        Tables::Ipv6 => Family::Ip6,
        Tables::Arp => Family::Arp,
    }
}

/// The attached probes.
pub(crate) struct LegacyProbes {
    _links: Vec<Link>,
    _object: Object,
    counters: MapMemory,
    /// None: those of ebtables.
    tables: Option<Tables>,
}

impl LegacyProbes {
    /// Attaches them; they leave their notes in the map `notes`.
    pub(crate) fn attach(
        setup: &LegacySetup,
        notes: BorrowedFd<'_>,
        changes: &Changes,
    ) -> Result<Self, CollectError> {
        let btf = nfscope_kernel::btf::Btf::vmlinux().map_err(CollectError::load)?;
        let mut open = object::open(OBJECT, Some(&btf))?;
        object::set_rodata(&mut open, &setup.config())?;
        object::share(&mut open, &[("notes", notes), ("changes", changes.map().as_fd())])?;
        let object = object::load(open, &[MATCH, VERDICT])?;
        let attach = |program, point: &TablePoint| {
            let offset = u64::from(point.probe);
            object::with_program(&object, program, |p| {
                let by_address = setup.address.and_then(|function| {
                    raw::attach_kprobe_at(p, function.checked_add(offset)?).ok()
                });
                let by_name = || raw::attach_kprobe(p, setup.tables.function(), offset);
                by_address.map_or_else(by_name, Ok)
            })
        };
        let links =
            vec![attach(MATCH, &setup.points.matched)?, attach(VERDICT, &setup.points.verdict)?];
        Self::new(links, object, Some(setup.tables))
    }

    pub(super) fn new(
        links: Vec<Link>,
        object: Object,
        tables: Option<Tables>,
    ) -> Result<Self, CollectError> {
        let counters = object::memory(&object, ".bss")?;
        Ok(Self { _links: links, _object: object, counters, tables })
    }

    pub(crate) fn tables(&self) -> Option<Tables> {
        self.tables
    }

    /// Rules whose note was overwritten, or could not be told.
    pub(crate) fn unattributed(&self) -> u64 {
        let words = self.counters.words();
        words.get(2).copied().unwrap_or(0)
    }
}
