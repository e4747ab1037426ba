//! Finds addresses in text: stacks of the kernel, of perf, bpftrace and ftrace, and oopses.

use nfscope_symbols::{Lookup, Target};

/// An address in a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// As it is written.
    pub word: String,
    /// What it says.
    pub target: Target,
    /// What it is.
    pub lookup: Lookup,
    /// It can be nothing else: where it cannot be told, that is worth a line.
    pub certain: bool,
}

/// The addresses in a line. Where it has symbols, numbers beside them are the same places again.
pub(super) fn places(line: &str) -> Vec<Place> {
    // where the processor was; all others are where calls return to
    let exact = ["RIP:", "pc :", "PC is at", "IP is at"].iter().any(|mark| line.contains(mark))
        || is_warning(line);
    let lookup = if exact { Lookup::Exact } else { Lookup::Return };
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut symbols = Vec::new();
    let mut numbers = Vec::new();
    for (n, word) in words.iter().enumerate() {
        let word = trimmed(word);
        // the segment in `RIP: 0010:nf_hook_slow+0x3f/0xc0`
        let word = match word.split_once(':') {
            Some((segment, rest)) if segment.bytes().all(|b| b.is_ascii_digit()) => rest,
            _ => word,
        };
        let text = match module(&words, n + 1) {
            Some(module) => format!("{word} {module}"),
            None => word.to_owned(),
        };
        let before = n.checked_sub(1).and_then(|n| words.get(n)).copied().unwrap_or_default();
        match Target::parse(&text).or_else(|| Target::parse(word)) {
            Some(target @ Target::Address(_)) if !is_register(before) => {
                numbers.push(Place { word: word.to_owned(), target, lookup, certain: false });
            }
            Some(target @ Target::Symbol { .. }) => {
                let hexadecimal = word.contains("+0x");
                let sized = hexadecimal && word.contains('/');
                // bpftrace's frames are decimal and alone, ftrace's have no offset
                let alone = word.contains('+') && (n == 0 && words.len() <= 2);
                if hexadecimal || alone || before == "=>" {
                    symbols.push(Place { word: text, target, lookup, certain: sized });
                }
            }
            _ => {}
        }
    }
    if symbols.is_empty() { numbers } else { symbols }
}

/// The line of a `WARN_ON`, whose instruction traps (`__warn` in kernel/panic.c):
/// `WARNING: CPU: 1 PID: 2 at net/core/dev.c:3 f+0x4/0x5`, in later kernels
/// `WARNING: net/core/dev.c:3 at f+0x4/0x5, CPU#1: comm/2`.
fn is_warning(line: &str) -> bool {
    line.split_once("WARNING: ")
        .is_some_and(|(_, rest)| rest.starts_with("CPU: ") || rest.contains(", CPU#"))
}

/// A word without what stands around it.
fn trimmed(word: &str) -> &str {
    let word = word.trim_start_matches(['(', '<', '[', '"', '\'', '{', '?']);
    word.trim_end_matches([')', '>', ']', '"', '\'', '}', ',', ';', ':', '.'])
}

/// The module behind an address: `[nf_tables]`, `[nf_tables 0123abcd]`, `([nf_tables])`.
fn module(words: &[&str], at: usize) -> Option<String> {
    let first = words.get(at)?.trim_end_matches(',');
    if !first.starts_with('[') && !first.starts_with("([") {
        return None;
    }
    if first.ends_with(']') || first.ends_with("])") {
        return Some(first.to_owned());
    }
    let second = words.get(at + 1)?.trim_end_matches(',');
    if !second.ends_with(']') {
        return None;
    }
    Some(format!("{first} {second}"))
}

/// `RAX:`, `x29:`: what follows is a register's value.
fn is_register(word: &str) -> bool {
    word.strip_suffix(':').is_some_and(|name| {
        (1..=4).contains(&name.len())
            && name != "RIP"
            && name.bytes().all(|b| b.is_ascii_alphanumeric())
    }) || word == ":"
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(line: &str) -> Vec<(String, Lookup)> {
        places(line).into_iter().map(|place| (place.word, place.lookup)).collect()
    }

    fn one(word: &str, lookup: Lookup) -> Vec<(String, Lookup)> {
        vec![(word.to_owned(), lookup)]
    }

    #[test]
    fn lines_of_a_kernel() {
        use Lookup::{Exact, Return};
        assert_eq!(
            found("[   12.345678] RIP: 0010:nf_hook_slow+0x3f/0xc0"),
            one("nf_hook_slow+0x3f/0xc0", Exact)
        );
        assert_eq!(
            found("[   12.3] pc : nft_do_chain+0x1a8/0x5e0 [nf_tables]"),
            one("nft_do_chain+0x1a8/0x5e0 [nf_tables]", Exact)
        );
        let wanted = one("nft_do_chain+0x1a8/0x5e0 [nf_tables]", Exact);
        assert_eq!(
            found("WARNING: CPU: 0 PID: 7 at net/a.c:3 nft_do_chain+0x1a8/0x5e0 [nf_tables]"),
            wanted
        );
        assert_eq!(
            found("WARNING: net/a.c:3 at nft_do_chain+0x1a8/0x5e0 [nf_tables], CPU#0: a/7"),
            wanted
        );
        assert_eq!(found("  ? ip_rcv+0x12/0x30"), one("ip_rcv+0x12/0x30", Return));
        assert_eq!(
            found(" [<ffffffff81a2b3cf>] nf_hook_slow+0x3f/0xc0"),
            one("nf_hook_slow+0x3f/0xc0", Return)
        );
        assert_eq!(
            found(" nft_do_chain+0x1/0x2 [nf_tables 0123456789abcdef]"),
            one("nft_do_chain+0x1/0x2 [nf_tables 0123456789abcdef]", Return)
        );
        assert!(
            found("RAX: 0000000000000001 RBX: ffffffff81a2b3cf RCX: 0000000000000000").is_empty()
        );
        assert!(found("x29: ffff800080003c40 x28: ffff0000c0a80101").is_empty());
        assert!(found("Modules linked in: nf_tables(E) a+b C+1").is_empty());
    }

    #[test]
    fn lines_of_programs() {
        use Lookup::Return;
        assert_eq!(found("        nf_hook_slow+63"), one("nf_hook_slow+63", Return));
        assert_eq!(found(" => ip_rcv"), one("ip_rcv", Return));
        assert_eq!(
            found("  ffffffff81a2b3cf nf_hook_slow+0x3f ([kernel.kallsyms])"),
            one("nf_hook_slow+0x3f ([kernel.kallsyms])", Return)
        );
        assert_eq!(
            found("1 drops at nf_hook_slow+f4 (0xffffffff81a2b3cf) [software]"),
            one("0xffffffff81a2b3cf", Return)
        );
        assert_eq!(
            found("dropped by kernel: NO_SOCKET: … (__udp4_lib_rcv+0x4bc)"),
            one("__udp4_lib_rcv+0x4bc", Return)
        );
    }

    proptest! {
        #[test]
        fn never_panics(line in ".{0,200}") {
            places(&line);
        }
    }
}
