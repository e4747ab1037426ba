//! Functions as the type information has them: signature, parameters, and whether a BPF trampoline
//! (fentry, fexit) can call in between.

use super::Btf;
use super::raw::{Blob, Record, kind};

/// Nesting of first members that is followed before the data is taken for a loop.
const DEPTH: u32 = 16;
/// `MAX_BPF_FUNC_ARGS` (`include/linux/bpf.h`).
const MOST_ARGUMENTS: u32 = 12;
/// The largest argument that a trampoline keeps (`btf_distill_func_proto` in `kernel/bpf/btf.c`).
const LARGEST: u32 = 16;

/// A parameter of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name; empty where the compiler kept none.
    pub name: String,
    /// Its type in C.
    pub type_name: String,
}

/// Where a function's arguments are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arguments {
    /// Registers, or words on the stack where there are no more of these.
    pub words: u32,
    /// Whether one of them is a struct or union itself.
    pub by_value: bool,
}

/// An argument that points to a struct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Carrier {
    /// Number of the parameter, from 0.
    pub position: u32,
    /// Those before it are numbers and pointers: it stands in the register of its number, or on the
    /// stack where there are no more of these.
    pub by_number: bool,
}

impl Btf {
    /// Type ids and names of all functions, of this BTF alone.
    pub fn functions(&self) -> impl Iterator<Item = (u32, &str)> {
        (self.first_id..self.end_id()).filter_map(|id| {
            let (record, _) = self.record(id)?;
            (record.kind == kind::FUNC).then(|| (id, self.name(record.name_off)))
        })
    }

    /// The name of a type, if it has one.
    pub fn type_name(&self, id: u32) -> Option<&str> {
        let (record, _) = self.record(id)?;
        Some(self.name(record.name_off)).filter(|name| !name.is_empty())
    }

    /// A function in C: `int ip_rcv(struct sk_buff *skb, …)`.
    pub fn signature(&self, function: u32) -> Option<String> {
        let (record, _) = self.record(function).filter(|(r, _)| r.kind == kind::FUNC)?;
        Some(self.declaration(record.size_or_type, self.name(record.name_off)))
    }

    /// The type that a function returns, in C.
    pub fn returned(&self, function: u32) -> Option<String> {
        let (proto, _) = self.prototype(function)?;
        Some(self.declaration(proto.size_or_type, ""))
    }

    /// A function's parameters.
    pub fn parameters(&self, function: u32) -> Option<Vec<Parameter>> {
        let (proto, blob) = self.prototype(function)?;
        raw_parameters(&proto, blob)
            .map(|(name, id)| {
                let (name, id) = (self.name(name?).to_owned(), id?);
                // The last one without a type says that more may follow.
                let type_name = if id == 0 { "...".into() } else { self.declaration(id, "") };
                Some(Parameter { name, type_name })
            })
            .collect()
    }

    /// The name of one parameter, if the compiler kept it.
    pub fn parameter_name(&self, function: u32, position: u32) -> Option<&str> {
        let (proto, blob) = self.prototype(function)?;
        let (name, _) = raw_parameters(&proto, blob).nth(position as usize)?;
        Some(self.name(name?)).filter(|name| !name.is_empty())
    }

    /// The first parameter that points to a struct of this name, or to one that begins with it (as
    /// `struct tcp_sock` does with `struct sock`) where `derived`.
    pub fn carrier(&self, function: u32, struct_name: &str, derived: bool) -> Option<Carrier> {
        let (proto, blob) = self.prototype(function)?;
        let mut by_number = true;
        for (position, (_, id)) in (0..).zip(raw_parameters(&proto, blob)) {
            let id = self.plain(id?)?;
            let (record, _) = self.record(id)?;
            if record.kind == kind::PTR && self.is_struct(record.size_or_type, struct_name, derived)
            {
                return Some(Carrier { position, by_number });
            }
            by_number &= self.number(&record);
        }
        None
    }

    /// The arguments as a BPF trampoline has to keep them, or why none can
    /// (`btf_distill_func_proto` in `kernel/bpf/btf.c`).
    pub fn trampoline(&self, function: u32) -> Result<Arguments, &'static str> {
        let (proto, blob) = self.prototype(function).ok_or("its type is damaged")?;
        if proto.vlen > MOST_ARGUMENTS {
            return Err("it has more than 12 arguments");
        }
        let mut arguments = Arguments { words: 0, by_value: false };
        for (_, id) in raw_parameters(&proto, blob) {
            match id.ok_or("its type is damaged")? {
                0 => return Err("it takes a variable number of arguments"),
                id => {
                    let (record, _) = self.plain(id).and_then(|id| self.record(id)).ok_or("?")?;
                    let by_value = matches!(record.kind, kind::STRUCT | kind::UNION);
                    if !by_value && !self.number(&record) || record.kind == kind::UNION {
                        return Err("it takes an argument of a type that no register holds");
                    }
                    if by_value && record.size_or_type > LARGEST {
                        return Err("it takes a struct of more than 16 bytes");
                    }
                    arguments.by_value |= by_value;
                    let size = if record.kind == kind::PTR { 8 } else { record.size_or_type };
                    arguments.words += size.div_ceil(8);
                }
            }
        }
        let returned = match proto.size_or_type {
            0 => None,
            id => self.plain(id).filter(|id| *id != 0).and_then(|id| self.record(id)),
        };
        if returned.is_some_and(|(record, _)| !self.number(&record)) {
            return Err("it returns a struct");
        }
        Ok(arguments)
    }

    pub(super) fn prototype(&self, function: u32) -> Option<(Record, &Blob)> {
        let (record, _) = self.record(function).filter(|(r, _)| r.kind == kind::FUNC)?;
        self.record(record.size_or_type).filter(|(r, _)| r.kind == kind::FUNC_PROTO)
    }

    fn number(&self, record: &Record) -> bool {
        match record.kind {
            kind::PTR => true,
            kind::INT | kind::ENUM | kind::ENUM64 => record.size_or_type <= 8,
            _ => false,
        }
    }

    fn is_struct(&self, id: u32, name: &str, derived: bool) -> bool {
        let mut next = Some(id);
        for _ in 0..if derived { DEPTH } else { 1 } {
            let Some((record, blob)) = next.and_then(|id| self.record(self.plain(id)?)) else {
                return false;
            };
            if record.kind != kind::STRUCT {
                return false;
            }
            if self.string(record.name_off) == Some(name.as_bytes()) {
                return true;
            }
            // the first member's type
            next = if record.vlen > 0 { blob.word(record.tail + 4) } else { None };
        }
        false
    }
}

/// Name offset and type id of each parameter.
fn raw_parameters<'a>(
    proto: &Record,
    blob: &'a Blob,
) -> impl Iterator<Item = (Option<u32>, Option<u32>)> + 'a {
    let tail = proto.tail;
    (0..proto.vlen as usize).map(move |n| (blob.word(tail + 8 * n), blob.word(tail + 8 * n + 4)))
}
