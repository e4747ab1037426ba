//! What can be named at a place.

use nfscope_kernel::btf::Btf;

use crate::ast::{Expr, Node, NumberKind, Span};
use crate::error::Mistake;
use crate::machine::{Machine, in_one_register};
use crate::names;
use crate::plan::{Current, Phase, Start};
use crate::types::{Form, Type};

/// A function's prototype.
#[derive(Debug, Clone)]
pub struct Prototype {
    /// Parameters: name and type id.
    pub parameters: Vec<(String, u32)>,
    /// The type id of what it returns.
    pub returned: u32,
}

/// A field of a tracepoint's record.
#[derive(Debug, Clone)]
pub struct RecordField {
    /// Its name.
    pub name: String,
    /// Its type in C.
    pub type_name: String,
    /// Its first byte.
    pub offset: u32,
    /// Bytes.
    pub size: u32,
    /// It may be negative.
    pub signed: bool,
    /// Names of its values.
    pub names: Vec<(String, i64)>,
}

/// What kind of place it is.
#[derive(Debug, Clone)]
pub enum Place {
    /// A function's entry, and its return if that is watched.
    Function {
        /// What the type information says, if it does.
        prototype: Option<Prototype>,
        /// Why it says nothing.
        untyped: &'static str,
        /// The return is watched.
        returns: bool,
    },
    /// Somewhere inside of a function.
    Inside,
    /// A tracepoint.
    Record(Vec<RecordField>),
}

/// What can be named.
#[derive(Debug)]
pub struct Scope<'a> {
    /// The types of the kernel, or of the module that has the function.
    pub btf: &'a Btf,
    /// The registers.
    pub machine: &'a Machine,
    /// The function's name.
    pub function: &'a str,
    /// What kind of place it is.
    pub place: Place,
}

/// What a name stands for.
#[derive(Debug, Clone)]
pub struct Named {
    /// Where it is found.
    pub start: Start,
    /// Its type.
    pub ty: Type,
    /// Its address is found there, not itself.
    pub memory: bool,
    /// When it can be read.
    pub phase: Phase,
    /// Names of its values.
    pub names: Vec<(String, i64)>,
}

impl Named {
    fn value(start: Start, ty: Type, phase: Phase) -> Self {
        Self { start, ty, memory: false, phase, names: Vec::new() }
    }
}

/// What is there everywhere, unless an argument has its name.
const CURRENT: [(&str, Current); 4] =
    [("pid", Current::Pid), ("tid", Current::Tid), ("uid", Current::Uid), ("cpu", Current::Cpu)];
const WORD: Type = Type::plain(8, false);
/// The task's name: it is there everywhere, too, but text.
const COMMAND: &str = "comm";
/// Arguments beyond are no longer believed.
const MOST_ARGUMENTS: usize = 16;

