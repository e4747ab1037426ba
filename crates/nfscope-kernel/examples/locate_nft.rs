//! Prints what the locator finds in a module file: `locate_nft MODULE.ko [VMLINUX-BTF [MODULE-BTF]]`.
//! Without BTF files the layout of Linux 5.10 is assumed if the file holds none.

use std::error::Error;
use std::sync::Arc;

use nfscope_kernel::btf::Btf;
use nfscope_kernel::layout::NftLayout;
use nfscope_kernel::locate::nft;
use nfscope_kernel::modules::{elf::Elf, function};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (module, base, split) = (
        args.next().ok_or("usage: locate_nft MODULE.ko VMLINUX-BTF [MODULE-BTF]")?,
        args.next(),
        args.next(),
    );
    let base = Arc::new(Btf::parse(std::fs::read(base.ok_or("no BTF file given")?)?)?);
    let btf = match split {
        Some(split) => Btf::parse_split(std::fs::read(split)?, base)?,
        None => (*base).clone(),
    };
    let layout = NftLayout::from_btf(&btf)?;
    let bytes = std::fs::read(module)?;
    let text = function(&Elf::parse(&bytes)?, nft::FUNCTION)?;
    println!("{:#?}", nft::locate(&text, &layout, Some(&btf))?);
    Ok(())
}
