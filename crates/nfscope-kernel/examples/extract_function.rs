//! Takes one function out of a module file and prints it in the form of the test fixtures:
//! `extract_function MODULE.ko[.xz] FUNCTION > tests/fixtures/NAME.txt`. The fixtures are Debian's
//! kernels; their file names say which.

use std::error::Error;
use std::path::PathBuf;

use nfscope_kernel::modules::{ModuleFile, function};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let usage = "usage: extract_function MODULE-FILE FUNCTION";
    let (path, name) = (args.next().ok_or(usage)?, args.next().ok_or(usage)?);
    let file = ModuleFile::read(PathBuf::from(path))?;
    let mut text = function(&file.elf()?, &name)?;
    text.trim()?;
    let source = file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    println!("# {name} of {source}, made by examples/extract_function.rs");
    print!("{text}");
    Ok(())
}
