//! LZMA, as LZMA2 chunks carry it (the LZMA specification in the LZMA SDK).

use super::XzError;

const STATES: usize = 12;
const POSITIONS: usize = 16;
const INITIAL: u16 = 1024;

/// Reads bits whose probabilities adapt.
struct Range<'a> {
    bytes: &'a [u8],
    at: usize,
    range: u32,
    code: u32,
}

impl<'a> Range<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, XzError> {
        let start: &[u8; 5] = bytes.first_chunk().ok_or(XzError::Truncated)?;
        if start[0] != 0 {
            return Err(XzError::Damaged("a chunk does not start with zero"));
        }
        let code = u32::from_be_bytes([start[1], start[2], start[3], start[4]]);
        Ok(Self { bytes, at: 5, range: u32::MAX, code })
    }

    #[inline(always)]
    fn normalize(&mut self) {
        if self.range < 1 << 24 {
            self.range <<= 8;
            // Reading beyond the end gives zeros; `at` tells afterwards that it happened.
            let byte = self.bytes.get(self.at).copied().unwrap_or(0);
            self.code = self.code << 8 | u32::from(byte);
            self.at += 1;
        }
    }

    #[inline(always)]
    fn bit(&mut self, probability: &mut u16) -> usize {
        self.normalize();
        let bound = (self.range >> 11) * u32::from(*probability);
        if self.code < bound {
            self.range = bound;
            *probability += (2048 - *probability) >> 5;
            0
        } else {
            self.range -= bound;
            self.code -= bound;
            *probability -= *probability >> 5;
            1
        }
    }

    /// Bits of equal probability.
    #[inline(always)]
    fn direct(&mut self, count: u32) -> u32 {
        let mut value = 0;
        for _ in 0..count {
            self.normalize();
            self.range >>= 1;
            let above = self.code >= self.range;
            if above {
                self.code -= self.range;
            }
            value = value << 1 | u32::from(above);
        }
        value
    }

    /// A number of log2(N) bits, highest first.
    #[inline(always)]
    fn tree<const N: usize>(&mut self, tree: &mut [u16; N]) -> usize {
        let mut node = 1;
        while node < N {
            node = node << 1 | self.bit(&mut tree[node]);
        }
        node - N
    }

    /// A number of `bits` bits, lowest first.
    #[inline(always)]
    fn reverse(&mut self, tree: &mut [u16], bits: u32) -> usize {
        let (mut node, mut value) = (1, 0);
        for n in 0..bits {
            let Some(probability) = tree.get_mut(node) else { return value };
            let bit = self.bit(probability);
            node = node << 1 | bit;
            value |= bit << n;
        }
        value
    }
}

/// Probabilities of a length.
struct Length {
    choice: [u16; 2],
    low: [[u16; 8]; POSITIONS],
    middle: [[u16; 8]; POSITIONS],
    high: [u16; 256],
}

impl Length {
    fn new() -> Self {
        Self {
            choice: [INITIAL; 2],
            low: [[INITIAL; 8]; POSITIONS],
            middle: [[INITIAL; 8]; POSITIONS],
            high: [INITIAL; 256],
        }
    }

    fn read(&mut self, range: &mut Range, position: usize) -> usize {
        if range.bit(&mut self.choice[0]) == 0 {
            2 + range.tree(&mut self.low[position])
        } else if range.bit(&mut self.choice[1]) == 0 {
            10 + range.tree(&mut self.middle[position])
        } else {
            18 + range.tree(&mut self.high)
        }
    }
}

/// All probabilities that a state reset sets back.
struct Model {
    is_match: [[u16; POSITIONS]; STATES],
    is_rep: [u16; STATES],
    is_rep0: [u16; STATES],
    is_rep1: [u16; STATES],
    is_rep2: [u16; STATES],
    is_long_rep0: [[u16; POSITIONS]; STATES],
    slots: [[u16; 64]; 4],
    special: [u16; 128],
    align: [u16; 16],
    match_len: Length,
    rep_len: Length,
    literals: [[u16; 0x300]; 16],
}

impl Model {
    fn new() -> Self {
        Self {
            is_match: [[INITIAL; POSITIONS]; STATES],
            is_rep: [INITIAL; STATES],
            is_rep0: [INITIAL; STATES],
            is_rep1: [INITIAL; STATES],
            is_rep2: [INITIAL; STATES],
            is_long_rep0: [[INITIAL; POSITIONS]; STATES],
            slots: [[INITIAL; 64]; 4],
            special: [INITIAL; 128],
            align: [INITIAL; 16],
            match_len: Length::new(),
            rep_len: Length::new(),
            literals: [[INITIAL; 0x300]; 16],
        }
    }

    fn distance(&mut self, range: &mut Range, len: usize) -> usize {
        let slot = range.tree(&mut self.slots[len.saturating_sub(2).min(3)]);
        if slot < 4 {
            return slot;
        }
        let bits = (slot >> 1) as u32 - 1;
        let base = (2 | slot & 1) << bits;
        if slot < 14 {
            // Each slot's tree follows the one before; its root is not used.
            let tree = self.special.get_mut(base - slot..).unwrap_or_default();
            return base + range.reverse(tree, bits);
        }
        let high = range.direct(bits - 4) as usize;
        base + (high << 4) + range.reverse(&mut self.align, 4)
    }
}

