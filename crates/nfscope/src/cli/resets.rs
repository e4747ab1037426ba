//! `nfscope resets`

use std::time::Duration;

use clap::Args;

use super::{ColorWhen, values};

const EXAMPLES: &str = "\
Examples:
  nfscope resets                        every TCP reset that is sent, received or forwarded
  nfscope resets tcp port 443           only those of this port (the filter sees the reset itself)
  nfscope resets --netns blue -v        only one network namespace, in detail
  nfscope resets --stack -c 1           the next one, with the kernel's way to it
  nfscope resets --json | jq .cause     one JSON object a line

Each reset has its cause (nobody listens, unread data, a reject rule, …), the socket's
state, its process, and the segment that it answers. Nothing on the machine is changed.
Ctrl-C ends it.";

/// Arguments of `nfscope resets`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct ResetsArguments {
    /// pcap filter expression, as for tcpdump; it is asked of the reset's addresses,
    /// ports, flags and numbers
    #[arg(value_name = "EXPR", trailing_var_arg = true, allow_hyphen_values = false)]
    pub expression: Vec<String>,

    /// Only packets of this device, and those whose device the kernel does not tell
    #[arg(short, long, value_name = "DEVICE")]
    pub interface: Option<String>,

    /// Only this network namespace: a name, a process id, an inode number or a path
    #[arg(long, value_name = "NETNS")]
    pub netns: Option<String>,

    /// End after this many resets
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,

    /// End after this time: 10s, 2m
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    pub duration: Option<Duration>,

    /// Show the kernel stack of each reset
    #[arg(long)]
    pub stack: bool,

    /// With --stack: file and line of each frame, with what was inlined, where the
    /// kernel's debug information is installed
    #[arg(long, requires = "stack")]
    pub source: bool,

    /// One JSON object a line (see docs/events.md)
    #[arg(long)]
    pub json: bool,

    /// All facts of each reset, one a line
    #[arg(short, long)]
    pub verbose: bool,

    /// Do not look up names of functions and namespaces: print addresses and inodes
    #[arg(short, long)]
    pub numeric: bool,

    /// When to use colour
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    pub color: ColorWhen,

    /// Size of the ring buffer between kernel and nfscope: 512K, 4M
    #[arg(long, value_name = "SIZE", default_value = "1M", value_parser = values::ring_size)]
    pub ring_size: u32,
}
