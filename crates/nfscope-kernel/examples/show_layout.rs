//! Prints nf_tables' layout from BTF files: `show_layout [VMLINUX [MODULE]]`, by default the running
//! kernel's.

use std::error::Error;
use std::sync::Arc;

use nfscope_kernel::btf::Btf;
use nfscope_kernel::layout::NftLayout;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let layout = match (args.next(), args.next()) {
        (None, _) => NftLayout::load()?,
        (Some(base), None) => NftLayout::from_btf(&Btf::parse(std::fs::read(base)?)?)?,
        (Some(base), Some(module)) => {
            let base = Arc::new(Btf::parse(std::fs::read(base)?)?);
            NftLayout::from_btf(&Btf::parse_split(std::fs::read(module)?, base)?)?
        }
    };
    println!("{layout:#?}");
    Ok(())
}
