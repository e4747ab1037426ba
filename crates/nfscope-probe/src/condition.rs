//! Conditions: which of their parts are asked at the entry, which at the return.

use crate::ast::{Comparison, Expr, Node, NumberKind, Operator, Span};
use crate::error::Mistake;
use crate::names;
use crate::plan::{Condition, Number, Operand, Phase, Source, Start, Way};
use crate::scope::Scope;
use crate::style::{Reading, Style};
use crate::types::{Form, Type};
use crate::value::Value;

/// The longest text that is compared.
pub const LONGEST_TEXT: usize = 46;

/// A condition, in its two parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// What is asked at the entry.
    pub entry: Option<Condition>,
    /// What is asked at the return.
    pub returns: Option<Condition>,
}

impl Scope<'_> {
    /// Resolves a condition. What the return needs of the entry is added to the
    /// readings.
    pub fn condition(&self, expr: &Expr, readings: &mut Vec<Reading>) -> Result<Asked, Mistake> {
        let mut asked = Asked::default();
        for part in conjuncts(expr) {
            let phase = self.phase(part)?;
            let condition = Builder { scope: self, phase, readings }.condition(part)?;
            let list = match phase {
                Phase::Entry => &mut asked.entry,
                Phase::Return => &mut asked.returns,
            };
            *list = Some(match list.take() {
                Some(before) => Condition::And(Box::new(before), Box::new(condition)),
                None => condition,
            });
        }
        Ok(asked)
    }

    /// When all of an expression is known.
    fn phase(&self, expr: &Expr) -> Result<Phase, Mistake> {
        Ok(match &expr.node {
            Node::Name(name) => {
                self.name(name, &expr.span)?.map_or(Phase::Entry, |named| named.phase)
            }
            Node::Register(_) | Node::Number(_) | Node::Text(_) => Phase::Entry,
            Node::Member(of, _)
            | Node::Index(of, _)
            | Node::Slice(of, ..)
            | Node::Deref(of)
            | Node::Address(of)
            | Node::Cast(_, of)
            | Node::Container(of, ..)
            | Node::Not(of) => self.phase(of)?,
            Node::Binary(_, left, right) => self.phase(left)?.max(self.phase(right)?),
        })
    }
}

/// The parts that all must hold.
fn conjuncts(expr: &Expr) -> Vec<&Expr> {
    match &expr.node {
        Node::Binary(Operator::And, left, right) => {
            let mut all = conjuncts(left);
            all.extend(conjuncts(right));
            all
        }
        _ => vec![expr],
    }
}

struct Builder<'b, 'a> {
    scope: &'b Scope<'a>,
    phase: Phase,
    readings: &'b mut Vec<Reading>,
}

/// A side of a comparison.
enum Side<'e> {
    Read(Box<(Number, Value)>),
    Constant(i128),
    /// A name that may be a constant's.
    Name(&'e str),
    Text,
}

impl Builder<'_, '_> {
    fn condition(&mut self, expr: &Expr) -> Result<Condition, Mistake> {
        match &expr.node {
            Node::Not(of) => Ok(Condition::Not(Box::new(self.condition(of)?))),
            Node::Binary(Operator::Or, left, right) => {
                let (left, right) = (self.condition(left)?, self.condition(right)?);
                Ok(Condition::Or(Box::new(left), Box::new(right)))
            }
            Node::Binary(Operator::And, left, right) => {
                let (left, right) = (self.condition(left)?, self.condition(right)?);
                Ok(Condition::And(Box::new(left), Box::new(right)))
            }
            Node::Binary(Operator::Compare(comparison), left, right) => {
                self.compare(*comparison, left, right, &expr.span)
            }
            _ => match self.side(expr)? {
                Side::Read(read) => Ok(Condition::Compare {
                    comparison: Comparison::NotEqual,
                    signed: false,
                    left: self.kept(*read),
                    right: Operand::Constant(0),
                }),
                Side::Name(name) => Err(self.scope.unknown(name, expr.span.clone())),
                Side::Constant(_) | Side::Text => {
                    Err(Mistake::new(expr.span.clone(), "a constant is no condition"))
                }
            },
        }
    }

