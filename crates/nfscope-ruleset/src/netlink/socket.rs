//! A netfilter netlink socket. All system calls on it are here.

use std::io;
use std::mem::{size_of, zeroed};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use super::attr::AttributeWriter;
use super::error::Error;
use super::message::{
    Control, DUMP, DUMP_INTERRUPTED, Message, Messages, REQUEST, Request, nothing,
};
use crate::sys;

/// How often a dump that the kernel calls inconsistent is tried again.
const DUMP_TRIES: usize = 20;
/// How long an answer may take. Transactions wait for the kernel's own
/// garbage collection and module loading, so this is generous.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Room for one datagram: the kernel's dumps use up to 32 KiB, notifications
/// one message or a page of them, and an error quotes the whole request.
const DATAGRAM: usize = 256 * 1024;

/// A socket of the netfilter netlink family.
///
/// It belongs to the network namespace in which the opening thread was, and
/// goes on speaking to that one wherever it is used.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Socket {
    /// Opens and binds a socket in the calling thread's network namespace.
    pub fn open() -> Result<Self, Error> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        // SAFETY: no pointers are passed.
        let fd = unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_NETFILTER) };
        if fd < 0 {
            return Err(Error::last("open"));
        }
        // SAFETY: `fd` was just opened and nobody else has it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        // SAFETY: all-zero is a valid sockaddr_nl.
        let mut address: libc::sockaddr_nl = unsafe { zeroed() };
        address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
        // SAFETY: the address is valid and its size is passed along.
        let result = unsafe {
            libc::bind(
                fd.as_raw_fd(),
                (&raw const address).cast(),
                size_of::<libc::sockaddr_nl>() as libc::socklen_t,
            )
        };
        if result < 0 {
            return Err(Error::last("bind"));
        }
        // Zeroed by the system: pages that no message reaches cost no memory.
        Ok(Self { fd, sequence: 1, buffer: vec![0; DATAGRAM] })
    }

    /// Subscribes to a notification group (`NFNLGRP_*`).
    pub fn join(&self, group: u32) -> Result<(), Error> {
        self.set(libc::SOL_NETLINK, libc::NETLINK_ADD_MEMBERSHIP, group as libc::c_int)
            .map_err(|source| Error::Socket { action: "subscribe", source })
    }

    /// Asks for room for `bytes` of messages not yet read; beyond the system's
    /// limit if the caller has CAP_NET_ADMIN, else as much as is allowed.
    pub fn set_receive_buffer(&self, bytes: usize) -> Result<(), Error> {
        let size = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX / 2);
        self.set(libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, size)
            .or_else(|_| self.set(libc::SOL_SOCKET, libc::SO_RCVBUF, size))
            .map_err(|source| Error::Socket { action: "enlarge the buffer of", source })
    }

    fn set(&self, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
        // SAFETY: the value lives through the call and its size is passed.
        let result = unsafe {
            libc::setsockopt(
                self.fd.as_raw_fd(),
                level,
                name,
                (&raw const value).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Sends a datagram to the kernel.
    pub fn send(&self, datagram: &[u8]) -> Result<(), Error> {
        loop {
            // SAFETY: pointer and length are of one slice.
            let sent = unsafe {
                libc::send(self.fd.as_raw_fd(), datagram.as_ptr().cast(), datagram.len(), 0)
            };
            if sent >= 0 {
                return Ok(());
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(Error::Socket { action: "send to", source: error });
            }
        }
    }

    /// Waits up to `timeout` for something to read.
    pub fn wait(&self, timeout: Duration) -> Result<bool, Error> {
        sys::poll(&[self.as_fd()], Some(timeout))
            .map(|ready| ready.contains(&true))
            .map_err(|source| Error::Socket { action: "wait for", source })
    }

    /// Reads one datagram if there is one; never waits.
    ///
    /// Datagrams that are not from the kernel are taken off and skipped.
    /// `ENOBUFS` becomes [`Error::Overrun`]; the next call goes on reading.
    pub fn receive(&mut self) -> Result<Option<Messages<'_>>, Error> {
        loop {
            // SAFETY: all-zero is a valid sockaddr_nl.
            let mut sender: libc::sockaddr_nl = unsafe { zeroed() };
            let mut sender_size = size_of::<libc::sockaddr_nl>() as libc::socklen_t;
            // SAFETY: buffer and address are valid for writes of the sizes
            // that are passed.
            let got = unsafe {
                libc::recvfrom(
                    self.fd.as_raw_fd(),
                    self.buffer.as_mut_ptr().cast(),
                    self.buffer.len(),
                    libc::MSG_DONTWAIT | libc::MSG_TRUNC,
                    (&raw mut sender).cast(),
                    &raw mut sender_size,
                )
            };
            let Ok(length) = usize::try_from(got) else {
                let error = io::Error::last_os_error();
                match error.raw_os_error() {
                    Some(libc::EINTR) => continue,
                    Some(libc::EAGAIN) => return Ok(None),
                    Some(libc::ENOBUFS) => return Err(Error::Overrun),
                    _ => return Err(Error::Socket { action: "read from", source: error }),
                }
            };
            if sender.nl_pid != 0 {
                continue;
            }
            if length > self.buffer.len() {
                return Err(Error::Malformed("datagram longer than 256 KiB"));
            }
            return Ok(Some(Messages::new(&self.buffer[..length])));
        }
    }

    /// Asks for nothing but an answer, which comes behind all that the kernel has
    /// sent until now. The answer's sequence number.
    pub(crate) fn ask_nothing(&mut self) -> Result<u32, Error> {
        let sequence = self.next_sequence();
        self.send(&nothing(sequence))?;
        Ok(sequence)
    }

    /// A number for the next request.
    pub(crate) fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1).max(1);
        self.sequence
    }

    /// Sends a transaction or request and waits for the acknowledgement of
    /// message `last`; the first error of any message from `first` on ends it.
    pub(crate) fn transact(
        &mut self,
        datagram: &[u8],
        (first, last): (u32, u32),
        what: &str,
    ) -> Result<(), Error> {
        self.send(datagram)?;
        let mut answered = false;
        self.answers(|message| {
            if !(first..=last).contains(&message.sequence) {
                return Ok(false);
            }
            if let Control::Answer(errno) = message.control() {
                refused(what, errno)?;
                answered = message.sequence == last;
            }
            Ok(answered)
        })
    }

    /// Sends a request without attributes of its own or with those that
    /// `fill` writes, and hands every data message of the answer to `each`.
    /// With `dump`, all objects are asked for, else one.
    pub(crate) fn ask(
        &mut self,
        request: (u16, u8, bool),
        what: &str,
        fill: impl Fn(&mut AttributeWriter<'_>),
        mut each: impl FnMut(&Message<'_>),
    ) -> Result<(), Error> {
        self.ask_until(request, what, fill, |message| {
            each(message);
            ControlFlow::Continue(())
        })
    }

    /// As [`Socket::ask`], until `each` has enough. What the kernel has still
    /// to say then stays to be read.
    pub(crate) fn ask_until(
        &mut self,
        (number, family, dump): (u16, u8, bool),
        what: &str,
        fill: impl Fn(&mut AttributeWriter<'_>),
        mut each: impl FnMut(&Message<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let sequence = self.next_sequence();
        let mut request = Request::new();
        let flags = if dump { REQUEST | DUMP } else { REQUEST };
        request.push(number, flags, family, sequence, fill);
        self.send(&request.finish()?)?;
        let mut interrupted = false;
        self.answers(|message| {
            if message.sequence != sequence {
                return Ok(false);
            }
            interrupted |= message.flags & DUMP_INTERRUPTED != 0;
            match message.control() {
                Control::Answer(errno) | Control::Done(errno) => {
                    refused(what, errno)?;
                    Ok(true)
                }
                Control::Data => Ok(each(message).is_break() || !dump),
            }
        })?;
        if interrupted { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// Asks another subsystem (its number, message, family) for one object.
    pub(crate) fn ask_one(
        &mut self,
        (subsystem, number, family): (u16, u16, u8),
        what: &str,
        fill: impl Fn(&mut AttributeWriter<'_>),
        mut each: impl FnMut(&Message<'_>),
    ) -> Result<(), Error> {
        let sequence = self.next_sequence();
        let mut request = Request::new();
        request.push_to(subsystem, (number, REQUEST, family), sequence, fill);
        self.send(&request.finish()?)?;
        self.answers(|message| {
            if message.sequence != sequence {
                return Ok(false);
            }
            match message.control() {
                Control::Answer(errno) | Control::Done(errno) => refused(what, errno)?,
                Control::Data => each(message),
            }
            Ok(true)
        })
    }

    /// A dump as a list; repeated while the kernel says that it changed
    /// underneath.
    pub(crate) fn dump<T>(
        &mut self,
        (number, family): (u16, u8),
        what: &str,
        fill: impl Fn(&mut AttributeWriter<'_>),
        read: impl Fn(&Message<'_>) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        for _ in 0..DUMP_TRIES {
            let mut all = Vec::new();
            match self.ask((number, family, true), what, &fill, |m| all.extend(read(m))) {
                Err(Error::Interrupted) => {}
                // Before anything was created nf_tables may not be loaded.
                Err(error) if error.errno() == Some(libc::EOPNOTSUPP) => return Ok(Vec::new()),
                result => return result.map(|()| all),
            }
        }
        Err(Error::Interrupted)
    }

    /// Reads messages until `done` says so.
    fn answers(
        &mut self,
        mut done: impl FnMut(&Message<'_>) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        loop {
            if !self.wait(deadline.saturating_duration_since(Instant::now()))? {
                return Err(Error::Timeout(ANSWER_TIMEOUT.as_millis() as u64));
            }
            let Some(messages) = self.receive()? else { continue };
            for message in messages {
                if done(&message)? {
                    return Ok(());
                }
            }
        }
    }
}

fn refused(what: &str, errno: i32) -> Result<(), Error> {
    if errno == 0 {
        return Ok(());
    }
    if errno == libc::EINTR {
        return Err(Error::Interrupted);
    }
    Err(Error::Refused { request: what.into(), source: io::Error::from_raw_os_error(errno) })
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
