//! What a program does, found without running it.
//!
//! Backwards through the program: how much of the frame every accepted packet
//! must have from each operation on, and what is read before it was written.
//! Forwards: how large A, X and M can be, and where an Ethernet type is compared.

use crate::classic::{Arithmetic, Condition, MEMORY_WORDS, Op, Source};
use crate::error::FilterError;
use crate::flow::{Flow, Follow, Next};
use crate::value::Value;
use crate::{MAX_BYTES, MIN_BYTES};

/// Offset and end of the Ethernet type in a frame.
const ETHERTYPE: u32 = 12;
/// Ethernet types that announce a VLAN tag: 802.1Q, 802.1ad, and the old QinQ
/// (the three that libpcap's `gen_vlan` in `gencode.c` compares with).
const VLAN_TYPES: [u32; 3] = [0x8100, 0x88a8, 0x9100];
/// Offsets from here up are extensions (`SKF_LL_OFF`, `include/uapi/linux/filter.h`).
const EXTENSIONS: u32 = 0xffe0_0000;

/// Bits of a liveness set: A, X, then the memory words.
const LIVE_A: u32 = 1;
const LIVE_X: u32 = 2;
const LIVE_M: u32 = 4;

/// What is known of a program.
pub(crate) struct Facts {
    pub needs_link: bool,
    pub wants_vlan_tag: bool,
    pub bytes_needed: u32,
    pub uses_length: bool,
    pub reads_a_first: bool,
    pub reads_x_first: bool,
    /// Memory words that may be read before they are written.
    pub reads_memory_first: Vec<usize>,
    /// For each operation, bytes from the frame's start that every accepted packet
    /// must have.
    pub must_have: Vec<u32>,
    /// The same counted from X, as long as X stays as it is.
    pub must_have_from_x: Vec<u32>,
    /// For each operation, the largest X that a verifier will think possible.
    pub x_for_verifier: Vec<u32>,
}

/// Finds the facts, or refuses a load that can never succeed.
pub(crate) fn analyse(ops: &[Op], flow: &Flow) -> Result<Facts, FilterError> {
    for at in &flow.order {
        check_load(&ops[*at])?;
    }
    let need = Needs::find(ops, flow);
    let live = live_at_start(ops, flow);
    let values = Values::find(ops, flow);
    Ok(Facts {
        needs_link: values.link,
        wants_vlan_tag: values.vlan,
        bytes_needed: round_up(values.bytes),
        uses_length: flow
            .order
            .iter()
            .any(|at| matches!(ops[*at], Op::LoadLength | Op::IndexLength)),
        reads_a_first: live & LIVE_A != 0,
        reads_x_first: live & LIVE_X != 0,
        reads_memory_first: (0..MEMORY_WORDS).filter(|word| live & (LIVE_M << word) != 0).collect(),
        must_have: need.absolute,
        must_have_from_x: need.from_x,
        x_for_verifier: values.x_for_verifier,
    })
}

fn check_load(op: &Op) -> Result<(), FilterError> {
    let (k, bytes) = match *op {
        Op::LoadAbsolute { bytes, k } | Op::LoadIndirect { bytes, k } => (k, bytes),
        Op::IndexHeaderLength { k } => (k, 1),
        _ => return Ok(()),
    };
    if matches!(op, Op::LoadAbsolute { .. }) && k >= EXTENSIONS {
        return Err(FilterError::NotInPacket { what: extension(k) });
    }
    if k.saturating_add(bytes) > MAX_BYTES {
        return Err(FilterError::TooFar { offset: k.saturating_add(bytes - 1), limit: MAX_BYTES });
    }
    Ok(())
}

/// `SKF_AD_OFF + …` of `include/uapi/linux/filter.h`.
fn extension(k: u32) -> &'static str {
    match k.wrapping_sub(0xffff_f000) {
        4 => "the packet's direction",
        8 => "the interface's number",
        20 => "the packet's mark",
        44 | 48 | 60 => "the network card's VLAN information",
        _ => "data kept beside the packet",
    }
}

