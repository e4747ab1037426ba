//! The code of a function: out of its module's file, the kernel's memory, or a file that was given.

use std::collections::BTreeMap;
use std::path::PathBuf;

use nfscope_kernel::btf::Btf;
use nfscope_kernel::isa::Shown;
use nfscope_kernel::live::{self, KCore};
use nfscope_kernel::modules::{ModuleFile, Reference, function_in_place, references};
use nfscope_kernel::text::{FunctionText, TextSource};
use nfscope_symbols::{Answer, Image};
use serde::Serialize;

use super::super::origin::Origin;

/// Where distributions keep modules.
const ROOTS: [&str; 2] = ["/lib/modules", "/usr/lib/modules"];
/// Every kprobe of the machine.
const KPROBES: &str = "/sys/kernel/debug/kprobes/list";

/// Where the bytes are from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub(super) enum CodeFrom {
    /// The file of a module.
    ModuleFile {
        path: PathBuf,
        /// Its build id is the loaded module's.
        verified: bool,
    },
    /// The running kernel's memory.
    Memory,
    /// A linked file.
    File { path: PathBuf },
}

/// A function's code, and what is needed to read it.
pub(super) struct Code {
    pub text: FunctionText,
    pub module: Option<String>,
    /// Where it starts: in memory, or in a linked file.
    pub address: Option<u64>,
    pub from: CodeFrom,
    /// Its instructions.
    pub shown: Vec<Shown>,
    /// What its relocations refer to, by the offset of the relocated field.
    pub references: BTreeMap<u32, Reference>,
    /// What is in memory in its place; none if the code itself is from there, or memory cannot be read.
    pub live: Option<Vec<u8>>,
    pub notes: Vec<String>,
}

impl Code {
    /// The code of the function that an answer lies in.
    pub fn find(origin: &mut Origin, answer: &Answer) -> Result<Self, String> {
        let symbol = answer.symbol.as_ref().ok_or("no function is there")?;
        let module = answer.module.as_deref();
        let kernel = match origin {
            Origin::Kernel(kernel) => kernel,
            Origin::Files(_) => {
                let image = origin.image(module, &symbol.name).ok_or("no file has it")?;
                return Self::by_image(image, answer);
            }
        };
        if !kernel.is_running() {
            return match module {
                Some(module) => {
                    let file =
                        ModuleFile::find(&ROOTS.map(PathBuf::from), kernel.release(), module, None);
                    Self::by_module(file.map_err(|e| e.to_string())?, answer)
                }
                None => {
                    let image = kernel.image(None).ok_or("no vmlinux was found")?;
                    Self::by_image(image, answer)
                }
            };
        }
        let mut notes = Vec::new();
        if let Some(module) = module {
            let file = ModuleFile::of_running_kernel(module).map_err(|e| e.to_string());
            match file.and_then(|file| Self::by_module(file, answer)) {
                Ok(mut code) => {
                    code.compare_with_memory();
                    return Ok(code);
                }
                Err(e) => notes.push(format!("{e}: read from memory")),
            }
        }
        match Self::by_memory(answer) {
            Ok(mut code) => {
                code.notes.splice(0..0, notes);
                Ok(code)
            }
            Err(e) => {
                let image = kernel
                    .image(None)
                    .filter(|image| module.is_none() && !image.object().is_relocatable());
                let image = image.ok_or_else(|| [notes.join("; "), e.clone()].join(" "))?;
                let mut code = Self::by_image(image, answer)?;
                code.notes
                    .push(format!("{e}: the code is the file's, before the kernel changed it"));
                // the file's addresses are those without KASLR
                code.address = start(answer);
                Ok(code)
            }
        }
    }

    fn by_module(file: ModuleFile, answer: &Answer) -> Result<Self, String> {
        let symbol = answer.symbol.as_ref().ok_or("no function is there")?;
        let elf = file.elf().map_err(|e| e.to_string())?;
        let path = || file.path.display();
        let symbols = elf.symbols().map_err(|e| e.to_string())?;
        let named = symbols.iter().filter(|s| s.size > 0 && elf.symbol_name(s) == symbol.name);
        if named.count() > 1 {
            return Err(format!("{} has several functions {}", path(), symbol.name));
        }
        let text = function_in_place(&elf, &symbol.name).map_err(|e| format!("{}: {e}", path()))?;
        let address = start(answer);
        let shown = text.arch.show(&text.code, address.unwrap_or(0));
        let end = |at: u32| {
            let behind = shown.partition_point(|shown| shown.offset <= at);
            behind.checked_sub(1).and_then(|n| shown.get(n)).map_or(at, Shown::end)
        };
        let references =
            references(&elf, &symbol.name, end).map_err(|e| format!("{}: {e}", path()))?;
        let from = CodeFrom::ModuleFile { path: file.path.clone(), verified: file.verified };
        let module = answer.module.clone();
        Ok(Self { text, module, address, from, shown, references, live: None, notes: Vec::new() })
    }

