//! Questions to the type information: members, sizes, parameters, enum values.

use super::Btf;
use super::raw::{Blob, Record, kind};

/// Nesting of types that is followed before the data is taken for a loop.
const DEPTH: u32 = 32;

/// Anonymous members that one search visits at most, so that damaged data cannot make it endless.
const ANONYMOUS: u32 = 4096;

/// Where a member lies in its struct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Byte that holds the member's first bit, from the start of the outermost struct.
    pub byte_offset: u32,
    /// First bit inside that byte (0 unless a bit field).
    pub bit_offset: u32,
    /// Width in bits, of a bit field or of the whole type.
    pub bit_size: u32,
    /// Declared as a bit field.
    pub bitfield: bool,
}

impl Member {
    /// Size in bytes, rounded up.
    pub fn size(&self) -> u32 {
        self.bit_size.div_ceil(8)
    }

    /// Bits from the start of the outermost struct.
    pub fn bits(&self) -> u32 {
        self.byte_offset * 8 + self.bit_offset
    }
}

/// What a type id can be asked for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A complete struct.
    Struct,
    /// A function, by its own name.
    Function,
    /// A variable; of the kernel's, BTF lists those of each CPU.
    Variable,
    /// A typedef.
    Typedef,
}

/// One raw member of a struct: name offset, type id, bits from the struct's start, bit-field width.
pub(super) struct Field {
    pub name_off: u32,
    pub type_id: u32,
    pub bits: u32,
    pub width: Option<u32>,
}

/// Name offset and value of one of an enum's names.
pub(super) fn enumerator(record: &Record, blob: &Blob, n: usize) -> Option<(u32, i64)> {
    let wide = record.kind == kind::ENUM64;
    let at = record.tail + n * if wide { 12 } else { 8 };
    let low = blob.word(at + 4)?;
    let value = if wide {
        ((u64::from(blob.word(at + 8)?) << 32) | u64::from(low)) as i64
    } else if record.kind_flag {
        // kind_flag marks a signed enum.
        i64::from(low as i32)
    } else {
        i64::from(low)
    };
    Some((blob.word(at)?, value))
}

pub(super) fn fields<'a>(record: &Record, blob: &'a Blob) -> impl Iterator<Item = Field> + 'a {
    let (tail, flag) = (record.tail, record.kind_flag);
    (0..record.vlen as usize).map_while(move |n| {
        let at = tail + 12 * n;
        let raw = blob.word(at + 8)?;
        // With kind_flag the offset word holds the bit-field width in its top byte.
        let (bits, width) = if flag { (raw & 0xff_ffff, raw >> 24) } else { (raw, 0) };
        Some(Field {
            name_off: blob.word(at)?,
            type_id: blob.word(at + 4)?,
            bits,
            width: (width != 0).then_some(width),
        })
    })
}

fn composite(record: &Record) -> bool {
    matches!(record.kind, kind::STRUCT | kind::UNION)
}

impl Btf {
    /// Whether a complete struct or union of this name is known.
    pub fn has_struct(&self, name: &str) -> bool {
        self.find(name, composite).is_some()
    }

    /// Whether the kernel attaches one program to many functions at a time (5.18,
    /// `CONFIG_FPROBE`): both halves of it are functions.
    pub fn has_kprobe_multi(&self) -> bool {
        let has = |name| self.kernel().id(name, Kind::Function).is_some();
        has("register_fprobe_ips") && has("bpf_kprobe_multi_link_attach")
    }

    /// The type id of a name (`BTF_KIND_*` decides which of the types of that name).
    pub fn id(&self, name: &str, kind: Kind) -> Option<u32> {
        let number = match kind {
            Kind::Struct => kind::STRUCT,
            Kind::Function => kind::FUNC,
            Kind::Variable => kind::VAR,
            Kind::Typedef => kind::TYPEDEF,
        };
        self.find(name, |record| record.kind == number)
    }

    /// Size of a struct or union in bytes.
    pub fn struct_size(&self, name: &str) -> Option<u32> {
        let (record, _) = self.record(self.find(name, composite)?)?;
        Some(record.size_or_type)
    }

