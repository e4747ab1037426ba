//! Types by id, to walk from one to the next: what a type is made of, what is in it.

use super::raw::{Blob, Record, kind};
use super::{Btf, query};

/// Nesting of types that is followed before the data is taken for a loop.
const DEPTH: u32 = 32;
/// Anonymous members that one listing visits at most, so that damaged data cannot make it endless.
const ANONYMOUS: u32 = 4096;

/// What a type is, behind typedefs and qualifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `void`.
    Void,
    /// A number.
    Int {
        /// Bytes.
        size: u32,
        /// It may be negative.
        signed: bool,
        /// `_Bool`.
        boolean: bool,
    },
    /// A pointer to the type of this id.
    Pointer(u32),
    /// An array.
    Array {
        /// Type id of an element.
        element: u32,
        /// How many.
        length: u32,
    },
    /// A struct or union.
    Composite {
        /// Bytes.
        size: u32,
        /// A union.
        union: bool,
    },
    /// An enum.
    Enum {
        /// Bytes.
        size: u32,
        /// It may be negative.
        signed: bool,
    },
    /// A struct or union of which only the name is known here.
    Forward,
    /// A function.
    Function,
    /// Something else: a floating point number, damaged data.
    Other,
}

/// A named member of a struct or union, as [`Btf::members`] lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Its type.
    pub type_id: u32,
    /// Bits from the start of the struct that was asked.
    pub bits: u32,
    /// Width of a bit field.
    pub width: Option<u32>,
}

/// A word that C has in front of the name of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tag {
    /// `struct`
    Struct,
    /// `union`
    Union,
    /// `enum`
    Enum,
    /// None: the name of a typedef.
    Typedef,
}

impl Btf {
    /// What a type is, behind typedefs and qualifiers.
    pub fn shape(&self, id: u32) -> Shape {
        if id == 0 {
            return Shape::Void;
        }
        let Some(id) = self.plain_or_void(id) else { return Shape::Other };
        let Some((record, blob)) = self.record(id) else { return Shape::Void };
        match record.kind {
            kind::INT => {
                // encoding (bits 24 to 27) of the word behind the record: signed 1, char 2, bool 4
                let encoding = blob.word(record.tail).unwrap_or(0) >> 24 & 0xf;
                let (signed, boolean) = (encoding & 1 == 1, encoding & 4 == 4);
                Shape::Int { size: record.size_or_type, signed, boolean }
            }
            kind::PTR => Shape::Pointer(record.size_or_type),
            kind::ARRAY => array(&record, blob).unwrap_or(Shape::Other),
            kind::STRUCT | kind::UNION => {
                Shape::Composite { size: record.size_or_type, union: record.kind == kind::UNION }
            }
            // an enum without values is the announcement of one
            kind::ENUM => Shape::Enum { size: record.size_or_type, signed: record.kind_flag },
            kind::ENUM64 => Shape::Enum { size: record.size_or_type, signed: record.kind_flag },
            kind::FWD => Shape::Forward,
            kind::FUNC_PROTO => Shape::Function,
            _ => Shape::Other,
        }
    }

    /// Names of the typedefs that stand before the type itself, the outermost first.
    pub fn typedefs(&self, mut id: u32) -> Vec<&str> {
        let mut names = Vec::new();
        for _ in 0..DEPTH {
            let Some((record, _)) = self.record(id).filter(|_| id != 0) else { break };
            match record.kind {
                kind::TYPEDEF => names.push(self.name(record.name_off)),
                kind::CONST | kind::VOLATILE | kind::RESTRICT | kind::TYPE_TAG => {}
                _ => break,
            }
            id = record.size_or_type;
        }
        names
    }

    /// The name behind `struct`, `union` or `enum`, behind typedefs and qualifiers.
    pub fn tag_name(&self, id: u32) -> Option<&str> {
        let (record, _) = self.record(self.plain(id)?)?;
        let tagged = matches!(
            record.kind,
            kind::STRUCT | kind::UNION | kind::ENUM | kind::ENUM64 | kind::FWD
        );
        tagged.then(|| self.name(record.name_off)).filter(|name| !name.is_empty())
    }

    /// Bytes of a value of this type, if it can have one.
    pub fn size_of(&self, id: u32) -> Option<u32> {
        self.type_size(id, DEPTH)
    }

