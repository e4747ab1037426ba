//! Types of values: the kernel's, and those that only a cast names.

use nfscope_kernel::btf::{Btf, Shape, Tag};

use crate::ast::{BaseName, NumberKind, TypeName};
use crate::error::Mistake;
use crate::parse::Parser;
use crate::scope::RecordField;
use crate::type_names::type_name;

/// A type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// One of the kernel's, by its id.
    Id(u32),
    /// A number.
    Number {
        /// Bytes.
        size: u32,
        /// It may be negative.
        signed: bool,
        /// What it stands for.
        kind: NumberKind,
    },
    /// A pointer; `None`: to nobody knows what.
    Pointer(Option<Box<Self>>),
    /// An array.
    Array(Box<Self>, u32),
}

/// What a type is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// A number.
    Number {
        /// Bytes.
        size: u32,
        /// It may be negative.
        signed: bool,
        /// What it stands for.
        kind: NumberKind,
    },
    /// An enum: its id, bytes, whether it may be negative.
    Enum(u32, u32, bool),
    /// A pointer to that.
    Pointer(Option<Type>),
    /// An array of those.
    Array(Type, u32),
    /// A struct or union: its id and bytes.
    Composite(u32, u32),
    /// What can neither be read nor followed.
    Opaque,
}

impl Type {
    /// A number that stands for itself, of so many bytes.
    pub const fn plain(size: u32, signed: bool) -> Self {
        Self::Number { size, signed, kind: NumberKind::Plain }
    }

    /// What it is.
    pub fn form(&self, btf: &Btf) -> Form {
        let id = match self {
            Self::Id(id) => *id,
            Self::Number { size, signed, kind } => {
                return Form::Number { size: *size, signed: *signed, kind: *kind };
            }
            Self::Pointer(to) => return Form::Pointer(to.as_deref().cloned()),
            Self::Array(of, length) => return Form::Array((**of).clone(), *length),
        };
        match btf.shape(id) {
            Shape::Int { size, signed, boolean } if size <= 8 => {
                let kind = match size {
                    _ if boolean => NumberKind::Bool,
                    1 if is_char(btf, id) => NumberKind::Char,
                    _ => NumberKind::Plain,
                };
                Form::Number { size, signed, kind }
            }
            Shape::Enum { size, signed } => Form::Enum(id, size, signed),
            Shape::Pointer(to) if matches!(btf.shape(to), Shape::Void) => Form::Pointer(None),
            Shape::Pointer(to) => Form::Pointer(Some(Self::Id(to))),
            Shape::Array { element, length } => Form::Array(Self::Id(element), length),
            Shape::Composite { size, .. } => Form::Composite(id, size),
            Shape::Forward => btf
                .tag_name(id)
                .and_then(|name| {
                    let whole = |tag| btf.named(tag, name);
                    let id = whole(Tag::Struct).or_else(|| whole(Tag::Union))?;
                    Some(Form::Composite(id, btf.size_of(id)?))
                })
                .unwrap_or(Form::Opaque),
            _ => Form::Opaque,
        }
    }

    /// Bytes of a value.
    pub fn size(&self, btf: &Btf) -> Option<u32> {
        match self.form(btf) {
            Form::Number { size, .. } | Form::Enum(_, size, _) | Form::Composite(_, size) => {
                Some(size)
            }
            Form::Pointer(_) => Some(8),
            Form::Array(of, length) => of.size(btf)?.checked_mul(length),
            Form::Opaque => None,
        }
    }

    /// Bits, if its numbers are in network order.
    pub fn network_order(&self, btf: &Btf) -> Option<u32> {
        let Self::Id(id) = self else { return None };
        let names = btf.typedefs(*id);
        let of = |(name, bits): &(&str, u32)| names.contains(name).then_some(*bits);
        [("__be16", 16), ("__be32", 32), ("__be64", 64)].iter().find_map(of)
    }

