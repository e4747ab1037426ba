//! The few of the kernel's types that an object's accesses are moved by, as a
//! file for libbpf.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd};

use nfscope_kernel::btf::Btf;
use object::read::elf::ElfFile64;
use object::{LittleEndian, Object, ObjectSection};

/// A file in memory, there as long as this value.
#[derive(Debug)]
pub struct CoreTypes(File);

impl CoreTypes {
    /// What this object needs of the kernel's types; `None` where it cannot be
    /// had: libbpf then reads all of them itself.
    pub fn of(object: &[u8], btf: &Btf) -> Option<Self> {
        let elf = ElfFile64::<LittleEndian>::parse(object).ok()?;
        let wanted = elf.section_by_name(".BTF")?.data().ok()?;
        let types = btf.kernel().subset(&Btf::parse(wanted.to_vec()).ok()?)?;
        // SAFETY: the name is NUL-terminated.
        let fd = unsafe { libc::memfd_create(c"nfscope-types".as_ptr(), libc::MFD_CLOEXEC) };
        if fd < 0 {
            return None;
        }
        // SAFETY: a new descriptor that nobody else owns.
        let mut file = unsafe { File::from_raw_fd(fd) };
        file.write_all(&types).ok()?;
        let types = Self(file);
        File::open(types.path()).ok()?;
        Some(types)
    }

    /// Where this process finds it.
    pub fn path(&self) -> String {
        format!("/proc/self/fd/{}", self.0.as_raw_fd())
    }
}