    fn side<'e>(&self, expr: &'e Expr) -> Result<Side<'e>, Mistake> {
        match &expr.node {
            Node::Number(value) => return Ok(Side::Constant(*value)),
            Node::Text(_) => return Ok(Side::Text),
            Node::Name(name) if self.scope.name(name, &expr.span)?.is_none() => {
                return Ok(Side::Name(name));
            }
            Node::Binary(Operator::Mask, of, mask) => return self.masked(of, mask),
            Node::Not(_) | Node::Binary(..) => {
                return Err(Mistake::new(expr.span.clone(), "a condition cannot be compared"));
            }
            _ => {}
        }
        let value = self.scope.value(expr)?;
        let number = value.number(self.scope.btf);
        let number = number.map_err(|text| Mistake::new(expr.span.clone(), text))?;
        Ok(Side::Read(Box::new((number, value))))
    }

    fn masked<'e>(&self, of: &'e Expr, mask: &'e Expr) -> Result<Side<'e>, Mistake> {
        let Side::Read(mut read) = self.side(of)? else {
            return Err(Mistake::new(of.span.clone(), "a field was expected in front of &"));
        };
        let bits = match self.side(mask)? {
            Side::Constant(value) => value,
            Side::Name(name) => self.constant(name, &[], &mask.span)?.into(),
            _ => return Err(Mistake::new(mask.span.clone(), "a number was expected behind &")),
        };
        let bits = u64::try_from(bits)
            .map_err(|_| Mistake::new(mask.span.clone(), "a mask is not negative"))?;
        read.0.mask = Some(read.0.mask.map_or(bits, |before| before & bits));
        // what is left of a number by a mask has no sign
        read.0.signed = false;
        Ok(Side::Read(read))
    }

    fn compare(
        &mut self,
        comparison: Comparison,
        left: &Expr,
        right: &Expr,
        span: &Span,
    ) -> Result<Condition, Mistake> {
        for (field, other) in [(left, right), (right, left)] {
            if let Node::Text(text) = &other.node {
                return self.text(comparison, field, text, &other.span);
            }
        }
        match (self.side(left)?, self.side(right)?) {
            (Side::Read(left), Side::Read(right)) => {
                for side in [&left, &right] {
                    self.sign_known(side, comparison.orders(), span)?;
                }
                let signed = left.0.signed || right.0.signed;
                let wide = |n: &Number| !n.signed && n.bits == 64;
                if signed && (wide(&left.0) || wide(&right.0)) {
                    let text = "one side may be negative, the other beyond its numbers: cast one";
                    return Err(Mistake::new(span.clone(), text));
                }
                let (left, right) = (self.kept(*left), self.kept(*right));
                Ok(Condition::Compare { comparison, signed, left, right })
            }
            (Side::Read(read), other) => self.constant_side(comparison, *read, other, &right.span),
            (other, Side::Read(read)) => {
                self.constant_side(comparison.turned(), *read, other, &left.span)
            }
            (Side::Name(name), _) => Err(self.scope.unknown(name, left.span.clone())),
            (_, Side::Name(name)) => Err(self.scope.unknown(name, right.span.clone())),
            _ => Err(Mistake::new(span.clone(), "one side must be a field")),
        }
    }

    fn constant_side(
        &mut self,
        comparison: Comparison,
        (number, value): (Number, Value),
        other: Side<'_>,
        span: &Span,
    ) -> Result<Condition, Mistake> {
        let wanted: i128 = match other {
            Side::Constant(wanted) => wanted,
            Side::Name(name) => {
                let mut names = value.names.clone();
                if let Form::Enum(id, ..) = value.ty.form(self.scope.btf) {
                    let all = self.scope.btf.enumerators(id).into_iter();
                    names.extend(all.map(|(name, value)| (name.to_owned(), value)));
                }
                self.constant(name, &names, span)?.into()
            }
            _ => return Err(Mistake::new(span.clone(), "a number was expected")),
        };
        let read = (number, value);
        self.sign_known(&read, comparison.orders() || wanted < 0, span)?;
        let (number, value) = read;
        let bits = number.bits;
        let (least, most) = match number.signed {
            true => (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1),
            false => (0, (1i128 << bits) - 1),
        };
        if wanted < least || wanted > most {
            let ty = value.ty.text(self.scope.btf);
            let text = format!("it is never {wanted}: {ty} is between {least} and {most}");
            return Err(Mistake::new(span.clone(), text));
        }
        let signed = number.signed;
        let left = self.kept((number, value));
        // in two's complement, which is what registers have
        let right = Operand::Constant(wanted as u64);
        Ok(Condition::Compare { comparison, signed, left, right })
    }

    /// Refuses what depends on the sign of a register whose type nobody knows.
    fn sign_known(
        &self,
        (number, value): &(Number, Value),
        asked: bool,
        span: &Span,
    ) -> Result<(), Mistake> {
        let form = value.ty.form(self.scope.btf);
        let unknown = matches!(form, Form::Number { kind: NumberKind::Unknown, .. });
        if asked && unknown && number.mask.is_none() {
            let text = "whether it is an int, which may be negative, is not known here: \
                        say so, as in (int)ret < 0, or (u64)ret";
            return Err(Mistake::new(span.clone(), text));
        }
        Ok(())
    }

    fn constant(&self, name: &str, own: &[(String, i64)], span: &Span) -> Result<i64, Mistake> {
        let fixed = match name {
            "true" => Some(1),
            "false" | "NULL" => Some(0),
            _ => None,
        };
        let of_own = || own.iter().find(|(known, _)| known == name).map(|(_, value)| *value);
        let found = fixed
            .or_else(of_own)
            .or_else(|| names::value(name))
            .or_else(|| self.scope.btf.constant(name));
        found.ok_or_else(|| {
            let mut mistake = self.scope.unknown(name, span.clone());
            if let Some((_, known)) = &mut mistake.meant {
                mistake.text =
                    format!("{name} is neither an argument or field here nor a constant's name");
                known.extend(own.iter().map(|(name, _)| name.clone()));
                known.extend(names::all().map(str::to_owned));
            }
            mistake
        })
    }

    /// A text is compared where it is.
    fn text(
        &self,
        comparison: Comparison,
        field: &Expr,
        text: &str,
        span: &Span,
    ) -> Result<Condition, Mistake> {
        let wrong = |text: &str| Err(Mistake::new(span.clone(), text));
        if text.len() > LONGEST_TEXT {
            return wrong(&format!("a text of at most {LONGEST_TEXT} bytes can be compared"));
        }
        let source = self.text_source(field)?;
        if self.phase == Phase::Return && !matches!(source, (_, Phase::Return)) {
            return wrong("a text of the entry cannot stand in one || with what the return tells");
        }
        let room = match &source.0 {
            Source::Memory { size, .. } => *size as usize,
            // with the zero at its end
            Source::Command => 15,
            Source::Text { .. } | Source::Number(_) | Source::Packet { .. } => LONGEST_TEXT,
        };
        if text.len() > room {
            return wrong(&format!("it has {room} bytes at most: it is never that"));
        }
        let condition = Condition::Text { source: source.0, wanted: text.as_bytes().to_vec() };
        match comparison {
            Comparison::Equal => Ok(condition),
            Comparison::NotEqual => Ok(Condition::Not(Box::new(condition))),
            _ => wrong("texts are compared by == and !="),
        }
    }

    fn text_source(&self, field: &Expr) -> Result<(Source, Phase), Mistake> {
        let scope = self.scope;
        if scope.is_command(field)? {
            return Ok((Source::Command, Phase::Entry));
        }
        let value = scope.value(field)?;
        let phase = value.phase;
        let byte = |ty: &Type| matches!(ty.form(scope.btf), Form::Number { size: 1, .. });
        match value.ty.form(scope.btf) {
            Form::Array(of, length) if byte(&of) => {
                // without a length: text that ends with a zero
                let source = match length {
                    0 => Source::Text { way: value.way, size: 0, user: false },
                    size => Source::Memory { way: value.way, size },
                };
                Ok((source, phase))
            }
            Form::Pointer(Some(to)) if byte(&to) => {
                Ok((Source::Text { way: value.loaded().way, size: 0, user: false }, phase))
            }
            _ => {
                let text = format!("{} is no text", value.ty.text(scope.btf));
                Err(Mistake::new(field.span.clone(), text))
            }
        }
    }

    /// What is read; at the return, what the entry has is kept until then.
    fn kept(&mut self, (number, value): (Number, Value)) -> Operand {
        if self.phase == Phase::Entry || value.phase == Phase::Return {
            return Operand::Read(number);
        }
        let signed = number.signed;
        let index = self.readings.len() as u32;
        self.readings.push(Reading {
            label: String::new(),
            source: Source::Number(number),
            style: Style::Decimal,
            phase: Phase::Entry,
        });
        let way = Way::of(Start::Kept(index));
        let (memory, mask) = (None, None);
        Operand::Read(Number { way, memory, first_bit: 0, bits: 64, signed, swap: 0, mask })
    }
}
