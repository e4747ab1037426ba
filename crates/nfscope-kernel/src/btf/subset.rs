//! A small BTF with the types and members that a BPF object's accesses are moved by.
//!
//! libbpf looks for the kernel's type of each name by walking all of them (150,000 in vmlinux). With this
//! file in place of the whole (`btf_custom_path` of `struct bpf_object_open_opts`) it finds the same
//! members at the same offsets, and the same ones missing: what is left out has names that the object does
//! not have. Type ids are the file's own, so an object that needs the kernel's ids must not ask libbpf for
//! them; nor may it ask whether whole types match (`bpf_core_type_matches`).

use std::collections::{HashMap, HashSet};

use super::Btf;
use super::raw::{Record, kind};

/// A name without its flavour, as `bpf_core_essential_name_len` (libbpf, `relo_core.c`) has it:
/// `sk_buff___old` means `sk_buff`.
fn essential(name: &[u8]) -> &[u8] {
    let flavour = |w: &[u8]| w[0] != b'_' && w[1..4] == *b"___" && w[4] != b'_';
    let end = name.windows(5).rposition(flavour).map_or(name.len(), |at| at + 1);
    &name[..end]
}

/// Kinds that an access can start from.
fn root(record: &Record) -> bool {
    matches!(record.kind, kind::STRUCT | kind::UNION | kind::ENUM | kind::ENUM64 | kind::TYPEDEF)
}

/// Words of one member or enumerator, whose name is the first of them.
fn part_words(kind: u8) -> Option<usize> {
    match kind {
        kind::STRUCT | kind::UNION | kind::ENUM64 => Some(3),
        kind::ENUM => Some(2),
        _ => None,
    }
}

impl Btf {
    /// The bytes of a BTF that has this one's types of the names that `wanted` (a BPF object's own BTF)
    /// has, of their members and enumerators those that it has too, and the anonymous ones. What pointers
    /// point to is left out. `None` if a type holds what no type can hold by value.
    pub fn subset(&self, wanted: &Btf) -> Option<Vec<u8>> {
        let mut subset = Subset::new(self, wanted.part_names());
        for id in wanted.first_id..wanted.end_id() {
            let Some((record, _)) = wanted.record(id) else { continue };
            let name = essential(wanted.string(record.name_off).unwrap_or_default());
            if !root(&record) || name.is_empty() {
                continue;
            }
            self.each_of_name(name, |id| {
                subset.id(id);
            });
        }
        subset.write()
    }

    /// Names of all members and enumerators, those without flavour as well.
    fn part_names(&self) -> HashSet<&[u8]> {
        let mut names = HashSet::new();
        for id in self.first_id..self.end_id() {
            let Some((record, blob)) = self.record(id) else { continue };
            for part in 0..record.vlen as usize {
                let Some(words) = part_words(record.kind) else { break };
                let at = record.tail + 4 * part * words;
                let name = blob.word(at).and_then(|name| self.string(name)).unwrap_or_default();
                names.extend([name, essential(name)]);
            }
        }
        names
    }

    /// Calls `each` with the ids of all types of a name that an access can start from.
    fn each_of_name(&self, name: &[u8], mut each: impl FnMut(u32)) {
        for index in self.blob.candidates(name) {
            let record = self.blob.record(index);
            if record.is_some_and(|r| root(&r) && self.string(r.name_off) == Some(name)) {
                each(self.first_id + index);
            }
        }
        if let Some(base) = &self.base {
            base.each_of_name(name, each);
        }
    }
}

/// What is written as one type.
#[derive(Debug, Clone, Copy)]
enum Entry {
    /// The kernel's type of this id.
    Copy(u32),
    /// `void *`, for every pointer.
    Pointer,
}

struct Subset<'a> {
    from: &'a Btf,
    /// Members and enumerators to be kept.
    parts: HashSet<&'a [u8]>,
    /// In the order of the new ids, from 1 on.
    entries: Vec<Entry>,
    /// Old ids to new.
    ids: HashMap<u32, u32>,
    pointer: Option<u32>,
    types: Vec<u8>,
    strings: Vec<u8>,
    /// Old offsets of strings to new.
    names: HashMap<u32, u32>,
}

