//! Counts the tables that are replaced.

use std::sync::Arc;

use libbpf_rs::{Link, MapHandle, Object};

use crate::memory::MapMemory;
use crate::object::Compiled;
use crate::{CollectError, object, raw};

/// The compiled programs.
const OBJECT: Compiled = object::compiled!("changes");
const MAP: &str = "changes";
/// x_tables' function that puts a new table in an old one's place.
const FUNCTION: &str = "xt_replace_table";
/// The same of ebtables (`net/bridge/netfilter/ebtables.c`).
const BRIDGE_FUNCTION: &str = "do_replace_finish";

/// The attached probes.
#[derive(Debug)]
pub struct Changes {
    _links: [Link; 2],
    /// Those at ebtables' function.
    bridge: Option<[Link; 2]>,
    object: Object,
    map: MapHandle,
    count: ChangeCount,
}

impl Changes {
    /// Attaches them. x_tables must be loaded.
    pub fn start() -> Result<Self, CollectError> {
        let object = object::load(object::open(OBJECT, None)?, &["at_replace", "at_replaced"])?;
        let map = object::map(&object, MAP)?;
        let count = ChangeCount(Arc::new(MapMemory::of(&map)?));
        let map = MapHandle::try_from(&map).map_err(CollectError::load)?;
        Ok(Self { _links: attach(&object, FUNCTION)?, bridge: None, object, map, count })
    }

    /// Counts those of ebtables, too. Its module must be loaded.
    pub fn follow_bridge(&mut self) -> Result<(), CollectError> {
        self.bridge = None;
        self.bridge = Some(attach(&self.object, BRIDGE_FUNCTION)?);
        Ok(())
    }

    /// Its module is gone.
    pub fn leave_bridge(&mut self) {
        self.bridge = None;
    }

    /// The count, to be read from any thread.
    pub fn count(&self) -> ChangeCount {
        self.count.clone()
    }

    pub(crate) fn map(&self) -> &MapHandle {
        &self.map
    }
}

/// The probes at a function that replaces tables.
fn attach(object: &Object, function: &str) -> Result<[Link; 2], CollectError> {
    // first the end: of what began before, it alone is seen
    let end = object::with_program(object, "at_replaced", |p| raw::attach_kretprobe(p, function))?;
    let begin = object::with_program(object, "at_replace", |p| raw::attach_kprobe(p, function, 0))?;
    Ok([begin, end])
}

/// How many tables were replaced.
#[derive(Debug, Clone)]
pub struct ChangeCount(Arc<MapMemory>);

impl ChangeCount {
    /// The number now; none while a table is being replaced.
    pub fn now(&self) -> Option<u64> {
        let [begun, done] = self.0.value(0)?;
        (begun == done).then_some(begun)
    }
}
