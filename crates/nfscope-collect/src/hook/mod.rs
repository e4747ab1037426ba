//! Names the hook function that dropped a packet, where no nftables rule did.
//!
//! A probe where `nf_hook_slow` drops leaves the function under the packet's
//! address; it is asked for when the drop's record is there.

use libbpf_rs::{Link, Object};
use nfscope_kernel::locate::hook_slow::{FUNCTION, HookDrop};

use crate::memory::MapMemory;
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
    _object: Object,
    said: MapMemory,
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
        let said = object::memory(&object, MAP)?;
        Ok(Self { _link: link, _object: object, said })
    }

    /// Address of the hook function that dropped the packet at this address,
    /// if it is known; `at`: when the packet was freed (`CLOCK_MONOTONIC`, ns).
    /// A later packet at the same address, or with the same line of the table,
    /// hides what was said of this one.
    pub fn function(&self, skb: u64, at: u64) -> Option<u64> {
        let [whose, function, time, check] = self.said.value(slot(skb))?;
        // a line that is being written does not fit its check
        let whole = whose == skb && check == whose ^ function ^ time;
        // the probe comes just before the packet is freed
        let recent = time <= at && at - time < AT_ONCE_NS;
        (whole && recent && function != 0).then_some(function)
    }
}

/// Between the probe and the tracepoint lie a few instructions, and perhaps an
/// interrupt.
const AT_ONCE_NS: u64 = 100_000_000;

/// The line of the table for a packet, as `hook.bpf.c` has it.
fn slot(skb: u64) -> usize {
    (skb.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 52) as usize
}
