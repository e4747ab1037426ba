//! The kernel's own rule trace: `NFT_MSG_TRACE` messages.
//!
//! The kernel sends them for packets marked by `meta nftrace set 1`, one per
//! matching rule, verdict and policy, to listeners in the packet's network
//! namespace (`net/netfilter/nf_tables_trace.c`). A listener turns their
//! making on; without one they cost nothing.

use std::time::Duration;

use nfscope_event::Family;

use super::attr::Attribute;
use super::constants as c;
use super::error::Error;
use super::message::{Control, Message};
use super::socket::Socket;
use super::verdict::Verdict;

/// Room for about 100,000 messages not yet read.
const RECEIVE_BUFFER: usize = 64 * 1024 * 1024;

/// What a trace message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TraceType {
    /// The policy of a base chain (`NFT_TRACETYPE_POLICY`).
    Policy,
    /// The end of a chain or an explicit `return` (`NFT_TRACETYPE_RETURN`),
    /// as 5.10 and 6.1 say it; 6.12 and later call both a rule.
    Return,
    /// A rule (`NFT_TRACETYPE_RULE`).
    Rule,
    /// A number this program does not know.
    Other(u32),
}

/// One decision of the kernel about one packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceMessage {
    /// The kernel's pseudo-id: the same for one packet on its way.
    pub id: u32,
    /// Family of the table.
    pub family: Family,
    /// Table.
    pub table: String,
    /// Chain.
    pub chain: String,
    /// Handle of the rule; none for policies and ends of chains.
    pub rule_handle: Option<u64>,
    /// What it is about.
    pub kind: TraceType,
    /// The rule's verdict.
    pub verdict: Option<Verdict>,
    /// The policy's verdict.
    pub policy: Option<Verdict>,
    /// The family of the hook (`NFPROTO_*`), which in an `inet` table is the
    /// packet's.
    pub nfproto: Option<u32>,
    /// `skb->mark`; absent if 0. Devices and headers below: the kernel sends
    /// them only with the first message of a packet in a base chain.
    pub mark: Option<u32>,
    /// Index of the input device.
    pub iif: Option<u32>,
    /// `ARPHRD_*` type of the input device.
    pub iif_type: Option<u16>,
    /// Index of the output device.
    pub oif: Option<u32>,
    /// `ARPHRD_*` type of the output device.
    pub oif_type: Option<u16>,
    /// Start of the link header.
    pub link_header: Vec<u8>,
    /// Start of the network header.
    pub network_header: Vec<u8>,
    /// Start of the transport header.
    pub transport_header: Vec<u8>,
}

impl TraceMessage {
    /// Reads a message; none if it is not a trace message or lacks its table,
    /// chain or type.
    pub fn read(message: &Message<'_>) -> Option<Self> {
        if message.nftables() != Some(c::NFT_MSG_TRACE) {
            return None;
        }
        let all = message.attributes();
        let number = |kind| all.get(kind).and_then(Attribute::u32);
        let header = |kind| all.get(kind).map(|a| a.payload.to_vec()).unwrap_or_default();
        Some(Self {
            id: number(c::NFTA_TRACE_ID)?,
            family: Family::from_nfproto(message.family())?,
            table: all.get(c::NFTA_TRACE_TABLE)?.string(),
            chain: all.get(c::NFTA_TRACE_CHAIN)?.string(),
            rule_handle: all.get(c::NFTA_TRACE_RULE_HANDLE).and_then(Attribute::u64),
            kind: match number(c::NFTA_TRACE_TYPE)? {
                1 => TraceType::Policy,
                2 => TraceType::Return,
                3 => TraceType::Rule,
                other => TraceType::Other(other),
            },
            verdict: all.get(c::NFTA_TRACE_VERDICT).and_then(|a| Verdict::read(a.nested())),
            policy: number(c::NFTA_TRACE_POLICY).map(|code| Verdict::new(code as i32, None)),
            nfproto: number(c::NFTA_TRACE_NFPROTO),
            mark: number(c::NFTA_TRACE_MARK),
            iif: number(c::NFTA_TRACE_IIF),
            iif_type: all.get(c::NFTA_TRACE_IIFTYPE).and_then(Attribute::u16),
            oif: number(c::NFTA_TRACE_OIF),
            oif_type: all.get(c::NFTA_TRACE_OIFTYPE).and_then(Attribute::u16),
            link_header: header(c::NFTA_TRACE_LL_HEADER),
            network_header: header(c::NFTA_TRACE_NETWORK_HEADER),
            transport_header: header(c::NFTA_TRACE_TRANSPORT_HEADER),
        })
    }

    /// Whether this message ends the packet: a rule or policy that drops.
    pub fn drops(&self) -> bool {
        let verdict = if self.kind == TraceType::Policy { &self.policy } else { &self.verdict };
        *verdict == Some(Verdict::Drop)
    }

    /// Whether the packet was sent to a queue, where it ends if nobody
    /// listens.
    pub fn queues(&self) -> bool {
        matches!(self.verdict, Some(Verdict::Queue(_)))
    }
}

/// A listener for trace messages of one network namespace.
#[derive(Debug)]
pub struct TraceSocket {
    socket: Socket,
    /// Number of the answer that was asked for last, until it comes.
    awaited: Option<u32>,
}

impl TraceSocket {
    /// Listens in the calling thread's network namespace.
    pub fn open() -> Result<Self, Error> {
        let socket = Socket::open()?;
        socket.set_receive_buffer(RECEIVE_BUFFER)?;
        socket.join(c::NFNLGRP_NFTRACE)?;
        Ok(Self { socket, awaited: None })
    }

    /// Waits up to `timeout` for messages and appends to `to` what one
    /// datagram holds. Says whether there was one.
    ///
    /// [`Error::Overrun`] means that messages were lost; count it and go on.
    pub fn receive(
        &mut self,
        timeout: Duration,
        to: &mut Vec<TraceMessage>,
    ) -> Result<bool, Error> {
        if !self.socket.wait(timeout)? {
            return Ok(false);
        }
        let Some(messages) = self.socket.receive()? else { return Ok(false) };
        let awaited = self.awaited;
        for message in messages {
            match message.control() {
                Control::Data => to.extend(TraceMessage::read(&message)),
                _ if Some(message.sequence) == awaited => self.awaited = None,
                _ => {}
            }
        }
        Ok(true)
    }

    /// Has the kernel answer behind all messages that it has sent until now.
    pub fn mark(&mut self) -> Result<(), Error> {
        self.awaited = Some(self.socket.ask_nothing()?);
        Ok(())
    }

    /// Whether the last [`TraceSocket::mark`] has been read, if there was one.
    pub fn reached(&self) -> bool {
        self.awaited.is_none()
    }

    /// Reads until nothing has come for `quiet`. Any loss is an error.
    pub fn drain(&mut self, quiet: Duration) -> Result<Vec<TraceMessage>, Error> {
        let mut all = Vec::new();
        while self.receive(quiet, &mut all)? {}
        Ok(all)
    }
}

impl std::os::fd::AsFd for TraceSocket {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
