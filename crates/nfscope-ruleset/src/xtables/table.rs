//! A table's entries as chains and rules.

use super::uapi::{EXTENSION, EXTENSION_NAME, Family, HOOKS, RETURN, name_at, u16_at, u32_at};

/// Name of the target that starts a user chain and ends a table.
const ERROR: &str = "ERROR";

/// The block that the kernel gave is none that this program understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the table's entries are malformed at byte {0}")]
pub struct Malformed(pub u32);

/// What a rule does with a packet that it matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// ACCEPT
    Accept,
    /// DROP
    Drop,
    /// QUEUE
    Queue,
    /// RETURN
    Return,
    /// On with the next rule: a rule without a target.
    Continue,
    /// Another verdict's number.
    Verdict(i32),
    /// A jump to the chain, or a goto, which does not come back.
    Chain {
        /// The chain's name.
        name: String,
        /// It is a goto.
        goto: bool,
    },
    /// A target that is a function.
    Extension(Extension),
}

/// A match or a target that has a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// Its name.
    pub name: String,
    /// The revision of its data's form.
    pub revision: u8,
    /// Its data.
    pub data: Vec<u8>,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Where its entry is among the table's, in bytes.
    pub offset: u32,
    /// The entry up to its matches.
    pub(super) header: Vec<u8>,
    /// Its matches.
    pub matches: Vec<Extension>,
    /// Its target.
    pub target: Target,
}

/// A chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: String,
    /// Its rules; numbers count from 1.
    pub rules: Vec<Rule>,
    /// The entry that ends it: a built-in chain's policy, a user chain's return.
    pub end: Option<Rule>,
    /// It is called by a hook, and has a policy.
    pub built_in: bool,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its family.
    pub family: Family,
    /// Its name.
    pub name: String,
    /// How many entries it has.
    pub entries: u32,
    /// Their bytes.
    pub size: u32,
    /// Its chains, in the kernel's order.
    pub chains: Vec<Chain>,
}

/// What the kernel says of a table beside its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Info {
    pub valid_hooks: u32,
    pub hook_entry: [u32; HOOKS],
    pub underflow: [u32; HOOKS],
    pub entries: u32,
    pub size: u32,
}

impl Info {
    /// From the family's `struct ipt_getinfo`.
    pub fn parse(family: Family, bytes: &[u8]) -> Option<Self> {
        let (hooks, size) = (family.hooks(), family.info_size());
        let mut info = Self {
            valid_hooks: u32_at(bytes, 32)?,
            hook_entry: [0; HOOKS],
            underflow: [0; HOOKS],
            entries: u32_at(bytes, size - 8)?,
            size: u32_at(bytes, size - 4)?,
        };
        for hook in 0..hooks {
            info.hook_entry[hook] = u32_at(bytes, 36 + hook * 4)?;
            info.underflow[hook] = u32_at(bytes, 36 + (hooks + hook) * 4)?;
        }
        Some(info)
    }

    /// The hook whose built-in chain begins at an offset.
    fn begins(&self, offset: u32) -> Option<usize> {
        (0..HOOKS).find(|hook| self.has(*hook) && self.hook_entry[*hook] == offset)
    }

    pub fn has(&self, hook: usize) -> bool {
        self.valid_hooks >> hook & 1 == 1
    }
}

/// An entry before jumps are resolved.
struct Raw {
    rule: Rule,
    /// Offset that a jump leads to, and whether it is a goto.
    jump: Option<(u32, bool)>,
    error: Option<String>,
    next: u32,
}

