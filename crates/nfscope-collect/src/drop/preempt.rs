//! A tiny program on the tracepoint, loaded before the large ones: it shows how
//! the kernel runs a tracepoint's programs, and is the second one where the
//! trial needs two.

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

/// The program, loaded.
pub struct Observer {
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
        object::with_program(&self.object, self.program, |p| {
            p.attach_trace().map_err(|e| CollectError::Attach {
                place: "tracepoint skb:kfree_skb".into(),
                reason: e.to_string(),
            })
        })
    }

    /// Whether another task can interrupt a program on the tracepoint, as the
    /// self-test's packets show it.
    pub fn interruptible(&self, test: &SelfTest) -> Result<bool, CollectError> {
        let _link = self.attach()?;
        test.send()?;
        Ok(object::words(&self.object, ".bss")?.first().is_some_and(|seen| *seen != 0))
    }
}
