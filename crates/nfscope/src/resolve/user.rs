//! Addresses of processes as functions of their programs and libraries.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;

use nfscope_event::Frame;
use object::{Object, ObjectSegment, ObjectSymbol, SymbolKind};

/// Larger programs are told by file and offset only.
const LARGEST: u64 = 256 << 20;

/// A file in a process's memory.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mapping {
    start: u64,
    end: u64,
    /// Of the file, at `start`.
    offset: u64,
    inode: u64,
    path: String,
}

impl Mapping {
    /// Reads `START-END rwxp OFFSET MAJOR:MINOR INODE PATH`; only code of files.
    fn parse(line: &str) -> Option<Self> {
        let mut rest = line;
        let mut word = || {
            let (word, behind) = rest.trim_start().split_once(' ').unwrap_or((rest, ""));
            rest = behind;
            word
        };
        let (range, access, offset) = (word(), word(), word());
        let (_, inode) = (word(), word());
        let (start, end) = range.split_once('-')?;
        let hex = |text: &str| u64::from_str_radix(text, 16).ok();
        let inode = inode.parse().ok().filter(|inode| *inode != 0)?;
        access.contains('x').then_some(Self {
            start: hex(start)?,
            end: hex(end)?,
            offset: hex(offset)?,
            inode,
            path: rest.trim().to_owned(),
        })
    }
}

/// A function in a file, by its place in the file.
#[derive(Debug)]
struct Symbol {
    start: u64,
    end: u64,
    name: String,
}

/// Memory of processes, to be looked at while they run, and symbols of their
/// files.
#[derive(Debug, Default)]
pub struct UserMaps {
    processes: HashMap<u32, Vec<Mapping>>,
    /// By inode and path.
    files: HashMap<(u64, String), Vec<Symbol>>,
}

impl UserMaps {
    /// Looks at these processes anew: programs load libraries while they run. Of
    /// one that has ended the last look is kept.
    pub fn learn(&mut self, processes: &[u32]) {
        for pid in processes {
            let Ok(text) = std::fs::read_to_string(format!("/proc/{pid}/maps")) else { continue };
            let maps: Vec<Mapping> = text.lines().filter_map(Mapping::parse).collect();
            for mapping in &maps {
                self.read(*pid, mapping);
            }
            if !maps.is_empty() {
                self.processes.insert(*pid, maps);
            }
        }
    }

    /// The function of a process that holds an address, or the file.
    pub fn frame(&self, pid: u32, address: u64) -> Option<Frame> {
        let maps = self.processes.get(&pid)?;
        let mapping = maps.iter().find(|m| (m.start..m.end).contains(&address))?;
        let place = address - mapping.start + mapping.offset;
        let symbols = self.files.get(&(mapping.inode, mapping.path.clone()));
        let symbol = symbols.and_then(|symbols| {
            let before = symbols.partition_point(|s| s.start <= place).checked_sub(1)?;
            symbols.get(before).filter(|s| place < s.end)
        });
        let file = mapping.path.rsplit('/').next().unwrap_or_default().to_owned();
        Some(Frame {
            function: symbol.map(|s| s.name.clone()),
            offset: Some(place - symbol.map_or(0, |s| s.start)),
            module: Some(file),
            ..Frame::default()
        })
    }

    /// Reads a file's symbols while the process shows it: its path may mean
    /// another file here.
    fn read(&mut self, pid: u32, mapping: &Mapping) {
        let key = (mapping.inode, mapping.path.clone());
        if self.files.contains_key(&key) {
            return;
        }
        let symbols = symbols_of(&format!("/proc/{pid}/root{}", mapping.path), mapping.inode);
        self.files.insert(key, symbols.unwrap_or_default());
    }
}

/// The functions of a program or library, by their places in the file.
fn symbols_of(path: &str, inode: u64) -> Option<Vec<Symbol>> {
    let mut file = File::open(path).ok()?;
    let metadata = file.metadata().ok()?;
    if !metadata.is_file() || metadata.ino() != inode || metadata.len() > LARGEST {
        return None;
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    let elf = object::File::parse(&*bytes).ok()?;
    let segments: Vec<(u64, u64, u64)> =
        elf.segments().map(|s| (s.address(), s.file_range().1, s.file_range().0)).collect();
    let in_file = |address: u64| {
        let held =
            |(start, size, _): &&(u64, u64, u64)| address >= *start && address - start < *size;
        segments.iter().find(held).and_then(|(start, _, at)| (address - start).checked_add(*at))
    };
    let functions = elf.symbols().chain(elf.dynamic_symbols()).filter_map(|symbol| {
        let name = symbol.name().ok().filter(|name| !name.is_empty())?;
        let wanted = symbol.kind() == SymbolKind::Text && symbol.size() > 0;
        let start = in_file(symbol.address()).filter(|_| wanted)?;
        Some(Symbol { start, end: start.checked_add(symbol.size())?, name: name.to_owned() })
    });
    let mut all: Vec<Symbol> = functions.collect();
    all.sort_by(|a, b| (a.start, &a.name).cmp(&(b.start, &b.name)));
    all.dedup_by_key(|symbol| symbol.start);
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_of_files_only() {
        let line = "7f00-7f80 r-xp 00001000 08:01 4711                       /usr/lib/my lib.so";
        let mapping = Mapping::parse(line).unwrap();
        assert_eq!((mapping.start, mapping.end, mapping.offset), (0x7f00, 0x7f80, 0x1000));
        assert_eq!((mapping.inode, mapping.path.as_str()), (4711, "/usr/lib/my lib.so"));
        assert_eq!(Mapping::parse("7f00-7f80 r-xp 00000000 00:00 0    [vdso]"), None);
        assert_eq!(Mapping::parse("7f00-7f80 rw-p 00001000 08:01 4711 /usr/lib/x.so"), None);
        assert_eq!(Mapping::parse(""), None);
    }

    #[test]
    fn a_function_of_this_program() {
        let mut maps = UserMaps::default();
        let pid = std::process::id();
        maps.learn(&[pid]);
        let here = symbols_of as fn(&str, u64) -> Option<Vec<Symbol>> as usize as u64;
        let frame = maps.frame(pid, here + 1).unwrap();
        assert!(frame.function.unwrap().contains("symbols_of"));
        assert_eq!(frame.offset, Some(1));
        assert_eq!(maps.frame(pid, 1), None);
    }
}
