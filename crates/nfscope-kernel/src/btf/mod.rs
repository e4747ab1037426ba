//! A small reader of the kernel's type information (BTF): where a struct's member lies, what a function
//! takes, what an enum's values are called.
//!
//! It reads a file once, walks the records once and keeps no text per type, so that a full vmlinux BTF
//! (5 MB, 130,000 types) costs a few milliseconds; drop it after use.

mod declare;
mod functions;
mod prototypes;
mod query;
mod raw;
mod subset;
mod text;
mod types;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use functions::Taking;
pub use prototypes::{Arguments, Carrier, Parameter};
pub use query::{Kind, Member};
pub use types::{Part, Shape, Tag};

use raw::{Blob, Prefix, Record};

/// Where the kernel shows its BTF (`kernel/bpf/sysfs_btf.c`).
const SYSFS: &str = "/sys/kernel/btf";

/// Why type information could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BtfError {
    /// The file is not there or not readable.
    #[error("cannot read type information {}: {source} (is the kernel built with CONFIG_DEBUG_INFO_BTF?)", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The bytes are not BTF, or are cut off.
    #[error("malformed BTF: {what} at byte {at}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
        /// Byte offset in the blob.
        at: usize,
    },
    /// A type kind newer than this reader: records behind it cannot be found.
    #[error(
        "BTF has a type of unknown kind {kind} at byte {at}: this nfscope is older than the kernel's type format"
    )]
    UnknownKind {
        /// The kind's number.
        kind: u8,
        /// Byte offset in the blob.
        at: usize,
    },
}

/// Type information of the kernel, or of one module on top of the kernel's.
#[derive(Debug, Clone)]
pub struct Btf {
    blob: Arc<Blob>,
    base: Option<Arc<Btf>>,
    /// Ids below this belong to the base (1 without base: id 0 is `void`).
    first_id: u32,
    /// String offsets below this belong to the base.
    first_string: u32,
}

impl Btf {
    /// Reads BTF that stands alone (vmlinux).
    pub fn parse(bytes: Vec<u8>) -> Result<Self, BtfError> {
        Self::build(bytes, None)
    }

    /// Reads a module's split BTF, whose ids and strings continue those of `base`.
    pub fn parse_split(bytes: Vec<u8>, base: Arc<Btf>) -> Result<Self, BtfError> {
        Self::build(bytes, Some(base))
    }

    /// The running kernel's own types.
    pub fn vmlinux() -> Result<Self, BtfError> {
        Self::parse(read(&Path::new(SYSFS).join("vmlinux"))?)
    }

    /// A loaded module's types on top of `vmlinux`. Where the module has no BTF of its own (built in, or
    /// a kernel before 5.11) this is `vmlinux` itself.
    pub fn module(name: &str, vmlinux: Arc<Btf>) -> Result<Self, BtfError> {
        let path = Path::new(SYSFS).join(name);
        if !path.exists() {
            return Ok((*vmlinux).clone());
        }
        Self::parse_split(read(&path)?, vmlinux)
    }

    /// The kernel's own types: of a module's BTF what it stands on.
    pub fn kernel(&self) -> &Self {
        self.base.as_ref().map_or(self, |base| base.kernel())
    }

    fn build(bytes: Vec<u8>, base: Option<Arc<Btf>>) -> Result<Self, BtfError> {
        let first_id = base.as_ref().map_or(1, |b| b.end_id());
        let first_string = base.as_ref().map_or(0, |b| b.end_string());
        let blob = Blob::parse(bytes, first_string, |offset| base.as_ref()?.prefix(offset))?;
        Ok(Self { blob: Arc::new(blob), base, first_id, first_string })
    }

    fn end_id(&self) -> u32 {
        self.first_id.saturating_add(self.blob.len())
    }

    fn end_string(&self) -> u32 {
        self.first_string.saturating_add(self.blob.strings_len())
    }

    /// The string at an offset of the joined string space.
    fn string(&self, offset: u32) -> Option<&[u8]> {
        match offset.checked_sub(self.first_string) {
            Some(own) => self.blob.string(own),
            None => self.base.as_ref()?.string(offset),
        }
    }

    fn prefix(&self, offset: u32) -> Option<Prefix> {
        match offset.checked_sub(self.first_string) {
            Some(own) => self.blob.prefix(own),
            None => self.base.as_ref()?.prefix(offset),
        }
    }

    fn name(&self, offset: u32) -> &str {
        self.string(offset).and_then(|s| std::str::from_utf8(s).ok()).unwrap_or("")
    }

    /// The record of a type id, and the blob that holds its tail.
    fn record(&self, id: u32) -> Option<(Record, &Blob)> {
        match id.checked_sub(self.first_id) {
            Some(own) => Some((self.blob.record(own)?, &self.blob)),
            None => self.base.as_ref()?.record(id),
        }
    }

    /// The first type of this name whose kind `want` accepts; a module's own before its base's.
    fn find(&self, name: &str, want: impl Fn(&Record) -> bool + Copy) -> Option<u32> {
        let matching = |index: &u32| {
            let record = self.blob.record(*index);
            record.is_some_and(|r| want(&r) && self.string(r.name_off) == Some(name.as_bytes()))
        };
        let own = self.blob.candidates(name.as_bytes()).filter(matching).last();
        match own {
            Some(index) => Some(self.first_id + index),
            None => self.base.as_ref()?.find(name, want),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, BtfError> {
    std::fs::read(path).map_err(|source| BtfError::Read { path: path.to_owned(), source })
}
