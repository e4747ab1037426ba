//! The whole ruleset of a namespace at one moment, without texts.

use crate::netlink::{ChainInfo, Error, RuleInfo, SetInfo, Socket, TableInfo};

/// How often reading is tried again when the ruleset changes meanwhile.
const TRIES: usize = 10;

/// Tables, chains, rules and sets of one generation.
#[derive(Debug, Default, Clone)]
pub(crate) struct Snapshot {
    pub(crate) generation: u32,
    pub(crate) tables: Vec<TableInfo>,
    pub(crate) chains: Vec<ChainInfo>,
    pub(crate) rules: Vec<RuleInfo>,
    pub(crate) sets: Vec<SetInfo>,
}

impl Snapshot {
    /// Reads the ruleset of the socket's namespace.
    pub(crate) fn read(socket: &mut Socket) -> Result<Self, Error> {
        for _ in 0..TRIES {
            let generation = socket.generation()?;
            let tables = socket.tables()?;
            if tables.is_empty() && socket.generation()? == generation {
                return Ok(Self { generation, ..Self::default() });
            }
            let chains = socket.chains()?;
            let rules = socket.rules()?;
            let sets = socket.sets()?;
            if socket.generation()? == generation {
                return Ok(Self { generation, tables, chains, rules, sets });
            }
        }
        Err(Error::Interrupted)
    }
}
