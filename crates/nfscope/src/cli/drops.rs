//! `nfscope drops`

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::values;

const EXAMPLES: &str = "\
Examples:
  nfscope drops                         every dropped packet on this machine
  nfscope drops tcp port 10000          only those that the pcap filter matches
  nfscope drops --netns blue -v         only one network namespace, in detail
  nfscope drops --cause nft --summary   only what nftables dropped, a table at the end
  nfscope drops --json | jq .cause      one JSON object a line

Each drop is put down to its cause: a rule of nftables or iptables-legacy (with
its text), a chain's policy, or the kernel's own drop reason. Nothing on the machine is changed.
Ctrl-C ends it and prints the summary.";

/// Arguments of `nfscope drops`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct DropsArguments {
    /// pcap filter expression, as for tcpdump
    #[arg(value_name = "EXPR", trailing_var_arg = true, allow_hyphen_values = false)]
    pub expression: Vec<String>,

    /// Only packets of this device
    #[arg(short, long, value_name = "DEVICE")]
    pub interface: Option<String>,

    /// Only this network namespace: a name, a process id, an inode number or a path
    #[arg(long, value_name = "NETNS")]
    pub netns: Option<String>,

    /// Only drops at this hook: prerouting, input, forward, output,
    /// postrouting, ingress, egress (repeat for several)
    #[arg(long, value_name = "HOOK", value_enum)]
    pub hook: Vec<HookChoice>,

    /// Only this kind of cause (repeat for several)
    #[arg(long, value_name = "CAUSE", value_enum)]
    pub cause: Vec<CauseChoice>,

    /// Only this drop reason, by the kernel's name: NO_SOCKET
    #[arg(long, value_name = "REASON")]
    pub reason: Option<String>,

    /// End after this many drops
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,

    /// End after this time: 10s, 2m
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    pub duration: Option<Duration>,

    /// Show the kernel stack of each drop
    #[arg(long)]
    pub stack: bool,

    /// With --stack: file and line of each frame, with what was inlined, where the
    /// kernel's debug information is installed
    #[arg(long, requires = "stack")]
    pub source: bool,

    /// One JSON object a line (see docs/events.md)
    #[arg(long)]
    pub json: bool,

    /// All facts of each drop, one a line
    #[arg(short, long)]
    pub verbose: bool,

    /// A table of causes at the end
    #[arg(long)]
    pub summary: bool,

    /// Do not look up names of functions and namespaces: print addresses and inodes
    #[arg(short, long)]
    pub numeric: bool,

    /// When to use colour
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    pub color: ColorWhen,

    /// How to learn of the rules: chosen by what the kernel can do, if not given
    #[arg(long, value_name = "BACKEND", value_enum, default_value_t)]
    pub backend: BackendChoice,

    /// Let the backend netlink-trace put a table of its own into the traced
    /// namespace; the kernel removes it when nfscope ends, however it ends
    #[arg(long)]
    pub allow_ruleset_change: bool,

    /// With --allow-ruleset-change on kernels before 5.12: accept that the
    /// table stays behind if nfscope is killed
    #[arg(long, requires = "allow_ruleset_change")]
    pub allow_leftover_table: bool,

    /// Size of the ring buffer between kernel and nfscope: 512K, 4M
    #[arg(long, value_name = "SIZE", default_value = "1M", value_parser = values::ring_size)]
    pub ring_size: u32,

    /// Bytes of each packet to look at for its headers
    #[arg(long, value_name = "BYTES", default_value_t = 128,
          value_parser = clap::value_parser!(u32).range(40..=512))]
    pub snaplen: u32,
}

/// A hook, as nft spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HookChoice {
    /// Before routing
    Prerouting,
    /// To this machine
    Input,
    /// Through this machine
    Forward,
    /// From this machine
    Output,
    /// After routing
    Postrouting,
    /// From a device, before everything
    Ingress,
    /// To a device, after everything
    Egress,
}

impl HookChoice {
    /// The word nft uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prerouting => "prerouting",
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Output => "output",
            Self::Postrouting => "postrouting",
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

/// A kind of cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CauseChoice {
    /// An nftables rule
    Nft,
    /// A rule of iptables-legacy, ip6tables-legacy or arptables-legacy
    Legacy,
    /// A base chain's policy
    Policy,
    /// Anything else in the kernel
    Kernel,
}

/// `--backend`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum BackendChoice {
    /// The best one that works here
    #[default]
    Auto,
    /// nft_do_chain's stack frame, without any probe (where it frees what it drops)
    Frame,
    /// Probe points inside nft_do_chain
    #[value(alias = "points")]
    Points,
    /// The function __nft_trace_packet, with the kernel's trace key turned on
    #[value(alias = "trace_hook")]
    TraceHook,
    /// The kernel's netlink trace; needs --allow-ruleset-change
    #[value(alias = "netlink_trace")]
    NetlinkTrace,
    /// The drop tracepoint alone: no rules are named
    Tracepoint,
}

/// `--color`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}
