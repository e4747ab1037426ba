//! Types as C declarations: what stands before a name and what behind it.
//!
//! They are those that libbpf's `btf_dump__emit_type_decl` makes, and so `bpftool btf dump format c` and
//! `bpftrace -lv`, but for what has no name: its members are not printed.

use super::Btf;
use super::raw::{Blob, Record, kind};

/// Nesting that is printed before the data is taken for a loop.
const DEPTH: u32 = 32;
/// Parameters that one declaration prints with all that it nests, so that damaged data cannot make it
/// endless.
const PARAMETERS: u32 = 512;
/// What is printed where the data makes no sense.
const UNKNOWN: &str = "?";

impl Btf {
    /// The declaration of a name of this type; an empty name gives the type alone.
    pub fn declaration(&self, id: u32, name: &str) -> String {
        let mut fuel = PARAMETERS;
        self.declare(id, name.to_owned(), DEPTH, &mut fuel)
    }

    /// A function's parameters as its declaration has them, without the first `skip`.
    pub fn parameter_text(&self, function: u32, skip: u32) -> Option<String> {
        let (proto, blob) = self.prototype(function)?;
        Some(self.parameter_list(&proto, blob, skip, DEPTH, &mut { PARAMETERS }))
    }

    fn declare(&self, id: u32, inner: String, depth: u32, fuel: &mut u32) -> String {
        let Some(depth) = depth.checked_sub(1) else { return join(UNKNOWN, &inner) };
        let (words, id) = self.qualifiers(id);
        if id == 0 {
            return join(&(words + "void"), &inner);
        }
        let Some((record, blob)) = self.record(id) else { return join(UNKNOWN, &inner) };
        // An array or function that is pointed to: the star binds it to the name.
        let bound = |inner: String| {
            if inner.starts_with('*') { format!("({inner})") } else { inner }
        };
        match record.kind {
            kind::PTR => {
                // What qualifies a pointer stands behind the star.
                let star = format!("*{}", join(words.trim_end(), &inner));
                self.declare(record.size_or_type, star, depth, fuel)
            }
            kind::ARRAY => {
                let element = blob.word(record.tail).unwrap_or(0);
                let length = blob.word(record.tail + 8).unwrap_or(0);
                let inner = format!("{}[{length}]", bound(inner));
                words + &self.declare(element, inner, depth, fuel)
            }
            kind::FUNC_PROTO => {
                let parameters = self.parameter_list(&record, blob, 0, depth, fuel);
                let inner = format!("{}({parameters})", bound(inner));
                words + &self.declare(record.size_or_type, inner, depth, fuel)
            }
            _ => join(&(words + &self.base(&record)), &inner),
        }
    }

    /// A prototype's parameters, with their names.
    fn parameter_list(
        &self,
        proto: &Record,
        blob: &Blob,
        skip: u32,
        depth: u32,
        fuel: &mut u32,
    ) -> String {
        let mut list = Vec::new();
        for n in skip as usize..proto.vlen as usize {
            let at = proto.tail + 8 * n;
            let (Some(name), Some(id)) = (blob.word(at), blob.word(at + 4)) else { break };
            let Some(left) = fuel.checked_sub(1) else {
                list.push(UNKNOWN.to_owned());
                break;
            };
            *fuel = left;
            // The last one without a type says that more may follow.
            if id == 0 && n + 1 == proto.vlen as usize {
                list.push("...".to_owned());
            } else {
                list.push(self.declare(id, self.name(name).to_owned(), depth, fuel));
            }
        }
        if list.is_empty() { "void".to_owned() } else { list.join(", ") }
    }

    /// The qualifiers in front of a type, each with a blank behind it, and that type.
    fn qualifiers(&self, mut id: u32) -> (String, u32) {
        let mut words = String::new();
        for _ in 0..DEPTH {
            let Some((record, _)) = self.record(id) else { break };
            match record.kind {
                kind::CONST => words.push_str("const "),
                kind::VOLATILE => words.push_str("volatile "),
                kind::RESTRICT => words.push_str("restrict "),
                // The kernel writes its tags so: `__user`, `__rcu`.
                kind::TYPE_TAG => words.push_str(&format!("__{} ", self.name(record.name_off))),
                _ => break,
            }
            id = record.size_or_type;
        }
        (words, id)
    }

    fn base(&self, record: &Record) -> String {
        let name = self.name(record.name_off);
        let word = match record.kind {
            kind::STRUCT => "struct",
            kind::UNION => "union",
            kind::FWD if record.kind_flag => "union",
            kind::FWD => "struct",
            kind::ENUM | kind::ENUM64 => "enum",
            kind::INT | kind::FLOAT | kind::TYPEDEF => return name.to_owned(),
            _ => return UNKNOWN.to_owned(),
        };
        if name.is_empty() { format!("{word} {{...}}") } else { format!("{word} {name}") }
    }
}

/// A blank between the two, where both are.
fn join(front: &str, behind: &str) -> String {
    if front.is_empty() || behind.is_empty() {
        format!("{front}{behind}")
    } else {
        format!("{front} {behind}")
    }
}
