//! The probes in one family's table function.

use std::os::fd::AsFd;

use libbpf_rs::{Link, Object};
use nfscope_kernel::btf::Btf;
use nfscope_kernel::locate::ipt::{TablePoint, Tables};

use crate::legacy::{Changes, LegacySetup};
use crate::object::Compiled;
use crate::{CollectError, object, raw};

/// The compiled programs.
const OBJECT: Compiled = object::compiled!("tables");
const ENTRY: &str = "table_fentry";
const ENTRY_KPROBE: &str = "table_kprobe";
const MATCH: &str = "table_match";
const TARGET: &str = "table_target";
/// Maps that belong to the programs of the whole trace.
const SHARED: [&str; 4] = ["ring", "packets", "scratches", ".bss"];

/// The attached probes.
pub(in super::super) struct TableProbes {
    _links: Vec<Link>,
    object: Object,
    tables: Tables,
}

/// The programs of the whole trace, which have the packets.
pub(super) struct Whole<'a> {
    pub object: &'a Object,
    /// The settings that they were given.
    pub config: Vec<u8>,
    pub filter: Option<&'a nfscope_filter::Compiled>,
    /// Whether they are given the kernel's variables.
    pub variables: bool,
    /// Functions' entries by fentry, else by kprobes.
    pub fentry: bool,
}

impl TableProbes {
    /// Attaches them beside the programs of `trace`.
    pub(super) fn attach(
        setup: &LegacySetup,
        trace: Whole,
        changes: &Changes,
        btf: &Btf,
    ) -> Result<Self, CollectError> {
        let (function, fentry) = (setup.tables.function(), trace.fentry);
        let compiled = OBJECT.with_variables(trace.variables);
        let mut open = object::open_filtered(compiled, trace.filter, btf)?;
        object::set_rodata(&mut open, &[trace.config, setup.config()].concat())?;
        let maps = SHARED.map(|name| object::map(trace.object, name));
        let maps = maps.into_iter().collect::<Result<Vec<_>, _>>()?;
        let mut shared = vec![("changes", changes.map().as_fd())];
        shared.extend(SHARED.iter().zip(&maps).map(|(name, map)| (*name, map.as_fd())));
        object::share(&mut open, &shared)?;
        let entry = if fentry { ENTRY } else { ENTRY_KPROBE };
        if fentry {
            for mut p in open.progs_mut().filter(|p| p.name() == ENTRY) {
                p.set_attach_target(0, Some(function.into())).map_err(CollectError::load)?;
            }
        }
        let object = object::load(open, &[entry, MATCH, TARGET])?;
        let attach = |program, point: &TablePoint| {
            let offset = u64::from(point.probe);
            object::with_program(&object, program, |p| {
                let by_address = setup
                    .address
                    .and_then(|start| raw::attach_kprobe_at(p, start.checked_add(offset)?).ok());
                by_address.map_or_else(|| raw::attach_kprobe(p, function, offset), Ok)
            })
        };
        // the entry comes last: a packet must not enter whose rules nobody sees
        let points = &setup.points;
        let mut links = vec![attach(MATCH, &points.matched)?, attach(TARGET, &points.verdict)?];
        links.push(object::with_program(&object, entry, |p| {
            if fentry {
                p.attach_trace().map_err(|e| CollectError::Attach {
                    place: function.into(),
                    reason: e.to_string(),
                })
            } else {
                raw::attach_kprobe(p, function, 0)
            }
        })?);
        Ok(Self { _links: links, object, tables: setup.tables })
    }

    /// The family.
    pub fn tables(&self) -> Tables {
        self.tables
    }

    /// How often the kernel skipped one of the programs.
    pub fn skipped(&self) -> u64 {
        self.object.progs().map(|p| raw::recursion_misses(&p)).sum()
    }
}