    /// The complete type of a name.
    pub fn named(&self, tag: Tag, name: &str) -> Option<u32> {
        self.find(name, |record| match tag {
            Tag::Struct => record.kind == kind::STRUCT,
            Tag::Union => record.kind == kind::UNION,
            Tag::Enum => matches!(record.kind, kind::ENUM | kind::ENUM64) && record.vlen > 0,
            Tag::Typedef => record.kind == kind::TYPEDEF,
        })
    }

    /// A struct's or union's members that have names, those of its anonymous members among them.
    pub fn members(&self, id: u32) -> Vec<Part> {
        let mut parts = Vec::new();
        let mut fuel = ANONYMOUS;
        if let Some(id) = self.plain(id) {
            self.collect(id, 0, DEPTH, &mut fuel, &mut parts);
        }
        parts
    }

    fn collect(&self, id: u32, base: u32, depth: u32, fuel: &mut u32, parts: &mut Vec<Part>) {
        let Some((record, blob)) = self.record(id) else { return };
        let Some(left) = fuel.checked_sub(1).filter(|_| depth > 0) else { return };
        *fuel = left;
        if !matches!(record.kind, kind::STRUCT | kind::UNION) {
            return;
        }
        for field in query::fields(&record, blob) {
            let Some(bits) = base.checked_add(field.bits) else { return };
            let name = self.name(field.name_off);
            if !name.is_empty() {
                let (type_id, width) = (field.type_id, field.width);
                parts.push(Part { name: name.to_owned(), type_id, bits, width });
            } else if let Some(inner) = self.plain(field.type_id) {
                self.collect(inner, bits, depth - 1, fuel, parts);
            }
        }
    }

    /// Names and values of the enum of this id.
    pub fn enumerators(&self, id: u32) -> Vec<(&str, i64)> {
        let Some((record, blob)) = self.plain(id).and_then(|id| self.record(id)) else {
            return Vec::new();
        };
        if !matches!(record.kind, kind::ENUM | kind::ENUM64) {
            return Vec::new();
        }
        let one = |n| {
            let (name, value) = query::enumerator(&record, blob, n)?;
            Some((self.name(name), value))
        };
        (0..record.vlen as usize).map_while(one).collect()
    }

    /// The value of a name of any enum, if all enums that have it agree.
    pub fn constant(&self, name: &str) -> Option<i64> {
        let mut found = self.base.as_ref().and_then(|base| base.constant(name));
        for index in 0..self.blob.len() {
            let Some(record) = self.blob.record(index) else { continue };
            if !matches!(record.kind, kind::ENUM | kind::ENUM64) {
                continue;
            }
            for n in 0..record.vlen as usize {
                let Some((at, value)) = query::enumerator(&record, &self.blob, n) else { break };
                if self.string(at) == Some(name.as_bytes()) {
                    if found.is_some_and(|other| other != value) {
                        return None;
                    }
                    found = Some(value);
                }
            }
        }
        found
    }

    /// A function's parameters by name and type id, and the type id that it returns.
    pub fn prototype_ids(&self, function: u32) -> Option<(Vec<(String, u32)>, u32)> {
        let (proto, blob) = self.prototype(function)?;
        let parameters = (0..proto.vlen as usize).map(|n| {
            let name = self.name(blob.word(proto.tail + 8 * n)?).to_owned();
            Some((name, blob.word(proto.tail + 8 * n + 4)?))
        });
        Some((parameters.collect::<Option<_>>()?, proto.size_or_type))
    }

    /// Type ids of all structs with a name, of this BTF alone.
    pub fn structs(&self) -> impl Iterator<Item = (u32, &str)> {
        (self.first_id..self.end_id()).filter_map(|id| {
            let (record, _) = self.record(id)?;
            let name = self.name(record.name_off);
            (record.kind == kind::STRUCT && record.vlen > 0 && !name.is_empty())
                .then_some((id, name))
        })
    }

    /// As `plain`, but a typedef of `void` is void.
    fn plain_or_void(&self, mut id: u32) -> Option<u32> {
        for _ in 0..DEPTH {
            if id == 0 {
                return Some(0);
            }
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
}

fn array(record: &Record, blob: &Blob) -> Option<Shape> {
    Some(Shape::Array { element: blob.word(record.tail)?, length: blob.word(record.tail + 8)? })
}
