//! Values on their way from a name to what is read: members, elements, casts.

use nfscope_kernel::btf::{Btf, Part};

use crate::ast::{BaseName, Expr, Node, Span, TypeName};
use crate::error::Mistake;
use crate::names;
use crate::plan::{Number, Phase, Start, Step, Way};
use crate::scope::Scope;
use crate::types::{Form, Type};

/// Something that can be read or followed.
#[derive(Debug, Clone)]
pub struct Value {
    /// To it, or to its address.
    pub way: Way,
    /// Its type.
    pub ty: Type,
    /// The way leads to its address.
    pub memory: bool,
    /// Its first bit there, and how many they are, of a bit field.
    pub bitfield: Option<(u32, u32)>,
    /// When it can be read.
    pub phase: Phase,
    /// Names of its values.
    pub names: Vec<(String, i64)>,
    /// The member of a struct that it is.
    pub member: Option<String>,
}

/// Bits of the word that one read fills.
const WORD_BITS: u32 = 64;

impl Scope<'_> {
    /// What an expression stands for; `None`: it is a name that is not known here.
    pub fn value(&self, expr: &Expr) -> Result<Value, Mistake> {
        let span = &expr.span;
        match &expr.node {
            Node::Name(name) => match self.name(name, span)? {
                Some(named) => Ok(Value {
                    way: Way::of(named.start),
                    ty: named.ty,
                    memory: named.memory,
                    bitfield: None,
                    phase: named.phase,
                    names: named.names,
                    member: Some(name.clone()),
                }),
                None => Err(self.unknown(name, span.clone())),
            },
            Node::Register(name) => self.register(name, span),
            Node::Member(of, name) => {
                // the name stands at the end
                let at = span.end - name.len()..span.end;
                self.member(self.value(of)?, name, &of.span, &at)
            }
            Node::Index(of, index) => self.element(self.value(of)?, *index, None, span),
            Node::Slice(of, from, to) => self.element(self.value(of)?, *from, Some(*to), span),
            Node::Deref(of) => {
                let value = self.value(of)?;
                match value.ty.form(self.btf) {
                    Form::Pointer(Some(to)) => Ok(value.follow(to)),
                    Form::Pointer(None) => Err(Mistake::new(
                        span.clone(),
                        "void * points to nobody knows what; give it a type: *(u32 *)…",
                    )),
                    _ => Err(self.no_pointer(&value, &of.span)),
                }
            }
            Node::Address(of) => {
                let value = self.value(of)?;
                if !value.memory || value.bitfield.is_some() {
                    return Err(Mistake::new(span.clone(), "it has no address"));
                }
                let ty = Type::Pointer(Some(Box::new(value.ty.clone())));
                Ok(Value { ty, memory: false, names: Vec::new(), ..value })
            }
            Node::Cast(to, of) => self.cast(to, of),
            Node::Container(of, outer, path) => self.container(of, outer, path, span),
            Node::Number(_) | Node::Text(_) => {
                Err(Mistake::new(span.clone(), "a field was expected, not a constant"))
            }
            Node::Not(_) | Node::Binary(..) => {
                let text = "a field was expected, not a condition: conditions stand behind if";
                Err(Mistake::new(span.clone(), text))
            }
        }
    }

    fn register(&self, name: &str, span: &Span) -> Result<Value, Mistake> {
        let Some(at) = self.machine.register(name).filter(|_| !self.is_record()) else {
            let known = self.machine.names();
            let text = if self.is_record() {
                "a tracepoint has no registers".to_owned()
            } else {
                format!("{name} is no register; there are {}", known.join(", "))
            };
            return Err(Mistake::unknown(span.clone(), text, name, known));
        };
        Ok(Value {
            way: Way::of(Start::Register(at)),
            ty: Type::plain(8, false),
            memory: false,
            bitfield: None,
            phase: Phase::Entry,
            names: Vec::new(),
            member: None,
        })
    }

    fn is_record(&self) -> bool {
        matches!(self.place, crate::scope::Place::Record(_))
    }

    fn member(&self, value: Value, name: &str, of: &Span, at: &Span) -> Result<Value, Mistake> {
        let (mut value, ty) = match value.ty.form(self.btf) {
            Form::Pointer(Some(to)) => {
                let followed = value.follow(to);
                let ty = followed.ty.clone();
                (followed, ty)
            }
            _ => (value.clone(), value.ty),
        };
        let Form::Composite(id, _) = ty.form(self.btf) else {
            return Err(Mistake::new(
                of.clone(),
                match ty.form(self.btf) {
                    Form::Pointer(None) => {
                        "void * has no members; give it a type: ((struct sock *)…)".to_owned()
                    }
                    Form::Number { size: 8, .. } => format!(
                        "{} has no members; a cast gives it a type: ((struct sock *)…)",
                        ty.text(self.btf)
                    ),
                    Form::Opaque => {
                        format!("what is in {} is not known here", ty.text(self.btf))
                    }
                    _ => format!("{} has no members", ty.text(self.btf)),
                },
            ));
        };
        let parts = self.btf.members(id);
        let Some(part) = parts.iter().find(|part| part.name == name) else {
            let known = parts.into_iter().map(|part| part.name).collect();
            let text = format!("{} has no member {name}", self.btf.declaration(id, ""));
            return Err(Mistake::unknown(at.clone(), text, name, known));
        };
        value.way.add(i64::from(part.bits / 8));
        value.bitfield = part.width.map(|width| (part.bits % 8, width));
        value.ty = Type::Id(part.type_id);
        value.memory = true;
        value.names = names::of_member(self.btf.tag_name(id), name)
            .unwrap_or_default()
            .iter()
            .map(|(name, value)| ((*name).to_owned(), *value))
            .collect();
        value.member = Some(name.to_owned());
        Ok(value)
    }

    /// One element, or those up to `end`.
    fn element(
        &self,
        value: Value,
        index: u32,
        end: Option<u32>,
        span: &Span,
    ) -> Result<Value, Mistake> {
        let wrong = |text: String| Mistake::new(span.clone(), text);
        let (mut value, of, length) = match value.ty.form(self.btf) {
            Form::Array(of, length) => (value, of, Some(length).filter(|n| *n > 0)),
            Form::Pointer(Some(to)) => (value.follow(to.clone()), to, None),
            _ => return Err(wrong(format!("{} has no elements", value.ty.text(self.btf)))),
        };
        let last = end.map_or(index, |end| end.saturating_sub(1));
        if end.is_some_and(|end| end <= index) {
            return Err(wrong("the slice is empty: [0..4] has four elements".into()));
        }
        if let Some(length) = length.filter(|length| last >= *length) {
            return Err(wrong(format!("it has {length} elements, 0 to {}", length - 1)));
        }
        let size = of.size(self.btf).ok_or_else(|| wrong("its elements have no size".into()))?;
        let distance = i64::from(index).checked_mul(size.into());
        value.way.add(distance.ok_or_else(|| wrong("nothing is so far away".into()))?);
        value.ty = match end {
            Some(end) => Type::Array(Box::new(of), end - index),
            None => of,
        };
        value.memory = true;
        Ok(value)
    }

    fn cast(&self, to: &TypeName, of: &Expr) -> Result<Value, Mistake> {
        let value = self.value(of)?;
        let ty = Type::named(self.btf, to)?;
        let wrong = |text: &str| Mistake::new(to.span.clone(), text);
        match ty.form(self.btf) {
            Form::Pointer(_) => {
                let address = match value.ty.form(self.btf) {
                    // as in C: an array is its address
                    Form::Array(..) if value.memory => Value { memory: false, ..value },
                    Form::Pointer(_) | Form::Number { size: 8, .. } => value,
                    _ => return Err(wrong("only pointers and words can be cast to a pointer")),
                };
                Ok(Value { ty, names: Vec::new(), ..address })
            }
            Form::Number { size, .. } | Form::Enum(_, size, _) => {
                let from = value.ty.size(self.btf).filter(|_| value.bitfield.is_none());
                let number = matches!(
                    value.ty.form(self.btf),
                    Form::Number { .. } | Form::Enum(..) | Form::Pointer(_)
                );
                if !number {
                    return Err(wrong("only numbers and pointers can be cast to a number"));
                }
                // a network-order value's lower bytes are not where they seem to be
                let turned = value.ty.network_order(self.btf).is_some();
                if from.is_none_or(|from| from < size) || turned && from != Some(size) {
                    return Err(wrong("a number can be cast to one of its size or a smaller one"));
                }
                // what a function returns stays that, of whatever type; of a part of it
                // nobody knows
                let names = match ty.form(self.btf) {
                    Form::Number { signed: true, size: 4.., .. } if self.is_result(&value) => {
                        names::errors()
                    }
                    _ => Vec::new(),
                };
                Ok(Value { ty, names, ..value })
            }
            _ => Err(wrong("a cast is to a number or a pointer: (struct sock *)")),
        }
    }

    /// Whether it is what the function returns, itself.
    fn is_result(&self, value: &Value) -> bool {
        let start = Start::Register(self.machine.returned);
        value.phase == Phase::Return && value.way == Way::of(start) && !value.memory
    }

    fn container(
        &self,
        of: &Expr,
        outer: &TypeName,
        path: &[String],
        span: &Span,
    ) -> Result<Value, Mistake> {
        let value = self.value(of)?;
        if !matches!(value.ty.form(self.btf), Form::Pointer(_) | Form::Number { size: 8, .. }) {
            return Err(self.no_pointer(&value, &of.span));
        }
        let ty = Type::named(self.btf, outer)?;
        if !matches!(outer.base, BaseName::Tagged(..) | BaseName::Named(_)) || outer.stars > 0 {
            return Err(Mistake::new(outer.span.clone(), "a struct is wanted here"));
        }
        let mut inner =
            Value { way: Way::of(value.way.start), ty: ty.clone(), memory: true, ..value.clone() };
        for name in path {
            if matches!(inner.ty.form(self.btf), Form::Pointer(_)) {
                let text = "a container holds its member itself, not a pointer on the way";
                return Err(Mistake::new(span.clone(), text));
            }
            inner = self.member(inner, name, span, span)?;
        }
        let distance = match (inner.way.steps.as_slice(), inner.bitfield) {
            ([], None) => 0,
            ([Step::Add(bytes)], None) => *bytes,
            _ => return Err(Mistake::new(span.clone(), "a bit field has no address")),
        };
        let mut found = value.loaded();
        found.way.add(-distance);
        Ok(Value { ty: Type::Pointer(Some(Box::new(ty))), names: Vec::new(), ..found })
    }

    fn no_pointer(&self, value: &Value, span: &Span) -> Mistake {
        Mistake::new(span.clone(), format!("{} is no pointer", value.ty.text(self.btf)))
    }
}

