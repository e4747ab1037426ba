//! Counts the tables that are replaced.

use std::sync::Arc;

use libbpf_rs::{Link, MapCore, MapFlags, MapHandle, Object};

use crate::object::Compiled;
use crate::{CollectError, object, raw};

/// The compiled programs.
const OBJECT: Compiled = object::compiled!("changes");
/// x_tables' function that puts a new table in an old one's place.
const FUNCTION: &str = "xt_replace_table";

/// The attached probes.
#[derive(Debug)]
pub struct Changes {
    _links: [Link; 2],
    _object: Object,
    count: ChangeCount,
}

impl Changes {
    /// Attaches them. x_tables must be loaded.
    pub fn start() -> Result<Self, CollectError> {
        let object = object::load(object::open(OBJECT, None)?, &["at_replace", "at_replaced"])?;
        let map = object::map(&object, "changes")?;
        let map = MapHandle::try_from(&map).map_err(CollectError::load)?;
        // first the end: an end without a beginning would be missed for ever
        let end =
            object::with_program(&object, "at_replaced", |p| raw::attach_kretprobe(p, FUNCTION))?;
        let begin =
            object::with_program(&object, "at_replace", |p| raw::attach_kprobe(p, FUNCTION, 0))?;
        Ok(Self { _links: [begin, end], _object: object, count: ChangeCount(Arc::new(map)) })
    }

    /// The count, to be read from any thread.
    pub fn count(&self) -> ChangeCount {
        self.count.clone()
    }

    pub(crate) fn map(&self) -> &MapHandle {
        &self.count.0
    }
}

/// How many tables were replaced.
#[derive(Debug, Clone)]
pub struct ChangeCount(Arc<MapHandle>);

impl ChangeCount {
    /// The number now; none while a table is being replaced.
    pub fn now(&self) -> Option<u64> {
        let value = self.0.lookup(&0u32.to_ne_bytes(), MapFlags::ANY).ok()??;
        let (words, _) = value.as_chunks::<8>();
        let [begun, done] = words else { return None };
        (begun == done).then(|| u64::from_ne_bytes(*begun))
    }
}