fn round_up(bytes: u32) -> u32 {
    if bytes == 0 {
        return 0;
    }
    [MIN_BYTES, 96, 128, 256].into_iter().find(|size| bytes <= *size).unwrap_or(MAX_BYTES)
}

/// Bytes that must be there, per operation.
struct Needs {
    absolute: Vec<u32>,
    from_x: Vec<u32>,
}

impl Needs {
    /// The least that any accepting path from an operation needs. Testing for all
    /// of it at the path's first load changes nothing: a packet that fails there
    /// would have failed later.
    fn find(ops: &[Op], flow: &Flow) -> Self {
        // Paths that reject need nothing and restrict nothing.
        let mut absolute = vec![u32::MAX; ops.len()];
        let mut from_x = vec![u32::MAX; ops.len()];
        for at in flow.order.iter().rev() {
            let least = |needs: &[u32]| {
                flow.follow(*at)
                    .places()
                    .map(|next| match next {
                        Next::Op(to) => needs[to],
                        Next::Reject => u32::MAX,
                    })
                    .min()
                    .unwrap_or(0)
            };
            let (mut abs, mut x) = (least(&absolute), least(&from_x));
            // What a rejecting path needs is only what its loads need.
            let at_least = |need: &mut u32, end: u32| {
                *need = if *need == u32::MAX { end } else { end.max(*need) };
            };
            match ops[*at] {
                Op::LoadAbsolute { bytes, k } => at_least(&mut abs, k + bytes),
                Op::IndexHeaderLength { k } => {
                    at_least(&mut abs, k + 1);
                    x = 0;
                }
                Op::LoadIndirect { bytes, k } => {
                    at_least(&mut abs, k + bytes);
                    at_least(&mut x, k + bytes);
                }
                Op::IndexConstant(_) | Op::IndexMemory(_) | Op::IndexLength | Op::AToX => x = 0,
                _ => {}
            }
            (absolute[*at], from_x[*at]) = (abs, x);
        }
        Self { absolute, from_x }
    }
}

/// What may be read before it is written, as a liveness set.
fn live_at_start(ops: &[Op], flow: &Flow) -> u32 {
    let mut live = vec![0u32; ops.len()];
    for at in flow.order.iter().rev() {
        let after = flow
            .follow(*at)
            .places()
            .filter_map(|next| match next {
                Next::Op(to) => Some(live[to]),
                Next::Reject => None,
            })
            .fold(0, |a, b| a | b);
        let of = |source: Source| if source == Source::X { LIVE_X } else { 0 };
        let (reads, writes) = match ops[*at] {
            Op::LoadAbsolute { .. } | Op::LoadConstant(_) | Op::LoadLength => (0, LIVE_A),
            Op::LoadIndirect { .. } | Op::XToA => (LIVE_X, LIVE_A),
            Op::LoadMemory(word) => (LIVE_M << word, LIVE_A),
            Op::IndexConstant(_) | Op::IndexLength | Op::IndexHeaderLength { .. } => (0, LIVE_X),
            Op::IndexMemory(word) => (LIVE_M << word, LIVE_X),
            Op::StoreA(word) => (LIVE_A, LIVE_M << word),
            Op::StoreX(word) => (LIVE_X, LIVE_M << word),
            Op::Arithmetic(_, source) => (LIVE_A | of(source), LIVE_A),
            Op::Negate => (LIVE_A, LIVE_A),
            Op::AToX => (LIVE_A, LIVE_X),
            // Both ways the same: the comparison is not translated.
            Op::Branch { .. } if !matches!(flow.follow(*at), Follow::Two { .. }) => (0, 0),
            Op::Branch { source, .. } => (LIVE_A | of(source), 0),
            Op::ReturnA => (LIVE_A, 0),
            Op::Jump(_) | Op::ReturnConstant(_) => (0, 0),
        };
        live[*at] = (after & !writes) | reads;
    }
    match flow.start {
        Next::Op(first) => live[first],
        Next::Reject => 0,
    }
}

