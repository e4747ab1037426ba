//! Debug information: an address as source lines, with the functions that the compiler merged there.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use addr2line::{Context, LookupContinuation, LookupResult};
use gimli::{EndianSlice, RunTimeEndian, SectionId};
use object::Object as _;

use crate::ObjectError;
use crate::object::Object;

type Slice<'a> = EndianSlice<'a, RunTimeEndian>;

/// The debug information of a file. Units are listed when it is loaded; what is in them is read when an
/// address asks for it.
pub struct Lines<'a> {
    context: Context<Slice<'a>>,
    path: PathBuf,
}

impl std::fmt::Debug for Lines<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lines")
    }
}

/// One function at an address: the innermost comes first, each further one is where the one before was
/// inlined.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Frame {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// The source file; relative to the folder that the compiler ran in, if it is below that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The column, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// Whether its code was merged into the next one's.
    pub inlined: bool,
}

impl<'a> Lines<'a> {
    /// Loads a file's debug information; `shared` is the file that its `.gnu_debugaltlink` names.
    pub fn load(object: &Object<'a>, shared: Option<&Object<'a>>) -> Result<Self, ObjectError> {
        let mut dwarf = sections(object)?;
        if let Some(shared) = shared {
            dwarf.set_sup(sections(shared)?);
        }
        let path = object.path().to_owned();
        let context = Context::from_dwarf(dwarf).map_err(|e| damaged(&path, e))?;
        Ok(Self { context, path })
    }

    /// What is at an address: nothing where the debug information does not cover it.
    pub fn frames(&self, address: u64) -> Result<Vec<Frame>, ObjectError> {
        let path = self.path.as_path();
        // the lookup asks for the byte behind, too
        if address == u64::MAX {
            return Ok(Vec::new());
        }
        let mut lookup = self.context.find_frames(address);
        let mut frames = loop {
            match lookup {
                LookupResult::Output(frames) => break frames.map_err(|e| damaged(path, e))?,
                // units in files of their own (-gsplit-dwarf): no kernel is built so
                LookupResult::Load { continuation, .. } => {
                    lookup = continuation.resume(None);
                }
            }
        };
        let folder = self.folder(address);
        let mut out: Vec<Frame> = Vec::new();
        while let Some(frame) = frames.next().map_err(|e| damaged(path, e))? {
            if let Some(inner) = out.last_mut() {
                inner.inlined = true;
            }
            let function =
                frame.function.and_then(|name| name.demangle().ok().map(|n| n.into_owned()));
            let location = frame.location;
            out.push(Frame {
                function,
                file: location
                    .as_ref()
                    .and_then(|at| at.file)
                    .map(|file| below(folder.as_deref(), file)),
                line: location.as_ref().and_then(|at| at.line).filter(|line| *line != 0),
                column: location.as_ref().and_then(|at| at.column).filter(|column| *column != 0),
                inlined: false,
            });
        }
        Ok(out)
    }

    /// The folder that the compiler ran in for the code at an address, with a slash at its end: of a
    /// kernel, its source tree.
    fn folder(&self, address: u64) -> Option<String> {
        let mut lookup = self.context.find_dwarf_and_unit(address);
        let unit = loop {
            match lookup {
                LookupResult::Output(unit) => break unit?,
                LookupResult::Load { continuation, .. } => lookup = continuation.resume(None),
            }
        };
        let folder = std::str::from_utf8(unit.comp_dir?.slice()).ok()?;
        (!folder.is_empty()).then(|| format!("{}/", folder.trim_end_matches('/')))
    }
}

/// A source file's path: below the folder that the compiler ran in, where it is there.
fn below(folder: Option<&str>, path: &str) -> String {
    simplified(folder.and_then(|folder| path.strip_prefix(folder)).unwrap_or(path))
}

/// A path without `.` and without names that `..` takes back.
fn simplified(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        match parts.last() {
            Some(last) if part == ".." && *last != ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

fn damaged(path: &Path, error: impl Display) -> ObjectError {
    ObjectError::format(path, format_args!("its debug information is damaged: {error}"))
}

fn sections<'a>(object: &Object<'a>) -> Result<gimli::Dwarf<Slice<'a>>, ObjectError> {
    let endian =
        if object.file().is_little_endian() { RunTimeEndian::Little } else { RunTimeEndian::Big };
    let load = |id: SectionId| {
        let wanted = matches!(
            id,
            SectionId::DebugAbbrev
                | SectionId::DebugAddr
                | SectionId::DebugAranges
                | SectionId::DebugInfo
                | SectionId::DebugLine
                | SectionId::DebugLineStr
                | SectionId::DebugRanges
                | SectionId::DebugRngLists
                | SectionId::DebugStr
                | SectionId::DebugStrOffsets
        );
        let data = if wanted { object.debug_section(id.name())? } else { &[] };
        Ok(EndianSlice::new(data, endian))
    };
    gimli::Dwarf::load(load)
}

#[cfg(test)]
mod tests {
    use super::simplified;

    #[test]
    fn paths() {
        assert_eq!(simplified("./include/net/ip.h"), "include/net/ip.h");
        assert_eq!(simplified("net/core/../ipv4//ip.c"), "net/ipv4/ip.c");
        assert_eq!(simplified("/usr/./src/a.c"), "/usr/src/a.c");
        assert_eq!(simplified("../../a.c"), "../../a.c");
    }
}
