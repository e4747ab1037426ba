//! Maps read as memory.
//!
//! While a system call reads a map, the kernel skips the programs of kprobes
//! and trace events on that CPU (`bpf_disable_instrumentation`), and since it
//! may be interrupted there, by another task, too, packets would be missed. So
//! what is read again and again is read without system calls.

use std::num::NonZeroUsize;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use libbpf_rs::MapCore;

use crate::CollectError;

/// The values of an array map with `BPF_F_MMAPABLE`, one behind the other, as
/// 64-bit words. They are the kernel's: each load may give another number.
#[derive(Debug)]
pub struct MapMemory {
    start: NonNull<AtomicU64>,
    words: NonZeroUsize,
}

// SAFETY: the memory is read and written atomically, and unmapped when nobody
// can refer to it any more.
unsafe impl Send for MapMemory {}
// SAFETY: as above.
unsafe impl Sync for MapMemory {}

impl MapMemory {
    /// Maps all values, which must not be frozen; it stays valid when the map's descriptor is closed.
    pub fn of(map: &impl MapCore) -> Result<Self, CollectError> {
        let each = (map.value_size() as usize).div_ceil(size_of::<u64>());
        let words = NonZeroUsize::new(each * map.max_entries() as usize)
            .ok_or_else(|| CollectError::load("a map without values: built wrongly"))?;
        // SAFETY: a new mapping at a place of the kernel's choice touches no
        // other memory; the kernel refuses lengths beyond the map's pages.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                words.get() * size_of::<u64>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                map.as_fd().as_raw_fd(),
                0,
            )
        };
        if start == libc::MAP_FAILED {
            let e = std::io::Error::last_os_error();
            let reason = format!("map {}: mmap: {e}", map.name().to_string_lossy());
            return Err(CollectError::load(reason));
        }
        let start = NonNull::new(start.cast()).ok_or_else(|| CollectError::load("no memory"))?;
        Ok(Self { start, words })
    }

    /// All words.
    pub fn words(&self) -> Vec<u64> {
        self.atomics().iter().map(|word| word.load(Ordering::Relaxed)).collect()
    }

    /// The words of value `index`, which has `N`; none if there is none.
    pub fn value<const N: usize>(&self, index: usize) -> Option<[u64; N]> {
        let words = self.atomics().get(index * N..(index + 1) * N)?;
        let mut value = [0; N];
        for (to, from) in value.iter_mut().zip(words) {
            *to = from.load(Ordering::Relaxed);
        }
        Some(value)
    }

    /// Sets a word, if there is one of this number.
    pub fn store(&self, index: usize, value: u64) {
        if let Some(word) = self.atomics().get(index) {
            word.store(value, Ordering::Relaxed);
        }
    }

    fn atomics(&self) -> &[AtomicU64] {
        // SAFETY: the mapping has so many words, page-aligned, and lives as long
        // as self. The kernel's programs change them whole, and atomics may change.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.words.get()) }
    }
}

impl Drop for MapMemory {
    fn drop(&mut self) {
        // SAFETY: this is the mapping that `of` made, and nothing refers to it.
        unsafe {
            libc::munmap(self.start.as_ptr().cast(), self.words.get() * size_of::<u64>());
        }
    }
}
