//! A file with its symbols and, where there are any, its lines.

use std::path::{Path, PathBuf};

use crate::{Answer, DebugFiles, Lines, Lookup, Object, ObjectError, Store, Symbol, SymbolOffset};
use crate::{Symbols, Target};

/// A kernel, module, program or library with what is known of its code.
#[derive(Debug)]
pub struct Image<'a> {
    object: Object<'a>,
    symbols: Symbols<'a>,
    lines: Option<Lines<'a>>,
    debug_file: Option<PathBuf>,
    notes: Vec<String>,
}

impl<'a> Image<'a> {
    /// Opens any file. Lines come from itself or from its separate debug file.
    pub fn open(store: &'a Store, files: &DebugFiles, path: &Path) -> Result<Self, ObjectError> {
        let object = Object::open(store, path)?;
        let mut image = Self::without_lines(object);
        if image.object.has_lines() {
            image.add_lines(store, files, None);
        } else if let Some(debug) = image.debug_file_of(store, files) {
            // a stripped file has the dynamic symbols alone
            let symbols = Symbols::read(&debug);
            if symbols.iter().count() > image.symbols.iter().count() {
                image.symbols = symbols;
            }
            image.add_lines(store, files, Some(&debug));
        } else {
            image.notes.push(format!("{} has no debug information", path.display()));
        }
        Ok(image)
    }

    /// The first of these files that has debug information and this build id; else what `own` has, and
    /// notes that say why.
    pub fn first(
        store: &'a Store,
        files: &DebugFiles,
        candidates: &[PathBuf],
        own: Option<&Path>,
        build_id: Option<&[u8]>,
    ) -> Option<Self> {
        let mut notes = Vec::new();
        for path in candidates {
            match Object::open(store, path) {
                Err(e) => notes.push(e.to_string()),
                Ok(object) if !object.has_lines() => {}
                Ok(object) if build_id.is_some() && object.build_id() != build_id => {
                    notes.push(format!("{} is of another build: not used", path.display()));
                }
                Ok(object) => {
                    let mut image = Self::without_lines(object);
                    image.add_lines(store, files, None);
                    return Some(image);
                }
            }
        }
        let object = Object::open(store, own?);
        let mut image =
            object.map(Self::without_lines).map_err(|e| notes.push(e.to_string())).ok()?;
        image.notes = notes;
        Some(image)
    }

    /// The same, with what servers have if none of the files will do. `notes`: what they say.
    pub(crate) fn found(
        (store, files): (&'a Store, &DebugFiles),
        candidates: &[PathBuf],
        own: Option<&Path>,
        build_id: Option<&[u8]>,
        notes: &mut Vec<String>,
    ) -> Option<Self> {
        let image = Self::first(store, files, candidates, own, build_id);
        if image.as_ref().is_some_and(Self::has_lines) {
            return image;
        }
        match files.ask(build_id) {
            Some(Ok(path)) => Self::first(store, files, &[path], own, build_id).or(image),
            Some(Err(why)) => {
                notes.push(why);
                image
            }
            None => image,
        }
    }

    /// The separate debug file of a program or library.
    fn debug_file_of(&mut self, store: &'a Store, files: &DebugFiles) -> Option<Object<'a>> {
        let local = files.of(store, &self.object);
        if local.is_some() {
            return local;
        }
        match files.ask(self.object.build_id())? {
            Ok(path) => Object::open(store, &path)
                .ok()
                .filter(|found| found.has_lines() && found.build_id() == self.object.build_id()),
            Err(why) => {
                self.notes.push(why);
                None
            }
        }
    }

    fn without_lines(object: Object<'a>) -> Self {
        let symbols = Symbols::read(&object);
        Self { object, symbols, lines: None, debug_file: None, notes: Vec::new() }
    }

    fn add_lines(&mut self, store: &'a Store, files: &DebugFiles, debug: Option<&Object<'a>>) {
        let object = debug.unwrap_or(&self.object);
        let shared = files.shared(store, object);
        if object.shared_debug_link().is_some() && shared.is_none() {
            self.notes.push("the file that its debug information shares is missing".to_owned());
            return;
        }
        match Lines::load(object, shared.as_ref()) {
            Ok(lines) => {
                self.debug_file = Some(object.path().to_owned());
                self.lines = Some(lines);
            }
            Err(e) => self.notes.push(e.to_string()),
        }
    }

    /// The file.
    pub fn object(&self) -> &Object<'a> {
        &self.object
    }

    /// Its symbols.
    pub fn symbols(&mut self) -> &mut Symbols<'a> {
        &mut self.symbols
    }

    /// Whether an address is in its code.
    pub fn has_symbol_at(&self, address: u64) -> bool {
        self.symbols.at(address).is_some()
    }

    /// Whether it has lines.
    pub fn has_lines(&self) -> bool {
        self.lines.is_some()
    }