/// A decoder between chunks.
pub(super) struct Decoder {
    model: Box<Model>,
    state: usize,
    reps: [usize; 4],
    literal_context: u32,
    literal_position: usize,
    position: usize,
}

impl Decoder {
    pub fn new() -> Self {
        Self {
            model: Box::new(Model::new()),
            state: 0,
            reps: [0; 4],
            literal_context: 0,
            literal_position: 0,
            position: 0,
        }
    }

    /// Forgets what was learnt.
    pub fn reset(&mut self) {
        *self.model = Model::new();
        self.state = 0;
        self.reps = [0; 4];
    }

    /// Sets the properties byte, `(pb * 5 + lp) * 9 + lc`, and resets.
    pub fn properties(&mut self, byte: u8) -> Result<(), XzError> {
        let (context, rest) = (u32::from(byte % 9), byte / 9);
        let (literal, position) = (rest % 5, rest / 5);
        if position > 4 || context + u32::from(literal) > 4 {
            return Err(XzError::Damaged("unknown LZMA properties"));
        }
        self.literal_context = context;
        self.literal_position = (1 << literal) - 1;
        self.position = (1 << position) - 1;
        self.reset();
        Ok(())
    }

    /// Decodes `len` bytes behind `out`; distances reach back to `window` at most.
    pub fn chunk(
        &mut self,
        packed: &[u8],
        out: &mut Vec<u8>,
        window: usize,
        len: usize,
    ) -> Result<(), XzError> {
        let mut range = Range::new(packed)?;
        let range = &mut range;
        let end = out.len() + len;
        let model = &mut *self.model;
        let (mut state, mut reps) = (self.state, self.reps);
        while out.len() < end {
            let at = out.len() - window;
            let position = at & self.position & (POSITIONS - 1);
            if range.bit(&mut model.is_match[state][position]) == 0 {
                let before = if at > 0 { out.last().copied().unwrap_or(0) } else { 0 };
                let low = (at & self.literal_position) << self.literal_context;
                let context = low | usize::from(before) >> (8 - self.literal_context);
                let probabilities = &mut model.literals[context & 15];
                let byte = if state < 7 {
                    literal(range, probabilities)
                } else {
                    let matched = back(out, window, reps[0])?;
                    matched_literal(range, probabilities, matched)
                };
                out.push(byte);
                state = match state {
                    0..4 => 0,
                    4..10 => state - 3,
                    _ => state - 6,
                };
                continue;
            }
            let count;
            if range.bit(&mut model.is_rep[state]) == 0 {
                count = model.match_len.read(range, position);
                let distance = model.distance(range, count);
                reps = [distance, reps[0], reps[1], reps[2]];
                state = if state < 7 { 7 } else { 10 };
            } else if range.bit(&mut model.is_rep0[state]) == 0 {
                if range.bit(&mut model.is_long_rep0[state][position]) == 0 {
                    out.push(back(out, window, reps[0])?);
                    state = if state < 7 { 9 } else { 11 };
                    continue;
                }
                count = model.rep_len.read(range, position);
                state = if state < 7 { 8 } else { 11 };
            } else {
                let which = if range.bit(&mut model.is_rep1[state]) == 0 {
                    1
                } else {
                    2 + range.bit(&mut model.is_rep2[state])
                };
                reps[..=which].rotate_right(1);
                count = model.rep_len.read(range, position);
                state = if state < 7 { 8 } else { 11 };
            }
            repeat(out, window, reps[0], count.min(end - out.len()))?;
        }
        (self.state, self.reps) = (state, reps);
        range.normalize();
        if range.at > packed.len() { Err(XzError::Truncated) } else { Ok(()) }
    }
}

fn literal(range: &mut Range, probabilities: &mut [u16; 0x300]) -> u8 {
    let mut symbol = 1;
    while symbol < 0x100 {
        symbol = symbol << 1 | range.bit(&mut probabilities[symbol]);
    }
    symbol as u8
}

/// Behind a match the byte that a longer match would have given helps to predict.
fn matched_literal(range: &mut Range, probabilities: &mut [u16; 0x300], matched: u8) -> u8 {
    let (mut symbol, mut matched, mut offset) = (1, usize::from(matched), 0x100);
    while symbol < 0x100 {
        matched <<= 1;
        let expected = matched & offset;
        let bit = range.bit(&mut probabilities[(offset + expected + symbol) % 0x300]);
        symbol = symbol << 1 | bit;
        offset &= if bit == 1 { matched } else { !matched };
    }
    symbol as u8
}

/// The byte `distance + 1` back.
fn back(out: &[u8], window: usize, distance: usize) -> Result<u8, XzError> {
    let from = out.len().checked_sub(distance + 1).filter(|from| *from >= window);
    from.and_then(|from| out.get(from).copied()).ok_or(XzError::Damaged("a distance is too long"))
}

/// Repeats `count` bytes from `distance + 1` back.
fn repeat(out: &mut Vec<u8>, window: usize, distance: usize, count: usize) -> Result<(), XzError> {
    let from = out.len().checked_sub(distance + 1).filter(|from| *from >= window);
    let from = from.ok_or(XzError::Damaged("a distance is too long"))?;
    let mut left = count;
    // A repetition may overlap itself: what is there, then twice that, and so on.
    while left > 0 {
        let part = left.min(out.len() - from);
        out.extend_from_within(from..from + part);
        left -= part;
    }
    Ok(())
}
