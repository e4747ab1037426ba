//! Prints what is known of the running kernel's nf_tables: where the layout comes from, and the probe
//! points, with the time each step took. `-v` prints the whole layout, `--live` reads the code from
//! `/proc/kcore` instead of the module's file.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use nfscope_kernel::btf::Btf;
use nfscope_kernel::layout::NftLayout;
use nfscope_kernel::live::KCore;
use nfscope_kernel::locate::nft::Located;

fn main() -> Result<(), Box<dyn Error>> {
    let given = |flag: &str| std::env::args().any(|arg| arg == flag);
    let start = Instant::now();
    let btf = Btf::module("nf_tables", Arc::new(Btf::vmlinux()?))?;
    let layout = NftLayout::from_btf(&btf)?;
    println!("layout    {:?}, {:?}", layout.source, start.elapsed());
    if given("-v") {
        println!("{layout:#?}");
    }
    let start = Instant::now();
    let located = if given("--live") {
        Located::by_live_text(&mut KCore::open()?, &layout, Some(&btf))?
    } else {
        Located::by_module_file(&layout, Some(&btf))?
    };
    println!("located   {:?}, {:?}", located.origin, start.elapsed());
    print!("{}", located.points);
    Ok(())
}
