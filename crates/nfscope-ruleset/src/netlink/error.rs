//! What can go wrong when talking to the kernel's netfilter netlink.

use std::io;

/// A netfilter netlink failure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A system call on the socket failed.
    #[error("cannot {action} a netfilter netlink socket: {source}{}", hint(source))]
    Socket {
        /// What was tried: `open`, `bind`, `send to`, ….
        action: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The kernel answered a request with an error.
    #[error("the kernel refused to {request}: {source}{}", hint(source))]
    Refused {
        /// What was asked for, `list rules`, `create table x`.
        request: String,
        /// The kernel's error number.
        source: io::Error,
    },
    /// The socket's receive buffer overran (`ENOBUFS`): messages were lost.
    /// The socket goes on working.
    #[error("netfilter netlink messages were lost: the receive buffer overran")]
    Overrun,
    /// The ruleset changed under a dump, each time it was tried.
    #[error("the ruleset changed while it was listed; try again")]
    Interrupted,
    /// The kernel did not answer in time.
    #[error("the kernel did not answer a netfilter netlink request within {0} ms")]
    Timeout(u64),
    /// A name or list is too long for a netlink attribute (64 KiB).
    #[error("a netfilter netlink request is too long")]
    TooLong,
    /// A message from the kernel does not have the expected form.
    #[error("the kernel's netfilter netlink message is not understood: {0}")]
    Malformed(&'static str),
}

impl Error {
    /// The error number behind it, if the system or the kernel gave one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Socket { source, .. } | Self::Refused { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }

    pub(crate) fn last(action: &'static str) -> Self {
        Self::Socket { action, source: io::Error::last_os_error() }
    }
}

/// What to do about an error.
fn hint(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => "; this needs CAP_NET_ADMIN (sudo)",
        Some(libc::EPROTONOSUPPORT) => "; this kernel lacks CONFIG_NETFILTER_NETLINK",
        _ => "",
    }
}
