//! Where distributions put debug information.

use std::path::{Path, PathBuf};

use crate::debuginfod::Debuginfod;
use crate::notes::hexadecimal;
use crate::source::is_ordinary;
use crate::{Object, Store};

/// Where separate debug files are, on all distributions.
const ROOT: &str = "/usr/lib/debug";
/// Where kernels' modules are, below `/` and below a debug root.
const MODULES: [&str; 2] = ["lib/modules", "usr/lib/modules"];
/// What is put behind a file's name.
const SUFFIXES: [&str; 8] =
    ["", ".debug", ".xz", ".zst", ".gz", ".debug.xz", ".debug.zst", ".debug.gz"];

/// The folders in which debug files are looked for.
#[derive(Debug, Clone)]
pub struct DebugFiles {
    roots: Vec<PathBuf>,
    /// Asked where they have nothing.
    servers: Option<Debuginfod>,
}

impl Default for DebugFiles {
    fn default() -> Self {
        Self { roots: vec![PathBuf::from(ROOT)], servers: None }
    }
}

impl DebugFiles {
    /// The usual folder, and in front of it these.
    pub fn with(folders: &[PathBuf]) -> Self {
        let mut roots = folders.to_vec();
        roots.push(PathBuf::from(ROOT));
        Self { roots, servers: None }
    }

    /// The same, and where they have nothing the servers that the environment names.
    pub fn asking_servers(self) -> Self {
        Self { servers: Debuginfod::from_environment(), ..self }
    }

    /// What the servers have for a build id, or why they have nothing; none where nobody is asked.
    pub(crate) fn ask(&self, build_id: Option<&[u8]>) -> Option<Result<PathBuf, String>> {
        Some(self.servers.as_ref()?.find(build_id?))
    }

    /// Files that may hold the debug information of a kernel image, the best first.
    pub fn vmlinux(&self, release: &str, build_id: Option<&[u8]>) -> Vec<PathBuf> {
        let mut out = build_id.map(|id| self.by_build_id(id)).unwrap_or_default();
        for root in &self.roots {
            out.push(root.join(format!("boot/vmlinux-{release}")));
            out.push(root.join(format!("boot/vmlinux-{release}.debug")));
            for modules in MODULES {
                out.push(root.join(modules).join(release).join("vmlinux"));
                out.push(root.join(modules).join(release).join("vmlinux.debug"));
            }
        }
        out.push(PathBuf::from(format!("/boot/vmlinux-{release}")));
        for modules in MODULES {
            let folder = Path::new("/").join(modules).join(release);
            out.push(folder.join("vmlinux"));
            out.push(folder.join("build/vmlinux"));
        }
        existing(out)
    }

    /// Files that may hold the debug information of a module. `file` is its own, as far as it is known
    /// (`/lib/modules/RELEASE/kernel/net/netfilter/nf_tables.ko.xz`).
    pub fn module(
        &self,
        release: &str,
        module: &str,
        file: Option<&Path>,
        build_id: Option<&[u8]>,
    ) -> Vec<PathBuf> {
        let mut out = build_id.map(|id| self.by_build_id(id)).unwrap_or_default();
        let inside = file.and_then(|file| below_release(file, release));
        for folder in self.roots.iter().flat_map(|root| MODULES.map(|name| root.join(name))) {
            let folder = folder.join(release);
            match &inside {
                Some(inside) => out.extend(SUFFIXES.map(|suffix| {
                    let mut path = folder.join(inside).into_os_string();
                    path.push(suffix);
                    PathBuf::from(path)
                })),
                // its own file is not installed: only a walk finds it
                None => out.extend(walk(&folder, module, 0)),
            }
        }
        out.extend(file.map(Path::to_owned));
        existing(out)
    }

    /// `.build-id/xx/yyyy.debug` in each folder.
    pub fn by_build_id(&self, build_id: &[u8]) -> Vec<PathBuf> {
        let Some((first, rest)) = build_id.split_first() else { return Vec::new() };
        let name = format!("{first:02x}/{}", hexadecimal(rest));
        let files = self.roots.iter().map(|root| root.join(format!(".build-id/{name}.debug")));
        existing(files.collect())
    }

