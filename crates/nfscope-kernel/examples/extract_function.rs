//! Takes one function out of a module file, or out of the running kernel's memory, and prints it in the
//! form of the test fixtures:
//! `extract_function MODULE.ko[.xz] FUNCTION > tests/fixtures/NAME.txt` or
//! `extract_function --live FUNCTION [MODULE]`. The fixtures are Debian's kernels; their file names say
//! which.

use std::error::Error;
use std::path::PathBuf;

use nfscope_kernel::btf::Btf;
use nfscope_kernel::live::{self, KCore};
use nfscope_kernel::modules::{ModuleFile, function};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let usage = "usage: extract_function MODULE-FILE FUNCTION | --live FUNCTION [MODULE]";
    let (path, name) = (args.next().ok_or(usage)?, args.next().ok_or(usage)?);
    let (source, mut text) = if path == "--live" {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
        let btf = Btf::vmlinux()?;
        let text = live::function(&mut KCore::open()?, &name, args.next().as_deref(), Some(&btf))?;
        (format!("the running kernel, Debian {}", release.trim()), text)
    } else {
        let file = ModuleFile::read(PathBuf::from(path))?;
        let text = function(&file.elf()?, &name)?;
        (file.path.file_name().unwrap_or_default().to_string_lossy().into_owned(), text)
    };
    text.trim()?;
    println!("# {name} of {source}, made by examples/extract_function.rs");
    print!("{text}");
    Ok(())
}
