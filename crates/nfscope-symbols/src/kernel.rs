//! A kernel: the running one, or another one by its files alone.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use nfscope_kernel::modules::ModuleFile;

use crate::kallsyms::{Kallsyms, Live, made_at_run_time};
use crate::notes::build_id;
use crate::{Answer, DebugFiles, Distribution, Image, Lookup, Store, Symbol, SymbolOffset, Target};
use crate::{image, package_hint};

/// Where distributions keep modules.
const ROOTS: [&str; 2] = ["/lib/modules", "/usr/lib/modules"];
/// Symbols whose addresses in the file and in memory tell how far the kernel was moved (KASLR).
const LANDMARKS: [&str; 2] = ["_stext", "_text"];

/// A kernel's code.
#[derive(Debug)]
pub struct Kernel<'a> {
    store: &'a Store,
    files: DebugFiles,
    release: String,
    /// The running kernel's symbols; none for another kernel, or where they are hidden.
    table: Option<Kallsyms>,
    /// Why there is no table.
    hidden: Option<String>,
    images: HashMap<Option<String>, Part<'a>>,
}

/// A symbol of the running kernel and its module.
type Found = (Live, Option<String>);

/// The kernel itself or one module.
#[derive(Debug, Default)]
struct Part<'a> {
    image: Option<Image<'a>>,
    /// Why there are no lines.
    notes: Vec<String>,
    /// What is added to the file's addresses in memory; of the kernel itself alone.
    moved: Option<u64>,
    /// Where the kernel put the module's sections.
    sections: Vec<(String, u64)>,
}

impl<'a> Kernel<'a> {
    /// The running kernel.
    pub fn running(store: &'a Store, files: DebugFiles) -> std::io::Result<Self> {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned();
        let mut kernel = Self::of_release(store, files, &release);
        match Kallsyms::read() {
            Ok(table) => kernel.table = Some(table),
            Err(e) => kernel.hidden = Some(e.to_string()),
        }
        Ok(kernel)
    }

    /// A kernel by its release, from files alone.
    pub fn of_release(store: &'a Store, files: DebugFiles, release: &str) -> Self {
        let (release, images) = (release.to_owned(), HashMap::new());
        Self { store, files, release, table: None, hidden: None, images }
    }

    /// Its release.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// Whether it is the running one, with addresses in memory.
    pub fn is_running(&self) -> bool {
        self.table.is_some()
    }