    /// The separate debug file of a program or library, by its build id or its link
    /// (`.gnu_debuglink`).
    pub fn of<'a>(&self, store: &'a Store, object: &Object) -> Option<Object<'a>> {
        let mut candidates = object.build_id().map(|id| self.by_build_id(id)).unwrap_or_default();
        let link = object.debug_link();
        // a name, not a way to anywhere else
        let name = link
            .and_then(|(name, _)| std::str::from_utf8(name).ok())
            .filter(|name| !name.contains('/'));
        let path = object.path().canonicalize().ok();
        if let (Some(name), Some(folder)) = (name, path.as_deref().and_then(Path::parent)) {
            let inside = folder.strip_prefix("/").unwrap_or(folder);
            candidates.push(folder.join(name));
            candidates.push(folder.join(".debug").join(name));
            candidates.extend(self.roots.iter().map(|root| root.join(inside).join(name)));
        }
        let fits = |found: &Object| {
            found.has_lines()
                && match object.build_id() {
                    Some(id) => found.build_id() == Some(id),
                    None => link.is_some_and(|(_, sum)| found.checksum() == sum),
                }
        };
        let local = existing(candidates).into_iter();
        local.filter_map(|path| Object::open(store, &path).ok()).find(fits)
    }

    /// The file that several debug files share (`.gnu_debugaltlink`, made by dwz).
    pub fn shared<'a>(&self, store: &'a Store, object: &Object) -> Option<Object<'a>> {
        let (name, build_id) = object.shared_debug_link()?;
        let name = Path::new(std::str::from_utf8(name).ok()?);
        let mut candidates = self.by_build_id(build_id);
        let beside = object.path().parent().map(|folder| folder.join(name));
        candidates.extend(beside.filter(|path| is_ordinary(path)));
        let fits = |path: PathBuf| {
            Object::open(store, &path).ok().filter(|found| found.build_id() == Some(build_id))
        };
        let local = existing(candidates).into_iter().find_map(fits);
        local.or_else(|| fits(self.ask(Some(build_id))?.ok()?))
    }
}

fn existing(mut paths: Vec<PathBuf>) -> Vec<PathBuf> {
    paths.retain(|path| path.is_file());
    paths.dedup();
    paths
}

/// A module's path below its release's folder, without the compression's suffix.
fn below_release(file: &Path, release: &str) -> Option<PathBuf> {
    let text = file.to_str()?;
    let (_, inside) = text.split_once(&format!("/modules/{release}/"))?;
    let (stem, _) = inside.rsplit_once(".ko")?;
    Some(PathBuf::from(format!("{stem}.ko")))
}

/// Files of a module below a folder; no kernel's folders are deeper.
fn walk(folder: &Path, module: &str, depth: usize) -> Vec<PathBuf> {
    let mut out = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return out };
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        let name = entry.file_name();
        if kind.is_dir() && depth < 12 {
            out.extend(walk(&entry.path(), module, depth + 1));
        } else if name.to_str().and_then(|name| name.split_once(".ko")).is_some_and(
            |(stem, rest)| {
                stem.replace('-', "_") == module.replace('-', "_") && SUFFIXES.contains(&rest)
            },
        ) {
            out.push(entry.path());
        }
    }
    out.sort();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_in_the_release() {
        let below = |file: &str| below_release(Path::new(file), "6.1.0");
        let inside = Some(PathBuf::from("kernel/net/nf_tables.ko"));
        assert_eq!(below("/lib/modules/6.1.0/kernel/net/nf_tables.ko.xz"), inside);
        assert_eq!(below("/usr/lib/modules/6.1.0/kernel/net/nf_tables.ko"), inside);
        assert_eq!(below("/lib/modules/6.1/kernel/net/nf_tables.ko"), None);
    }
}
