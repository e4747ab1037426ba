//! Rules of x_tables (iptables-legacy and its like): attached when a table's module is there,
//! let go when it is gone.

mod host;

use std::path::Path;
use std::sync::Arc;

use nfscope_collect::CollectError;
use nfscope_collect::legacy::{
    Arguments, BridgeSetup, ChangeCount, Changes, EdgesSetup, LegacySetup, bridge_tables_loaded,
    tables_loaded,
};
use nfscope_kernel::btf::Btf;
use nfscope_kernel::layout::LegacyLayout;
use nfscope_kernel::locate::ipt::{LegacyLocated, Tables};

pub use host::Host;

/// How often a family is tried: a module shows up a moment before its table.
pub const ATTEMPTS: u32 = 4;

fn refuse(reason: String) -> CollectError {
    CollectError::Backend { backend: "legacy", reason }
}

/// Where x_tables keeps what.
pub fn layout(vmlinux: Arc<Btf>) -> Result<(LegacyLayout, Btf), CollectError> {
    let btf = Btf::module("x_tables", vmlinux).map_err(|e| refuse(e.to_string()))?;
    let layout = LegacyLayout::from_btf(&btf).map_err(|e| refuse(e.to_string()))?;
    Ok((layout, btf))
}

/// A host's families, with their numbers among all.
fn families<H: Host>() -> impl Iterator<Item = (usize, Tables)> {
    Tables::ALL.into_iter().enumerate().filter(|(_, tables)| H::TABLES.contains(tables))
}

/// What is known of one family.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// No table's module is loaded.
    #[default]
    Absent,
    /// It did not work so many times.
    Failed(u32),
    /// Its rules are told.
    Attached,
    /// Its tables are told, its rules are not.
    TablesAlone,
}

/// How much a family's probes tell.
enum Detail {
    /// Rules and policies.
    Rules,
    /// Tables and hooks alone, and why.
    Tables(String),
}

/// The probes of all families.
#[derive(Default)]
pub struct LegacyRules {
    changes: Option<Changes>,
    followed: bool,
    states: [State; Tables::ALL.len()],
    /// Of ebtables.
    bridge: State,
}

impl LegacyRules {
    /// Attaches to families whose tables have come, lets go of those whose
    /// tables have gone. Sentences for the user: what does not work.
    pub fn advance<H: Host>(&mut self, collector: &mut H, trial: &H::Trial) -> Vec<String> {
        let mut notices = Vec::new();
        if self.changes.is_some() && !Path::new("/sys/module/x_tables").exists() {
            // the probes went with the module
            self.changes = None;
            self.followed = false;
        }
        for (n, tables) in families::<H>() {
            match (tables_loaded(tables), self.states[n]) {
                (false, State::Absent)
                | (true, State::Attached | State::TablesAlone | State::Failed(ATTEMPTS)) => {}
                (false, _) => {
                    collector.detach(tables);
                    self.states[n] = State::Absent;
                }
                (true, before) => {
                    let failures = if let State::Failed(count) = before { count } else { 0 };
                    let last = failures + 1 == ATTEMPTS;
                    let attached = self.attach(tables, collector, trial, last);
                    let module = tables.module();
                    self.states[n] = match attached {
                        Ok(Detail::Rules) => State::Attached,
                        Ok(Detail::Tables(why)) => {
                            notices.push(format!(
                                "of {module} (legacy) tables and hooks are named, rules are not: {why}"
                            ));
                            State::TablesAlone
                        }
                        Err(e) => {
                            if last {
                                notices
                                    .push(format!("rules of {module} (legacy) are not named: {e}"));
                            }
                            State::Failed(failures + 1)
                        }
                    };
                }
            }
        }
        notices.extend(self.advance_bridge(collector));
        notices
    }

    /// The same for ebtables.
    fn advance_bridge(&mut self, collector: &mut impl Host) -> Option<String> {
        match (bridge_tables_loaded(), self.bridge) {
            (false, State::Absent) => None,
            (false, _) => {
                collector.detach_bridge();
                self.changes.iter_mut().for_each(Changes::leave_bridge);
                self.bridge = State::Absent;
                None
            }
            (true, State::Absent) => {
                let attached = self.attach_bridge(collector);
                self.bridge = match attached {
                    Some(Ok(None)) => State::Attached,
                    Some(Ok(Some(_))) => State::TablesAlone,
                    Some(Err(_)) | None => State::Failed(ATTEMPTS),
                };
                match attached? {
                    Ok(why) => Some(format!(
                        "of ebtables (legacy) tables and hooks are named, rules are not: {}",
                        why?
                    )),
                    Err(why) => Some(format!("tables of ebtables (legacy) are not named: {why}")),
                }
            }
            (true, _) => None,
        }
    }

