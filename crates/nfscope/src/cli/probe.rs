//! `nfscope probe`

use std::time::Duration;

use clap::Args;

use super::values;

const EXAMPLES: &str = "\
Examples:
  nfscope probe do_ipt_get_ctl 'sk.__sk_common.skc_family cmd'   who reads iptables, and what
  nfscope probe vfs_open path.dentry.d_name.name:str             names of opened files
  nfscope probe tcp_connect sk:tuple --ret                       result and duration of each call
  nfscope probe vfs_read count ret if 'count > 4096 && ret < 0' --ret
  nfscope probe 'nf_hook_slow' skb.dev.name state.hook --filter 'tcp port 22' --stack
  nfscope probe nft_do_chain+0x1f0 @rbx                          a register inside of a function
  nfscope probe sock:inet_sock_set_state oldstate newstate       a tracepoint
  nfscope probe skb:kfree_skb --count-by reason                  counted in the kernel
  nfscope probe vfs_read --ret --hist latency                    powers of two

A TARGET is a function (ip_rcv; ip_rcv:ret is the same with --ret; ip_rcv+0x1f inside
of it), a tracepoint (skb:kfree_skb), or a pattern of either ('tcp_v4_*').

A field begins with an argument's name (or arg0), a tracepoint's field, ret, latency
(nanoseconds), a register (@rdi), pid, tid, uid, cpu or comm. From there: members
(a.b, also through pointers), elements (a[2], a[0..4]), *a, &a, casts
(((struct tcp_sock *)sk).snd_nxt), container_of(a, struct b, member). Behind a colon
stands how it is printed: str, user (text in the process's memory), hex, ip, ip6, mac,
port, enum[NAME], bytes[16], tuple (the ends of a socket or packet). Enums, socket
families, protocols, TCP states and addresses are told by name without that. Numbers in
network order (__be16, __be32) are those that they mean. Arrays of char are text. With
--ret arguments are those at the entry; what a function of unknown type returns is told
in base 16: (int)ret.

A condition compares fields with numbers (12, 0x0c, 10.0.0.1, 5ms), names (AF_INET,
-EPERM, true, those of enums) or texts (skb.dev.name == \"eth0\"): == != < <= > >=,
& (a mask; it binds tighter than ==), && || ! and brackets. It is evaluated in the
kernel, from the left; what comes to something that cannot be read is left out and
counted. Nothing on the machine is changed. Ctrl-C ends it.";

/// Arguments of `nfscope probe`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct ProbeArguments {
    /// Where
    #[arg(value_name = "TARGET")]
    pub target: String,

    /// What to print, then of which events
    #[arg(value_name = "FIELD… [if CONDITION]")]
    pub words: Vec<String>,

    /// Tell each call when it returns, with its result and how long it took
    #[arg(long)]
    pub ret: bool,

    /// Only packets that match this pcap filter expression
    #[arg(long, value_name = "EXPR")]
    pub filter: Option<String>,

    /// The kernel's stack, too
    #[arg(long, conflicts_with_all = ["count_by", "hist"])]
    pub stack: bool,

    /// Count events by this field, in the kernel (repeat for several)
    #[arg(long, value_name = "FIELD", conflicts_with = "hist")]
    pub count_by: Vec<String>,

    /// Show how this field's values are distributed, counted in the kernel
    #[arg(long, value_name = "FIELD")]
    pub hist: Option<String>,

    /// End after this many events (with --count-by and --hist a few more)
    #[arg(short, long, value_name = "N", value_parser = count)]
    pub count: Option<u64>,

    /// End after this time: 10s, 2m
    #[arg(short, long, value_name = "TIME", value_parser = values::duration)]
    pub duration: Option<Duration>,

    /// One JSON object an event (see docs/events.md)
    #[arg(long)]
    pub json: bool,

    /// Print a stack's addresses, not its functions
    #[arg(short, long)]
    pub numeric: bool,
}

/// A number of events, and no field to count them by.
fn count(text: &str) -> Result<u64, String> {
    let field = if text == "by" { "FIELD" } else { text };
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        Ok(_) => Err("events to end after are 1 or more".into()),
        Err(_) if text.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '@') => {
            Err(format!("this is no number; to count events by a field: --count-by {field}"))
        }
        Err(e) => Err(format!("a number of events is wanted: {e}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        assert_eq!(count("3"), Ok(3));
        assert_eq!(count("0").unwrap_err(), "events to end after are 1 or more");
        for number in ["-1", "10k", "99999999999999999999"] {
            assert!(count(number).unwrap_err().starts_with("a number of events is wanted: "));
        }
        assert!(count("by").unwrap_err().ends_with("--count-by FIELD"));
        assert!(count("reason").unwrap_err().ends_with("--count-by reason"));
    }
}