impl<'a> Subset<'a> {
    fn new(from: &'a Btf, parts: HashSet<&'a [u8]>) -> Self {
        Self {
            from,
            parts,
            entries: Vec::new(),
            ids: HashMap::new(),
            pointer: None,
            types: Vec::new(),
            strings: vec![0],
            names: HashMap::from([(0, 0)]),
        }
    }

    /// The new id of an old type, which is written when its turn comes.
    fn id(&mut self, old: u32) -> u32 {
        if old == 0 {
            return 0;
        }
        if let Some(new) = self.ids.get(&old) {
            return *new;
        }
        let pointer = self.from.record(old).is_some_and(|(r, _)| r.kind == kind::PTR);
        let new = match self.pointer {
            Some(new) if pointer => new,
            _ => {
                self.entries.push(if pointer { Entry::Pointer } else { Entry::Copy(old) });
                self.entries.len() as u32
            }
        };
        if pointer {
            self.pointer = Some(new);
        }
        self.ids.insert(old, new);
        new
    }

    fn name(&mut self, old: u32) -> u32 {
        if let Some(new) = self.names.get(&old) {
            return *new;
        }
        let new = self.strings.len() as u32;
        self.strings.extend_from_slice(self.from.string(old).unwrap_or_default());
        self.strings.push(0);
        self.names.insert(old, new);
        new
    }

    /// Whether a member or enumerator can be asked for.
    fn keeps(&self, name: u32) -> bool {
        let name = self.from.string(name).unwrap_or_default();
        name.is_empty() || self.parts.contains(name) || self.parts.contains(essential(name))
    }

    fn words<const N: usize>(&mut self, words: [u32; N]) {
        words.into_iter().for_each(|w| self.types.extend_from_slice(&w.to_le_bytes()));
    }

    fn record(&mut self, name: u32, record: &Record, vlen: usize, size_or_type: u32) {
        let flag = u32::from(record.kind_flag) << 31;
        let info = flag | u32::from(record.kind) << 24 | vlen as u32;
        self.words([name, info, size_or_type]);
    }

    /// Writes all types; those that they hold come behind them.
    fn write(mut self) -> Option<Vec<u8>> {
        let mut next = 0;
        while let Some(entry) = self.entries.get(next).copied() {
            next += 1;
            match entry {
                Entry::Copy(old) => self.copy(old)?,
                Entry::Pointer => self.words([0, u32::from(kind::PTR) << 24, 0]),
            }
        }
        let (types, strings) = (self.types.len() as u32, self.strings.len() as u32);
        let mut out = vec![0x9f, 0xeb, 1, 0];
        for word in [24, 0, types, types, strings] {
            out.extend_from_slice(&u32::to_le_bytes(word));
        }
        out.extend_from_slice(&self.types);
        out.extend_from_slice(&self.strings);
        Some(out)
    }

    fn copy(&mut self, old: u32) -> Option<()> {
        let from = self.from;
        let (record, blob) = from.record(old)?;
        let name = self.name(record.name_off);
        let tail = |n: usize| blob.word(record.tail + 4 * n);
        match record.kind {
            kind::TYPEDEF | kind::CONST | kind::VOLATILE | kind::RESTRICT | kind::TYPE_TAG => {
                let inner = self.id(record.size_or_type);
                self.record(name, &record, 0, inner);
            }
            kind::FWD | kind::FLOAT => self.record(name, &record, 0, record.size_or_type),
            kind::INT => {
                self.record(name, &record, 0, record.size_or_type);
                self.words([tail(0)?]);
            }
            kind::ARRAY => {
                self.record(name, &record, 0, 0);
                for n in 0..2 {
                    let inner = self.id(tail(n)?);
                    self.words([inner]);
                }
                self.words([tail(2)?]);
            }
            kind::STRUCT | kind::UNION | kind::ENUM | kind::ENUM64 => {
                let words = part_words(record.kind)?;
                let kept: Vec<usize> = (0..record.vlen as usize)
                    .filter(|n| tail(words * n).is_some_and(|name| self.keeps(name)))
                    .collect();
                self.record(name, &record, kept.len(), record.size_or_type);
                let held = matches!(record.kind, kind::STRUCT | kind::UNION);
                for n in kept {
                    let name = self.name(tail(words * n)?);
                    self.words([name]);
                    for at in 1..words {
                        let word = tail(words * n + at)?;
                        let word = if held && at == 1 { self.id(word) } else { word };
                        self.words([word]);
                    }
                }
            }
            _ => return None,
        }
        Some(())
    }
}
