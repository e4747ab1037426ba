//! TCP connections that never send a SYN twice.

use std::{
    io::ErrorKind,
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use socket2::{Protocol, Type};

use super::Common;

const STEP: Duration = Duration::from_millis(2);

/// Try to connect; the first SYN is sent again after a second, so the wait has
/// to be shorter. Closing a socket that is not connected sends nothing.
pub fn connect(common: &Common, to: SocketAddr, wait: Duration) -> Result<&'static str> {
    let socket = common.socket(to.ip(), Type::STREAM, Protocol::TCP)?;
    socket.set_nonblocking(true)?;
    let end = Instant::now() + wait.min(Duration::from_millis(900));
    match socket.connect(&to.into()) {
        Ok(()) => return Ok("connected"),
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(error) => return Ok(word(error.kind())),
    }
    while Instant::now() < end {
        if let Some(error) = socket.take_error()? {
            return Ok(word(error.kind()));
        }
        if socket.peer_addr().is_ok() {
            return Ok("connected");
        }
        thread::sleep(STEP);
    }
    Ok("silent")
}

fn word(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ConnectionRefused => "refused",
        ErrorKind::PermissionDenied => "forbidden",
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => "unreachable",
        _ => "failed",
    }
}
