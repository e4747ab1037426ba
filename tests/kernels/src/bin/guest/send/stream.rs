//! TCP connections that never send a SYN twice.

use std::{
    io::{Error, ErrorKind},
    mem,
    net::SocketAddr,
    os::fd::AsRawFd,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use socket2::{Protocol, Socket, Type};

use super::Common;

const STEP: Duration = Duration::from_millis(2);

/// Try to connect; the first SYN is sent again after a second, so the wait has
/// to be shorter. Closing a socket that is not connected sends nothing.
pub fn connect(
    common: &Common,
    to: SocketAddr,
    wait: Duration,
    disconnect: bool,
) -> Result<&'static str> {
    let connected = |socket| if disconnect { disconnected(socket) } else { Ok("connected") };
    let socket = common.socket(to.ip(), Type::STREAM, Protocol::TCP)?;
    socket.set_nonblocking(true)?;
    let end = Instant::now() + wait.min(Duration::from_millis(900));
    match socket.connect(&to.into()) {
        Ok(()) => return connected(&socket),
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(error) => return Ok(word(error.kind())),
    }
    while Instant::now() < end {
        if let Some(error) = socket.take_error()? {
            return Ok(word(error.kind()));
        }
        if socket.peer_addr().is_ok() {
            return connected(&socket);
        }
        thread::sleep(STEP);
    }
    Ok("silent")
}

/// Ends the connection; the socket lives on.
fn disconnected(socket: &Socket) -> Result<&'static str> {
    // SAFETY: all zeros is a value of this plain structure, whose family then is AF_UNSPEC.
    let nobody: libc::sockaddr = unsafe { mem::zeroed() };
    let size = libc::socklen_t::try_from(size_of_val(&nobody))?;
    // SAFETY: the address is live for the call, and as long as is said.
    if unsafe { libc::connect(socket.as_raw_fd(), &raw const nobody, size) } != 0 {
        return Err(Error::last_os_error().into());
    }
    Ok("disconnected")
}

fn word(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ConnectionRefused => "refused",
        ErrorKind::PermissionDenied => "forbidden",
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => "unreachable",
        _ => "failed",
    }
}
