//! Hook functions that drop packets, by name.

use std::sync::OnceLock;
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
///
/// Where nftables' own drops pass that place too, a probe there costs each of
/// them some 1,500 instructions: it is attached only when a drop has come that
/// no rule explains, which stays unnamed itself.
pub struct HookNaming {
    found: Receiver<Option<HookDrop>>,
    place: Option<HookDrop>,
    wanted: bool,
    collector: Option<HookCollector>,
}

impl HookNaming {
    /// Begins to look. `free`: no rule's drop passes the place.
    pub fn begin(free: bool) -> Self {
        let (sender, found) = channel();
        // without the thread nothing is found, as without the place
        let _ = std::thread::Builder::new().name("nfscope-hook".into()).spawn(move || {
            // the command may have ended meanwhile
            let _ = sender.send(locate().as_ref().ok().copied());
        });
        Self { found, place: None, wanted: free, collector: None }
    }

    /// Attaches the probe as soon as it is wanted and the place is found.
    pub fn advance(&mut self) {
        if let Ok(found) = self.found.try_recv() {
            self.place = found;
        }
        if self.wanted
            && let Some(place) = self.place.take()
        {
            self.collector = HookCollector::start(&place).ok();
        }
    }

    /// Address of the function that dropped this packet, which no rule did.
    pub fn function(&mut self, record: &DropRecord) -> Option<u64> {
        self.wanted = true;
        self.collector.as_ref()?.function(record.skb, record.monotonic_ns)
    }
}

/// The place where `nf_hook_slow` drops a packet, or why it is not known. It is looked for
/// once: the kernel stays the same.
pub fn locate() -> &'static Result<HookDrop, String> {
    static FOUND: OnceLock<Result<HookDrop, String>> = OnceLock::new();
    FOUND.get_or_init(look)
}

fn look() -> Result<HookDrop, String> {
    let btf = Btf::vmlinux().map_err(|e| e.to_string())?;
    let layout = EntriesLayout::from_btf(&btf)
        .ok_or("the kernel's types do not tell how it keeps its hooks (struct nf_hook_entries)")?;
    drop(btf);
    let mut core = KCore::open().map_err(|e| e.to_string())?;
    let text = live::function(&mut core, FUNCTION, None, None).map_err(|e| e.to_string())?;
    hook_slow::locate(&text, layout).map_err(|e| e.to_string())
}
