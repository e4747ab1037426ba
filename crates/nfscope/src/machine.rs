//! What the running kernel has that the commands need to know, and what this
//! process may do.

use std::cell::RefCell;
use std::sync::Arc;

use nfscope_collect::CollectError;
use nfscope_collect::nft::Scratch;
use nfscope_kernel::btf::Btf;
use nfscope_kernel::layout::NftLayout;
use nfscope_kernel::live::KCore;
use nfscope_kernel::locate::nft::Located;

/// Facts read from the kernel's type information.
pub struct Machine {
    /// Types of the kernel and of nf_tables.
    pub btf: Btf,
    /// Where nf_tables' fields are; none while nf_tables is not loaded.
    pub layout: Result<NftLayout, String>,
    /// Whether nf_tables is there, as a module or built in.
    pub has_nf_tables: bool,
    /// Whether `skb:kfree_skb` tells a reason (kernel 5.17 and later).
    pub has_reason: bool,
    /// Whether `skb:consume_skb` tells its place (kernel 6.3 and later).
    pub has_place: bool,
    scratches: RefCell<Vec<u32>>,
}

impl Machine {
    /// Reads the running kernel's type information.
    pub fn read() -> anyhow::Result<Self> {
        let vmlinux = Arc::new(Btf::vmlinux()?);
        let btf = Btf::module("nf_tables", vmlinux)?;
        let has_nf_tables =
            nfscope_ruleset::nf_tables_loaded() || btf.func_params("nft_do_chain").is_some();
        let layout = if has_nf_tables {
            NftLayout::from_btf(&btf).map_err(|e| e.to_string())
        } else {
            Err("nf_tables is not loaded: no nftables rule can drop anything yet".into())
        };
        let has_reason = btf
            .func_params("btf_trace_kfree_skb")
            .is_some_and(|p| p.iter().any(|(_, kind)| kind.contains("skb_drop_reason")));
        // the tracepoint's data, the skb, the location
        let has_place = btf.func_params("btf_trace_consume_skb").is_some_and(|p| p.len() >= 3);
        let scratches = RefCell::default();
        Ok(Self { btf, layout, has_nf_tables, has_reason, has_place, scratches })
    }
}

impl Machine {
    /// A namespace for a trial.
    pub fn scratch(&self) -> Result<Scratch, CollectError> {
        let scratch = Scratch::new()?;
        self.scratches.borrow_mut().push(scratch.inode());
        Ok(scratch)
    }

    /// The inodes of all namespaces that trials were in.
    pub fn scratches(&self) -> Vec<u32> {
        self.scratches.borrow().clone()
    }

    /// Finds the probe points of `nft_do_chain`: in the module's file, else
    /// (it is not installed, or nf_tables is built in) in the kernel's memory.
    pub fn locate(&self, layout: &NftLayout) -> Result<Located, String> {
        Located::by_module_file(layout, Some(&self.btf)).or_else(|file| {
            let live = KCore::open().map_err(|e| e.to_string()).and_then(|mut core| {
                Located::by_live_text(&mut core, layout, Some(&self.btf)).map_err(|e| e.to_string())
            });
            live.map_err(|live| format!("{file}; and {live}"))
        })
    }
}

/// Why a command does not start: where the kernel has no kprobes that comes
/// first, since what it said is of no use to anybody.
pub fn not_started(error: CollectError, btf: &Btf) -> anyhow::Error {
    if btf.kernel().func_params("register_kprobe").is_some() {
        return error.into();
    }
    anyhow::Error::from(error).context(
        "this kernel seems to have no kprobes (CONFIG_KPROBES), which this needs; \
         `nfscope doctor` says what works here",
    )
}

/// A capability, by its number in `include/uapi/linux/capability.h`.
const NEEDED: [(&str, u32); 4] =
    [("CAP_BPF", 39), ("CAP_PERFMON", 38), ("CAP_NET_ADMIN", 12), ("CAP_SYS_ADMIN", 21)];
/// Without them symbols, kernel text, other users' namespaces, and texts of
/// iptables-legacy are missing.
const USEFUL: [&str; 5] =
    ["cap_syslog", "cap_sys_rawio", "cap_sys_ptrace", "cap_dac_read_search", "cap_net_raw"];
const CAP_SYS_ADMIN: u32 = 21;

/// An error that names the missing capabilities, if any are missing.
pub fn check_privileges() -> anyhow::Result<()> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let effective = status
        .lines()
        .find_map(|l| l.strip_prefix("CapEff:"))
        .and_then(|v| u64::from_str_radix(v.trim(), 16).ok())
        .unwrap_or(0);
    let has = |bit: u32| effective >> bit & 1 == 1;
    let missing: Vec<&str> = NEEDED
        .iter()
        .filter(|(name, bit)| {
            // CAP_SYS_ADMIN stands in for the two that were split from it
            let implied = matches!(*name, "CAP_BPF" | "CAP_PERFMON") && has(CAP_SYS_ADMIN);
            !has(*bit) && !implied
        })
        .map(|(name, _)| *name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut list: Vec<String> = NEEDED.iter().map(|(name, _)| name.to_lowercase()).collect();
    list.extend(USEFUL.map(str::to_owned));
    let list = list.join(",");

    anyhow::bail!(
        "missing {}: run it as root (sudo nfscope …), or once: sudo setcap {list}+ep \"$(command -v nfscope)\"",
        missing.join(", ")
    )
}

/// Gives up every capability that watching does not need, for this process and
/// the programs it starts. To be called before the first thread.
pub fn drop_privileges() -> anyhow::Result<()> {
    use caps::{CapSet, Capability as C};
    // programs and probes; namespaces, rulesets; iptables-legacy-save's raw
    // socket; symbols and kernel text; what belongs to other users' processes
    let needed = [
        C::CAP_BPF,
        C::CAP_PERFMON,
        C::CAP_SYS_ADMIN,
        C::CAP_NET_ADMIN,
        C::CAP_NET_RAW,
        C::CAP_SYSLOG,
        C::CAP_SYS_RAWIO,
        C::CAP_SYS_PTRACE,
        C::CAP_DAC_READ_SEARCH,
    ];
    // without CAP_SETPCAP (started with file capabilities) the bounding set
    // stays; nothing can be gained from it without another file's capabilities
    if caps::has_cap(None, CapSet::Effective, C::CAP_SETPCAP)? {
        for capability in caps::runtime::thread_all_supported() {
            if !needed.contains(&capability) {
                caps::drop(None, CapSet::Bounding, capability)?;
            }
        }
    }
    let has = caps::read(None, CapSet::Permitted)?;
    let kept: caps::CapsHashSet = needed.into_iter().filter(|c| has.contains(c)).collect();
    caps::set(None, CapSet::Effective, &kept)?;
    caps::set(None, CapSet::Permitted, &kept)?;
    // the programs that print rules must have these even where this process
    // has them from its file
    let printing = [C::CAP_NET_ADMIN, C::CAP_NET_RAW].into_iter().filter(|c| kept.contains(c));
    let printing: caps::CapsHashSet = printing.collect();
    caps::set(None, CapSet::Inheritable, &printing)?;
    printing.into_iter().try_for_each(|c| caps::raise(None, CapSet::Ambient, c))?;
    Ok(())
}
