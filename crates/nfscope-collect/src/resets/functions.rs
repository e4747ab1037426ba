//! Where functions' arguments are at their entries.

use nfscope_kernel::btf::Btf;

use crate::nft::ValueAt;

/// Byte offsets of the registers that carry arguments, in what a kprobe's
/// program gets, and where the first argument on the stack is.
#[cfg(target_arch = "x86_64")]
const REGISTERS: [u32; 6] = [112, 104, 96, 88, 72, 64];
#[cfg(target_arch = "x86_64")]
const FIRST_ON_STACK: i32 = 8;
/// The same of arm64: x0 and so on; there is no return address on the stack.
#[cfg(not(target_arch = "x86_64"))]
const REGISTERS: [u32; 8] = [0, 8, 16, 24, 32, 40, 48, 56];
#[cfg(not(target_arch = "x86_64"))]
const FIRST_ON_STACK: i32 = 0;

/// The argument of a number, from 0; all are pointers or integers.
pub fn argument(number: usize) -> ValueAt {
    if let Some(register) = REGISTERS.get(number) {
        return ValueAt::Register(*register);
    }
    match i32::try_from(number - REGISTERS.len()) {
        Ok(slot) if slot < 64 => ValueAt::Stack(FIRST_ON_STACK + slot * 8),
        _ => ValueAt::None,
    }
}

/// The argument that a test of name and type finds; none where the kernel's
/// types do not have the function or such an argument.
pub fn find(btf: &Btf, function: &str, wanted: impl Fn(&str, &str) -> bool) -> ValueAt {
    let parameters = btf.func_params(function).unwrap_or_default();
    let number = parameters.iter().position(|(name, kind)| wanted(name, kind));
    number.map_or(ValueAt::None, argument)
}

/// Whether a type is that of a packet.
pub fn is_packet(kind: &str) -> bool {
    kind.contains("struct sk_buff *")
}

/// Whether a type is that of a reset's reason.
pub fn is_reason(kind: &str) -> bool {
    kind.contains("enum sk_rst_reason")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_in_registers_and_behind_them() {
        assert_eq!(argument(0), ValueAt::Register(REGISTERS[0]));
        let behind = REGISTERS.len();
        assert_eq!(argument(behind), ValueAt::Stack(FIRST_ON_STACK));
        assert_eq!(argument(behind + 2), ValueAt::Stack(FIRST_ON_STACK + 16));
        assert_eq!(argument(behind + 1000), ValueAt::None);
    }
}
