//! Shared by the tests: expressions, packets, libpcap's own filter, and a strict
//! eBPF interpreter.

#![allow(dead_code, reason = "each test program uses a part of it")]

pub mod expressions;
pub mod interpreter;
pub mod packets;
pub mod programs;

use nfscope_filter::ClassicInsn;

unsafe extern "C" {
    /// `u_int bpf_filter(const struct bpf_insn *, const u_char *, u_int, u_int)`.
    fn bpf_filter(program: *const ClassicInsn, packet: *const u8, wirelen: u32, caplen: u32)
    -> u32;
}

/// What libpcap itself says to a packet.
pub fn libpcap_matches(program: &[ClassicInsn], packet: &[u8], wirelen: u32) -> bool {
    // SAFETY: the program came from pcap_compile; the packet has the given length.
    let result =
        unsafe { bpf_filter(program.as_ptr(), packet.as_ptr(), wirelen, packet.len() as u32) };
    result != 0
}

/// A small reproducible generator (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}
