//! The running kernel as data: its types (BTF), module files, symbols, machine code, jump labels, and
//! the locator that finds probe points inside functions without debug information.

pub mod btf;
pub mod isa;
pub mod layout;
pub mod live;
pub mod locate;
pub mod modules;
pub mod symbols;
pub mod text;
