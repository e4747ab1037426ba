//! Why a reset is there: by the kernel's own reason where it has one, else by the
//! way that led to it and the socket's state.
//!
//! The functions are those of net/ipv4/tcp.c, tcp_timer.c, tcp_minisocks.c and
//! inet_connection_sock.c, which have these names in 5.10 to 7.2.

use nfscope_collect::resets::Kind;
use nfscope_event::ResetCause;

/// What is known of a reset.
pub struct Facts<'a> {
    /// How it was met.
    pub kind: Kind,
    /// The socket's state.
    pub state: Option<u8>,
    /// The answered segment's flags.
    pub answered: Option<u8>,
    /// The kernel's reason, if it gives one.
    pub reason: Option<&'a str>,
    /// The functions that led to it, innermost first.
    pub functions: &'a [String],
}

/// `include/net/tcp_states.h`
const ESTABLISHED: u8 = 1;
const SYN_SENT: u8 = 2;
const SYN_RECV: u8 = 3;
const FIN_WAIT1: u8 = 4;
const FIN_WAIT2: u8 = 5;
const TIME_WAIT: u8 = 6;
const CLOSE_WAIT: u8 = 8;
const LAST_ACK: u8 = 9;
const LISTEN: u8 = 10;
const CLOSING: u8 = 11;
const NAMES: [&str; 12] = [
    "established",
    "syn-sent",
    "syn-recv",
    "fin-wait-1",
    "fin-wait-2",
    "time-wait",
    "close",
    "close-wait",
    "last-ack",
    "listen",
    "closing",
    "syn-recv",
];
/// `include/net/tcp.h`
const SYN: u8 = 2;
const ACK: u8 = 0x10;

/// A state as `ss` spells it; a number that has no name here as it is.
pub fn state(number: u8) -> String {
    let name = number.checked_sub(1).and_then(|at| NAMES.get(usize::from(at)));
    name.map_or_else(|| number.to_string(), |name| (*name).to_owned())
}

impl Facts<'_> {
    /// The cause.
    pub fn cause(&self) -> ResetCause {
        match self.kind {
            Kind::Reject => ResetCause::RejectRule,
            Kind::Forged => ResetCause::Forged,
            Kind::Arrived | Kind::Accepted | Kind::Forwarded => ResetCause::Peer,
            Kind::Reply => self.reply(),
            Kind::Active => self.active(),
        }
    }

    /// Whether one of these functions is on the way.
    pub fn passed(&self, functions: &[&str]) -> bool {
        // the compiler's copies have a suffix: tcp_close.part.0
        self.functions.iter().any(|f| {
            let name = f.split_once('.').map_or(f.as_str(), |(name, _)| name);
            functions.contains(&name)
        })
    }

    fn reply(&self) -> ResetCause {
        let flags = self.answered.unwrap_or(0);
        if self.passed(&["tcp_check_req"]) {
            let syn = flags & SYN != 0;
            return if syn { ResetCause::InvalidSyn } else { ResetCause::ListenQueue };
        }
        match self.state {
            // a SYN-ACK asks for no listener: it answers a SYN that nobody here knows of
            None if flags & (SYN | ACK) == SYN => ResetCause::NoListener,
            None | Some(LISTEN) => ResetCause::NoConnection,
            Some(SYN_SENT | SYN_RECV) => ResetCause::OutOfWindow,
            Some(TIME_WAIT) => ResetCause::TimeWait,
            // a whole socket answers a SYN with an acknowledgement
            Some(FIN_WAIT2) if flags & SYN != 0 => ResetCause::TimeWait,
            Some(FIN_WAIT1 | FIN_WAIT2 | LAST_ACK | CLOSING) => ResetCause::DataAfterClose,
            Some(_) => ResetCause::Unknown,
        }
    }

    fn active(&self) -> ResetCause {
        match self.reason {
            Some("TCP_ABORT_ON_CLOSE") => return ResetCause::UnreadData,
            Some("TCP_ABORT_ON_LINGER") => return ResetCause::Linger,
            Some("TCP_ABORT_ON_MEMORY") => return ResetCause::OutOfMemory,
            Some("TCP_KEEPALIVE_TIMEOUT") => return ResetCause::Timeout,
            _ => {}
        }
        let closes = ["tcp_close", "__tcp_close"];
        if self.passed(&["tcp_abort"]) {
            ResetCause::Aborted
        } else if self.passed(&["tcp_keepalive_timer"]) {
            ResetCause::Timeout
        } else if self.passed(&["tcp_out_of_resources", "tcp_write_timer_handler"]) {
            ResetCause::OutOfMemory
        } else if self.passed(&["inet_csk_listen_stop", "inet_child_forget"]) {
            ResetCause::ListenQueue
        } else if self.passed(&["tcp_disconnect"]) {
            if self.passed(&closes) { ResetCause::Linger } else { ResetCause::Disconnected }
        } else if self.passed(&closes) {
            match self.state {
                // the other reasons come after its FIN
                Some(ESTABLISHED | CLOSE_WAIT) => ResetCause::UnreadData,
                _ => ResetCause::Closed,
            }
        } else {
            ResetCause::Unknown
        }
    }
}

