//! pcap filter expressions, evaluated in the kernel.
//!
//! libpcap compiles an expression to classic BPF ([`compile`]); this crate
//! translates that to eBPF and patches it ([`patch`]) into a compiled BPF object,
//! in place of the body of a stub function, before the object is loaded. The full
//! language of pcap-filter(7) for Ethernet is understood, and a packet that the
//! filter rejects costs a few instructions.
//!
//! # The stub
//!
//! `include/packet_filter.h` holds it:
//!
//! ```c
//! static __attribute__((noinline))
//! int packet_filter(const u8 *frame, u32 caplen, u32 wirelen);
//! ```
//!
//! `frame` points to the frame buffer: [`FRAME_CAPACITY`] readable bytes of a map
//! value, of which the first `caplen` (at most [`MAX_BYTES`]) are the packet's.
//! `wirelen` is the whole frame's length, with the 14 bytes of the Ethernet header,
//! as `len`, `less` and `greater` see it. The result is not 0 if the packet
//! matches. The caller may use 440 of the 512 bytes of stack. An object whose stub
//! was not patched loads too, and every packet matches; but [`patch`] it with
//! [`Compiled::accept_all`] even then, since a kernel takes about 20 ms to look
//! through an empty stub.
//!
//! # The frame
//!
//! The BPF program puts into the buffer, for every packet, whatever its device:
//!
//! 1. 14 bytes of Ethernet header. The MAC addresses are the real ones if the
//!    packet has an Ethernet header; the Ethernet type always comes from
//!    `skb->protocol`, so that packets without a link header (locally generated,
//!    on a tunnel) have one.
//! 2. If [`Compiled::wants_vlan_tag`] and the packet carries an offloaded VLAN tag:
//!    the tag as on the wire, between the MAC addresses and the Ethernet type, that
//!    is the tag's protocol, its control information, then the Ethernet type.
//! 3. The packet from behind the link header on: [`Compiled::bytes_needed`] bytes
//!    of frame in all, less at the end of the packet or of its linear part. That
//!    is from the network header on, but from `mac_header + 14` if the Ethernet
//!    type is a VLAN's: a tag that was already pushed into the packet stands
//!    between the two.
//!
//! # What matches
//!
//! - Without a word about VLANs in the expression, a packet with an offloaded tag
//!   is seen without it, as tcpdump sees it: `tcp port 80` matches in every VLAN.
//!   With one (`vlan`, `ether proto 0x8100`, …) the whole expression sees the
//!   frame as on the wire: as pcap-filter(7) says, what follows `vlan` looks
//!   behind the tag and what precedes it does not.
//! - A packet without a link header never matches an expression that looks at link
//!   addresses ([`Compiled::needs_link`]), not even under `not`: its addresses are
//!   not "other ones". The BPF program rejects it before it asks the filter.
//!   The Ethernet type alone (`arp`, `ether proto 0x88cc`) is no link address.
//!   Nor does it match `vlan`: what has no link layer has no tag.
//! - A load behind the available bytes makes the packet not match, under `not` too,
//!   as with tcpdump and a truncated packet. So do a division by zero in the
//!   expression's arithmetic and a chain of more than 16 headers under `protochain`.
//! - A fixed offset behind [`MAX_BYTES`] could never match and is refused, as are
//!   `inbound` and `outbound`, which are not in the packet.

mod analysis;
mod classic;
mod decisions;
mod diagnose;
mod ebpf;
mod error;
mod flow;
mod libpcap;
mod loops;
mod patch;
#[cfg(feature = "static")]
mod stand_ins;
mod tokens;
mod translate;
mod value;

pub use classic::ClassicInsn;
pub use decisions::{Comparison, Decision, Decisions, Outcome, Place};
pub use ebpf::{INSN_BYTES, Insn};
pub use error::{Diagnostic, FilterError, PatchError};
pub use patch::{Patched, patch};

/// Readable bytes behind the address that a filter is given.
pub const FRAME_CAPACITY: u32 = 544;

/// Bytes of a frame that a filter can look at, at most.
pub const MAX_BYTES: u32 = 512;

/// The least that [`Compiled::bytes_needed`] asks for, if not for nothing.
pub const MIN_BYTES: u32 = 64;

/// A filter, ready to be patched into a BPF object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    /// The function's body.
    pub insns: Vec<Insn>,
    /// Whether it looks at MAC addresses: packets without a link header must then
    /// be rejected without asking it.
    pub needs_link: bool,
    /// Whether it compares the Ethernet type with that of a VLAN tag: an offloaded
    /// tag must then be put back into the frame.
    pub wants_vlan_tag: bool,
    /// Bytes of the frame that it may look at: 0, 64, 96, 128, 256 or 512.
    pub bytes_needed: u32,
    /// The same as plain comparisons, as far as that goes.
    pub decisions: Decisions,
}

impl Compiled {
    /// The filter that every packet matches; it looks at nothing.
    pub fn accept_all() -> Result<Self, FilterError> {
        translate(&[ClassicInsn { code: 0x06, jt: 0, jf: 0, k: 1 }])
    }
}

/// Compiles an expression of pcap-filter(7). An empty one matches every packet.
///
/// Names are resolved as libpcap does, which may take the resolver's time.
pub fn compile(expression: &str) -> Result<Compiled, FilterError> {
    translate(&classic(expression)?)
}

/// The first half of [`compile`]: libpcap's own program for the expression, for
/// Ethernet frames.
pub fn classic(expression: &str) -> Result<Vec<ClassicInsn>, FilterError> {
    let text = libpcap::c_string(expression).map_err(|at| {
        FilterError::Expression(Diagnostic {
            message: "it contains a NUL byte".to_string(),
            expression: expression.to_string(),
            span: Some(at..at + 1),
        })
    })?;
    match libpcap::compile(&text) {
        libpcap::Outcome::Program(program) => Ok(program),
        libpcap::Outcome::NoHandle => Err(FilterError::NoHandle),
        libpcap::Outcome::Refused(message) => Err(FilterError::Expression(Diagnostic {
            span: diagnose::locate(expression, &message, &refusal),
            message: diagnose::tidy(&message).to_string(),
            expression: expression.to_string(),
        })),
    }
}

/// libpcap's message to an expression that it refuses.
fn refusal(expression: &str) -> Option<String> {
    match libpcap::compile(&libpcap::c_string(expression).ok()?) {
        libpcap::Outcome::Refused(message) => Some(message),
        _ => None,
    }
}

/// The second half of [`compile`]: classic BPF for Ethernet frames as a function's
/// body. Never panics, whatever the program.
pub fn translate(program: &[ClassicInsn]) -> Result<Compiled, FilterError> {
    let ops = loops::unroll(classic::decode(program)?)?;
    let (insns, facts) = translate::translate(&ops)?;
    Ok(Compiled {
        insns,
        needs_link: facts.needs_link,
        wants_vlan_tag: facts.wants_vlan_tag,
        bytes_needed: facts.bytes_needed,
        // the tag that it wants to see stands in no header of the packet
        decisions: match facts.wants_vlan_tag {
            true => Decisions { start: Outcome::Match, list: Vec::new(), exact: false },
            false => decisions::decisions(&ops),
        },
    })
}