    /// As C has it.
    pub fn text(&self, btf: &Btf) -> String {
        match self {
            Self::Id(id) => btf.declaration(*id, ""),
            Self::Number { kind: NumberKind::Char, .. } => "char".into(),
            Self::Number { kind: NumberKind::Bool, .. } => "bool".into(),
            Self::Number { size, signed, .. } => {
                format!("{}{}", if *signed { 's' } else { 'u' }, size * 8)
            }
            Self::Pointer(None) => "void *".into(),
            Self::Pointer(Some(to)) => format!("{} *", to.text(btf)),
            Self::Array(of, length) => format!("{}[{length}]", of.text(btf)),
        }
    }

    /// The type that a cast names.
    pub fn named(btf: &Btf, name: &TypeName) -> Result<Self, Mistake> {
        let base = match &name.base {
            BaseName::Void => None,
            BaseName::Number { size, signed, kind } => {
                Some(Self::Number { size: *size, signed: *signed, kind: *kind })
            }
            BaseName::Tagged(tag, word) => Some(find(btf, *tag, word, name)?),
            BaseName::Named(word) => Some(find(btf, Tag::Typedef, word, name)?),
        };
        let mut ty = match (base, name.stars) {
            (Some(ty), 0) => return Ok(ty),
            (None, 0) => return Err(Mistake::new(name.span.clone(), "void has no values")),
            (base, _) => Self::Pointer(base.map(Box::new)),
        };
        for _ in 1..name.stars {
            ty = Self::Pointer(Some(Box::new(ty)));
        }
        Ok(ty)
    }

    /// The type of a tracepoint's field: what its name says if that is known and
    /// fits, else a number or bytes.
    pub fn of_record(btf: &Btf, field: &RecordField) -> Self {
        let text = field.type_name.strip_prefix("__data_loc ").unwrap_or(&field.type_name);
        let located = text.len() < field.type_name.len();
        let (text, array) = match text.split_once('[') {
            Some((text, _)) => (text, true),
            None => (text, false),
        };
        let parsed = Parser::new(text).and_then(|mut parser| {
            let name = type_name(&mut parser)?;
            Self::named(btf, &name)
        });
        let known = parsed.ok().and_then(|ty| Some((ty.size(btf)?, ty)));
        let scalar = |ty: &Self| matches!(ty.form(btf), Form::Number { .. } | Form::Enum(..));
        match known {
            Some((size, ty)) if located && size > 0 => Self::Array(Box::new(ty), 0),
            Some((size, ty)) if array && size > 0 && field.size.is_multiple_of(size) => {
                Self::Array(Box::new(ty), field.size / size)
            }
            Some((size, ty)) if size == field.size => ty,
            // arguments of system calls have a word each; the number is in its lower bytes
            Some((size, ty)) if !array && !located && size < field.size && scalar(&ty) => ty,
            _ if text.contains('*') && field.size == 8 => Self::Pointer(None),
            _ if located => Self::Array(Box::new(Self::plain(1, false)), 0),
            _ if !array && [1, 2, 4, 8].contains(&field.size) => {
                Self::plain(field.size, field.signed)
            }
            _ => Self::Array(Box::new(Self::plain(1, false)), field.size),
        }
    }
}

/// Whether the type is C's `char`, signed or not: `u8` is a number.
fn is_char(btf: &Btf, id: u32) -> bool {
    let text = btf.declaration(id, "");
    text.trim_start_matches("const ").trim_start_matches("volatile ") == "char"
}

fn find(btf: &Btf, tag: Tag, word: &str, name: &TypeName) -> Result<Type, Mistake> {
    if let Some(id) = btf.named(tag, word) {
        return Ok(Type::Id(id));
    }
    let what = match tag {
        Tag::Struct => "struct ",
        Tag::Union => "union ",
        Tag::Enum => "enum ",
        Tag::Typedef => "type ",
    };
    let known = match tag {
        Tag::Struct => {
            let own = btf.structs().map(|(_, name)| name.to_owned());
            own.chain(btf.kernel().structs().map(|(_, name)| name.to_owned())).collect()
        }
        _ => Vec::new(),
    };
    let text = format!("the kernel's type information has no {what}{word}");
    Err(Mistake::unknown(name.span.clone(), text, word, known))
}