    /// The file that is used for the kernel itself or a module.
    pub fn image(&mut self, module: Option<&str>) -> Option<&mut Image<'a>> {
        self.part(module).image.as_mut()
    }

    /// Why there are no lines of the kernel itself or a module; empty if there are.
    pub fn notes(&mut self, module: Option<&str>) -> &[String] {
        &self.part(module).notes
    }

    /// Reads the running kernel's symbols again: modules come, go, and come back elsewhere.
    pub fn reread(&mut self) {
        if let Ok(table) = Kallsyms::read() {
            self.table = Some(table);
            self.images.retain(|module, _| module.is_none());
        }
    }

    /// Whether an address is in its code.
    pub fn has_code_at(&self, address: u64) -> bool {
        self.table.as_ref().is_some_and(|table| table.at(address).is_some())
    }

    /// Answers; several where a name has several functions. The error says why it cannot.
    pub fn resolve(&mut self, target: &Target, lookup: Lookup) -> Result<Vec<Answer>, String> {
        if let Target::Symbol { module, name, offset, size } = target
            && let Some(found) = self.live(module.as_deref(), name, *offset, *size)?
        {
            return Ok(found
                .into_iter()
                .map(|(live, module)| self.at(&live, module, (*offset, *size), lookup))
                .collect());
        }
        match (target, &self.table) {
            (Target::Address(address), Some(table)) => {
                let Some(live) = table.at(*address).cloned() else {
                    return Err(format!("no function of the running kernel is at {address:#x}"));
                };
                let module = table.module(&live).map(str::to_owned);
                let offset = address - live.address;
                Ok(vec![self.at(&live, module, (offset, None), lookup)])
            }
            _ => self.by_file(target, lookup),
        }
    }

    /// The running kernel's symbols of a name with their modules; `None` where only files can tell.
    fn live(
        &self,
        module: Option<&str>,
        name: &str,
        offset: u64,
        size: Option<u64>,
    ) -> Result<Option<Vec<Found>>, String> {
        let Some(table) = &self.table else { return Ok(None) };
        let found = table.named(name, module);
        let Some(first) = found.first() else {
            return match module {
                // not loaded: its file still tells
                Some(_) => Ok(None),
                None => Err(format!("the running kernel has no function {name}")),
            };
        };
        let length = |live: &Live| live.end.wrapping_sub(live.address);
        let fits: Vec<_> = found
            .iter()
            .filter(|live| size.is_none_or(|size| !live.end_known || length(live) == size))
            .collect();
        if let (Some(size), true) = (size, fits.is_empty()) {
            return Err(format!(
                "{name} of the running kernel is {:#x} bytes long, not {size:#x}: this comes from another kernel (see --kernel)",
                length(first)
            ));
        }
        let mut reached: Vec<_> = fits.iter().filter(|live| offset <= length(live)).collect();
        if reached.is_empty() {
            let longest = fits.iter().map(|live| length(live)).max().unwrap_or_default();
            return Err(format!("{name} is only {longest:#x} bytes long"));
        }
        // the byte behind one is rather meant in another
        if reached.iter().any(|live| offset < length(live)) {
            reached.retain(|live| offset < length(live));
        }
        let named = |live: &Live| (live.clone(), table.module(live).map(str::to_owned));
        Ok(Some(reached.into_iter().map(|live| named(live)).collect()))
    }

    /// What is at an offset in a symbol of the running kernel, with the size that was given for it.
    fn at(
        &mut self,
        live: &Live,
        module: Option<String>,
        (offset, given): (u64, Option<u64>),
        lookup: Lookup,
    ) -> Answer {
        let address = live.address.wrapping_add(offset);
        let size = if live.end_known { Some(live.end.wrapping_sub(live.address)) } else { given };
        let part = self.part(module.as_deref());
        let (found, notes) = match part.place(live, offset) {
            Ok((place, symbol)) => match &part.image {
                Some(image) => {
                    (image.at(place, symbol.as_ref(), lookup.address(place, offset)), Vec::new())
                }
                None => (Answer::default(), Vec::new()),
            },
            Err(note) => (Answer::default(), vec![note]),
        };
        let mut notes = [part.notes.clone(), notes].concat();
        notes.extend(found.notes);
        Answer {
            address: Some(address),
            symbol: Some(SymbolOffset { name: live.name.to_string(), offset, size }),
            module,
            notes,
            ..found
        }
    }

    fn by_file(&mut self, target: &Target, lookup: Lookup) -> Result<Vec<Answer>, String> {
        let module = target.module().map(str::to_owned);
        let (release, hidden) = (self.release.clone(), self.hidden.clone());
        if let (Target::Address(address), Some(hidden)) = (target, &hidden) {
            return Err(format!("{address:#x} cannot be looked up: {hidden}"));
        }
        let part = self.part(module.as_deref());
        let Some(image) = &mut part.image else {
            let why = [part.notes.as_slice(), hidden.as_slice()].concat().join("; ");
            return Err(match module {
                Some(module) => format!("module {module} of kernel {release}: {why}"),
                None => format!("no vmlinux with symbols of kernel {release} was found: {why}"),
            });
        };
        let mut answers = match image.resolve(target, lookup) {
            Err(e) => {
                let Target::Symbol { module: None, name, .. } = target else { return Err(e) };
                let elsewhere = image.symbols().named(name).next().is_none();
                let hint = "; name its module if it has one: MODULE:FUNCTION";
                return Err(format!("{e}{}", if elsewhere { hint } else { "" }));
            }
            Ok(answers) => answers,
        };
        for answer in &mut answers {
            answer.module.clone_from(&module);
            let own = part.notes.iter().filter(|note| !answer.notes.contains(note)).cloned();
            answer.notes = own.chain(answer.notes.clone()).collect();
            if matches!(target, Target::Address(_)) {
                answer.notes.push("taken as an address of the file, as without KASLR".to_owned());
            }
        }
        Ok(answers)
    }

    /// The image of the kernel or of a module, opened when it is asked for first.
    fn part(&mut self, module: Option<&str>) -> &mut Part<'a> {
        let key = module.map(str::to_owned);
        if !self.images.contains_key(&key) {
            let part = match module {
                None => self.open_kernel(),
                Some(module) => self.open_module(module),
            };
            self.images.insert(key.clone(), part);
        }
        self.images.entry(key).or_default()
    }

    fn open_kernel(&self) -> Part<'a> {
        let running = self.table.is_some() || self.hidden.is_some();
        let notes = running.then(|| std::fs::read("/sys/kernel/notes").ok()).flatten();
        let build_id = notes.as_deref().and_then(build_id);
        let candidates = self.files.vmlinux(&self.release, build_id);
        let mut part = Part::default();
        let files = (self.store, &self.files);
        part.image = Image::found(files, &candidates, None, build_id, &mut part.notes);
        if let Some(image) = &mut part.image {
            part.notes.extend(image.notes().iter().cloned());
            part.moved = LANDMARKS.iter().find_map(|name| {
                let file = image.symbols().named(name).next()?.address;
                Some(self.table.as_ref()?.address(name)?.wrapping_sub(file))
            });
        } else {
            part.notes.push(package_hint(Distribution::here(), &self.release));
        }
        part
    }

    fn open_module(&self, module: &str) -> Part<'a> {
        if made_at_run_time(module) {
            let notes = vec!["made by the kernel while it runs: there is no source".to_owned()];
            return Part { notes, ..Part::default() };
        }
        let folder = Path::new("/sys/module").join(module);
        let loaded = self.table.is_some() && folder.join("sections").exists();
        let note =
            loaded.then(|| std::fs::read(folder.join("notes/.note.gnu.build-id")).ok()).flatten();
        let mut notes = Vec::new();
        let roots = ROOTS.map(PathBuf::from);
        let file = match ModuleFile::find(&roots, &self.release, module, note.as_deref()) {
            Ok(file) => Some(file),
            Err(e) => {
                notes.push(e.to_string());
                None
            }
        };
        let own = file.as_ref().and_then(|file| file.elf().ok()?.build_id().map(<[u8]>::to_vec));
        let build_id = note.as_deref().and_then(build_id).map(<[u8]>::to_vec).or(own);
        let own = file.as_ref().map(|file| file.path.as_path());
        let candidates = self.files.module(&self.release, module, own, build_id.as_deref());
        let files = (self.store, &self.files);
        let image = Image::found(files, &candidates, own, build_id.as_deref(), &mut notes);
        if let Some(image) = &image {
            if image.has_lines() {
                notes.clear();
            }
            notes.extend(image.notes().iter().cloned());
        }
        if image.as_ref().is_none_or(|image| !image.has_lines()) {
            notes.push(package_hint(Distribution::here(), &self.release));
        }
        let sections = if loaded { sections(&folder) } else { Vec::new() };
        Part { image, notes, moved: None, sections }
    }
}

