//! Prints what the locator finds in a module file, or in a function in the text form of the fixtures:
//! `locate_nft MODULE.ko[.xz]|FUNCTION.txt VMLINUX-BTF [MODULE-BTF]`.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use nfscope_kernel::btf::Btf;
use nfscope_kernel::layout::NftLayout;
use nfscope_kernel::locate::nft;
use nfscope_kernel::modules::{ModuleFile, function};
use nfscope_kernel::text::FunctionText;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let usage = "usage: locate_nft MODULE.ko|FUNCTION.txt VMLINUX-BTF [MODULE-BTF]";
    let (code, base) = (args.next().ok_or(usage)?, args.next().ok_or(usage)?);
    let base = Arc::new(Btf::parse(std::fs::read(base)?)?);
    let btf = match args.next() {
        Some(split) => Btf::parse_split(std::fs::read(split)?, base)?,
        None => (*base).clone(),
    };
    let text: FunctionText = if code.ends_with(".txt") {
        std::fs::read_to_string(code)?.parse()?
    } else {
        function(&ModuleFile::read(PathBuf::from(code))?.elf()?, nft::FUNCTION)?
    };
    let layout = NftLayout::from_btf(&btf)?;
    print!("{}", nft::locate(&text, &layout, Some(&btf))?);
    Ok(())
}
