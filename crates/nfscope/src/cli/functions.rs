//! `nfscope functions`

use clap::Args;

const EXAMPLES: &str = "\
Examples:
  nfscope functions 'nft_do_chain*'            where they are, their types, how they can be probed
  nfscope functions '/^(ip|ip6)_rcv/'          by regular expression
  nfscope functions --module nf_tables --with-skb
  nfscope functions --tracepoints 'tcp:*'      records: fields, types, names of values
  nfscope functions --active                   what is attached on this machine now, and by whom
  nfscope functions --json | jq -r 'select(.probes | index(\"fentry\")).name'

A PATTERN with a colon names tracepoints. fentry: by a BPF trampoline; kprobe-multi:
many at once; offset: at an instruction inside. Nothing on the machine is changed.";

/// Arguments of `nfscope functions`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct FunctionsArguments {
    /// A name, a glob ('tcp_v4_*'), or a regular expression ('/^tcp_v[46]_/'); all
    /// functions if none is given
    #[arg(value_name = "PATTERN")]
    pub patterns: Vec<String>,

    /// Only functions of this module, or of a glob ('nf_*'); vmlinux: of none
    #[arg(long, value_name = "MODULE")]
    pub module: Option<String>,

    /// Only functions and tracepoints with a packet (struct sk_buff *) among their arguments
    #[arg(long)]
    pub with_skb: bool,

    /// Tracepoints as GROUP:NAME, by glob or regular expression, all if none is given
    #[arg(long, value_name = "PATTERN", num_args = 0..=1, default_missing_value = "*")]
    pub tracepoints: Option<String>,

    /// Kprobes, users of ftrace, events and BPF programs attached on this machine
    /// now, and who attached them
    #[arg(long, conflicts_with_all = ["patterns", "module", "with_skb", "tracepoints"])]
    pub active: bool,

    /// One JSON object a line (see docs/functions.md)
    #[arg(long)]
    pub json: bool,
}
