//! What the program saw of the stack.

use crate::reader::Reader;

/// `PART_SEEN` of `parts.h`
const PART_SEEN: u32 = 4;
/// `SEEN_WORDS`
pub const WORDS: usize = 160;
/// `SEEN_BELOW`: the anchor is the word of this number.
pub const ANCHOR: usize = 96;
/// `SEEN_BEHIND`
const BEHIND: usize = 96;
const NAME: usize = 64;

/// `struct seen`: the stack while one packet was freed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Address of the skb.
    pub skb: u64,
    /// Where it was freed.
    pub location: u64,
    /// The location as the kernel prints it: `nft_do_chain+0x3fe/0x6d0 [nf_tables]`.
    pub name: String,
    /// The stack, from the lowest address on.
    pub words: Vec<u64>,
    /// Memory where each of the words points to.
    behind: Vec<u8>,
}

impl Seen {
    /// Reads a record; `None` if it is not one.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        if reader.u32()? != PART_SEEN {
            return None;
        }
        reader.take(4)?;
        Some(Self {
            skb: reader.u64()?,
            location: reader.u64()?,
            name: reader.name(NAME)?,
            words: (0..WORDS).map(|_| reader.u64()).collect::<Option<_>>()?,
            behind: reader.take(WORDS * BEHIND)?.to_vec(),
        })
    }

    /// A stack of zeros, to be filled.
    #[cfg(test)]
    pub fn empty(skb: u64, location: u64, name: &str) -> Self {
        let (words, behind) = (vec![0; WORDS], vec![0; WORDS * BEHIND]);
        Self { skb, location, name: name.into(), words, behind }
    }

    /// Puts an address on the stack, with a word of what it points to.
    #[cfg(test)]
    pub fn put(&mut self, n: usize, address: u64, offset: u32, word: u64) {
        self.words[n] = address;
        let at = n * BEHIND + offset as usize;
        self.behind[at..at + 8].copy_from_slice(&word.to_ne_bytes());
    }

    /// The eight bytes at an offset from where the `n`th word points to.
    pub fn pointed(&self, n: usize, offset: u32) -> Option<u64> {
        let memory = self.behind.as_chunks::<BEHIND>().0.get(n)?;
        let start = offset as usize;
        Some(u64::from_ne_bytes(memory.get(start..start.checked_add(8)?)?.try_into().ok()?))
    }

    /// Two bytes of the stack.
    pub fn half_word(&self, at: usize) -> Option<[u8; 2]> {
        let word = self.words.get(at / 8)?.to_ne_bytes();
        word.get(at % 8..at % 8 + 2)?.try_into().ok()
    }
}
