//! A namespace's ruleset as netlink tells it: what is there, and in which order.

use std::collections::HashMap;

use super::effect::{ChainKey, Effects};
use crate::netlink::{Error, Object, Socket};

/// Tables, chains and sets.
pub(super) fn objects(socket: &mut Socket) -> Result<Effects, Error> {
    let mut effects = Effects::default();
    for table in at_rest(socket.tables())? {
        effects.there_is(Object::Table, (table.family, table.name.clone(), table.name));
    }
    for chain in at_rest(socket.chains())? {
        effects.there_is(Object::Chain, (chain.family, chain.table, chain.name));
    }
    for set in at_rest(socket.sets())? {
        effects.there_is(Object::Set, (set.family, set.table, set.name));
    }
    Ok(effects)
}

/// What changes all the time while it is read is told as new when it changes next.
fn at_rest<T>(read: Result<Vec<T>, Error>) -> Result<Vec<T>, Error> {
    match read {
        Err(Error::Interrupted) => Ok(Vec::new()),
        read => read,
    }
}

/// The orders of all chains; nothing where they cannot be read.
pub(super) fn orders(socket: &mut Socket) -> HashMap<ChainKey, Vec<u64>> {
    let mut orders: HashMap<ChainKey, Vec<u64>> = HashMap::new();
    for rule in socket.rules().unwrap_or_default() {
        orders.entry((rule.family, rule.table, rule.chain)).or_default().push(rule.handle);
    }
    orders
}
