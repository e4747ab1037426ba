//! Type ids of the running kernel, written into a BPF object's instructions.
//!
//! The programs name what they need by marks (`bpf/kernel_ids.h`). A mark is
//! 64 bits that nothing else in an object has, so that the object's sections
//! need not be told apart.

use nfscope_kernel::btf::{Btf, Kind};

/// `KERNEL_MARK` of `bpf/kernel_ids.h`.
const MARK: u32 = 0x6e66_7300;

/// What a mark's place is to hold (`include/uapi/linux/bpf.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// The id as a number.
    Number,
    /// The variable: `BPF_PSEUDO_BTF_ID`.
    Variable,
}

/// All that is named, from mark 1 on.
const NAMED: [(&str, Kind, Use); 6] = [
    ("sk_buff", Kind::Struct, Use::Number),
    ("cpumask", Kind::Struct, Use::Number),
    ("__preempt_count", Kind::Variable, Use::Variable),
    ("pcpu_hot", Kind::Variable, Use::Variable),
    ("bpf_rdonly_cast", Kind::Function, Use::Number),
    ("net", Kind::Struct, Use::Number),
];

/// `BPF_LD | BPF_IMM | BPF_DW`, of two instruction slots.
const LOAD_WORD: u8 = 0x18;
/// `BPF_JMP | BPF_CALL`
const CALL: u8 = 0x85;
const PSEUDO_BTF_ID: u8 = 3;
const PSEUDO_KFUNC_CALL: u8 = 2;

/// One instruction: code, registers (source in the upper half), offset, number.
type Insn = [u8; 8];

/// Whether programs can make a typed pointer of an address (kernel 6.2).
pub fn has_typed_casts(btf: &Btf) -> bool {
    btf.kernel().id("bpf_rdonly_cast", Kind::Function).is_some()
}

/// Writes the ids that `btf` has into an object's instructions; 0 for what it
/// has not, and for variables unless `variables`.
pub fn write(object: &mut [u8], btf: &Btf, variables: bool) {
    let ids = NAMED.map(|(name, kind, used)| match used {
        Use::Variable if !variables => 0,
        _ => btf.kernel().id(name, kind).unwrap_or(0),
    });
    let (insns, _) = object.as_chunks_mut::<8>();
    let mut insns = insns.iter_mut().peekable();
    while let Some(insn) = insns.next() {
        let Some(which) = which(insn) else { continue };
        match insn[0] {
            LOAD_WORD => {
                let Some(second) = insns.next_if(|second| number(second) == !number(insn)) else {
                    continue;
                };
                if NAMED[which].2 == Use::Variable && ids[which] != 0 {
                    insn[1] = insn[1] & 0xf | PSEUDO_BTF_ID << 4;
                }
                insn[4..].copy_from_slice(&ids[which].to_le_bytes());
                second[4..].fill(0);
            }
            CALL => {
                insn[1] = PSEUDO_KFUNC_CALL << 4;
                insn[4..].copy_from_slice(&ids[which].to_le_bytes());
            }
            _ => {}
        }
    }
}

fn number(insn: &Insn) -> u32 {
    u32::from_le_bytes([insn[4], insn[5], insn[6], insn[7]])
}

/// Which of [`NAMED`] an instruction's number is a mark for.
fn which(insn: &Insn) -> Option<usize> {
    let which = number(insn).checked_sub(MARK + 1)? as usize;
    (which < NAMED.len()).then_some(which)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(which: u32) -> [Insn; 2] {
        let mark = MARK + which;
        let insn = |code, register, number: u32| {
            let [a, b, c, d] = number.to_le_bytes();
            [code, register, 0, 0, a, b, c, d]
        };
        [insn(LOAD_WORD, 1, mark), insn(0, 0, !mark)]
    }

    /// vmlinux with the int `__preempt_count` (type 2) and nothing else.
    fn one_variable() -> Btf {
        let types: [u32; 8] = [1, 1 << 24, 4, 32, 5, 14 << 24, 1, 1];
        let strings = b"\0int\0__preempt_count\0";
        let mut bytes = vec![0x9f, 0xeb, 1, 0];
        let lengths = [24, 0, 32, 32, strings.len() as u32];
        for word in lengths.into_iter().chain(types) {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(strings);
        Btf::parse(bytes).unwrap()
    }

    #[test]
    fn marks_become_ids_or_zero() {
        let btf = one_variable();
        let other = [CALL, 0, 0, 0, 113, 0, 0, 0];
        let mut object = [word(3).concat(), word(4).concat(), other.to_vec()].concat();
        let mut without = object.clone();
        write(&mut without, &btf, false);
        assert_eq!(without.as_chunks::<8>().0[..2], [[LOAD_WORD, 1, 0, 0, 0, 0, 0, 0], [0; 8]]);
        write(&mut object, &btf, true);
        let (insns, _) = object.as_chunks::<8>();
        assert_eq!(insns[0], [LOAD_WORD, 0x31, 0, 0, 2, 0, 0, 0]);
        assert_eq!(insns[2], [LOAD_WORD, 1, 0, 0, 0, 0, 0, 0], "pcpu_hot is not there");
        assert_eq!([insns[1], insns[3]], [[0; 8]; 2]);
        assert_eq!(insns[4], other);
        assert!(!has_typed_casts(&btf));
    }

    #[test]
    fn half_a_mark_is_none() {
        let mut object = [word(1)[0], word(2)[1]].concat();
        let before = object.clone();
        write(&mut object, &one_variable(), true);
        assert_eq!(object, before);
    }
}