    /// A member by path (`"ops.priority"`), through nested and anonymous structs and unions. Pointers are
    /// not followed.
    pub fn member(&self, struct_name: &str, path: &str) -> Option<Member> {
        let mut id = self.find(struct_name, composite)?;
        let mut bits = 0u32;
        let mut width = None;
        for name in path.split('.') {
            let mut fuel = ANONYMOUS;
            let field = self.field(self.plain(id)?, name, DEPTH, &mut fuel)?;
            bits = bits.checked_add(field.bits)?;
            width = field.width;
            id = field.type_id;
        }
        let bit_size = match width {
            Some(width) => width,
            None => self.type_size(id, DEPTH)?.checked_mul(8)?,
        };
        Some(Member {
            byte_offset: bits / 8,
            bit_offset: bits % 8,
            bit_size,
            bitfield: width.is_some(),
        })
    }

    /// Byte offset of a member that is not a bit field.
    pub fn offset(&self, struct_name: &str, path: &str) -> Option<u32> {
        let member = self.member(struct_name, path)?;
        (!member.bitfield).then_some(member.byte_offset)
    }

    /// Names and types (as C text) of a function's parameters, or of a tracepoint's, by the name of its
    /// typedef `btf_trace_NAME` (whose first parameter is the tracepoint's own data).
    pub fn func_params(&self, name: &str) -> Option<Vec<(String, String)>> {
        let id = self.find(name, |r| matches!(r.kind, kind::FUNC | kind::TYPEDEF))?;
        let mut id = id;
        for _ in 0..DEPTH {
            let (record, blob) = self.record(id)?;
            match record.kind {
                kind::FUNC_PROTO => return self.params(&record, blob),
                kind::FUNC
                | kind::TYPEDEF
                | kind::PTR
                | kind::CONST
                | kind::VOLATILE
                | kind::RESTRICT
                | kind::TYPE_TAG => id = record.size_or_type,
                _ => return None,
            }
        }
        None
    }

    /// Names and values of an enum, in the order of its declaration.
    pub fn enum_values(&self, name: &str) -> Option<Vec<(String, i64)>> {
        let id = self.find(name, |r| matches!(r.kind, kind::ENUM | kind::ENUM64) && r.vlen > 0)?;
        let (record, blob) = self.record(id)?;
        (0..record.vlen as usize)
            .map(|n| {
                let (name, value) = enumerator(&record, blob, n)?;
                Some((self.name(name).to_owned(), value))
            })
            .collect()
    }

    fn params(&self, record: &Record, blob: &Blob) -> Option<Vec<(String, String)>> {
        (0..record.vlen as usize)
            .map(|n| {
                let name = self.name(blob.word(record.tail + 8 * n)?);
                let id = blob.word(record.tail + 8 * n + 4)?;
                Some((name.to_owned(), self.type_text(id)))
            })
            .collect()
    }

    /// A member of the struct `id`, also inside its anonymous members; its bits count from `id`'s start.
    fn field(&self, id: u32, name: &str, depth: u32, fuel: &mut u32) -> Option<Field> {
        let (record, blob) = self.record(id)?;
        if !composite(&record) || depth == 0 {
            return None;
        }
        *fuel = fuel.checked_sub(1)?;
        for field in fields(&record, blob) {
            if field.name_off == 0 {
                let inner =
                    self.plain(field.type_id).and_then(|id| self.field(id, name, depth - 1, fuel));
                if let Some(mut inner) = inner {
                    inner.bits = inner.bits.checked_add(field.bits)?;
                    return Some(inner);
                }
            } else if self.string(field.name_off) == Some(name.as_bytes()) {
                return Some(field);
            }
        }
        None
    }

    /// Follows typedefs and qualifiers to the type itself.
    pub(super) fn plain(&self, mut id: u32) -> Option<u32> {
        for _ in 0..DEPTH {
            let (record, _) = self.record(id)?;
            match record.kind {
                kind::TYPEDEF | kind::CONST | kind::VOLATILE | kind::RESTRICT | kind::TYPE_TAG => {
                    id = record.size_or_type;
                }
                _ => return Some(id),
            }
        }
        None
    }

    pub(super) fn type_size(&self, id: u32, depth: u32) -> Option<u32> {
        let (record, blob) = self.record(self.plain(id)?)?;
        match record.kind {
            kind::INT | kind::STRUCT | kind::UNION | kind::ENUM | kind::ENUM64 | kind::FLOAT => {
                Some(record.size_or_type)
            }
            kind::PTR => Some(8),
            kind::ARRAY if depth > 0 => {
                let count = blob.word(record.tail + 8)?;
                self.type_size(blob.word(record.tail)?, depth - 1)?.checked_mul(count)
            }
            _ => None,
        }
    }
}
