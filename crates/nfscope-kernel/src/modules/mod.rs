//! Module files of the running kernel.

pub mod elf;
mod function;

pub use function::{FunctionError, function};
