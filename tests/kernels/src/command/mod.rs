//! One module for each subcommand.

pub mod fetch;
pub mod symbols;
pub mod sysroot;
pub mod test;
pub mod vm;

use anyhow::Result;

use crate::{
    cache::Cache,
    kernel::{spec::KernelSpec, store::Kernel},
    root::Root,
};

/// The kernel and the root file system for it, cached or fetched.
fn prepare(cache: &Cache, spec: &KernelSpec) -> Result<(Kernel, Root)> {
    let root = Root::ensure(cache, spec.architecture())?;
    let kernel = Kernel::ensure(cache, spec, &root)?;
    Ok((kernel, root))
}
