//! `nfscope changes`

use std::time::Duration;

use clap::Args;

use super::{ColorWhen, values};

const EXAMPLES: &str = "\
Examples:
  nfscope changes                     who changes firewalls, and what that changes
  nfscope changes --reads             and who lists them
  nfscope changes --netns blue -v     in one network namespace, every line of a difference
  nfscope changes --json | jq .action one JSON object a change

Shown are transactions of nftables (nft, iptables-nft, firewalld and others),
replaced tables of iptables-, ip6tables-, arptables- and ebtables-legacy, ipset's
commands, conntrack's flushed and deleted connections, and sysctls of netfilter
that are written; requests that the kernel refused, too. A transaction that changes
nothing is not shown. Nothing on the machine is changed. Ctrl-C ends it.";

/// Arguments of `nfscope changes`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct ChangesArguments {
    /// Show who reads firewalls, too
    #[arg(long)]
    pub reads: bool,

    /// Only changes in this network namespace: a name, a process id, an inode
    /// number or a path
    #[arg(long, value_name = "NETNS")]
    pub netns: Option<String>,

    /// End after this many changes
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,

    /// End after this time: 10s, 2m
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    pub duration: Option<Duration>,

    /// One JSON object a change (see docs/events.md)
    #[arg(long)]
    pub json: bool,

    /// Every line of a difference, and counters that are set
    #[arg(short, long)]
    pub verbose: bool,

    /// Do not name network namespaces
    #[arg(short, long)]
    pub numeric: bool,

    /// When to use colour
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    pub color: ColorWhen,
}