    fn attach_bridge(
        &mut self,
        collector: &mut impl Host,
    ) -> Option<Result<Option<String>, CollectError>> {
        let setup = self.bridge_setup();
        match (setup, &self.changes) {
            (Ok(setup), Some(changes)) => collector.attach_bridge(&setup, changes),
            (Ok(_), None) => None,
            (Err(e), _) => Some(Err(e)),
        }
    }

    fn bridge_setup(&mut self) -> Result<BridgeSetup, CollectError> {
        let vmlinux = Arc::new(Btf::vmlinux().map_err(|e| refuse(e.to_string()))?);
        let (layout, _) = layout(Arc::clone(&vmlinux))?;
        let unknown = || refuse("its function takes other arguments than those known".into());
        let mut setup = BridgeSetup::of(&layout, vmlinux).ok_or_else(unknown)?;
        let changes = self.changes.take().map_or_else(Changes::start, Ok)?;
        if let Err(e) = self.changes.insert(changes).follow_bridge() {
            // nobody knows which table a rule was in
            setup.located = Err(e.to_string());
        }
        Ok(setup)
    }

    /// Attaches to what is there; an error if that is nothing.
    pub fn begin<H: Host>(
        &mut self,
        collector: &mut H,
        trial: &H::Trial,
    ) -> Result<(), CollectError> {
        let mut failed = None;
        for (n, tables) in families::<H>() {
            if tables_loaded(tables) {
                match self.attach(tables, collector, trial, false) {
                    Ok(Detail::Rules) => self.states[n] = State::Attached,
                    Ok(Detail::Tables(_)) => self.states[n] = State::TablesAlone,
                    // of the other family's programs it would be the same
                    Err(CollectError::Interruptible) => return Err(CollectError::Interruptible),
                    Err(e) => failed = Some(e),
                }
            }
        }
        match failed {
            Some(e) if !self.attached() => Err(e),
            _ => Ok(()),
        }
    }

    /// Whether rules of any family are told.
    pub fn attached(&self) -> bool {
        self.states.contains(&State::Attached)
    }

    /// Another collector goes on: nothing is attached to it yet.
    pub fn begin_anew(&mut self) {
        self.states = [State::Absent; Tables::ALL.len()];
        self.bridge = State::Absent;
    }

    /// How many tables were replaced: once, when that begins to be counted.
    pub fn new_count(&mut self) -> Option<ChangeCount> {
        let count = self.changes.as_ref()?.count();
        (!std::mem::replace(&mut self.followed, true)).then_some(count)
    }

    /// `last`: it is not tried again, so that less will do.
    fn attach<H: Host>(
        &mut self,
        tables: Tables,
        collector: &mut H,
        trial: &H::Trial,
        last: bool,
    ) -> Result<Detail, CollectError> {
        let vmlinux = Arc::new(Btf::vmlinux().map_err(|e| refuse(e.to_string()))?);
        let (layout, btf) = layout(Arc::clone(&vmlinux))?;
        let found = LegacyLocated::find(tables, Some(&btf));
        let changes = match self.changes.take() {
            Some(changes) => changes,
            None => Changes::start()?,
        };
        let changes = self.changes.insert(changes);
        let why = match found {
            Ok(LegacyLocated { points, address }) => {
                let setup = LegacySetup { tables, points, address, layout: layout.clone() };
                match collector.attach(&setup, trial, changes, Arc::clone(&vmlinux)) {
                    Ok(()) => return Ok(Detail::Rules),
                    // the table may not be there yet
                    Err(e) if !last => return Err(e),
                    Err(e) => e.to_string(),
                }
            }
            Err(why) => why.to_string(),
        };
        let types = Btf::module(tables.module(), vmlinux).map_err(|e| refuse(e.to_string()))?;
        let mut failure = refuse(why.clone());
        for arguments in Arguments::of(tables, &types) {
            let setup = EdgesSetup { tables, arguments, layout: layout.clone() };
            match collector.attach_edges(&setup, trial, changes) {
                Some(Ok(())) => return Ok(Detail::Tables(why)),
                Some(Err(e)) => failure = e,
                None => {}
            }
        }
        Err(failure)
    }
}
