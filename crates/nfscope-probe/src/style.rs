//! How a field is read and printed: what its format says, else what its type and
//! name say.

use nfscope_kernel::btf::{Btf, Tag};

use crate::ast::{Field, Format, NumberKind, Span};
use crate::error::Mistake;
use crate::formats::MOST_BYTES;
use crate::plan::{Number, Phase, Source};
use crate::scope::Scope;
use crate::tuple::{PacketAt, TupleAt, is_skb, is_sock};
use crate::types::{Form, Type};
use crate::value::Value;

/// Room for text whose length nobody said.
const TEXT: u32 = 128;

/// How a value is printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Style {
    /// A number.
    Decimal,
    /// A number or bytes in base 16.
    Hex,
    /// `true` or `false`.
    Bool,
    /// A number that has names; without one it is printed as it is.
    Names(Vec<(String, i64)>),
    /// An IPv4 address.
    Ip,
    /// An IPv6 address.
    Ip6,
    /// A link address.
    Mac,
    /// Text up to a zero.
    Text,
    /// Numbers of an array.
    List {
        /// Bytes of each.
        size: u32,
        /// They may be negative.
        signed: bool,
        /// They are in network order.
        swap: bool,
        /// How each is printed.
        each: Box<Self>,
    },
    /// A connection's ends, of `struct sock_common`.
    Tuple(TupleAt),
    /// A packet's ends.
    Packet,
}

/// A field, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// As it is written.
    pub label: String,
    /// How it is read.
    pub source: Source,
    /// How it is printed.
    pub style: Style,
    /// When it is read.
    pub phase: Phase,
}

