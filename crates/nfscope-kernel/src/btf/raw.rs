//! The bytes of one BTF blob: header, type records, strings.
//!
//! Layout (`include/uapi/linux/btf.h`), all little endian on the machines supported here:
//! ```text
//! header  u16 magic 0xeb9f | u8 version | u8 flags | u32 hdr_len | u32 type_off | u32 type_len | u32 str_off | u32 str_len
//!         (offsets count from the header's end)
//! type    u32 name_off | u32 info (vlen 0:16, kind 24:5, kind_flag 31:1) | u32 size or type | kind-specific tail
//! ```
//! Type ids count from 1 in file order. A split BTF (of a module) continues its base's ids and its
//! base's string offsets.

use super::BtfError;

/// Kinds of BTF types that are looked at (`BTF_KIND_*`).
pub(super) mod kind {
    pub const INT: u8 = 1;
    pub const PTR: u8 = 2;
    pub const ARRAY: u8 = 3;
    pub const STRUCT: u8 = 4;
    pub const UNION: u8 = 5;
    pub const ENUM: u8 = 6;
    pub const FWD: u8 = 7;
    pub const TYPEDEF: u8 = 8;
    pub const VOLATILE: u8 = 9;
    pub const CONST: u8 = 10;
    pub const RESTRICT: u8 = 11;
    pub const FUNC: u8 = 12;
    pub const FUNC_PROTO: u8 = 13;
    pub const VAR: u8 = 14;
    pub const DATASEC: u8 = 15;
    pub const FLOAT: u8 = 16;
    pub const DECL_TAG: u8 = 17;
    pub const TYPE_TAG: u8 = 18;
    pub const ENUM64: u8 = 19;
}

/// One type record's fixed part, and where its tail starts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record {
    pub name_off: u32,
    pub kind: u8,
    pub kind_flag: bool,
    pub vlen: u32,
    /// Size in bytes for sized kinds, type id for referring kinds.
    pub size_or_type: u32,
    /// Offset of the kind-specific tail in the blob.
    pub tail: usize,
}

/// A parsed blob: bytes, where each type starts, and a hash index of the names.
#[derive(Debug)]
pub(super) struct Blob {
    bytes: Vec<u8>,
    strings: (usize, usize),
    /// Byte offset of each type, in id order.
    starts: Vec<u32>,
    /// Hash buckets of the types that are looked up by name: first local index + 1, and chains through
    /// `next`, highest index first.
    heads: Vec<u32>,
    next: Vec<u32>,
}

/// The first bytes of a name, zero from its end on. Cheap to take, and good enough as a hash: where many
/// names start alike the chains are long, but few of them are ever walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prefix(u64);

impl Prefix {
    /// Of a name that starts at the beginning of `bytes` and ends at a NUL or with them.
    pub fn of(bytes: &[u8]) -> Self {
        let word = match bytes.first_chunk::<8>() {
            Some(chunk) => u64::from_le_bytes(*chunk),
            None => {
                let mut padded = [0; 8];
                padded[..bytes.len()].copy_from_slice(bytes);
                u64::from_le_bytes(padded)
            }
        };
        // The lowest set bit marks the first zero byte.
        let zeros = word.wrapping_sub(0x0101_0101_0101_0101) & !word & 0x8080_8080_8080_8080;
        match zeros & zeros.wrapping_neg() {
            0 => Self(word),
            first => Self(word & ((first >> 7) - 1)),
        }
    }

    fn bucket(self) -> usize {
        (self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - BUCKET_BITS)) as usize
    }
}

const HEADER: usize = 24;
const BUCKET_BITS: u32 = 14;

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// Size in bytes of the tail of a record.
fn tail_len(kind: u8, vlen: u32) -> Option<usize> {
    let vlen = vlen as usize;
    Some(match kind {
        kind::INT | kind::VAR | kind::DECL_TAG => 4,
        kind::ARRAY => 12,
        kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => vlen * 12,
        kind::ENUM | kind::FUNC_PROTO => vlen * 8,
        kind::PTR
        | kind::FWD
        | kind::TYPEDEF
        | kind::VOLATILE
        | kind::CONST
        | kind::RESTRICT
        | kind::FUNC
        | kind::FLOAT
        | kind::TYPE_TAG => 0,
        _ => return None,
    })
}