impl Value {
    /// A pointer's own value, in a register.
    pub fn loaded(mut self) -> Self {
        if self.memory {
            self.way.steps.push(Step::Follow);
            self.memory = false;
        }
        self
    }

    /// What a pointer points to.
    pub fn follow(self, to: Type) -> Self {
        let loaded = self.loaded();
        Self { ty: to, memory: true, bitfield: None, names: Vec::new(), member: None, ..loaded }
    }

    /// How it is read as a number, or why it cannot.
    pub fn number(&self, btf: &Btf) -> Result<Number, String> {
        let none = || format!("{} is no number", self.ty.text(btf));
        // the kernel does not let programs compute with their record's address
        let record = matches!(self.way.start, Start::Record(_) | Start::Located(_));
        if record && !self.memory && !self.way.steps.contains(&Step::Follow) {
            return Err("the address of a tracepoint's field tells nothing".into());
        }
        let (size, signed) = match self.ty.form(btf) {
            Form::Number { size, signed, .. } => (size, signed),
            Form::Enum(_, size, signed) => (size, signed),
            Form::Pointer(_) => (8, false),
            _ => return Err(none()),
        };
        let (first_bit, bits) = self.bitfield.unwrap_or((0, size * 8));
        // no bit field of the kernel reaches over nine bytes
        if first_bit + bits > WORD_BITS || bits == 0 {
            return Err(none());
        }
        Ok(Number {
            way: self.way.clone(),
            memory: self.memory.then(|| (first_bit + bits).div_ceil(8)),
            first_bit,
            bits,
            signed,
            swap: self.ty.network_order(btf).filter(|s| *s == bits).unwrap_or(0),
            mask: None,
        })
    }

    /// What a struct's members are called, for messages.
    pub fn members(&self, btf: &Btf) -> Vec<Part> {
        match self.ty.form(btf) {
            Form::Composite(id, _) => btf.members(id),
            _ => Vec::new(),
        }
    }
}
