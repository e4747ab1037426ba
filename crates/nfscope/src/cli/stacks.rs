//! `nfscope stacks`

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::values;

const EXAMPLES: &str = "\
Examples:
  nfscope stacks nft_do_chain                          who calls it, and how often
  nfscope stacks skb:kfree_skb --by reason --tree      the ways to drops, in percent
  nfscope stacks tcp_v4_rcv tcp dst port 22            only for packets that the pcap filter matches
  nfscope stacks 'udp_*' --duration 10s --folded       all functions of that name
  nfscope stacks tcp_sendmsg --user --by process       with the programs' own stacks
  nfscope stacks ip_rcv -c 1000 --flamegraph ip.svg    a picture of the first thousand

A TARGET is a function (ip_rcv; ip_rcv:ret where it returns; ip_rcv+0x1f inside of
it), a tracepoint (skb:kfree_skb), or a pattern of either ('tcp_v4_*', 'skb:*').
Words are targets as long as they name one; the rest is the filter. Counting is
done in the kernel; nothing on the machine is changed. Ctrl-C ends it and prints.";

/// Arguments of `nfscope stacks`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct StacksArguments {
    /// Where to count, then a pcap filter expression, as for tcpdump
    #[arg(value_name = "TARGET… [EXPR]", required = true)]
    pub words: Vec<String>,

    /// Count apart by this, too (repeat for several)
    #[arg(long, value_name = "WHAT", value_enum, value_delimiter = ',')]
    pub by: Vec<ByChoice>,

    /// The stacks of processes, too, where the kernel works for one
    #[arg(long)]
    pub user: bool,

    /// End after this many events (a few more if several CPUs count at a time)
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,

    /// End after this time: 10s, 2m
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    pub duration: Option<Duration>,

    /// File and line of each frame of the kernel, with what was inlined, where its
    /// debug information is installed
    #[arg(long)]
    pub source: bool,

    /// As a tree with percentages, as perf report prints it: from the outermost
    /// callers down, or with --tree=callees from the innermost function up
    #[arg(long, value_name = "ROOT", value_enum, num_args = 0..=1, require_equals = true,
          default_missing_value = "callers", group = "format")]
    pub tree: Option<TreeRoot>,

    /// A line for each stack: functions, outermost first, and the count
    #[arg(long, group = "format")]
    pub folded: bool,

    /// Draw a flame graph into this file
    #[arg(long, value_name = "FILE.svg", group = "format")]
    pub flamegraph: Option<PathBuf>,

    /// One JSON object a stack (see docs/events.md)
    #[arg(long, group = "format")]
    pub json: bool,

    /// Do not look up names of functions and namespaces: print addresses and inodes
    #[arg(short, long)]
    pub numeric: bool,

    /// Room for so many different stacks and counts; each takes one kilobyte
    #[arg(long, value_name = "N", default_value_t = 16_384,
          value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub max_stacks: u32,
}

/// `--by`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ByChoice {
    /// The kernel's drop reason
    Reason,
    /// The process that the kernel works for
    Process,
    /// The CPU
    Cpu,
    /// The packet's network namespace
    Netns,
}

/// `--tree`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TreeRoot {
    /// From the outermost callers down to the target
    Callers,
    /// From the target up to its callers
    Callees,
}