    /// What is wrong with its debug information.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// All symbols of a name that a size does not speak against. The error says why there is none.
    pub fn named(&mut self, name: &str, size: Option<u64>) -> Result<Vec<Symbol<'a>>, String> {
        let path = self.object.path().display().to_string();
        let all: Vec<Symbol> = self.symbols.named(name).copied().collect();
        let Some(first) = all.first() else {
            return Err(format!("no function {name} in {path}"));
        };
        let fits: Vec<Symbol> =
            all.iter().filter(|s| size.is_none_or(|size| s.has_size(size))).copied().collect();
        if let (Some(size), true) = (size, fits.is_empty()) {
            let own = first.end.wrapping_sub(first.address);
            return Err(format!(
                "{name} is {own:#x} bytes long in {path}, not {size:#x}: this comes from another build"
            ));
        }
        Ok(fits)
    }

    /// Answers by the file alone; the error says why it cannot.
    pub fn resolve(&mut self, target: &Target, lookup: Lookup) -> Result<Vec<Answer>, String> {
        let addresses = match target {
            Target::Address(address) => vec![(*address, None)],
            Target::Section { name, offset, .. } => {
                let found = self.object.address_in(name, *offset);
                let address = found.ok_or_else(|| {
                    format!(
                        "{} has no section {name} with a byte {offset:#x}",
                        self.object.path().display()
                    )
                })?;
                vec![(address, None)]
            }
            Target::Symbol { name, offset, size, .. } => {
                // of several functions of one name, those that are long enough
                let all = self.named(name, *size)?;
                let place = |symbol: &Symbol<'a>| {
                    within(symbol, *offset).map(|address| (address, Some(*symbol)))
                };
                let mut found: Vec<_> =
                    all.iter().filter_map(|symbol| place(symbol).ok()).collect();
                // the byte behind one is rather meant in another
                let inside = |(address, symbol): &(u64, Option<Symbol<'_>>)| {
                    symbol.is_some_and(|symbol| *address < symbol.end)
                };
                if found.iter().any(inside) {
                    found.retain(inside);
                }
                let longest = all.iter().max_by_key(|s| s.end.wrapping_sub(s.address));
                match (found.is_empty(), longest) {
                    (true, Some(longest)) => vec![place(longest)?],
                    _ => found,
                }
            }
        };
        let mut out = Vec::new();
        for (address, symbol) in addresses {
            let start = symbol.as_ref().or_else(|| self.symbols.at(address)).map(|s| s.address);
            let offset = start.map_or(u64::MAX, |start| address.wrapping_sub(start));
            let code = lookup.address(address, offset);
            let mut answer = self.at(address, symbol.as_ref(), code);
            // a place of our own making says nothing to anybody
            answer.address = (!self.object.is_relocatable()).then_some(address);
            if answer.symbol.is_none() && answer.frames.is_empty() {
                return Err(format!(
                    "no code of {} is at {address:#x}",
                    self.object.path().display()
                ));
            }
            out.push(answer);
        }
        Ok(out)
    }

    /// What is at an address of the file; `symbol` is the one that was asked for. `code` is the address
    /// whose lines are wanted: the same, or in front of it where a call returns to it, which at a
    /// function's very end is in another function than the address itself.
    pub fn at(&self, address: u64, symbol: Option<&Symbol>, code: u64) -> Answer {
        let symbol = symbol.or_else(|| self.symbols.at(code));
        let symbol = symbol.map(|symbol| SymbolOffset {
            name: symbol.name.to_owned(),
            offset: address.wrapping_sub(symbol.address),
            size: Some(symbol.end.wrapping_sub(symbol.address)),
        });
        let place = self.object.place(code);
        let mut answer = Answer {
            address: Some(address),
            section: place.as_ref().map(|place| place.section.to_owned()),
            section_offset: place
                .map(|place| place.offset.wrapping_add(address.wrapping_sub(code))),
            notes: self.notes.clone(),
            ..Answer::default()
        };
        if let Some(lines) = &self.lines {
            match lines.frames(code) {
                Ok(frames) if frames.is_empty() => {
                    answer
                        .notes
                        .push("the debug information does not cover this address".to_owned());
                }
                Ok(mut frames) => {
                    // code between functions (padding, assembly) has a line, but only the symbol's name
                    if let (Some(frame), Some(symbol)) = (frames.last_mut(), &symbol) {
                        frame.function.get_or_insert_with(|| symbol.name.clone());
                    }
                    answer.frames = frames;
                    answer.debug_file = self.debug_file.clone();
                }
                Err(e) => answer.notes.push(e.to_string()),
            }
        }
        answer.symbol = symbol;
        answer
    }
}

/// The address of an offset in a symbol. A call at a function's very end returns to the byte behind it.
pub(crate) fn within(symbol: &Symbol, offset: u64) -> Result<u64, String> {
    let size = symbol.end.wrapping_sub(symbol.address);
    if offset > size {
        return Err(format!("{} is only {size:#x} bytes long", symbol.name));
    }
    Ok(symbol.address.wrapping_add(offset))
}
