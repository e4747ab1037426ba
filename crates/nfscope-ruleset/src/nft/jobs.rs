//! What the nft and iptables programs are asked for, one job at a time.

use std::collections::HashMap;
use std::path::Path;

use nfscope_event::Family;

use super::iptables;
use super::listing::{self, Listing};
use super::program::{self, Running};
use super::shared::Shared;
use super::texts::{ChainToList, MapToList};
use crate::netlink::{Error, Socket};

/// More chains than this are listed as a whole ruleset.
const FEW_CHAINS: usize = 4;
/// A program that takes longer is given up (ns).
const DEADLINE_NS: u64 = 120_000_000_000;
/// How often saving a table for iptables is tried while the ruleset changes.
const IPTABLES_TRIES: u32 = 5;

/// How many texts are taken before askers get their turn.
const AT_ONCE: usize = 500;

/// Something a program is asked for.
#[derive(Debug)]
pub(crate) enum Kind {
    /// `nft -a list ruleset`
    Ruleset,
    /// `nft -a list chain`
    Chain(ChainToList),
    /// `nft -a list map`
    Map(MapToList),
    /// `iptables-nft-save`, with what the kernel says of the same moment.
    Iptables(Moment),
}

/// A table's rules by chain in their order, at one generation.
#[derive(Debug)]
pub(crate) struct Moment {
    family: Family,
    table: String,
    generation: u32,
    order: HashMap<String, Vec<u64>>,
}

/// A job under way.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) kind: Kind,
    pub(crate) running: Running,
    /// When it was started (monotonic ns).
    pub(crate) started: u64,
}

impl Job {
    /// Whether it takes too long.
    pub(crate) fn overdue(&self, now: u64) -> bool {
        now.saturating_sub(self.started) > DEADLINE_NS
    }
}

/// Decides what to ask for and takes the answers.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    /// The whole ruleset has been listed once.
    listed_all: bool,
    iptables_tries: u32,
}

impl Jobs {
    /// Starts what is most urgent, if anything is due. `before`: texts
    /// missing since then are due.
    pub(crate) fn start(
        &mut self,
        nft: &Path,
        shared: &Shared,
        socket: &mut Socket,
        (before, now): (u64, u64),
    ) -> Result<Option<Job>, Error> {
        let Some(kind) = self.next(shared, socket, before)? else { return Ok(None) };
        let started = match &kind {
            Kind::Ruleset => Running::start(nft, &["-a", "list", "ruleset"]),
            Kind::Chain(c) => {
                Running::start(nft, &["-a", "list", "chain", c.family, &c.table, &c.chain])
            }
            Kind::Map(m) => Running::start(nft, &["-a", "list", "map", m.family, &m.table, &m.map]),
            Kind::Iptables(moment) => match program::find(iptables::program(moment.family)) {
                Some(save) => {
                    Running::start(&save, &iptables::arguments(moment.family, &moment.table))
                }
                None => Err(std::io::ErrorKind::NotFound.into()),
            },
        };
        match started {
            Ok(running) => Ok(Some(Job { kind, running, started: now })),
            Err(_) => {
                self.take(kind, None, now, shared, socket)?;
                Ok(None)
            }
        }
    }

    fn next(
        &mut self,
        shared: &Shared,
        socket: &mut Socket,
        before: u64,
    ) -> Result<Option<Kind>, Error> {
        let state = shared.state();
        let chains = state.store.chains_to_list(before);
        if let Some(first) = chains.first() {
            let plain = |chain: &ChainToList| {
                program::is_plain(&chain.table) && program::is_plain(&chain.chain)
            };
            let some = self.listed_all && chains.len() <= FEW_CHAINS && chains.iter().all(plain);
            return Ok(Some(if some { Kind::Chain(first.clone()) } else { Kind::Ruleset }));
        }
        if let Some(map) = state.store.map_to_list() {
            let plain = program::is_plain(&map.table) && program::is_plain(&map.map);
            return Ok(Some(if plain { Kind::Map(map) } else { Kind::Ruleset }));
        }
        let Some((family, table)) = state.store.iptables_table() else { return Ok(None) };
        drop(state);
        let generation = socket.generation()?;
        let mut order: HashMap<String, Vec<u64>> = HashMap::new();
        for rule in socket.rules()? {
            if rule.family == family && rule.table == table {
                order.entry(rule.chain).or_default().push(rule.handle);
            }
        }
        Ok(Some(Kind::Iptables(Moment { family, table, generation, order })))
    }

    /// Takes what a program printed; none if it failed.
    pub(crate) fn take(
        &mut self,
        kind: Kind,
        output: Option<String>,
        started: u64,
        shared: &Shared,
        socket: &mut Socket,
    ) -> Result<(), Error> {
        let known =
            |family, table: &str, handle| shared.state().store.has_rule(family, table, handle);
        let listing = |output: Option<String>| output.map(|text| listing::parse(&text, known));
        match kind {
            Kind::Ruleset => {
                if let Some(listing) = listing(output) {
                    self.listed_all = true;
                    take_listing(shared, listing, started, None);
                }
                let mut state = shared.state();
                state.store.listed(started, None);
                state.store.listed_maps(started, None);
            }
            Kind::Chain(chain) => {
                if let Some(listing) = listing(output) {
                    let table = (chain.family, chain.table.as_str(), chain.table_handle);
                    take_listing(shared, listing, started, Some(table));
                }
                shared.state().store.listed(started, Some(&chain));
            }
            Kind::Map(map) => {
                if let Some(listing) = listing(output) {
                    let table = (map.family, map.table.as_str(), map.table_handle);
                    take_listing(shared, listing, started, Some(table));
                }
                shared.state().store.listed_maps(started, Some(&map));
            }
            Kind::Iptables(moment) => {
                let changed = socket.generation()? != moment.generation;
                self.iptables_tries = if changed { self.iptables_tries + 1 } else { 0 };
                if changed && self.iptables_tries < IPTABLES_TRIES {
                    return Ok(());
                }
                let lines = output.map(|saved| iptables::parse(&saved, &moment.table));
                let lines = lines.as_ref().filter(|_| !changed);
                let table = (moment.family, moment.table.as_str());
                shared.state().store.take_iptables(table, &moment.order, lines);
            }
        }
        Ok(())
    }
}

/// Takes a listing begun at `started`; `table` is its one table (family, name, handle) where the
/// listing does not tell the handle: that must still be the same one.
fn take_listing(shared: &Shared, listing: Listing, started: u64, table: Option<(&str, &str, u64)>) {
    let only = table.and_then(|(family, name, handle)| {
        let live = shared.state().store.table_handle(listing::family_of(family)?, name);
        live.filter(|live| *live == handle)
    });
    for listed in listing.tables {
        let Some(handle) = listed.handle.or(only) else { continue };
        for rules in listed.rules.chunks(AT_ONCE) {
            let mut state = shared.state();
            for rule in rules {
                let started = Some(started);
                state.store.take_text(handle, &rule.chain, rule.handle, &rule.text, started);
            }
        }
        for map in listed.verdict_maps {
            shared.state().store.take_map(handle, map);
        }
    }
}
