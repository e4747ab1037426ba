//! Learns how the kernel runs a tracepoint's programs before the large ones
//! are loaded: loading those that turn out wrong takes long.

use nfscope_kernel::btf::Btf;

use crate::nft::{Scratch, SelfTest};
use crate::{CollectError, object};

/// The compiled program.
const OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/preempt.bpf.o"));
const PROGRAM: &str = "see_kfree_skb";

/// Whether another task can interrupt a program on `skb:kfree_skb`, as the
/// self-test's packets show it.
pub fn interruptible(scratch: &Scratch, btf: &Btf) -> Result<bool, CollectError> {
    let open = object::open(OBJECT.to_vec(), Some(btf))?;
    let object = object::load(open, &[PROGRAM])?;
    let _link = object::with_program(&object, PROGRAM, |p| {
        p.attach_trace().map_err(|e| CollectError::Attach {
            place: "tracepoint skb:kfree_skb".into(),
            reason: e.to_string(),
        })
    })?;
    SelfTest::send(scratch)?;
    Ok(object::words(&object, ".bss")?.first().is_some_and(|seen| *seen != 0))
}
