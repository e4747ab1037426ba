//! Where the lab keeps what it fetched and built.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context, Result};

/// The cache folder.
///
/// `index/` holds package lists, `deb/` packages, `kernels/RELEASE/` what a
/// boot needs, `debuginfo/RELEASE/` debug files, `root/` root images, `sysroot/` cross libraries, `run/PID-N/` the files of running work.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// `$NFSCOPE_LAB_CACHE`, else `nfscope-lab` under `$XDG_CACHE_HOME` or `~/.cache`.
    ///
    /// # Errors
    /// When there is no home folder, or the cache cannot be made.
    pub fn open() -> Result<Self> {
        let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        let root = match (set("NFSCOPE_LAB_CACHE"), set("XDG_CACHE_HOME"), set("HOME")) {
            (Some(folder), _, _) => PathBuf::from(folder),
            (None, Some(folder), _) => Path::new(&folder).join("nfscope-lab"),
            (None, None, Some(home)) => Path::new(&home).join(".cache/nfscope-lab"),
            (None, None, None) => {
                anyhow::bail!("no folder for the cache; set NFSCOPE_LAB_CACHE")
            }
        };
        let root = env::current_dir()?.join(root);
        fs::create_dir_all(&root).with_context(|| format!("cannot create {}", root.display()))?;
        let cache = Self { root };
        cache.remove_stale_work();
        Ok(cache)
    }

    /// A sub-folder of the cache, made if it is missing.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.root.join(name);
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(folder)
    }

    /// A new empty folder, removed when the value is dropped. It is in the
    /// cache, so that finished work moves to its place by a rename.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn work(&self) -> Result<Work> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(Work { path: self.folder(&format!("run/{}-{number}", process::id()))? })
    }

    /// Remove what killed runs left.
    fn remove_stale_work(&self) {
        let Ok(entries) = fs::read_dir(self.root.join("run")) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let owner = name.split('-').next().unwrap_or_default();
            if !Path::new("/proc").join(owner).exists() {
                // Another run may be at the same; what remains only costs space.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

/// A folder of work in progress.
pub struct Work {
    path: PathBuf,
}

impl Work {
    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // A later run removes what could not be removed now.
        let _ = fs::remove_dir_all(&self.path);
    }
}