impl Table {
    /// From the kernel's block of entries.
    pub(super) fn parse(
        family: Family,
        name: &str,
        info: &Info,
        blob: &[u8],
    ) -> Result<Self, Malformed> {
        let mut table = Self {
            family,
            name: name.to_owned(),
            entries: info.entries,
            size: info.size,
            chains: Vec::new(),
        };
        // (chain, rule) of each jump, and where it leads
        let mut jumps: Vec<(usize, usize, u32, bool)> = Vec::new();
        let mut heads: Vec<(u32, usize)> = Vec::new();
        let mut ended = true;
        let mut at = 0u32;
        while (at as usize) < blob.len() {
            let raw = entry(family, blob, at).ok_or(Malformed(at))?;
            let last = raw.next as usize >= blob.len();
            if let Some(hook) = info.begins(at) {
                let name = family.built_in().get(hook).ok_or(Malformed(at))?;
                table.begin((*name).to_owned(), true);
                ended = false;
            }
            if let Some(name) = raw.error {
                table.close();
                if !last {
                    table.begin(name, false);
                    // a jump leads behind the entry that has the name
                    heads.push((raw.next, table.chains.len() - 1));
                    ended = false;
                }
            } else {
                let chain = table.chains.len().checked_sub(1).filter(|_| !ended);
                let chain = chain.ok_or(Malformed(at))?;
                let holder = &mut table.chains[chain];
                if let Some((to, goto)) = raw.jump {
                    jumps.push((chain, holder.rules.len(), to, goto));
                }
                holder.rules.push(raw.rule);
                let policy = (0..HOOKS).any(|hook| info.has(hook) && info.underflow[hook] == at);
                if holder.built_in && policy {
                    table.close();
                    ended = true;
                }
            }
            at = raw.next;
        }
        table.close();
        for (chain, rule, to, goto) in jumps {
            // in order of their offsets, as they were found
            let head = heads.binary_search_by_key(&to, |(start, _)| *start).ok();
            let name = head.map(|n| table.chains[heads[n].1].name.clone());
            if let Some(rule) = table.chains[chain].rules.get_mut(rule) {
                rule.target = match name {
                    Some(name) => Target::Chain { name, goto },
                    // libiptc writes "no target" as a jump to the next rule
                    None => Target::Continue,
                };
            }
        }
        Ok(table)
    }

    fn begin(&mut self, name: String, built_in: bool) {
        self.chains.push(Chain { name, rules: Vec::new(), end: None, built_in });
    }

    /// The last entry of the chain that ends here is its policy or its return.
    fn close(&mut self) {
        if let Some(chain) = self.chains.last_mut().filter(|chain| chain.end.is_none()) {
            chain.end = chain.rules.pop();
        }
    }

    /// The rule at an offset, with its number and chain; number 0: the entry
    /// that ends the chain.
    pub fn at(&self, offset: u32) -> Option<(&Chain, u32, &Rule)> {
        self.chains.iter().find_map(|chain| {
            if let Some(end) = chain.end.as_ref().filter(|end| end.offset == offset) {
                return Some((chain, 0, end));
            }
            let n = chain.rules.iter().position(|rule| rule.offset == offset)?;
            Some((chain, u32::try_from(n).ok()?.checked_add(1)?, &chain.rules[n]))
        })
    }
}

fn entry(family: Family, blob: &[u8], at: u32) -> Option<Raw> {
    let layout = family.layout();
    let bytes = blob.get(at as usize..)?;
    let header = bytes.get(..layout.size)?;
    let target_offset = usize::from(u16_at(header, layout.target_offset)?);
    let next_offset = usize::from(u16_at(header, layout.next_offset)?);
    if target_offset < layout.size || next_offset < target_offset.checked_add(EXTENSION)? {
        return None;
    }
    let bytes = bytes.get(..next_offset)?;
    let mut matches = Vec::new();
    let mut place = layout.size;
    while place < target_offset {
        let (found, size) = extension(bytes.get(place..target_offset)?)?;
        matches.push(found);
        place = place.checked_add(size)?;
    }
    let (target, _) = extension(bytes.get(target_offset..)?)?;
    let (mut jump, mut error) = (None, None);
    let target = match target.name.as_str() {
        "" => match u32_at(&target.data, 0)?.cast_signed() {
            RETURN => Target::Return,
            -1 => Target::Drop,
            -2 => Target::Accept,
            -4 => Target::Queue,
            to if to >= 0 => {
                let goto = header.get(layout.flags)? & layout.goto != 0;
                jump = Some((to.cast_unsigned(), goto));
                Target::Continue
            }
            other => Target::Verdict(other.checked_neg()? - 1),
        },
        ERROR => {
            error = Some(name_at(&target.data, 0, target.data.len())?);
            Target::Continue
        }
        _ => Target::Extension(target),
    };
    let rule = Rule { offset: at, header: header.to_vec(), matches, target };
    Some(Raw { rule, jump, error, next: at.checked_add(u32::try_from(next_offset).ok()?)? })
}

/// A match or target with its size.
fn extension(bytes: &[u8]) -> Option<(Extension, usize)> {
    let size = usize::from(u16_at(bytes, 0)?);
    if size < EXTENSION {
        return None;
    }
    Some((
        Extension {
            name: name_at(bytes, 2, EXTENSION_NAME)?,
            revision: *bytes.get(EXTENSION - 1)?,
            data: bytes.get(EXTENSION..size)?.to_vec(),
        },
        size,
    ))
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
