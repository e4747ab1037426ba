//! Names the hook function that dropped a packet, where no nftables rule did.
//!
//! A probe where `nf_hook_slow` drops leaves the function under the packet's
//! address; it is asked for when the drop's record is there.

use libbpf_rs::{Link, MapCore, MapFlags, Object};
use nfscope_kernel::locate::hook_slow::{FUNCTION, HookDrop};

use crate::nft::ValueAt;
use crate::object::Compiled;
use crate::{CollectError, object, raw};

/// The compiled program.
const OBJECT: Compiled = object::compiled!("hook");
const PROGRAM: &str = "at_hook_drop";
const MAP: &str = "hook_drops";

/// The attached probe.
#[derive(Debug)]
pub struct HookCollector {
    _link: Link,
    object: Object,
}

impl HookCollector {
    /// Attaches the probe at a located place.
    pub fn start(place: &HookDrop) -> Result<Self, CollectError> {
        let mut open = object::open(OBJECT, None)?;
        let layout = &place.layout;
        let values = [place.skb, place.entries, place.index].map(ValueAt::from);
        let words = values.into_iter().flat_map(ValueAt::words);
        let words = words.chain([layout.hooks, layout.entry_size, layout.hook, 0]);
        let config: Vec<u8> = words.flat_map(u32::to_ne_bytes).collect();
        object::set_rodata(&mut open, &config)?;
        let object = object::load(open, &[PROGRAM])?;
        let link = object::with_program(&object, PROGRAM, |p| {
            raw::attach_kprobe(p, FUNCTION, place.probe.into())
        })?;
        Ok(Self { _link: link, object })
    }

    /// Address of the hook function that dropped the packet at this address,
    /// if it is known; `at`: when the packet was freed (`CLOCK_MONOTONIC`, ns).
    /// A later packet at the same address hides what was said of this one.
    pub fn function(&self, skb: u64, at: u64) -> Option<u64> {
        let map = object::map(&self.object, MAP).ok()?;
        let value = map.lookup(&skb.to_ne_bytes(), MapFlags::ANY).ok()??;
        let (words, _) = value.as_chunks::<8>();
        let [function, time] = words else { return None };
        let (function, time) = (u64::from_ne_bytes(*function), u64::from_ne_bytes(*time));
        // the probe comes just before the packet is freed
        (time <= at && at - time < AT_ONCE_NS && function != 0).then_some(function)
    }
}

/// Between the probe and the tracepoint lie a few instructions, and perhaps an
/// interrupt.
const AT_ONCE_NS: u64 = 100_000_000;