impl Blob {
    /// Reads the header and walks the types once. `base` gives names whose offset lies below
    /// `first_string`, in the base's strings.
    pub fn parse(
        bytes: Vec<u8>,
        first_string: u32,
        base: impl Fn(u32) -> Option<Prefix>,
    ) -> Result<Self, BtfError> {
        let short = || BtfError::Malformed { what: "header cut off", at: bytes.len() };
        if u16_at(&bytes, 0).ok_or_else(short)? != 0xeb9f {
            return Err(BtfError::Malformed { what: "no BTF magic", at: 0 });
        }
        let field = |n: usize| u32_at(&bytes, 4 + 4 * n).map(|v| v as usize).ok_or_else(short);
        let (hdr, type_off, type_len, str_off, str_len) =
            (field(0)?, field(1)?, field(2)?, field(3)?, field(4)?);
        if hdr < HEADER {
            return Err(BtfError::Malformed { what: "header too short", at: 4 });
        }
        let types = section(hdr, type_off, type_len, bytes.len())
            .ok_or(BtfError::Malformed { what: "type section beyond the end", at: 8 })?;
        let strings = section(hdr, str_off, str_len, bytes.len())
            .ok_or(BtfError::Malformed { what: "string section beyond the end", at: 16 })?;
        let mut blob = Self {
            bytes,
            strings,
            // Types average 24 to 30 bytes in kernels; one allocation nearly always suffices.
            starts: Vec::with_capacity((types.1 - types.0) / 20),
            heads: vec![0; 1 << BUCKET_BITS],
            next: Vec::with_capacity((types.1 - types.0) / 20),
        };
        blob.walk(types, |blob, offset| match offset.checked_sub(first_string) {
            Some(own) => blob.prefix(own),
            None => base(offset),
        })?;
        Ok(blob)
    }

    fn walk(
        &mut self,
        (start, end): (usize, usize),
        prefix: impl Fn(&Self, u32) -> Option<Prefix>,
    ) -> Result<(), BtfError> {
        let mut at = start;
        while at < end {
            let record = read_record(&self.bytes, at)
                .ok_or(BtfError::Malformed { what: "type record cut off", at })?;
            let tail = tail_len(record.kind, record.vlen)
                .ok_or(BtfError::UnknownKind { kind: record.kind, at })?;
            if record.tail + tail > end {
                return Err(BtfError::Malformed { what: "type record beyond its section", at });
            }
            let mut link = 0;
            if looked_up(&record)
                && let Some(prefix) = prefix(self, record.name_off)
            {
                let head = &mut self.heads[prefix.bucket()];
                link = std::mem::replace(head, self.starts.len() as u32 + 1);
            }
            self.next.push(link);
            self.starts.push(at as u32);
            at = record.tail + tail;
        }
        Ok(())
    }

    /// The first bytes of the string at an offset of this blob's own string section.
    pub fn prefix(&self, offset: u32) -> Option<Prefix> {
        let all = self.bytes.get(self.strings.0..self.strings.1)?;
        all.get(offset as usize..).map(Prefix::of)
    }

    /// Number of types in this blob (its base's not counted).
    pub fn len(&self) -> u32 {
        self.starts.len() as u32
    }

    /// Length of the string section.
    pub fn strings_len(&self) -> u32 {
        (self.strings.1 - self.strings.0) as u32
    }

    /// The record with this local index (0 is the first type of the blob).
    pub fn record(&self, index: u32) -> Option<Record> {
        let at = *self.starts.get(index as usize)? as usize;
        read_record(&self.bytes, at)
    }

    /// The string at an offset of this blob's own string section, without its NUL.
    pub fn string(&self, offset: u32) -> Option<&[u8]> {
        let all = self.bytes.get(self.strings.0..self.strings.1)?;
        let tail = all.get(offset as usize..)?;
        tail.split(|b| *b == 0).next()
    }

    /// A 32-bit word of a record's tail.
    pub fn word(&self, at: usize) -> Option<u32> {
        u32_at(&self.bytes, at)
    }

    /// Local indexes of types whose name may be this one, highest first.
    pub fn candidates(&self, name: &[u8]) -> impl Iterator<Item = u32> + '_ {
        let mut link = self.heads.get(Prefix::of(name).bucket()).copied().unwrap_or(0);
        std::iter::from_fn(move || {
            let index = link.checked_sub(1)?;
            link = self.next.get(index as usize).copied().unwrap_or(0);
            Some(index)
        })
    }
}

/// Kinds that are looked up by name.
fn looked_up(record: &Record) -> bool {
    let kinds = 1 << kind::STRUCT
        | 1 << kind::UNION
        | 1 << kind::ENUM
        | 1 << kind::ENUM64
        | 1 << kind::FUNC
        | 1 << kind::VAR
        | 1 << kind::TYPEDEF;
    kinds >> record.kind & 1 == 1 && record.name_off != 0
}

fn section(hdr: usize, off: usize, len: usize, total: usize) -> Option<(usize, usize)> {
    let start = hdr.checked_add(off)?;
    let end = start.checked_add(len)?;
    (end <= total).then_some((start, end))
}

fn read_record(bytes: &[u8], at: usize) -> Option<Record> {
    let info = u32_at(bytes, at + 4)?;
    Some(Record {
        name_off: u32_at(bytes, at)?,
        kind: ((info >> 24) & 0x1f) as u8,
        kind_flag: info >> 31 == 1,
        vlen: info & 0xffff,
        size_or_type: u32_at(bytes, at + 8)?,
        tail: at + 12,
    })
}
