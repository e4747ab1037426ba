//! Module files of the running kernel: found by name, decompressed, checked against the loaded module by
//! build id, and read function by function.

mod cold;
mod decompress;
pub mod elf;
mod find;
mod function;
mod references;
mod xz;

pub use find::{ModuleError, ModuleFile};
pub use function::{FunctionError, function, function_in_place};
pub use references::{Reference, references};
pub use xz::{XzError, decompress as decompress_xz};
