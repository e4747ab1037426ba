//! `nfscope trace`

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{ColorWhen, values};

const EXAMPLES: &str = "\
Examples:
  nfscope trace tcp port 10000           the way of each packet that the pcap filter matches
  nfscope trace -c 1 host 10.0.0.1       of the next one only
  nfscope trace --netns blue icmp -v     of packets in one network namespace, in detail
  nfscope trace --expr -c 1 udp          with each expression of each rule
  nfscope trace --stream udp             each step as it comes, not packet by packet
  nfscope trace --json tcp | jq .step    one JSON object a step
  nfscope trace --format iptables-trace  rules of iptables-legacy, a line each
  nfscope trace --functions udp port 53  with the kernel functions that it passed

Filters:
  address, protocol, port   host 10.0.0.1, src net 10.0.0.0/8 and tcp, udp port 53
  id of ICMP echoes         'icmp[4:2] = 4711', of IPv6 'icmp6[4:2] = 4711'
  process                   --pid, as far as its system calls send the packet
  namespace, device         --netns, -i
  packets, time             -c, --duration

A packet that was selected is followed until it is freed: through NAT, copies
and other namespaces. Nothing on the machine is changed without
--allow-ruleset-change. Ctrl-C ends it.";

/// Arguments of `nfscope trace`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct TraceArguments {
    /// pcap filter expression, as for tcpdump
    #[arg(value_name = "EXPR", trailing_var_arg = true, allow_hyphen_values = false)]
    pub expression: Vec<String>,

    /// Only packets with this device at a hook, in or out
    #[arg(short, long, value_name = "DEVICE")]
    pub interface: Option<String>,

    /// Only packets seen in this network namespace: a name, a process id, an
    /// inode number or a path
    #[arg(long, value_name = "NETNS")]
    pub netns: Option<String>,

    /// Only packets that this process sends
    ///
    /// A packet is selected if the kernel works for the process (a system call) when it first
    /// comes to a chain, a table or a function of --functions: what arrives, and what the kernel
    /// sends later (what waited, repetitions, most acknowledgements), is no process's. The id is
    /// that of the initial pid namespace.
    #[arg(long, value_name = "PID",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub pid: Option<u32>,

    /// Ask the filter at each chain and table anew: a packet that no longer matches (by
    /// NAT, in a tunnel) is not shown there, and copies are not followed
    #[arg(long)]
    pub no_follow: bool,

    /// List the rules that did not match, too
    #[arg(long)]
    pub all: bool,

    /// For each rule that did not match, tell which condition failed, what it wanted and
    /// what the packet had
    ///
    /// Of a rule of iptables-legacy it is the part of the header (source, destination,
    /// interface, protocol) or the match that the packet as it entered the table does not
    /// meet. Of matches that ask more than its headers, mark and connection state tell
    /// (limit, set, owner) it is known which only where nothing else is left.
    #[arg(long)]
    pub why: bool,

    /// For each rule of nftables that was looked at, list its expressions with their results
    /// (NFT_CONTINUE, NFT_BREAK, NF_DROP), and tell which rule or chain follows
    #[arg(long)]
    pub expr: bool,

    /// Tell the kernel functions that the packet passed, too
    ///
    /// A function is one that takes the packet (struct sk_buff *) as one of its
    /// first five arguments. Without GLOB it is those that make up the path
    /// through the network stack; with it those of all whose names fit one of
    /// the patterns ('tcp_*,udp_*'; the word default stands for the default set).
    /// The packet is selected, and its tree begins, at the earliest of the
    /// functions where its headers are there (ip_rcv, ip_local_out,
    /// nf_hook_slow, __dev_queue_xmit, …), so that packets are shown, too, that
    /// enter no chain; where none of those is wanted, at the first chain. What
    /// it passed before that is not shown. With -i that is where the packet is at
    /// that device. Functions that the compiler has merged into others cannot be
    /// seen. Before kernel 5.18 each takes a kprobe of its own, 256 at most.
    #[arg(long, value_name = "GLOB", num_args = 0..=1, require_equals = true,
          value_delimiter = ',', default_missing_value = "default")]
    pub functions: Vec<String>,

    /// End after this many packets
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,

    /// End after this time: 10s, 2m
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    pub duration: Option<Duration>,

    /// Show a packet that has not ended when nothing was heard of it for so long
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = values::duration)]
    pub linger: Duration,

    /// Show each step as it comes, instead of a tree a packet
    #[arg(long, conflicts_with = "json")]
    pub stream: bool,

    /// One JSON object a step (see docs/events.md)
    #[arg(long)]
    pub json: bool,

    /// How text looks
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t,
          conflicts_with_all = ["json", "stream"])]
    pub format: TraceFormat,

    /// All facts, one a line
    #[arg(short, long)]
    pub verbose: bool,

    /// Do not look up names of functions and namespaces: print addresses and inodes
    #[arg(short, long)]
    pub numeric: bool,

    /// When to use colour
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    pub color: ColorWhen,

    /// How to learn of the rules: chosen by what the kernel can do, if not given
    #[arg(long, value_name = "BACKEND", value_enum, default_value_t)]
    pub backend: TraceBackendChoice,

    /// Let the backend netlink-trace put a table of its own into the traced
    /// namespace; the kernel removes it when nfscope ends, however it ends
    #[arg(long)]
    pub allow_ruleset_change: bool,

    /// With --allow-ruleset-change on kernels before 5.12: accept that the
    /// table stays behind if nfscope is killed
    #[arg(long, requires = "allow_ruleset_change")]
    pub allow_leftover_table: bool,

    /// Size of the ring buffer between kernel and nfscope: 512K, 4M
    #[arg(long, value_name = "SIZE", default_value = "4M", value_parser = values::ring_size)]
    pub ring_size: u32,

    /// Bytes of each packet to look at for its headers
    #[arg(long, value_name = "BYTES", default_value_t = 128,
          value_parser = clap::value_parser!(u32).range(40..=512))]
    pub snaplen: u32,
}

impl TraceArguments {
    /// Whether rules that do not match are to be told, and with nftables'
    /// registers.
    pub fn misses(&self) -> Option<bool> {
        (self.all || self.why || self.expr).then_some(self.why)
    }
}

/// `--format`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum TraceFormat {
    /// A tree a packet
    #[default]
    Tree,
    /// A line for each rule of iptables-legacy that matched, and one for each
    /// table's verdict, in the columns of the tool iptables-trace
    IptablesTrace,
}

/// `--backend`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum TraceBackendChoice {
    /// The best one that works here
    #[default]
    Auto,
    /// Probe points inside nft_do_chain
    #[value(alias = "points")]
    Points,
    /// The function __nft_trace_packet, with the kernel's trace key turned on
    #[value(alias = "trace_hook")]
    TraceHook,
    /// The kernel's netlink trace, in one network namespace: rules that match and
    /// policies only, not what becomes of a packet; needs --allow-ruleset-change
    #[value(alias = "netlink_trace")]
    NetlinkTrace,
}
