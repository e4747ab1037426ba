//! Names of devices of which the kernel's record has the index alone.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use nfscope_ruleset::netns::Handle;

/// How old an answer may be: devices get other names, and leave their numbers to others.
const AGE: Duration = Duration::from_millis(500);

/// Answers by namespace and index.
pub struct Devices {
    known: HashMap<(u32, u32), Option<String>>,
    since: Instant,
}

impl Devices {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self { known: HashMap::new(), since: Instant::now() }
    }

    /// The name of a namespace's device; none if either is gone.
    pub fn name(&mut self, netns: u32, index: u32) -> Option<String> {
        if self.since.elapsed() >= AGE {
            self.known.clear();
            self.since = Instant::now();
        }
        let ask = || Handle::find(netns).ok()?.device_name(index);
        self.known.entry((netns, index)).or_insert_with(ask).clone()
    }
}
