//! A function as instructions and edges between them.

use crate::isa::{BadCode, Cond, Flow, Ins};
use crate::text::{FunctionText, JumpSite};

/// Why a function's code cannot be analysed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Bytes that are not an instruction.
    #[error(transparent)]
    Bad(#[from] BadCode),
    /// A jump or a jump label to the middle of an instruction.
    #[error("the code at +{from:#x} jumps to +{to:#x}, which is no instruction's start")]
    Misaligned {
        /// Offset of the jump.
        from: u32,
        /// Its target.
        to: i64,
    },
    /// The compiler split the function, and the other part may come back.
    #[error(
        "the function continues elsewhere (at +{from:#x} it goes to {to}), and that part is not analysed"
    )]
    Split {
        /// Offset of the jump.
        from: u32,
        /// Where it goes, by name where known.
        to: String,
    },
    /// Longer than anything this is meant for.
    #[error("the function has {0} instructions, more than are analysed")]
    TooLong(usize),
    /// The values did not settle.
    #[error("the values in the function's registers did not settle after {0} rounds")]
    Unsettled(u32),
}

/// Functions that do not come back.
const NO_RETURN: [&str; 4] = ["__stack_chk_fail", "panic", "__fortify_panic", "fortify_panic"];

/// Function entry hooks of the tracer: a `nop` or a call that preserves every register.
const TRACER: [&str; 2] = ["__fentry__", "mcount"];

/// Analysed at most; `nft_do_chain` has 300 to 450.
const MAX_INSTRUCTIONS: usize = 20_000;

/// An edge of the control-flow graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// Index of the instruction it leaves.
    pub from: usize,
    /// Index of the instruction it reaches.
    pub to: usize,
    /// The branch or jump was taken (else: on to the next instruction).
    pub taken: bool,
}

/// A decoded function with its control flow.
#[derive(Debug)]
pub struct Code<'a> {
    /// Where it came from.
    pub text: &'a FunctionText,
    /// Its instructions in order of address.
    pub ins: Vec<Ins>,
    preds: Vec<Vec<Edge>>,
    succs: Vec<Vec<Edge>>,
}

impl<'a> Code<'a> {
    /// Decodes a function and connects its instructions.
    pub fn new(text: &'a FunctionText) -> Result<Self, CodeError> {
        let ins = text.arch.decode(&text.code, |at, len| text.relocation(at, len).is_some())?;
        if ins.len() > MAX_INSTRUCTIONS {
            return Err(CodeError::TooLong(ins.len()));
        }
        let count = ins.len();
        let mut code =
            Self { text, ins, preds: vec![Vec::new(); count], succs: vec![Vec::new(); count] };
        for from in 0..count {
            for (to, taken) in code.successors(from)? {
                let edge = Edge { from, to, taken };
                code.succs[from].push(edge);
                code.preds[to].push(edge);
            }
        }
        Ok(code)
    }

    /// Index of the instruction at this offset.
    pub fn index(&self, offset: i64) -> Option<usize> {
        let offset = u32::try_from(offset).ok()?;
        self.ins.binary_search_by_key(&offset, |ins| ins.offset).ok()
    }

    /// Edges into an instruction.
    pub fn preds(&self, index: usize) -> &[Edge] {
        self.preds.get(index).map_or(&[], Vec::as_slice)
    }

    /// Edges out of an instruction.
    pub fn succs(&self, index: usize) -> &[Edge] {
        self.succs.get(index).map_or(&[], Vec::as_slice)
    }

    /// The jump label at an instruction.
    pub fn jump_site(&self, index: usize) -> Option<&JumpSite> {
        let offset = self.ins.get(index)?.offset;
        self.text.jump_sites.iter().find(|site| site.offset == offset)
    }

    /// Whether an instruction is a call, and if so the callee's symbol without the compiler's suffixes
    /// (`.isra.0`); `None` inside for a call through a pointer.
    pub fn call(&self, index: usize) -> Option<Option<&str>> {
        let ins = self.ins.get(index)?;
        let Flow::Call { target } = ins.flow else { return None };
        let symbol = self.text.symbol(ins, target);
        if symbol.is_some_and(|symbol| TRACER.contains(&symbol)) {
            return None;
        }
        if symbol.is_none() && target.is_some() {
            // A direct call to a place without a name is not a call through a pointer.
            return Some(Some(""));
        }
        Some(symbol.filter(|s| !s.starts_with("__x86_indirect_")).map(base_name))
    }

