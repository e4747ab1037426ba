//! The kernel lab: fetches kernels, boots them under QEMU and runs scenarios in them.

use clap::Parser;

/// Boot real kernels under QEMU and run nfscope's scenarios in them.
#[derive(Parser)]
#[command(name = "nfscope-lab", version)]
struct Arguments {}

fn main() {
    let Arguments {} = Arguments::parse();
}
