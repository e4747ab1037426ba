//! The file of a loaded module.

use std::path::{Path, PathBuf};

use super::decompress::{decompress, is_module};
use super::elf::{Elf, ElfError, build_id_of_note};

/// Where distributions keep modules.
const ROOTS: [&str; 2] = ["/lib/modules", "/usr/lib/modules"];

/// Why a module's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    /// The kernel release is not known.
    #[error("cannot read the kernel's release: {0}")]
    Release(std::io::Error),
    /// No such module among the files of the running kernel.
    #[error(
        "no file of module {module} for kernel {release} under /lib/modules or /usr/lib/modules (is the kernel's module package still installed?)"
    )]
    NotFound {
        /// The module.
        module: String,
        /// The running kernel's release.
        release: String,
    },
    /// The module is part of the kernel image.
    #[error("module {0} is built into the kernel and has no file")]
    BuiltIn(String),
    /// The file cannot be read or decompressed.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
    /// The file is no usable module.
    #[error("{}: {source}", path.display())]
    Elf {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ElfError,
    },
    /// The file belongs to another build than the loaded module.
    #[error("{} is not the file of the loaded module: its build id differs (was the kernel package updated since boot?)", path.display())]
    OtherBuild {
        /// The file.
        path: PathBuf,
    },
}

/// A module file of the running kernel, decompressed.
#[derive(Debug)]
pub struct ModuleFile {
    /// Where it was found.
    pub path: PathBuf,
    /// Its build id was compared with the loaded module's and is the same; false if the module is not
    /// loaded or has none.
    pub verified: bool,
    bytes: Vec<u8>,
}

impl ModuleFile {
    /// Finds, reads and checks the file of `module` (`"nf_tables"`).
    pub fn of_running_kernel(module: &str) -> Result<Self, ModuleError> {
        let release =
            std::fs::read_to_string("/proc/sys/kernel/osrelease").map_err(ModuleError::Release)?;
        let note = std::fs::read(format!("/sys/module/{module}/notes/.note.gnu.build-id")).ok();
        Self::find(&ROOTS.map(PathBuf::from), release.trim(), module, note.as_deref())
    }

    /// Finds a module below one of `roots` for a kernel release. `note` is the loaded module's build-id
    /// note, where it is loaded.
    pub fn find(
        roots: &[PathBuf],
        release: &str,
        module: &str,
        note: Option<&[u8]>,
    ) -> Result<Self, ModuleError> {
        let folders = || roots.iter().map(|root| root.join(release));
        let path = folders().find_map(|folder| listed(&folder, module)).ok_or_else(|| {
            if folders().any(|folder| built_in(&folder, module)) {
                ModuleError::BuiltIn(module.to_owned())
            } else {
                ModuleError::NotFound { module: module.to_owned(), release: release.to_owned() }
            }
        })?;
        let mut file = Self::read(path)?;
        let loaded = note.and_then(build_id_of_note);
        file.verified = match (loaded, file.elf()?.build_id()) {
            (Some(loaded), Some(found)) if loaded != found => {
                return Err(ModuleError::OtherBuild { path: file.path });
            }
            (loaded, found) => loaded.is_some() && found.is_some(),
        };
        Ok(file)
    }

    /// Reads and decompresses a module file, whatever kernel it belongs to.
    pub fn read(path: PathBuf) -> Result<Self, ModuleError> {
        let read = || decompress(std::fs::read(&path)?);
        let bytes = read().map_err(|source| ModuleError::Read { path: path.clone(), source })?;
        Ok(Self { path, verified: false, bytes })
    }

    /// Where a function of this file is in the kernel's memory: its offset in its section, and where the
    /// kernel says that it put the section. `None` if the file is not known to be the loaded module's.
    pub fn address(&self, module: &str, function: &str) -> Option<u64> {
        let elf = self.elf().ok().filter(|_| self.verified)?;
        let symbols = elf.symbols().ok()?;
        let symbol = symbols.iter().find(|s| s.size > 0 && elf.symbol_name(s) == function)?;
        let section = elf.name(elf.sections.get(usize::from(symbol.section))?);
        let start = std::fs::read_to_string(format!("/sys/module/{module}/sections/{section}"));
        let start = u64::from_str_radix(start.ok()?.trim().strip_prefix("0x")?, 16).ok()?;
        // all zeros: hidden (kernel.kptr_restrict, or CAP_SYSLOG is missing)
        (start != 0).then(|| start.checked_add(symbol.value)).flatten()
    }

    /// Its bytes, decompressed.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The file as ELF.
    pub fn elf(&self) -> Result<Elf<'_>, ModuleError> {
        Elf::parse(&self.bytes)
            .map_err(|source| ModuleError::Elf { path: self.path.clone(), source })
    }
}

/// The module's path by `modules.dep`, whose lines start with a file's path and a colon.
fn listed(folder: &Path, module: &str) -> Option<PathBuf> {
    let list = std::fs::read_to_string(folder.join("modules.dep")).ok()?;
    let paths = list.lines().filter_map(|line| line.split_once(':')).map(|(path, _)| path);
    let path = folder.join(paths.map(Path::new).find(|path| is_module(path, module))?);
    path.exists().then_some(path)
}

fn built_in(folder: &Path, module: &str) -> bool {
    let list = std::fs::read_to_string(folder.join("modules.builtin")).unwrap_or_default();
    list.lines().any(|line| is_module(Path::new(line), module))
}
