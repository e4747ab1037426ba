//! Hook functions that drop packets, by name.

use std::sync::mpsc::{Receiver, channel};

use nfscope_collect::drop::DropRecord;
use nfscope_collect::hook::HookCollector;
use nfscope_kernel::btf::Btf;
use nfscope_kernel::live::{self, KCore};
use nfscope_kernel::locate::hook_slow::{self, EntriesLayout, FUNCTION, HookDrop};

/// The place in `nf_hook_slow` is looked for behind the start of everything
/// else: it lies in the kernel's own image, and finding that in memory takes a
/// second. Until then, and where it cannot be found, hook functions stay
/// unnamed.
pub struct HookNaming {
    found: Receiver<Option<HookDrop>>,
    collector: Option<HookCollector>,
}

impl HookNaming {
    /// Begins to look.
    pub fn begin() -> Self {
        let (sender, found) = channel();
        // without the thread nothing is found, as without the place
        let _ = std::thread::Builder::new().name("nfscope-hook".into()).spawn(move || {
            // the command may have ended meanwhile
            let _ = sender.send(locate());
        });
        Self { found, collector: None }
    }

    /// Attaches the probe as soon as the place is found.
    pub fn advance(&mut self) {
        if let Ok(Some(place)) = self.found.try_recv() {
            self.collector = HookCollector::start(&place).ok();
        }
    }

    /// Address of the function that dropped this packet.
    pub fn function(&self, record: &DropRecord) -> Option<u64> {
        self.collector.as_ref()?.function(record.skb, record.monotonic_ns)
    }
}

fn locate() -> Option<HookDrop> {
    let btf = Btf::vmlinux().ok()?;
    let layout = EntriesLayout::from_btf(&btf)?;
    drop(btf);
    let text = live::function(&mut KCore::open().ok()?, FUNCTION, None, None).ok()?;
    hook_slow::locate(&text, layout).ok()
}
