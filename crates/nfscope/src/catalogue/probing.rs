//! How a function can be probed, and why not.

use nfscope_kernel::btf::Arguments;

use super::traceable::Known;

/// Words of arguments that stand in registers: where there are more, older
/// kernels' trampolines refuse.
#[cfg(target_arch = "aarch64")]
const REGISTERS: u32 = 8;
#[cfg(not(target_arch = "aarch64"))]
const REGISTERS: u32 = 6;
/// What the kernel never lets a trampoline call in between, since it runs by them
/// (`btf_id_deny` in `kernel/bpf/verifier.c`).
const DENIED: [&str; 7] = [
    "migrate_disable",
    "migrate_enable",
    "rcu_read_unlock_strict",
    "preempt_count_add",
    "preempt_count_sub",
    "__rcu_read_lock",
    "__rcu_read_unlock",
];

const NO_KPROBES: &str = "this kernel was built without kprobes";
const NO_MULTI: &str = "this kernel has no kprobe-multi (5.18, CONFIG_FPROBE)";
const NO_TRAMPOLINES: &str = "this kernel cannot put BPF trampolines into functions";
const NO_MODULE_TYPES: &str = "this kernel has no types of modules (BTF, 5.11)";

/// Whether something can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It can.
    Yes,
    /// It cannot, and why.
    No(&'static str),
    /// Nobody knows ahead, and why.
    Unknown(&'static str),
}

/// The ways to probe a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probes {
    /// By a BPF program behind a trampoline, at entry and return.
    pub fentry: Answer,
    /// By a breakpoint or the tracer, at entry and return.
    pub kprobe: Answer,
    /// With many others at once.
    pub kprobe_multi: Answer,
    /// By a kprobe at an instruction inside of it.
    pub offset: Answer,
}

impl Probes {
    /// With their names.
    pub fn named(&self) -> [(&'static str, Answer); 4] {
        [
            ("fentry", self.fentry),
            ("kprobe", self.kprobe),
            ("kprobe-multi", self.kprobe_multi),
            ("offset", self.offset),
        ]
    }

    /// All the same.
    pub fn all(answer: Answer) -> Self {
        Self { fentry: answer, kprobe: answer, kprobe_multi: answer, offset: answer }
    }

    /// Whether one is known to work.
    pub fn any(&self) -> bool {
        self.named().iter().any(|(_, answer)| *answer == Answer::Yes)
    }
}

/// What the kernel can do at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct Abilities {
    /// It has kprobes.
    pub kprobes: bool,
    /// It has kprobes for many functions.
    pub kprobe_multi: bool,
    /// Trampolines can be put where the tracer is called.
    pub trampolines: bool,
    /// Trampolines keep structs.
    pub structs: bool,
    /// Trampolines keep arguments from the stack.
    pub stack_arguments: bool,
    /// It refuses kprobes where the tracer cannot stop (all but kernels with
    /// `CONFIG_KPROBE_EVENTS_ON_NOTRACE`).
    pub only_traceable: bool,
    /// It has types of modules.
    pub module_types: bool,
    /// It lets nobody read memory (lockdown).
    pub locked: bool,
}

/// What is known of a function.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Its name.
    pub name: &'a str,
    /// It belongs to a module.
    pub in_module: bool,
    /// Its code is gone.
    pub freed: bool,
    /// Functions of this name in the same module.
    pub same_name: usize,
    /// Whether the tracer can stop there.
    pub traceable: Known,
    /// The same of the function that the compiler cut it from.
    pub origin_traceable: Known,
    /// Whether kprobes are refused there, or where it was cut from.
    pub blacklisted: Option<bool>,
    /// What the type information says of its arguments; `None`: nothing.
    pub arguments: Option<Result<Arguments, &'static str>>,
}

impl Abilities {
    /// The ways that there are, and why not others.
    pub fn ways(&self) -> (Vec<&'static str>, Vec<&'static str>) {
        let all = [
            ("fentry", self.trampolines, NO_TRAMPOLINES),
            ("kprobe", self.kprobes, NO_KPROBES),
            ("kprobe-multi", self.kprobe_multi, NO_MULTI),
        ];
        let can = all.iter().filter(|(_, there, _)| *there).map(|(way, _, _)| *way).collect();
        let cannot = all.iter().filter(|(_, there, _)| !there).map(|(_, _, why)| *why);
        (can, cannot.chain((!self.module_types).then_some(NO_MODULE_TYPES)).collect())
    }

    /// How it can be probed.
    pub fn probes(&self, facts: &Facts) -> Probes {
        let freed = facts.freed.then_some("it was freed after boot (__init)");
        let nowhere = freed.or(self.locked.then_some("the kernel is locked down"));
        if let Some(why) = nowhere {
            return Probes::all(Answer::No(why));
        }
        let kprobe = self.kprobe(facts);
        Probes {
            fentry: self.fentry(facts),
            kprobe,
            kprobe_multi: self.kprobe_multi(facts),
            offset: kprobe,
        }
    }