/// The cause in a sentence, to stand behind its name.
pub fn explain(cause: ResetCause, facts: &Facts<'_>) -> &'static str {
    match cause {
        ResetCause::NoListener => "no socket listens on this address and port",
        ResetCause::NoConnection if facts.state == Some(LISTEN) => {
            "the segment belongs to no connection, the socket only listens"
        }
        ResetCause::NoConnection => "the segment belongs to no connection here",
        ResetCause::OutOfWindow => "in the handshake it acknowledges what was not sent",
        ResetCause::ListenQueue if facts.kind == Kind::Reply => {
            "the listener's queue of connections to accept is full"
        }
        ResetCause::ListenQueue => {
            "the listening socket was closed before it accepted this connection"
        }
        ResetCause::InvalidSyn => "a SYN that does not fit into the handshake under way",
        ResetCause::TimeWait => {
            "the connection is closed here, only its TIME_WAIT or FIN-WAIT-2 is left"
        }
        ResetCause::DataAfterClose => "data came for a socket that its process has closed",
        ResetCause::UnreadData => "the process closed the socket before it had read all data",
        ResetCause::Linger if facts.reason == Some("TCP_ABORT_ON_LINGER") => {
            "the process closed the socket with a TCP_LINGER2 below 0"
        }
        ResetCause::Linger => "the process closed the socket with SO_LINGER of 0 seconds",
        ResetCause::Closed => {
            "the process closed the socket: unread data, TCP_LINGER2 below 0, or little memory"
        }
        ResetCause::Disconnected => "the process disconnected the socket: connect() to AF_UNSPEC",
        ResetCause::Aborted => "a program ended the connection from outside, as ss --kill does",
        ResetCause::Timeout if facts.state == Some(FIN_WAIT2) => {
            "the peer did not close its side in time"
        }
        ResetCause::Timeout => "the peer did not answer the keepalive probes",
        ResetCause::OutOfMemory => "too many orphaned sockets, or TCP's memory is used up",
        ResetCause::RejectRule => "a rule of the firewall rejects the packet",
        ResetCause::Forged => "a program has made this packet itself",
        ResetCause::Peer => match (facts.kind, facts.state) {
            (Kind::Forwarded, _) => "it passes through",
            (Kind::Arrived, _) => {
                "no established connection here took it: none is open, it is out of its window, or \
                 it was only half open or in TIME_WAIT"
            }
            (_, Some(SYN_SENT)) => "the connection was refused",
            _ => "the other end, or somebody on the way, has ended the connection",
        },
        ResetCause::Unknown => "the kernel's way to it has no name here, see --stack",
    }
}

/// What to look at or do next. `invalid`: conntrack called the answered segment so.
pub fn hint(cause: ResetCause, kind: Kind, invalid: bool) -> Option<&'static str> {
    if invalid {
        return Some(
            "conntrack called the answered segment INVALID, so NAT may have left it alone and TCP \
             here did not know it: drop such packets (ct state invalid drop), or sysctl \
             net.netfilter.nf_conntrack_tcp_be_liberal=1",
        );
    }
    Some(match cause {
        ResetCause::NoListener => "list what listens: ss -tlnp",
        ResetCause::ListenQueue if kind == Kind::Reply => {
            "ss -tln shows the queue (Recv-Q of Send-Q); sysctl net.core.somaxconn, and the \
             program's listen(); net.ipv4.tcp_abort_on_overflow=0 drops instead"
        }
        ResetCause::UnreadData => "read to the end, or shutdown(SHUT_WR) and read, before close()",
        ResetCause::Timeout => "is the peer gone, or a firewall or NAT on the way forgetful?",
        ResetCause::OutOfMemory => "sysctl net.ipv4.tcp_max_orphans, net.ipv4.tcp_mem; dmesg",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(kind: Kind, state: u8, answered: u8, reason: &str, way: &[&str]) -> ResetCause {
        let functions: Vec<String> = way.iter().map(|f| (*f).to_owned()).collect();
        let facts = Facts {
            kind,
            state: (state != 0).then_some(state),
            answered: Some(answered),
            reason: (!reason.is_empty()).then_some(reason),
            functions: &functions,
        };
        let cause = facts.cause();
        let text = explain(cause, &facts);
        assert!(!text.is_empty() && !text.ends_with('.') && text.len() <= 120, "{text}");
        cause
    }

    #[test]
    fn answers() {
        use ResetCause as C;
        let reply = |state, flags, way: &[&str]| cause(Kind::Reply, state, flags, "", way);
        assert_eq!(reply(0, 2, &["tcp_v4_send_reset", "tcp_v4_rcv"]), C::NoListener);
        assert_eq!(reply(0, 0x10, &[]), C::NoConnection);
        assert_eq!(reply(0, 0x12, &[]), C::NoConnection);
        assert_eq!(reply(LISTEN, 0x10, &[]), C::NoConnection);
        assert_eq!(reply(SYN_SENT, 0x12, &[]), C::OutOfWindow);
        assert_eq!(reply(TIME_WAIT, 0x18, &[]), C::TimeWait);
        assert_eq!(reply(FIN_WAIT2, SYN, &[]), C::TimeWait);
        assert_eq!(reply(FIN_WAIT2, 0x18, &[]), C::DataAfterClose);
        assert_eq!(reply(LISTEN, 0x10, &["tcp_check_req"]), C::ListenQueue);
        assert_eq!(reply(LISTEN, 2, &["tcp_check_req"]), C::InvalidSyn);
        assert_eq!(reply(ESTABLISHED, 0x10, &[]), C::Unknown);
    }

    #[test]
    fn ends() {
        use ResetCause as C;
        let active = |state, reason, way: &[&str]| cause(Kind::Active, state, 0, reason, way);
        let linger = ["tcp_send_active_reset", "tcp_disconnect", "__tcp_close", "tcp_close"];
        assert_eq!(active(ESTABLISHED, "TCP_STATE", &linger), C::Linger);
        assert_eq!(active(ESTABLISHED, "", &linger[..2]), C::Disconnected);
        assert_eq!(active(ESTABLISHED, "", &["__tcp_close"]), C::UnreadData);
        assert_eq!(active(FIN_WAIT2, "", &["__tcp_close.part.0"]), C::Closed);
        assert_eq!(active(FIN_WAIT2, "TCP_ABORT_ON_LINGER", &["__tcp_close"]), C::Linger);
        assert_eq!(active(ESTABLISHED, "TCP_ABORT_ON_CLOSE", &[]), C::UnreadData);
        assert_eq!(active(ESTABLISHED, "", &["tcp_keepalive_timer"]), C::Timeout);
        assert_eq!(active(ESTABLISHED, "TCP_STATE", &["tcp_abort"]), C::Aborted);
        let queue = ["tcp_disconnect", "inet_child_forget", "inet_csk_listen_stop", "tcp_close"];
        assert_eq!(active(ESTABLISHED, "", &queue), C::ListenQueue);
        assert_eq!(active(ESTABLISHED, "", &[]), C::Unknown);
    }

    #[test]
    fn states_as_ss_spells_them() {
        assert_eq!(state(ESTABLISHED), "established");
        assert_eq!(state(CLOSING), "closing");
        assert_eq!([state(0), state(13)], ["0", "13"]);
    }
}
