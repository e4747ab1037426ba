//! The tables of a namespace, all of them.

use std::io;

use super::socket::{Socket, names};
use super::table::Table;
use super::uapi::Family;

/// A table's name, and its contents or why they cannot be read.
pub type Listed = (Family, String, io::Result<Table>);

/// The tables that are loaded in the calling thread's network namespace. None is
/// loaded by asking.
pub fn loaded() -> Vec<Listed> {
    let mut all = Vec::new();
    for family in [Family::Ipv4, Family::Ipv6, Family::Arp] {
        let names = names(family);
        for name in names.into_iter().filter(|name| !name.is_empty()) {
            let table = Socket::open(family).and_then(|socket| socket.read(&name));
            all.push((family, name, table.map(|read| read.table)));
        }
    }
    all
}
