//! The same records from the kernel's own rule trace, for kernels that refuse
//! probes and hooks. It tells rules that matched, ends of chains and policies;
//! no connections, no rules that did not match, and not what becomes of a packet.

mod packets;

use std::time::{Duration, Instant};

use super::{TraceLosses, TraceOptions, TraceRecord};
use crate::CollectError;
use crate::nft::{Heard, NetlinkListener, rules_tell};
use packets::Packets;

/// Messages that one call takes.
const AT_ONCE: usize = 8_192;
/// How long a last look waits for the listener.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same while nothing but messages about other packets has come.
const LONG_PATIENCE: Duration = Duration::from_secs(30);
/// How long it waits at a time.
const TICK: Duration = Duration::from_millis(50);

/// A traced namespace. Dropping it removes the table that marks its packets.
#[derive(Debug)]
pub struct NetlinkCollector {
    listener: NetlinkListener,
    packets: Packets,
}

impl NetlinkCollector {
    /// Traces the packets of the namespace `inode`. The table goes away with the
    /// process (kernel 5.12); `may_stay`: where that is not possible, it may stay.
    pub fn start(options: &TraceOptions, inode: u32, may_stay: bool) -> Result<Self, CollectError> {
        let wanted = [
            (options.misses.is_some(), "rules that do not match"),
            (!options.functions.list.is_empty(), "kernel functions"),
            (options.pid.is_some(), "who sends a packet (--pid)"),
            (!options.follow, "packets that no longer match (--no-follow)"),
        ];
        if let Some((_, what)) = wanted.iter().find(|(wanted, _)| *wanted) {
            let reason = format!("the kernel's netlink trace does not tell {what}");
            return Err(CollectError::Backend { backend: "netlink_trace", reason });
        }
        let filter = options.filter.as_ref().map(|filter| filter.decisions.clone());
        if filter.as_ref().is_some_and(|decisions| !rules_tell(decisions)) {
            let reason = "nftables' rules, which choose the packets, cannot tell this filter: it \
                asks for link addresses, VLAN tags, lengths or arithmetic, or for too much at once"
                .into();
            return Err(CollectError::Backend { backend: "netlink_trace", reason });
        }
        Ok(Self {
            listener: NetlinkListener::start(inode, may_stay, filter)?,
            packets: Packets::new(inode, options.device.clone()),
        })
    }

    /// As [`NetlinkListener::notices`].
    pub fn notices(&self) -> &[String] {
        self.listener.notices()
    }

    /// Waits up to `timeout` for records. Without a timeout: all that the kernel
    /// had sent when this was called, or as many as one call hands out.
    pub fn poll(&mut self, timeout: Duration) -> Result<Vec<TraceRecord>, CollectError> {
        let begin = Instant::now();
        let all = timeout.is_zero();
        let mut records = Vec::new();
        // of messages about packets that are not selected nothing is handed out
        let mut messages = 0;
        while records.len() < AT_ONCE && (all || messages < AT_ONCE) {
            let patience = match (all, records.is_empty()) {
                (false, _) => timeout,
                (true, false) => PATIENCE,
                (true, true) => LONG_PATIENCE,
            };
            // to come back for each message would cost more than the message
            let left = patience.saturating_sub(begin.elapsed());
            if left.is_zero() {
                break;
            }
            match self.listener.next(left.min(TICK)) {
                Some(Heard::Message(told)) => self.packets.take(&told, &mut records),
                Some(Heard::AllUntil(instant)) if all && instant >= begin => break,
                Some(Heard::Ended) => {
                    return Err(CollectError::Backend {
                        backend: "netlink_trace",
                        reason: "the kernel's messages have come to an end".into(),
                    });
                }
                Some(Heard::AllUntil(_)) | None => {}
            }
            messages += 1;
        }
        Ok(records)
    }

    /// What was lost so far.
    pub fn losses(&self) -> TraceLosses {
        TraceLosses { netlink: self.listener.lost(), ..TraceLosses::default() }
    }
}
