//! Source text, where a tree is given or installed.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

/// Where the kernel's files are: reading some of them changes something, or never ends.
const KERNELS: [&str; 3] = ["/proc", "/sys", "/dev"];
/// No source file is larger.
const MAX: u64 = 16 << 20;

/// Source trees, and the files that were read from them.
#[derive(Debug, Default)]
pub struct Source {
    trees: Vec<PathBuf>,
    files: HashMap<String, Option<(PathBuf, Vec<String>)>>,
}

impl Source {
    /// These trees, the first first.
    pub fn new(trees: Vec<PathBuf>) -> Self {
        Self { trees, files: HashMap::new() }
    }

    /// Where distributions install the source of a kernel.
    pub fn installed(release: &str) -> Vec<PathBuf> {
        let version = release.split(['-', '+']).next().unwrap_or(release);
        let short: Vec<&str> = version.split('.').take(2).collect();
        let mut out = vec![
            PathBuf::from(format!("/lib/modules/{release}/source")),
            PathBuf::from(format!("/usr/src/linux-{release}")),
            PathBuf::from(format!("/usr/src/linux-{version}")),
            PathBuf::from(format!("/usr/src/linux-source-{}", short.join("."))),
        ];
        // Fedora: /usr/src/debug/kernel-6.1.5/linux-6.1.5-200.fc37.x86_64
        out.extend(
            std::fs::read_dir("/usr/src/debug")
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path().join(format!("linux-{release}"))),
        );
        out.retain(|path| path.is_dir());
        out
    }

    /// The text of a line, without white space around it.
    pub fn line(&mut self, file: &str, line: u32) -> Option<&str> {
        let (_, lines) = self
            .files
            .entry(file.to_owned())
            .or_insert_with(|| read(&self.trees, file))
            .as_ref()?;
        let text = lines.get(usize::try_from(line).ok()?.checked_sub(1)?)?.trim();
        (!text.is_empty()).then_some(text)
    }

    /// The file that a line's text was read from.
    pub fn path(&self, file: &str) -> Option<&Path> {
        self.files.get(file)?.as_ref().map(|(path, _)| path.as_path())
    }
}

/// What of a path is below a source tree: names only, no way out of it. A path from the root, or one that
/// leaves the folder the compiler ran in, is also looked for below the tree by its last parts.
pub fn relative(file: &str) -> Vec<PathBuf> {
    let parts: Vec<Component> = Path::new(file)
        .components()
        .filter(|part| !matches!(part, Component::CurDir | Component::RootDir))
        .collect();
    let from = parts.iter().rposition(|part| *part == Component::ParentDir).map_or(0, |at| at + 1);
    let whole = from == 0 && !file.starts_with('/');
    // one name alone would fit too many files
    let last = if whole { 1 } else { parts.len().saturating_sub(from + 1) };
    (0..last).filter_map(|skip| Some(parts.get(from + skip..)?.iter().collect())).collect()
}

/// Whether a path that a file names may be opened: a regular file, and none of the kernel's, whatever
/// links lead there.
pub(crate) fn is_ordinary(path: &Path) -> bool {
    path.canonicalize()
        .is_ok_and(|path| path.is_file() && !KERNELS.iter().any(|folder| path.starts_with(folder)))
}

fn read(trees: &[PathBuf], file: &str) -> Option<(PathBuf, Vec<String>)> {
    let inside = relative(file);
    let below = trees.iter().flat_map(|tree| inside.iter().map(|name| tree.join(name)));
    let itself = file.starts_with('/').then(|| PathBuf::from(file));
    let path = below.chain(itself).find(|path| is_ordinary(path))?;
    let mut bytes = Vec::new();
    std::fs::File::open(&path).ok()?.take(MAX).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    Some((path, text.lines().map(str::to_owned).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_of_the_kernels_files() {
        let folder = std::env::temp_dir().join(format!("nfscope-source-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("a.c");
        std::fs::write(&file, "one\ntwo\n").unwrap();
        let link = folder.join("link.c");
        std::os::unix::fs::symlink("/proc/self/maps", &link).unwrap();
        let mut source = Source::new(vec![PathBuf::from("/")]);
        assert_eq!(source.line(file.to_str().unwrap(), 2), Some("two"));
        let above = "/tmp/../proc/self/maps";
        for path in ["/proc/self/maps", above, "/dev/zero", link.to_str().unwrap(), "/etc"] {
            assert_eq!(source.line(path, 1), None, "{path}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn below_a_tree() {
        let names = |file: &str| -> Vec<String> {
            relative(file).iter().map(|path| path.display().to_string()).collect()
        };
        assert_eq!(names("net/core/dev.c"), ["net/core/dev.c"]);
        assert_eq!(names("dev.c"), ["dev.c"]);
        assert_eq!(names("/b/net/dev.c"), ["b/net/dev.c", "net/dev.c"]);
        assert_eq!(names("../../net/dev.c"), ["net/dev.c"]);
        assert!(names("/etc").is_empty());
    }
}