impl<'a> Part<'a> {
    /// The address in the file of an offset in a symbol of the running kernel; the symbol only where it
    /// was found by its name.
    fn place(&mut self, live: &Live, offset: u64) -> Result<(u64, Option<Symbol<'a>>), String> {
        let Some(image) = &mut self.image else { return Ok((0, None)) };
        let address = live.address.wrapping_add(offset);
        if let Some(moved) = self.moved {
            return Ok((address.wrapping_sub(moved), None));
        }
        // by where its section is; what lies at a section's end belongs to the symbol in front
        let inside = self.sections.iter().find_map(|(name, start)| {
            let start = live.address.checked_sub(*start)?;
            Some(image.object().address_in(name, start)?.wrapping_add(offset))
        });
        if let Some(place) = inside {
            return Ok((place, None));
        }
        let size = live.end_known.then(|| live.end.wrapping_sub(live.address));
        let all: Vec<Symbol> = image.symbols().named(&live.name).copied().collect();
        let fitting: Vec<Symbol> =
            all.iter().filter(|s| size.is_none_or(|size| s.has_size(size))).copied().collect();
        match (all.as_slice(), fitting.as_slice()) {
            ([symbol], _) | (_, [symbol, ..]) if all.len() == 1 || fitting.len() == 1 => {
                Ok((image::within(symbol, offset)?, Some(*symbol)))
            }
            ([], _) => {
                Err(format!("{} has no symbol {}", image.object().path().display(), live.name))
            }
            _ => Err(format!(
                "{} has {} functions {}, and the kernel does not show where its sections are (run as root)",
                image.object().path().display(),
                all.len(),
                live.name
            )),
        }
    }
}

/// `/sys/module/NAME/sections`: empty where the addresses are hidden.
fn sections(folder: &Path) -> Vec<(String, u64)> {
    let entries = std::fs::read_dir(folder.join("sections")).into_iter().flatten().flatten();
    let section = |entry: std::fs::DirEntry| {
        let text = std::fs::read_to_string(entry.path()).ok()?;
        let address = u64::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok()?;
        (address != 0).then(|| Some((entry.file_name().into_string().ok()?, address))).flatten()
    };
    entries.filter_map(section).collect()
}

#[cfg(test)]
mod tests;
