//! Prints what is known of the running kernel's nf_tables: where the layout comes from, and the probe
//! points, with the time each step took. `-v` prints the whole layout.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use nfscope_kernel::btf::Btf;
use nfscope_kernel::layout::NftLayout;
use nfscope_kernel::locate::nft::Located;

fn main() -> Result<(), Box<dyn Error>> {
    let verbose = std::env::args().any(|arg| arg == "-v");
    let start = Instant::now();
    let btf = Btf::module("nf_tables", Arc::new(Btf::vmlinux()?))?;
    let layout = NftLayout::from_btf(&btf)?;
    println!("layout    {:?}, {:?}", layout.source, start.elapsed());
    if verbose {
        println!("{layout:#?}");
    }
    let start = Instant::now();
    let located = Located::by_module_file(&layout, Some(&btf))?;
    let checked = if located.verified { "build id checked" } else { "build id not checked" };
    println!("located   {} ({checked}), {:?}", located.path.display(), start.elapsed());
    print!("{}", located.points);
    Ok(())
}