impl Scope<'_> {
    /// How a field is read and printed.
    pub fn reading(&self, field: &Field) -> Result<Reading, Mistake> {
        let label = field.label.clone();
        if self.is_command(&field.expr)? {
            if let Some((format, span)) = &field.format
                && *format != Format::Text(None)
            {
                return Err(Mistake::new(span.clone(), "comm is text and printed as that"));
            }
            let (source, phase) = (Source::Command, Phase::Entry);
            return Ok(Reading { label, source, style: Style::Text, phase });
        }
        let value = self.value(&field.expr)?;
        let phase = value.phase;
        let (source, style) = match &field.format {
            Some((format, span)) => self.formatted(value, format, span)?,
            None => self.unformatted(value, &field.expr.span)?,
        };
        Ok(Reading { label, source, style, phase })
    }

    fn unformatted(&self, value: Value, span: &Span) -> Result<(Source, Style), Mistake> {
        let wrong = |text: String| Mistake::new(span.clone(), text);
        let btf = self.btf;
        match value.ty.form(btf) {
            Form::Number { kind, .. } => {
                let address = value.member.as_deref().is_some_and(|m| m.ends_with("addr"));
                let style = match (&value.names, number_of(&value, span, btf)?.swap) {
                    (names, _) if !names.is_empty() => Style::Names(names.clone()),
                    (_, 32) if address => Style::Ip,
                    _ if kind == NumberKind::Bool => Style::Bool,
                    _ if kind == NumberKind::Unknown => Style::Hex,
                    _ => Style::Decimal,
                };
                Ok((Source::Number(number_of(&value, span, btf)?), style))
            }
            Form::Enum(id, ..) => {
                let names =
                    if value.names.is_empty() { enum_names(btf, id) } else { value.names.clone() };
                Ok((Source::Number(number_of(&value, span, btf)?), Style::Names(names)))
            }
            Form::Pointer(_) => Ok((Source::Number(number_of(&value, span, btf)?), Style::Hex)),
            Form::Array(of, length) => self.array(value, &of, length, span),
            Form::Composite(id, 16) if btf.tag_name(id) == Some("in6_addr") => {
                Ok((Source::Memory { way: value.way, size: 16 }, Style::Ip6))
            }
            Form::Composite(id, _) => {
                let all = value.members(btf);
                let some: Vec<&str> = all.iter().take(8).map(|part| part.name.as_str()).collect();
                let more = if all.len() > some.len() { ", …" } else { "" };
                Err(wrong(format!(
                    "{} is printed by its members: {}{more}; or as :bytes[16]",
                    btf.declaration(id, ""),
                    some.join(", ")
                )))
            }
            Form::Opaque => Err(wrong(format!("{} cannot be printed", value.ty.text(btf)))),
        }
    }

    fn array(
        &self,
        value: Value,
        of: &Type,
        length: u32,
        span: &Span,
    ) -> Result<(Source, Style), Mistake> {
        let wrong = |text: String| Err(Mistake::new(span.clone(), text));
        let btf = self.btf;
        let is_char = matches!(of.form(btf), Form::Number { kind: NumberKind::Char, .. });
        if length == 0 && is_char {
            let (way, user) = (value.way, false);
            return Ok((Source::Text { way, size: TEXT, user }, Style::Text));
        }
        if length == 0 {
            return wrong(
                "how many elements it has is not known: choose some, as in [0..4]".into(),
            );
        }
        let (size, signed, each) = match of.form(btf) {
            Form::Number { size, signed, kind: NumberKind::Bool } => (size, signed, Style::Bool),
            Form::Number { size, signed, .. } => (size, signed, Style::Decimal),
            Form::Enum(id, size, signed) => (size, signed, Style::Names(enum_names(btf, id))),
            Form::Pointer(_) => (8, false, Style::Hex),
            _ => return wrong(format!("of {} only elements can be printed", value.ty.text(btf))),
        };
        let bytes = size.checked_mul(length).filter(|bytes| *bytes <= MOST_BYTES);
        let Some(bytes) = bytes else {
            return wrong(format!("it has {length} elements: choose some, as in [0..16]"));
        };
        let address = value.member.as_deref().is_some_and(|m| m.contains("addr"));
        let source = Source::Memory { way: value.way, size: bytes };
        match (size, length) {
            _ if is_char => return Ok((source, Style::Text)),
            (1, 4) if address => return Ok((source, Style::Ip)),
            (1, 16) if address => return Ok((source, Style::Ip6)),
            _ => {}
        }
        let swap = of.network_order(btf).is_some();
        Ok((source, Style::List { size, signed, swap, each: Box::new(each) }))
    }

    fn formatted(
        &self,
        value: Value,
        format: &Format,
        span: &Span,
    ) -> Result<(Source, Style), Mistake> {
        let wrong = |text: &str| Err(Mistake::new(span.clone(), text));
        let btf = self.btf;
        let form = value.ty.form(btf);
        let is_number = matches!(form, Form::Number { .. } | Form::Enum(..));
        let number = |value: &Value| number_of(value, span, btf);
        let memory = |value: Value, size| -> Result<Source, Mistake> {
            Ok(Source::Memory { way: pointed(value, span, btf)?, size })
        };
        Ok(match format {
            Format::Text(size) => {
                let own = match form {
                    Form::Array(_, length) if length > 0 && size.is_none() => {
                        let size = length.min(MOST_BYTES);
                        return Ok((memory(value, size)?, Style::Text));
                    }
                    _ => size.unwrap_or(TEXT),
                };
                let way = pointed(value, span, btf)?;
                (Source::Text { way, size: own, user: false }, Style::Text)
            }
            Format::User(size) => {
                let word = matches!(form, Form::Pointer(_) | Form::Number { size: 8, .. });
                if !word {
                    return wrong(":user is for a pointer into the process's memory");
                }
                let way = value.loaded().way;
                (Source::Text { way, size: size.unwrap_or(TEXT), user: true }, Style::Text)
            }
            Format::Hex => match form {
                Form::Number { .. } | Form::Enum(..) | Form::Pointer(_) => {
                    (Source::Number(number(&value)?), Style::Hex)
                }
                Form::Array(..) | Form::Composite(..) => {
                    let size = value.ty.size(btf).filter(|n| (1..=MOST_BYTES).contains(n));
                    let Some(size) = size else { return wrong("it is too large: :bytes[16]") };
                    (memory(value, size)?, Style::Hex)
                }
                Form::Opaque => return wrong("it cannot be read"),
            },
            Format::Ip if is_number => match number(&value)? {
                read if read.bits == 32 => (Source::Number(Number { swap: 32, ..read }), Style::Ip),
                _ => return wrong(":ip is for four bytes"),
            },
            Format::Ip => (memory(value, 4)?, Style::Ip),
            Format::Ip6 => (memory(value, 16)?, Style::Ip6),
            Format::Mac => (memory(value, 6)?, Style::Mac),
            Format::Port => match number(&value)? {
                read if read.bits == 16 => (Source::Number(read), Style::Decimal),
                _ => return wrong(":port is for two bytes"),
            },
            Format::Enum(Some(name)) => {
                let Some(id) = btf.named(Tag::Enum, name) else {
                    return wrong("the kernel's type information has no such enum");
                };
                (Source::Number(number(&value)?), Style::Names(enum_names(btf, id)))
            }
            Format::Enum(None) => match form {
                Form::Enum(id, ..) => {
                    (Source::Number(number(&value)?), Style::Names(enum_names(btf, id)))
                }
                _ if !value.names.is_empty() => {
                    (Source::Number(number(&value)?), Style::Names(value.names.clone()))
                }
                _ => return wrong("its type is no enum: say which, :enum[nf_inet_hooks]"),
            },
            Format::Bytes(size) => (memory(value, *size)?, Style::Hex),
            Format::Tuple if is_skb(btf, &form) => {
                let Some(at) = PacketAt::read(btf) else {
                    return wrong("where a packet's headers are is not known here");
                };
                (Source::Packet { way: pointed(value, span, btf)?, at }, Style::Packet)
            }
            Format::Tuple => {
                let (size, at) = match TupleAt::read(btf) {
                    Some(known) if is_sock(btf, &form) => known,
                    _ => {
                        return wrong(
                            ":tuple is for a struct sk_buff *, a struct sock *, or what begins with one",
                        );
                    }
                };
                (memory(value, size)?, Style::Tuple(at))
            }
        })
    }
}

/// The way to what a pointer points to, or to what an array or struct is.
fn pointed(value: Value, span: &Span, btf: &Btf) -> Result<crate::plan::Way, Mistake> {
    match value.ty.form(btf) {
        Form::Pointer(_) | Form::Number { size: 8, .. } => Ok(value.loaded().way),
        Form::Array(..) | Form::Composite(..) if value.memory => Ok(value.way),
        _ => Err(Mistake::new(span.clone(), "this format is for pointers, arrays and structs")),
    }
}

fn number_of(value: &Value, span: &Span, btf: &Btf) -> Result<Number, Mistake> {
    value.number(btf).map_err(|text| Mistake::new(span.clone(), text))
}

fn enum_names(btf: &Btf, id: u32) -> Vec<(String, i64)> {
    btf.enumerators(id).into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
