//! Instructions as text, for people: each with where it branches to and what it refers to, so that who
//! prints it can name both.

mod aarch64;
mod x86_64;

use super::Arch;

/// One instruction as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Byte offset from the function's start.
    pub offset: u32,
    /// Length in bytes.
    pub len: u8,
    /// Mnemonic and operands; where it branches to is left out, which is the last of them.
    pub text: String,
    /// Where it branches to or calls: an offset from the function's start, maybe outside.
    pub branch: Option<i64>,
    /// What it refers to by its distance: an offset from the function's start.
    pub data: Option<i64>,
}

impl Shown {
    /// Offset of the next instruction.
    pub fn end(&self) -> u32 {
        self.offset.saturating_add(u32::from(self.len))
    }

    /// The whole text, with the name of where it branches to.
    pub fn with(&self, target: &str) -> String {
        match self.branch {
            Some(_) => format!("{} {target}", self.text),
            None => self.text.clone(),
        }
    }
}

impl Arch {
    /// Shows code that is `address` in memory, 0 where that is not known. What is no instruction is shown
    /// as its bytes (`.byte`, `.inst`).
    pub fn show(self, code: &[u8], address: u64) -> Vec<Shown> {
        match self {
            Self::X86_64 => x86_64::show(code),
            Self::Aarch64 => aarch64::show(code, address),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(arch: Arch, code: &[u8]) -> Vec<String> {
        let target = |shown: &Shown| shown.branch.map(|to| format!("{to:+#x}"));
        arch.show(code, 0)
            .iter()
            .map(|shown| shown.with(&target(shown).unwrap_or_default()))
            .collect()
    }

    #[test]
    fn x86_64_as_objdump_prints_it() {
        let code = [
            0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0x48, 0x89, 0xe5, 0x0f, 0x1f, 0x44, 0x00, 0x00, 0xe8,
            0x10, 0, 0, 0, 0x74, 0xfe, 0x48, 0x8b, 0x05, 0x20, 0, 0, 0, 0x0f, 0x0b, 0x06, 0xc3,
        ];
        assert_eq!(
            lines(Arch::X86_64, &code),
            [
                "endbr64",
                "push %rbp",
                "mov %rsp,%rbp",
                "nopl (%rax,%rax)",
                "call +0x22",
                "je +0x12",
                "mov 0x20(%rip),%rax",
                "ud2",
                ".byte 0x06",
                "ret"
            ]
        );
        let data: Vec<i64> =
            Arch::X86_64.show(&code, 0).iter().filter_map(|shown| shown.data).collect();
        assert_eq!(data, [0x3b]);
    }

    #[test]
    fn aarch64_as_objdump_prints_it() {
        let words: [u32; 7] = [
            0xd503_201f,
            0xa9be_7bfd,
            0x9400_0004,
            0x5400_0060,
            0x3600_0040,
            0x9000_0000,
            0xd65f_03c0,
        ];
        let code: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(
            lines(Arch::Aarch64, &code),
            [
                "nop",
                "stp x29, x30, [sp, #-0x20]!",
                "bl +0x18",
                "b.eq +0x18",
                "tbz w0, #0x0, +0x18",
                "adrp x0",
                "ret"
            ]
        );
    }

    proptest! {
        #[test]
        fn covers_any_bytes(code in proptest::collection::vec(any::<u8>(), 0..128)) {
            for arch in [Arch::X86_64, Arch::Aarch64] {
                let mut at = 0;
                for shown in arch.show(&code, u64::MAX - 3) {
                    prop_assert_eq!(shown.offset, at);
                    prop_assert!(shown.len > 0);
                    at = shown.end();
                }
                prop_assert_eq!(at as usize, code.len());
            }
        }
    }
}
