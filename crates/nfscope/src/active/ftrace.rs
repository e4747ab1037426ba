//! Functions where ftrace calls somebody.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Owner;

/// What callbacks are, by how their names begin.
const USERS: [(&str, &str); 9] = [
    ("kprobe_ftrace_handler", "kprobes"),
    ("fprobe_", "fprobe (kprobe-multi)"),
    ("bpf_trampoline_", "BPF trampoline (fentry, fexit)"),
    ("bpf_tramp_", "BPF trampoline (fentry, fexit)"),
    ("ftrace_graph_func", "function graph"),
    ("function_trace_call", "function tracer"),
    ("function_stack_trace_call", "function tracer"),
    ("klp_ftrace_handler", "livepatch"),
    ("perf_ftrace_function_call", "perf (ftrace:function)"),
];

/// A function where ftrace calls somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Traced {
    /// The function.
    pub function: String,
    /// Its module, if it belongs to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// How many use it.
    pub users: u32,
    /// The kernel's functions that are called, where it names them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub callbacks: Vec<String>,
    /// What they are.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub kinds: BTreeSet<&'static str>,
    /// Who may have attached them: those with a probe in this function.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub owners: BTreeSet<Owner>,
}

impl Traced {
    /// Reads the kernel's list; a line that begins with a blank continues another.
    pub fn parse_all(text: &str) -> Vec<Self> {
        text.replace("\n\t", " ").lines().filter_map(Self::parse).collect()
    }

    /// Reads `ip_rcv [ip] (1) R    tramp: 0x… (FUNCTION+0x0/0x1d0) ->FUNCTION+0x0/0x1d0`.
    fn parse(line: &str) -> Option<Self> {
        let (head, rest) = line.split_once(" (")?;
        let (users, rest) = rest.split_once(')')?;
        let mut words = head.split_ascii_whitespace();
        let function = words.next()?.to_owned();
        let module = words.next().and_then(|m| m.strip_prefix('[')?.strip_suffix(']'));
        let mut callbacks: Vec<String> = Vec::new();
        // each name stands in front of its offset and size
        for word in rest.split([' ', '\t', '(', ')', '>', '{', '}', ':']) {
            let Some((name, _)) = word.split_once("+0x") else { continue };
            if !name.is_empty() && !callbacks.iter().any(|known| known == name) {
                callbacks.push(name.to_owned());
            }
        }
        let kind = |callback: &String| {
            let user = USERS.iter().find(|(begin, _)| callback.starts_with(begin));
            user.map(|(_, what)| *what)
        };
        Some(Self {
            function,
            module: module.map(str::to_owned),
            users: users.trim().parse().ok()?,
            kinds: callbacks.iter().filter_map(kind).collect(),
            callbacks,
            owners: BTreeSet::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let one = "nft_do_chain [nf_tables] (1) R         \ttramp: 0xffffffffc0371000 \
                   (kprobe_ftrace_handler+0x0/0x1d0) ->kprobe_ftrace_handler+0x0/0x1d0";
        let one = Traced::parse(one).unwrap();
        assert_eq!((one.function.as_str(), one.users), ("nft_do_chain", 1));
        assert_eq!(one.module.as_deref(), Some("nf_tables"));
        assert_eq!(one.callbacks, ["kprobe_ftrace_handler"]);
        assert!(one.kinds.contains("kprobes"));
        let several = "ip_rcv (2)           \ttramp: 0xffffffffc0604000 \
                       (ftrace_graph_func+0x0/0x60) ->ftrace_graph_func+0x0/0x60\tsubops: \
                       {ent:fprobe_entry+0x0/0x2a0 ret:fprobe_return+0x0/0x160}";
        let several = Traced::parse(several).unwrap();
        assert_eq!(several.callbacks, ["ftrace_graph_func", "fprobe_entry", "fprobe_return"]);
        let direct = "udp_rcv (2) R   D   M  ->arch_ftrace_ops_list_func+0x0/0x200\n\
                      \tdirect-->bpf_trampoline_6442561247+0x0/0xa4\nip_rcv (1)\n";
        let direct = Traced::parse_all(direct);
        assert_eq!(direct.len(), 2);
        let wanted = ["arch_ftrace_ops_list_func", "bpf_trampoline_6442561247"];
        assert_eq!(direct[0].callbacks, wanted);
        assert_eq!(Traced::parse("ip_rcv"), None);
    }
}
