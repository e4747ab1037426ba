//! Bytes that outlive everything that refers to them.

use std::cell::OnceCell;
use std::fs::File;
use std::ops::Deref;
use std::path::Path;

use memmap2::Mmap;
use nfscope_kernel::modules::ModuleFile;

use crate::ObjectError;

/// Keeps the bytes of opened files, and what was made of them, in one place: objects borrow from it, and
/// more can be opened while they do.
#[derive(Debug, Default)]
pub struct Store {
    first: OnceCell<Box<Node>>,
}

#[derive(Debug)]
struct Node {
    bytes: Bytes,
    next: OnceCell<Box<Node>>,
}

#[derive(Debug)]
enum Bytes {
    Mapped(Mmap),
    Owned(Vec<u8>),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Owned(bytes) => bytes,
        }
    }
}

impl Store {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens a file. Module files may be compressed; all others are mapped, so that only what is looked at
    /// is read.
    pub fn open(&self, path: &Path) -> Result<&[u8], ObjectError> {
        // a pipe would be opened when somebody writes to it, perhaps never
        let metadata = std::fs::metadata(path).map_err(|e| ObjectError::read(path, e))?;
        if !metadata.is_file() {
            return Err(ObjectError::format(path, "not a regular file"));
        }
        if metadata.len() == 0 {
            return Err(ObjectError::format(path, "the file is empty"));
        }
        let file = File::open(path).map_err(|e| ObjectError::read(path, e))?;
        // SAFETY: the mapping is private and only read. Should somebody cut the file off meanwhile, access
        // ends the program with SIGBUS, as it does for every program that maps files; debug files are
        // replaced by renaming, which leaves the mapped one as it was.
        let map = unsafe { Mmap::map(&file) }.map_err(|e| ObjectError::read(path, e))?;
        if map.starts_with(b"\x7fELF") {
            return Ok(self.push(Bytes::Mapped(map)));
        }
        let file = ModuleFile::read(path.to_owned())
            .map_err(|e| ObjectError::format(path, format_args!("cannot be decompressed: {e}")))?;
        Ok(self.keep(file.into_bytes()))
    }

    /// Keeps bytes that were made, not read.
    pub fn keep(&self, bytes: Vec<u8>) -> &[u8] {
        self.push(Bytes::Owned(bytes))
    }

    fn push(&self, bytes: Bytes) -> &[u8] {
        let mut place = &self.first;
        while let Some(node) = place.get() {
            place = &node.next;
        }
        &place.get_or_init(|| Box::new(Node { bytes, next: OnceCell::new() })).bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earlier_bytes_stay_while_more_come() {
        let store = Store::new();
        let first = store.keep(vec![1, 2]);
        let second = store.keep(vec![3]);
        assert_eq!((first, second), (&[1u8, 2][..], &[3u8][..]));
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let store = Store::new();
        for path in ["/nonexistent", "/dev/null", "/proc"] {
            assert!(store.open(Path::new(path)).is_err(), "{path}");
        }
        let pipe = std::env::temp_dir().join(format!("nfscope-pipe-{}", std::process::id()));
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let told = store.open(&pipe).map_err(|e| e.to_string());
        std::fs::remove_file(&pipe).unwrap();
        assert!(told.unwrap_err().contains("not a regular file"));
    }
}
