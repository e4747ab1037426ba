//! Asking the kernel for tables, in the calling thread's network namespace.
//! Reading a table changes nothing, its counters included.

use std::fs;
use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use super::bridge;
use super::table::{Info, Table};
use super::uapi::{ENTRIES, Family, GET_ENTRIES, GET_INFO, SET_REPLACE, TABLE_NAME};

/// Larger tables (a hundred thousand rules and more are a tenth of that) are
/// not read.
pub(super) const LARGEST: u32 = 512 << 20;

/// A table's contents: what the kernel said, and what that means.
#[derive(Debug)]
pub(super) struct Read {
    /// Entries without their counters, to be compared with an earlier reading.
    pub bytes: Vec<u8>,
    pub table: Table,
}

/// A socket for questions about a family's tables.
pub(super) struct Socket {
    socket: UdpSocket,
    family: Family,
}

impl Socket {
    pub fn open(family: Family) -> io::Result<Self> {
        let any = match family {
            Family::Ipv4 | Family::Arp | Family::Bridge => "0.0.0.0:0",
            Family::Ipv6 => "[::]:0",
        };
        Ok(Self { socket: UdpSocket::bind(any)?, family })
    }

    /// `bytes`: the request, which the kernel overwrites with its answer.
    pub(super) fn get(&self, option: i32, bytes: &mut [u8]) -> io::Result<()> {
        let mut size = libc::socklen_t::try_from(bytes.len()).map_err(io::Error::other)?;
        let (level, first) = self.family.options();
        // SAFETY: the kernel reads and writes at most `size` bytes at the
        // pointer, which is what the slice has; a pointer in the request, which
        // ebtables' have, is to the request's own end.
        let result = unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                level,
                first + option,
                bytes.as_mut_ptr().cast(),
                &raw mut size,
            )
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Sizes and chains of a table, which must exist: x_tables would look for a
    /// module of one that does not.
    pub fn info(&self, name: &str) -> io::Result<Info> {
        let mut bytes = vec![0; self.family.info_size()];
        put_name(&mut bytes, name);
        self.get(GET_INFO, &mut bytes)?;
        Info::parse(self.family, &bytes).ok_or_else(|| io::Error::other("a short answer"))
    }

    /// A whole table.
    pub fn read(&self, name: &str) -> io::Result<Read> {
        if self.family == Family::Bridge {
            return bridge::read(self, name);
        }
        let info = self.info(name)?;
        if info.size > LARGEST {
            return Err(io::Error::other("the table is larger than anything that is read"));
        }
        let mut bytes = vec![0; ENTRIES + info.size as usize];
        put_name(&mut bytes, name);
        if let Some(size) = bytes.get_mut(TABLE_NAME..TABLE_NAME + 4) {
            size.copy_from_slice(&info.size.to_ne_bytes());
        }
        self.get(GET_ENTRIES, &mut bytes)?;
        let mut bytes = bytes.split_off(ENTRIES);
        let table = Table::parse(self.family, name, &info, &bytes).map_err(io::Error::other)?;
        let counters = self.family.layout().counters;
        let rules = table.chains.iter().flat_map(|c| c.rules.iter().chain(&c.end));
        for rule in rules {
            let at = rule.offset as usize + counters;
            if let Some(field) = bytes.get_mut(at..at + super::uapi::COUNTERS) {
                field.fill(0);
            }
        }
        Ok(Read { bytes, table })
    }

    /// Puts another table in a table's place (`struct ipt_replace`).
    pub fn replace(&self, request: &[u8]) -> io::Result<()> {
        let size = libc::socklen_t::try_from(request.len()).map_err(io::Error::other)?;
        let (level, first) = self.family.options();
        // SAFETY: the kernel reads `size` bytes at the pointer; the pointer in
        // the request is to a buffer that its maker keeps.
        let result = unsafe {
            libc::setsockopt(
                self.socket.as_raw_fd(),
                level,
                first + SET_REPLACE,
                request.as_ptr().cast(),
                size,
            )
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

/// Writes a table's name to the start of a request.
pub(super) fn put_name(bytes: &mut [u8], name: &str) {
    for (to, from) in bytes.iter_mut().take(TABLE_NAME - 1).zip(name.bytes()) {
        *to = from;
    }
}

/// The tables that the namespace has.
pub(super) fn names(family: Family) -> Vec<String> {
    let list = family.names_file().and_then(|file| fs::read_to_string(file).ok());
    let list = list.unwrap_or_default();
    list.lines().map(str::to_owned).collect()
}
