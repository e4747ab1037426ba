//! Functions by what they take.

use std::collections::HashSet;

use super::raw::kind;
use super::{Btf, SYSFS};

/// A function that takes a pointer to a certain struct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taking {
    /// The function's name.
    pub name: String,
    /// Number of that parameter, from 0; the first, if there are several.
    pub position: u32,
}

impl Btf {
    /// The functions, of this BTF alone, that take a pointer to the struct as a parameter which stands
    /// in a register by its number: those before it are numbers and pointers.
    pub fn functions_taking(&self, struct_name: &str) -> Vec<Taking> {
        let mut yes = HashSet::new();
        let mut out = Vec::new();
        for id in self.first_id..self.end_id() {
            let Some((record, _)) = self.record(id).filter(|(r, _)| r.kind == kind::FUNC) else {
                continue;
            };
            let Some((proto, blob)) = self.record(record.size_or_type) else { continue };
            if proto.kind != kind::FUNC_PROTO {
                continue;
            }
            for position in 0..proto.vlen {
                let at = proto.tail + 8 * position as usize + 4;
                let Some(parameter) = blob.word(at).and_then(|id| self.plain(id)) else { break };
                if yes.contains(&parameter) || self.points_to(parameter, struct_name) {
                    yes.insert(parameter);
                    let name = self.name(record.name_off).to_owned();
                    out.push(Taking { name, position });
                    break;
                }
                if !self.fills_one_register(parameter) {
                    break;
                }
            }
        }
        out
    }

    /// The modules that have types of their own, with them. One that cannot be read is left out.
    pub fn modules(&self) -> Vec<(String, Self)> {
        let base = std::sync::Arc::new(self.kernel().clone());
        let entries = std::fs::read_dir(SYSFS).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let others = names.filter(|name| name != "vmlinux");
        others
            .filter_map(|name| Some((name.clone(), Self::module(&name, base.clone()).ok()?)))
            .collect()
    }

    fn points_to(&self, id: u32, struct_name: &str) -> bool {
        let target = self.record(id).filter(|(r, _)| r.kind == kind::PTR);
        let target = target.and_then(|(r, _)| self.plain(r.size_or_type));
        target.and_then(|id| self.record(id)).is_some_and(|(r, _)| {
            r.kind == kind::STRUCT && self.string(r.name_off) == Some(struct_name.as_bytes())
        })
    }

    fn fills_one_register(&self, id: u32) -> bool {
        self.record(id).is_some_and(|(r, _)| match r.kind {
            kind::PTR => true,
            kind::INT | kind::ENUM | kind::ENUM64 => r.size_or_type <= 8,
            _ => false,
        })
    }
}
