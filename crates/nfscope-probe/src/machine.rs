//! Registers, by name and as functions are called.

use nfscope_kernel::btf::{Btf, Shape, Tag};

/// Where what a probe's program is given has the registers.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Names and bytes.
    registers: Vec<(String, u16)>,
    /// Arguments, in their order.
    pub arguments: Vec<u16>,
    /// The value that a function returns.
    pub returned: u16,
    /// The stack pointer.
    pub stack: u16,
    /// Bytes from where the stack pointer is at a function's entry to the first
    /// argument that has no register.
    pub stack_arguments: u32,
}

/// Names of x86-64's registers in `struct pt_regs`, and what everybody calls them.
const X86: [(&str, &str); 10] = [
    ("ax", "rax"),
    ("bx", "rbx"),
    ("cx", "rcx"),
    ("dx", "rdx"),
    ("si", "rsi"),
    ("di", "rdi"),
    ("bp", "rbp"),
    ("sp", "rsp"),
    ("ip", "rip"),
    ("flags", "rflags"),
];

impl Machine {
    /// The running machine, by its kernel's `struct pt_regs`.
    pub fn read(btf: &Btf) -> Option<Self> {
        let kernel = btf.kernel();
        let parts = kernel.members(kernel.named(Tag::Struct, "pt_regs")?);
        let at = |name: &str| {
            let part = parts.iter().find(|part| part.name == name)?;
            u16::try_from(part.bits / 8).ok()
        };
        match at("regs") {
            Some(first) => Self::arm64(first, at("sp")?, at("pc")?),
            None => {
                Self::x86(&parts.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), kernel, at)
            }
        }
    }

    /// Some machine.
    #[cfg(test)]
    pub fn sample() -> Self {
        let names = ["di", "si", "dx", "cx", "r8", "r9", "ax", "sp"];
        let registers = names.iter().zip(0..).map(|(name, n)| ((*name).to_owned(), 8 * n));
        let arguments = (0..6).map(|n| 8 * n).collect();
        let registers = registers.collect();
        Self { registers, arguments, returned: 48, stack: 56, stack_arguments: 8 }
    }

    fn arm64(first: u16, stack: u16, counter: u16) -> Option<Self> {
        let x = |n: u16| first + 8 * n;
        let mut registers: Vec<_> = (0..31).map(|n| (format!("x{n}"), x(n))).collect();
        registers.extend([("sp".to_owned(), stack), ("pc".to_owned(), counter)]);
        registers.extend([("fp".to_owned(), x(29)), ("lr".to_owned(), x(30))]);
        let arguments = (0..8).map(x).collect();
        Some(Self { registers, arguments, returned: x(0), stack, stack_arguments: 0 })
    }

    fn x86(names: &[&str], kernel: &Btf, at: impl Fn(&str) -> Option<u16>) -> Option<Self> {
        let word = |name: &str| {
            let member = kernel.member("pt_regs", name);
            member.is_some_and(|m| m.bit_size == 64)
        };
        let mut registers = Vec::new();
        for name in names.iter().filter(|name| word(name)) {
            registers.push(((*name).to_owned(), at(name)?));
            if let Some((_, known)) = X86.iter().find(|(kernels, _)| kernels == name) {
                registers.push(((*known).to_owned(), at(name)?));
            }
        }
        let arguments =
            ["di", "si", "dx", "cx", "r8", "r9"].iter().map(|n| at(n)).collect::<Option<_>>()?;
        let (returned, stack) = (at("ax")?, at("sp")?);
        // behind the return address
        Some(Self { registers, arguments, returned, stack, stack_arguments: 8 })
    }

    /// The byte of a register of this name.
    pub fn register(&self, name: &str) -> Option<u16> {
        self.registers.iter().find(|(known, _)| known == name).map(|(_, at)| *at)
    }

    /// The name of the register that an argument of this number has if all before
    /// it have one each; without one, of the first argument's.
    pub fn argument_name(&self, number: usize) -> &str {
        let at = self.arguments.get(number).or(self.arguments.first());
        // behind the kernel's own names stand those that everybody uses
        let named = self.registers.iter().rfind(|(_, of)| Some(of) == at);
        named.map_or("sp", |(name, _)| name)
    }

    /// Names of all registers.
    pub fn names(&self) -> Vec<String> {
        self.registers.iter().map(|(name, _)| name.clone()).collect()
    }
}

/// Whether a value of this type stands in one register.
pub fn in_one_register(btf: &Btf, id: u32) -> bool {
    match btf.shape(id) {
        Shape::Pointer(_) => true,
        Shape::Int { size, .. } | Shape::Enum { size, .. } => size <= 8,
        _ => false,
    }
}
