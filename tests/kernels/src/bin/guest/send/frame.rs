//! Frames that go out of a device as they are.

use std::{ffi::CString, io, net::Ipv4Addr};

use anyhow::{Context, Result};
use socket2::{Domain, SockAddr, SockAddrStorage, Socket, Type};

use super::wire;

/// Send an ARP request `count` times.
pub fn arp(device: &str, sender: Ipv4Addr, target: Ipv4Addr, count: u32) -> Result<()> {
    let socket = open(device)?;
    let request = wire::arp_request(hardware_address(&socket)?, sender, target);
    repeat(&socket, &request, count)
}

/// Send a frame `count` times.
pub fn send(device: &str, frame: &[u8], count: u32) -> Result<()> {
    repeat(&open(device)?, frame, count)
}

fn repeat(socket: &Socket, frame: &[u8], count: u32) -> Result<()> {
    for _ in 0..count {
        socket.send(frame).context("cannot send the frame")?;
    }
    println!("{count} sent");
    Ok(())
}

/// A packet socket that sends out of one device, and takes nothing.
fn open(device: &str) -> Result<Socket> {
    let name = CString::new(device).context("a device's name holds no zero")?;
    // SAFETY: the name is a string that ends in zero and outlives the call.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    if index == 0 {
        return Err(io::Error::last_os_error()).with_context(|| format!("no device {device}"));
    }
    let socket =
        Socket::new(Domain::PACKET, Type::RAW, None).context("cannot make a packet socket")?;
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: sockaddr_ll is one of the socket addresses that the storage is
    // made for, and all of its fields may be zero.
    let address = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    address.sll_family = libc::AF_PACKET as libc::sa_family_t;
    address.sll_ifindex = i32::try_from(index).context("the device's index is too large")?;
    let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: the storage holds a sockaddr_ll of that length.
    let address = unsafe { SockAddr::new(storage, length) };
    socket.bind(&address).with_context(|| format!("cannot bind to {device}"))?;
    Ok(socket)
}

/// A bound packet socket knows its device's address.
fn hardware_address(socket: &Socket) -> Result<[u8; 6]> {
    let mut storage = socket.local_addr()?.as_storage();
    // SAFETY: the address of a packet socket is a sockaddr_ll.
    let address = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    let bytes = address.sll_addr.get(..usize::from(address.sll_halen)).unwrap_or_default();
    bytes.try_into().context("the device has no Ethernet address")
}