    fn by_image(image: &mut Image, answer: &Answer) -> Result<Self, String> {
        let symbol = answer.symbol.as_ref().ok_or("no function is there")?;
        let path = image.object().path().to_owned();
        if image.object().is_relocatable() {
            let file = ModuleFile::read(path).map_err(|e| e.to_string())?;
            return Self::by_module(file, answer);
        }
        let found = match image.named(&symbol.name, symbol.size)?.as_slice() {
            [found] => *found,
            _ => return Err(format!("{} has several functions {}", path.display(), symbol.name)),
        };
        let text = image.code(&found)?;
        let mut code = Self::linked(text, answer, found.address, CodeFrom::File { path });
        // what is around it in the file
        for target in code.targets() {
            let to = found.address.wrapping_add_signed(target);
            if let Some(near) = image.symbols().at(to) {
                let offset = to.wrapping_sub(near.address);
                let name = near.name.to_owned();
                let name = if offset > 0 { format!("{name}+{offset:#x}") } else { name };
                code.text.neighbours.insert(target, name);
            }
        }
        Ok(code)
    }

    fn by_memory(answer: &Answer) -> Result<Self, String> {
        let symbol = answer.symbol.as_ref().ok_or("no function is there")?;
        let start = start(answer).ok_or("its address is not known")?;
        let size = symbol.size.ok_or_else(|| {
            format!("{} is its module's last function: nothing shows where it ends", symbol.name)
        })?;
        let module = answer.module.as_deref();
        let mut core = KCore::open().map_err(|e| e.to_string())?;
        let btf = module.and_then(|_| Btf::vmlinux().ok());
        let text = live::function_at(&mut core, &symbol.name, module, (start, size), btf.as_ref())
            .map_err(|e| e.to_string())?;
        let mut code = Self::linked(text, answer, start, CodeFrom::Memory);
        let probed = probed(&symbol.name);
        if !probed.is_empty() {
            code.notes.push(format!(
                "probes have changed the code at {}: up to 16 bytes from there are not the function's own",
                probed.join(", ")
            ));
        }
        Ok(code)
    }

    fn linked(text: FunctionText, answer: &Answer, address: u64, from: CodeFrom) -> Self {
        let shown = text.arch.show(&text.code, address);
        let (references, notes) = (BTreeMap::new(), Vec::new());
        let module = answer.module.clone();
        Self { text, module, address: Some(address), from, shown, references, live: None, notes }
    }

    fn compare_with_memory(&mut self) {
        let CodeFrom::ModuleFile { verified, .. } = self.from else { return };
        let Some(address) = self.address else { return };
        if !verified {
            let note =
                "the kernel shows no build id of the module: its file may be another build's";
            self.notes.push(note.to_owned());
            return;
        }
        let read = KCore::open().map_err(|e| e.to_string()).and_then(|mut core| {
            core.read(address, self.text.code.len()).map_err(|e| e.to_string())
        });
        match read {
            Ok(live) => self.live = Some(live),
            Err(e) => self.notes.push(format!("what the kernel changed is not known: {e}")),
        }
    }

    /// Where the code goes and what it refers to outside of itself: offsets from its start.
    pub fn targets(&self) -> Vec<i64> {
        let inside = 0..self.text.code.len() as i64;
        let all = self.shown.iter().filter(|shown| self.reference(shown).is_none());
        all.flat_map(|shown| [shown.branch, shown.data])
            .flatten()
            .filter(|target| !inside.contains(target))
            .collect()
    }

    /// What an instruction's relocation refers to.
    pub fn reference(&self, shown: &Shown) -> Option<&Reference> {
        self.references.range(shown.offset..shown.end()).next().map(|(_, to)| to)
    }
}

/// Kprobes in a function (`kernel/kprobes.c`: `report_probe`) that stand in its code, not at its ftrace site.
fn probed(name: &str) -> Vec<String> {
    let list = std::fs::read_to_string(KPROBES).unwrap_or_default();
    let here = |line: &&str| {
        let place = line.split_whitespace().nth(2).unwrap_or_default();
        place.split_once('+').is_some_and(|(function, _)| function == name)
    };
    let inside = list.lines().filter(here).filter(|line| !line.contains("[FTRACE]"));
    inside.filter_map(|line| line.split_whitespace().nth(2).map(str::to_owned)).collect()
}

/// Where the function starts that an answer lies in.
fn start(answer: &Answer) -> Option<u64> {
    Some(answer.address?.wrapping_sub(answer.symbol.as_ref()?.offset))
}