/// A, X and M in front of an operation.
#[derive(Debug, Clone, Copy)]
struct Machine {
    a: Value,
    x: Value,
    memory: [Value; MEMORY_WORDS],
}

/// The result of the forward pass.
struct Values {
    x_for_verifier: Vec<u32>,
    /// Largest end of any load.
    bytes: u32,
    link: bool,
    vlan: bool,
}

impl Values {
    fn find(ops: &[Op], flow: &Flow) -> Self {
        let zero = Value::exactly(0);
        let mut before: Vec<Option<Machine>> = vec![None; ops.len()];
        if let Next::Op(first) = flow.start {
            before[first] = Some(Machine { a: zero, x: zero, memory: [zero; MEMORY_WORDS] });
        }
        let mut found =
            Self { x_for_verifier: vec![0; ops.len()], bytes: 0, link: false, vlan: false };
        for at in &flow.order {
            let Some(mut machine) = before[*at] else {
                continue;
            };
            found.x_for_verifier[*at] = machine.x.for_verifier;
            found.step(&ops[*at], &mut machine);
            for next in flow.follow(*at).places() {
                let Next::Op(to) = next else { continue };
                before[to] = Some(match before[to] {
                    None => machine,
                    Some(other) => Machine {
                        a: other.a.or(machine.a),
                        x: other.x.or(machine.x),
                        memory: std::array::from_fn(|word| {
                            other.memory[word].or(machine.memory[word])
                        }),
                    },
                });
            }
        }
        found
    }

    fn load(&mut self, lowest: u32, end: u32) {
        self.bytes = self.bytes.max(end);
        self.link |= lowest < ETHERTYPE;
    }

    fn step(&mut self, op: &Op, machine: &mut Machine) {
        match *op {
            Op::LoadAbsolute { bytes, k } => {
                self.load(k, k + bytes);
                machine.a = Value::loaded(bytes);
                machine.a.ethertype = k < ETHERTYPE + 2 && k + bytes > ETHERTYPE;
            }
            Op::LoadIndirect { bytes, k } => {
                // The sum does not wrap around in libpcap's machine: X + k >= k.
                self.load(k, machine.x.largest.saturating_add(k + bytes));
                machine.a = Value::loaded(bytes);
            }
            Op::LoadConstant(k) => machine.a = Value::exactly(k),
            Op::LoadMemory(word) => machine.a = machine.memory[word],
            Op::LoadLength => machine.a = Value::any(),
            Op::IndexConstant(k) => machine.x = Value::exactly(k),
            Op::IndexMemory(word) => machine.x = machine.memory[word],
            Op::IndexLength => machine.x = Value::any(),
            Op::IndexHeaderLength { k } => {
                self.load(k, k + 1);
                machine.x = Value::up_to(60);
            }
            Op::StoreA(word) => machine.memory[word] = machine.a.stored(),
            Op::StoreX(word) => machine.memory[word] = machine.x.stored(),
            Op::Arithmetic(operation, source) => {
                machine.a = apply(operation, machine.a, source, machine.x);
            }
            Op::Negate => machine.a = Value::any(),
            Op::AToX => machine.x = machine.a,
            Op::XToA => machine.a = machine.x,
            Op::Branch { source: Source::K(k), condition, .. } => {
                let vlan = VLAN_TYPES.contains(&k) || VLAN_TYPES.contains(&(k >> 16));
                self.vlan |= machine.a.ethertype && vlan && condition != Condition::AnyBit;
            }
            Op::Branch { .. } | Op::Jump(_) | Op::ReturnConstant(_) | Op::ReturnA => {}
        }
    }
}

fn apply(operation: Arithmetic, a: Value, source: Source, x: Value) -> Value {
    let operand = match source {
        Source::K(k) => Value::exactly(k),
        Source::X => x,
    };
    a.apply(operation, operand, matches!(source, Source::K(_)))
}
