//! nfnetlink: the kernel's netfilter subsystem over netlink sockets.

mod attr;
pub mod constants;
mod error;
mod message;
pub mod scratch;
mod socket;
pub mod trace;
mod verdict;

pub use attr::{Attribute, AttributeWriter, Attributes};
pub use error::Error;
pub use message::{Message, Messages, Request};
pub use socket::Socket;
pub use verdict::Verdict;
