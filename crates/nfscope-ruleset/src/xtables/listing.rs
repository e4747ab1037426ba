//! The tables of a namespace, all of them.

use std::fs;
use std::io;

use super::socket::Socket;
use super::table::Table;
use super::uapi::Family;

/// A table's name, and its contents or why they cannot be read.
pub type Listed = (Family, String, io::Result<Table>);

/// The tables that are loaded in the calling thread's network namespace. None is
/// loaded by asking.
pub fn loaded() -> Vec<Listed> {
    let mut all = Vec::new();
    for family in [Family::Ipv4, Family::Ipv6, Family::Arp] {
        let names = fs::read_to_string(family.names_file()).unwrap_or_default();
        for name in names.lines().filter(|name| !name.is_empty()) {
            let table = Socket::open(family).and_then(|socket| socket.read(name));
            all.push((family, name.to_owned(), table.map(|read| read.table)));
        }
    }
    all
}