    fn kprobe(&self, facts: &Facts) -> Answer {
        if !self.kprobes {
            return Answer::No(NO_KPROBES);
        }
        if facts.blacklisted == Some(true) {
            return Answer::No("it is on the kprobe blacklist");
        }
        // A part that the compiler cut off has no call to the tracer of its own.
        let part = facts.traceable != Known::Yes && facts.origin_traceable == Known::Yes;
        match (if part { Answer::Yes } else { traced(facts.traceable) }, facts.blacklisted) {
            (Answer::No(_), _) if !self.only_traceable => Answer::Unknown(
                "it is notrace, where kernels without CONFIG_KPROBE_EVENTS_ON_NOTRACE refuse kprobes",
            ),
            (Answer::Yes, None) => Answer::Unknown(
                "the kprobe blacklist cannot be read (/sys/kernel/debug/kprobes/blacklist)",
            ),
            (Answer::Yes, Some(_)) if part => Answer::Unknown(
                "a part that the compiler cut off may begin with the instruction of BUG, where \
                 the kernel refuses kprobes",
            ),
            (traced, _) => traced,
        }
    }

    fn kprobe_multi(&self, facts: &Facts) -> Answer {
        if !self.kprobe_multi {
            return Answer::No(NO_MULTI);
        }
        traced(facts.traceable)
    }

    fn fentry(&self, facts: &Facts) -> Answer {
        if !self.trampolines {
            return Answer::No(NO_TRAMPOLINES);
        }
        let arguments = match facts.arguments {
            None if facts.in_module && !self.module_types => {
                return Answer::No(NO_MODULE_TYPES);
            }
            None => return Answer::No("the type information (BTF) does not have it"),
            Some(Err(why)) => return Answer::No(why),
            Some(Ok(arguments)) => arguments,
        };
        if DENIED.contains(&facts.name) {
            return Answer::No("BPF itself runs by it");
        }
        if facts.same_name > 1 {
            return Answer::No("several functions have its name");
        }
        if arguments.by_value && !self.structs {
            return Answer::No("it takes a struct, which trampolines of this kernel do not keep");
        }
        match traced(facts.traceable) {
            Answer::Yes if arguments.words > REGISTERS && !self.stack_arguments => Answer::Unknown(
                "it has arguments on the stack, which trampolines of older kernels do not keep",
            ),
            other => other,
        }
    }
}

fn traced(known: Known) -> Answer {
    match known {
        Known::Yes => Answer::Yes,
        Known::No => Answer::No("it is notrace: not among available_filter_functions"),
        Known::Some => Answer::Unknown(
            "of the functions of its name some can be traced, and the kernel does not tell which",
        ),
        Known::Nothing => Answer::Unknown(
            "available_filter_functions or kallsyms' addresses cannot be read (tracefs, root)",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Abilities = Abilities {
        kprobes: true,
        kprobe_multi: true,
        trampolines: true,
        structs: true,
        stack_arguments: false,
        only_traceable: true,
        module_types: true,
        locked: false,
    };
    const PLAIN: Facts = Facts {
        name: "ip_rcv",
        in_module: false,
        freed: false,
        same_name: 1,
        traceable: Known::Yes,
        origin_traceable: Known::No,
        blacklisted: Some(false),
        arguments: Some(Ok(Arguments { words: 4, by_value: false })),
    };

    #[test]
    fn a_plain_function_takes_all() {
        assert_eq!(ALL.probes(&PLAIN), Probes::all(Answer::Yes));
        assert!(!Abilities { locked: true, ..ALL }.probes(&PLAIN).any());
        assert!(!ALL.probes(&Facts { freed: true, ..PLAIN }).any());
    }

    #[test]
    fn what_stands_against_a_kprobe() {
        let no = |answer| matches!(answer, Answer::No(_));
        let unknown = |answer| matches!(answer, Answer::Unknown(_));
        let listed = ALL.probes(&Facts { blacklisted: Some(true), ..PLAIN });
        assert!(no(listed.kprobe) && no(listed.offset));
        assert_eq!((listed.fentry, listed.kprobe_multi), (Answer::Yes, Answer::Yes));
        assert!(unknown(ALL.probes(&Facts { blacklisted: None, ..PLAIN }).kprobe));
        let cold = Facts { traceable: Known::No, origin_traceable: Known::Yes, ..PLAIN };
        assert!(unknown(ALL.probes(&cold).kprobe));
        let part = Facts { traceable: Known::Yes, ..cold };
        assert_eq!(ALL.probes(&part).kprobe, Answer::Yes);
        assert!(no(ALL.probes(&cold).kprobe_multi));
        let notrace = Facts { traceable: Known::No, ..PLAIN };
        assert!(!ALL.probes(&notrace).any());
        let lenient = Abilities { only_traceable: false, ..ALL };
        assert!(unknown(lenient.probes(&notrace).kprobe));
        assert!(unknown(ALL.probes(&Facts { traceable: Known::Nothing, ..PLAIN }).kprobe));
    }

    #[test]
    fn what_stands_against_fentry() {
        let fentry = |facts: Facts| ALL.probes(&facts).fentry;
        let no = |answer| matches!(answer, Answer::No(_));
        assert!(no(fentry(Facts { arguments: None, ..PLAIN })));
        assert!(no(fentry(Facts { arguments: Some(Err("…")), ..PLAIN })));
        assert!(no(fentry(Facts { same_name: 2, ..PLAIN })));
        assert!(no(fentry(Facts { name: "migrate_disable", ..PLAIN })));
        let many = Some(Ok(Arguments { words: 9, by_value: false }));
        assert!(matches!(fentry(Facts { arguments: many, ..PLAIN }), Answer::Unknown(_)));
        let structs = Some(Ok(Arguments { words: 2, by_value: true }));
        let old = Abilities { structs: false, ..ALL };
        assert!(no(old.probes(&Facts { arguments: structs, ..PLAIN }).fentry));
    }
}