impl Scope<'_> {
    /// What a name stands for; `None`: it is not known here, and may be a
    /// constant's.
    pub fn name(&self, name: &str, span: &Span) -> Result<Option<Named>, Mistake> {
        let found = match &self.place {
            Place::Function { prototype, returns, .. } => {
                self.of_function(name, prototype.as_ref(), *returns, span)?
            }
            Place::Inside => None,
            Place::Record(fields) => self.of_record(name, fields, span)?,
        };
        let current = || {
            let (_, current) = CURRENT.iter().find(|(known, _)| *known == name)?;
            Some(Named::value(Start::Current(*current), Type::plain(4, false), Phase::Entry))
        };
        Ok(found.or_else(current))
    }

    /// Whether it is the task's name.
    pub fn is_command(&self, expr: &Expr) -> Result<bool, Mistake> {
        match &expr.node {
            Node::Name(name) if name == COMMAND => Ok(self.name(name, &expr.span)?.is_none()),
            _ => Ok(false),
        }
    }

    fn of_function(
        &self,
        name: &str,
        prototype: Option<&Prototype>,
        returns: bool,
        span: &Span,
    ) -> Result<Option<Named>, Mistake> {
        let number = name.strip_prefix("arg").and_then(|n| n.parse::<usize>().ok());
        let parameters = prototype.map_or(&[][..], |p| &p.parameters);
        let by_name = parameters.iter().position(|(known, _)| known == name);
        if let Some(number) = by_name.or(number) {
            return self.argument(number, parameters, prototype.is_some(), span).map(Some);
        }
        if name == "ret" || name == "latency" {
            if !returns {
                let text = format!("{name} is known where the function returns: add --ret");
                return Err(Mistake::new(span.clone(), text));
            }
            if name == "latency" {
                return Ok(Some(Named::value(Start::Latency, WORD, Phase::Return)));
            }
            let ty = match prototype {
                Some(p) if p.returned == 0 => {
                    let text = format!("{} returns nothing", self.function);
                    return Err(Mistake::new(span.clone(), text));
                }
                Some(p) if !in_one_register(self.btf, p.returned) => {
                    let text = "it returns a struct, which no register holds";
                    return Err(Mistake::new(span.clone(), text));
                }
                Some(p) => Type::Id(p.returned),
                None => Type::Number { size: 8, signed: false, kind: NumberKind::Unknown },
            };
            let start = Start::Register(self.machine.returned);
            let mut value = Named::value(start, ty, Phase::Return);
            if matches!(value.ty.form(self.btf), Form::Number { signed: true, .. }) {
                value.names = names::errors();
            }
            return Ok(Some(value));
        }
        Ok(None)
    }

    fn argument(
        &self,
        number: usize,
        parameters: &[(String, u32)],
        typed: bool,
        span: &Span,
    ) -> Result<Named, Mistake> {
        let wrong = |text: String| Err(Mistake::new(span.clone(), text));
        let ty = match parameters.get(number) {
            Some((_, 0)) => return wrong("arguments of variable number are nowhere told".into()),
            Some((_, id)) => Type::Id(*id),
            None if typed => {
                return wrong(match parameters.len() {
                    0 => format!("{} takes no arguments", self.function),
                    1 => format!("{} takes one argument: arg0", self.function),
                    n => format!("{} takes {n} arguments: arg0 to arg{}", self.function, n - 1),
                });
            }
            None => WORD,
        };
        // what does not fill one register moves all behind it
        for (name, id) in parameters.iter().take(number.saturating_add(1)) {
            if !in_one_register(self.btf, *id) {
                let what = self.btf.declaration(*id, "");
                return wrong(format!(
                    "{name} is a {what} itself, not a pointer to one: where it and the arguments \
                     behind it are is not known; registers can be read: @{}",
                    self.machine.argument_name(number)
                ));
            }
        }
        let start = match self.machine.arguments.get(number) {
            Some(at) => Start::Register(*at),
            None if number < MOST_ARGUMENTS && typed => {
                let beyond = (number - self.machine.arguments.len()) as u32;
                let above = self.machine.stack_arguments + 8 * beyond;
                Start::Stack { pointer: self.machine.stack, above }
            }
            None => {
                let last = self.machine.arguments.len() - 1;
                return wrong(format!("arguments in registers are arg0 to arg{last}"));
            }
        };
        let table = names::of_argument(self.function, number).unwrap_or_default();
        let names = table.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        Ok(Named { names, ..Named::value(start, ty, Phase::Entry) })
    }

    fn of_record(
        &self,
        name: &str,
        fields: &[RecordField],
        span: &Span,
    ) -> Result<Option<Named>, Mistake> {
        let Some(field) = fields.iter().find(|f| f.name == name) else { return Ok(None) };
        let ty = Type::of_record(self.btf, field);
        let start = if field.type_name.starts_with("__data_loc ") {
            Start::Located(field.offset)
        } else if field.type_name.starts_with("__rel_loc ") {
            let text = format!("{name} is of a kind ({}) that is not read", field.type_name);
            return Err(Mistake::new(span.clone(), text));
        } else {
            Start::Record(field.offset)
        };
        let value = Named::value(start, ty, Phase::Entry);
        Ok(Some(Named { memory: true, names: field.names.clone(), ..value }))
    }

    /// The mistake of a name that nothing has.
    pub fn unknown(&self, name: &str, span: Span) -> Mistake {
        if name == COMMAND {
            let text = "comm is text: it is printed, or compared with one, as in comm == \"cat\"";
            return Mistake::new(span, text);
        }
        let mut known: Vec<String> = CURRENT.iter().map(|(n, _)| (*n).to_owned()).collect();
        known.push(COMMAND.into());
        let text = match &self.place {
            Place::Function { prototype: None, untyped, .. } => format!(
                "{name} is not known: {untyped}; name arguments by number and give them a type, \
                 as in ((struct sock *)arg0).sk_mark"
            ),
            Place::Function { prototype: Some(prototype), returns, .. } => {
                let names = prototype.parameters.iter().map(|(name, _)| name.clone());
                known.extend(names.filter(|name| !name.is_empty()));
                known.extend(
                    returns.then(|| ["ret", "latency"].map(str::to_owned)).into_iter().flatten(),
                );
                let all = prototype.parameters.iter().map(|(name, _)| name.as_str());
                let all: Vec<&str> = all.filter(|name| !name.is_empty()).collect();
                let has = match all.len() {
                    0 => "has no named arguments".to_owned(),
                    _ => format!("has {}", all.join(", ")),
                };
                format!("{name} is no argument: {} {has}", self.function)
            }
            Place::Inside => format!(
                "{name} is not known: inside of a function only registers are, as in @{}",
                self.machine.names().first().map_or("sp", |n| n)
            ),
            Place::Record(fields) => {
                known.extend(fields.iter().map(|f| f.name.clone()));
                let all: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
                format!("{name} is no field: {} has {}", self.function, all.join(", "))
            }
        };
        Mistake::unknown(span, text, name, known)
    }
}
