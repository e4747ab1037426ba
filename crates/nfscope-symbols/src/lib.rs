//! Addresses of kernels, modules and programs as functions, files and lines.
//!
//! A [`Store`] keeps the bytes of opened files, an [`Object`] is one ELF file (sections, symbols),
//! [`Lines`] its debug information, an [`Image`] both together, [`Source`] its source text.
//! [`DebugFiles`] knows where distributions put them. A [`Target`] is what somebody asks for; a
//! [`Kernel`] (running or not) and an [`Image`] answer.

mod answer;
mod code;
mod compressed;
mod debuginfod;
mod error;
mod find;
mod image;
mod kallsyms;
mod kernel;
mod lines;
mod notes;
mod object;
mod package;
mod relocate;
mod source;
mod store;
mod symbols;
mod target;

pub use answer::{Answer, Lookup, SymbolOffset};
pub use error::ObjectError;
pub use find::DebugFiles;
pub use image::Image;
pub use kallsyms::made_at_run_time;
pub use kernel::Kernel;
pub use lines::{Frame, Lines};
pub use object::{Object, Place};
pub use package::{Distribution, package_hint};
pub use source::{Source, relative};
pub use store::Store;
pub use symbols::{Symbol, Symbols};
pub use target::Target;
