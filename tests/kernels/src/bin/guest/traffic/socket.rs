//! Sockets that send packets as they are given.

use std::ffi::CString;
use std::io;
use std::mem::{size_of, zeroed};
use std::net::IpAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Sends Ethernet frames out of one device.
pub struct FrameSocket(OwnedFd);

impl FrameSocket {
    /// A socket on `device` in the calling thread's namespace. It receives
    /// nothing.
    pub fn open(device: &str) -> io::Result<Self> {
        let name = CString::new(device)?;
        // SAFETY: the name ends with a zero.
        let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
        if index == 0 {
            return Err(io::Error::last_os_error());
        }
        let fd = open(libc::AF_PACKET, 0)?;
        // SAFETY: all-zero is a valid sockaddr_ll.
        let mut address: libc::sockaddr_ll = unsafe { zeroed() };
        address.sll_family = libc::AF_PACKET as libc::sa_family_t;
        address.sll_ifindex = index as libc::c_int;
        let size = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        // SAFETY: the address is valid and its size is passed along.
        let result = unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), size) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(Self(fd)) }
    }

    /// Sends one frame.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        // SAFETY: pointer and length are of one slice.
        let sent = unsafe { libc::send(self.0.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// Sends IP packets with their own headers, through the output hooks.
pub struct RawSocket {
    v4: OwnedFd,
    v6: OwnedFd,
}

impl RawSocket {
    /// Sockets in the calling thread's namespace. `IPPROTO_RAW` means that the
    /// header is included, and that nothing is received.
    pub fn open() -> io::Result<Self> {
        Ok(Self {
            v4: open(libc::AF_INET, libc::IPPROTO_RAW)?,
            v6: open(libc::AF_INET6, libc::IPPROTO_RAW)?,
        })
    }

    /// Sends one packet to `destination`.
    pub fn send(&self, packet: &[u8], destination: IpAddr) -> io::Result<()> {
        match destination {
            IpAddr::V4(ip) => {
                // SAFETY: all-zero is a valid sockaddr_in.
                let mut address: libc::sockaddr_in = unsafe { zeroed() };
                address.sin_family = libc::AF_INET as libc::sa_family_t;
                address.sin_addr.s_addr = u32::from_ne_bytes(ip.octets());
                send_to(self.v4.as_raw_fd(), packet, &address)
            }
            IpAddr::V6(ip) => {
                // SAFETY: all-zero is a valid sockaddr_in6.
                let mut address: libc::sockaddr_in6 = unsafe { zeroed() };
                address.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                address.sin6_addr.s6_addr = ip.octets();
                send_to(self.v6.as_raw_fd(), packet, &address)
            }
        }
    }
}

fn open(family: libc::c_int, protocol: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: no pointers are passed.
    let fd = unsafe { libc::socket(family, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `fd` was just opened and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `A` is one of the system's socket address structures.
fn send_to<A>(fd: RawFd, packet: &[u8], address: &A) -> io::Result<()> {
    let size = size_of::<A>() as libc::socklen_t;
    // SAFETY: packet and address are valid for reads of the sizes passed.
    let sent = unsafe {
        libc::sendto(
            fd,
            packet.as_ptr().cast(),
            packet.len(),
            0,
            std::ptr::from_ref(address).cast(),
            size,
        )
    };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
