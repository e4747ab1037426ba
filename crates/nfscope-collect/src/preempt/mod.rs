//! Tiny programs, loaded before the large ones: they show how the kernel runs a
//! tracepoint's programs and those at functions' entries. The tracepoint's is
//! the second one where a trial needs two.

use std::os::unix::net::UnixDatagram;

use libbpf_rs::{Link, Object};
use nfscope_kernel::btf::Btf;

use crate::nft::SelfTest;
use crate::object::Compiled;
use crate::{CollectError, object};

/// The compiled program.
const OBJECT: Compiled = object::compiled!("preempt");
/// What tells how programs run there; and where the kernel does not list what
/// that takes (see `drop.bpf.c`), one that tells nothing.
const PROGRAMS: [&str; 2] = ["see_kfree_skb", "stand_by"];

/// At a function's entry.
const AT_ENTRY: &str = "see_release";

/// Which programs other tasks can interrupt. While one is, the kernel skips it
/// on that CPU.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Interruptible {
    /// Those of tracepoints, since about 7.0.
    pub tracepoints: bool,
    /// Those at functions' entries (fentry), on kernels that preempt.
    pub entries: bool,
}

impl Interruptible {
    /// What a message of our own shows that nobody reads, or another packet that
    /// a process frees at that time; nothing if that cannot be seen.
    pub fn seen(btf: &Btf) -> Self {
        Self::look(btf).unwrap_or_default()
    }

    fn look(btf: &Btf) -> Result<Self, CollectError> {
        let programs = [PROGRAMS[0], AT_ENTRY];
        let object = object::load(object::open(OBJECT, Some(btf))?, &programs)?;
        let memory = object::memory(&object, ".bss")?;
        let (from, to) = UnixDatagram::pair().map_err(CollectError::load)?;
        from.send(b"nfscope").map_err(CollectError::load)?;
        let attached = programs.map(|program| attach(&object, program));
        // with its last socket the message is freed
        drop((from, to));
        drop(attached);
        let [tracepoints, entries] = memory.value(0).unwrap_or_default();
        Ok(Self { tracepoints: tracepoints != 0, entries: entries != 0 })
    }
}

fn attach(object: &Object, program: &str) -> Result<Link, CollectError> {
    object::with_program(object, program, |p| {
        p.attach_trace()
            .map_err(|e| CollectError::Attach { place: program.into(), reason: e.to_string() })
    })
}

/// The tracepoint's program, loaded.
pub(crate) struct Observer {
    object: Object,
    program: &'static str,
}

impl Observer {
    /// Loads it.
    pub fn load(btf: &Btf) -> Result<Self, CollectError> {
        let load = |program| -> Result<Self, CollectError> {
            let open = object::open(OBJECT, Some(btf))?;
            Ok(Self { object: object::load(open, &[program])?, program })
        };
        let [telling, silent] = PROGRAMS;
        load(telling).or_else(|_| load(silent))
    }

    /// Attaches it to `skb:kfree_skb`, for as long as the link lives.
    pub fn attach(&self) -> Result<Link, CollectError> {
        attach(&self.object, self.program)
    }

    /// Whether another task can interrupt a program on the tracepoint, as the
    /// self-test's packets show it.
    pub fn interruptible(&self, test: &SelfTest) -> Result<bool, CollectError> {
        let _link = self.attach()?;
        test.send()?;
        Ok(object::memory(&self.object, ".bss")?.words().first().is_some_and(|seen| *seen != 0))
    }
}