    /// Whether an instruction ends a straight run: control may go elsewhere, or a call lies between.
    pub fn breaks_run(&self, index: usize) -> bool {
        self.jump_site(index).is_some()
            || self.ins.get(index).is_none_or(|ins| !matches!(ins.flow, Flow::Next))
    }

    /// Where a probe at this instruction would be refused: inside a jump label, or in a place that the
    /// kernel patches. Gives the reason.
    pub fn probe_refused(&self, index: usize) -> Option<String> {
        let ins = self.ins.get(index)?;
        let overlaps =
            |offset: u32, len: u32| offset < ins.end() && ins.offset < offset.saturating_add(len);
        let label = self.text.jump_sites.iter().any(|site| {
            let len = self.index(site.offset.into()).map_or(1, |i| u32::from(self.ins[i].len));
            overlaps(site.offset, len)
        });
        if label {
            return Some("a jump label".to_owned());
        }
        let patched = self.text.patched.iter().find(|p| overlaps(p.offset, p.len.max(1)));
        patched.map(|p| format!("patched by the kernel ({})", p.table))
    }

    fn successors(&self, from: usize) -> Result<Vec<(usize, bool)>, CodeError> {
        let ins = &self.ins[from];
        let next = (from + 1 < self.ins.len()).then_some((from + 1, false));
        if let Some(site) = self.jump_site(from) {
            let taken = self.target(ins.offset, site.target)?;
            return Ok(next.into_iter().chain(taken).collect());
        }
        let relocated = self.text.relocation(ins.offset, u32::from(ins.len)).is_some();
        Ok(match ins.flow {
            Flow::Next | Flow::Trap => next.into_iter().collect(),
            Flow::Branch { target, .. } => {
                let taken = if relocated {
                    self.leaves(ins, None)?
                } else {
                    self.target(ins.offset, target)?
                };
                next.into_iter().chain(taken).collect()
            }
            Flow::Jump { target } => self.target(ins.offset, target)?.into_iter().collect(),
            Flow::Call { target } => {
                let symbol = self.text.symbol(ins, target).unwrap_or_default();
                next.into_iter().filter(|_| !NO_RETURN.contains(&symbol)).collect()
            }
            Flow::Leave if relocated => self.leaves(ins, None)?.into_iter().collect(),
            Flow::Leave => Vec::new(),
        })
    }

    /// The instruction at a branch target; none if the branch leaves the function for good.
    fn target(&self, from: u32, target: i64) -> Result<Option<(usize, bool)>, CodeError> {
        if (0..self.text.code.len() as i64).contains(&target) {
            let index = self.index(target).ok_or(CodeError::Misaligned { from, to: target })?;
            return Ok(Some((index, true)));
        }
        let split = || CodeError::Split { from, to: format!("+{target:#x}") };
        let symbol = self.text.neighbours.get(&target).ok_or_else(split)?;
        self.foreign(from, symbol)
    }

    fn leaves(&self, ins: &Ins, target: Option<i64>) -> Result<Option<(usize, bool)>, CodeError> {
        self.foreign(ins.offset, self.text.symbol(ins, target).unwrap_or_default())
    }

    /// A jump to another function does not come back; one to this function's own cold part may.
    fn foreign(&self, from: u32, symbol: &str) -> Result<Option<(usize, bool)>, CodeError> {
        let own = symbol
            .strip_prefix(base_name(&self.text.name))
            .is_some_and(|rest| rest.starts_with('.'));
        if symbol.is_empty() || own {
            let to = if symbol.is_empty() { "a place without a name" } else { symbol };
            return Err(CodeError::Split { from, to: to.to_owned() });
        }
        Ok(None)
    }

    /// The condition under which an edge is taken: the branch's own for a taken edge, its opposite for
    /// the other; `None` if the edge leaves no conditional branch.
    pub fn condition(&self, edge: Edge) -> Option<Cond> {
        if self.jump_site(edge.from).is_some() {
            return None;
        }
        let Flow::Branch { cond, .. } = self.ins.get(edge.from)?.flow else { return None };
        Some(match (cond, edge.taken) {
            (cond, true) => cond,
            (Cond::Equal, false) => Cond::NotEqual,
            (Cond::NotEqual, false) => Cond::Equal,
            (Cond::Zero { reg, bits }, false) => Cond::NotZero { reg, bits },
            (Cond::NotZero { reg, bits }, false) => Cond::Zero { reg, bits },
            (Cond::Other, false) => Cond::Other,
        })
    }
}

/// A symbol without the suffixes that the compiler appends (`.isra.0`, `.constprop.0`, `.part.0`).
pub fn base_name(symbol: &str) -> &str {
    symbol.split('.').next().unwrap_or(symbol)
}
