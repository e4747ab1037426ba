//! The socket that a packet is handed to, in words.

use std::net::IpAddr;

use nfscope_event::Socket;

use super::escape;

/// `handed to a socket: udp 10.0.0.2.53 of named (pid 7)`
pub(super) fn describe(socket: &Socket) -> String {
    let mut text = "handed to a socket: ".to_owned();
    match (&socket.protocol, socket.kind.as_deref()) {
        (Some(protocol), Some("raw")) => text += &format!("raw {}", escape(protocol)),
        (Some(protocol), _) => text += &escape(protocol),
        (None, _) => text += &escape(&socket.family),
    }
    if let Some(local) = socket.local {
        text += &format!(" {}", end(local, socket.local_port));
    }
    if let Some(remote) = socket.remote {
        text += &format!(" < {}", end(remote, socket.remote_port));
    }
    match (socket.owners.as_slice(), socket.inode) {
        // a connection that is not accepted yet
        ([], None) => text += ", which no process holds yet or any more",
        ([], Some(_)) => text += ", owner unknown",
        (owners, _) => {
            let one =
                |o: &nfscope_event::Process| format!("{} (pid {})", escape(&o.command), o.pid);
            text += &format!(" of {}", owners.iter().map(one).collect::<Vec<_>>().join(", "));
        }
    }
    text
}

fn end(address: IpAddr, port: Option<u16>) -> String {
    let address = if address.is_unspecified() { "*".to_owned() } else { address.to_string() };
    match port {
        Some(port) => format!("{address}.{port}"),
        None => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nfscope_event::Process;

    #[test]
    fn what_is_not_known_is_said() {
        let mut socket = Socket {
            family: "inet".into(),
            kind: Some("stream".into()),
            protocol: Some("tcp".into()),
            local: Some([10, 0, 0, 2].into()),
            local_port: Some(80),
            remote: Some([10, 0, 0, 1].into()),
            remote_port: Some(4000),
            inode: Some(77),
            owners: Vec::new(),
        };
        let known = "handed to a socket: tcp 10.0.0.2.80 < 10.0.0.1.4000";
        assert_eq!(describe(&socket), format!("{known}, owner unknown"));
        socket.owners =
            [(7, "a"), (8, "\x1b[31m")].map(|(pid, c)| Process { pid, command: c.into() }).into();
        let text = describe(&socket);
        assert!(text.starts_with(&format!("{known} of a (pid 7), ")), "{text}");
        assert!(text.ends_with(" (pid 8)") && !text.contains('\x1b'), "{text}");
        let other = Socket { family: "packet".into(), ..Socket::default() };
        let text = describe(&other);
        assert_eq!(text, "handed to a socket: packet, which no process holds yet or any more");
        let any = Socket {
            protocol: Some("icmp".into()),
            kind: Some("raw".into()),
            local: Some([0, 0, 0, 0].into()),
            inode: Some(1),
            ..other
        };
        assert_eq!(describe(&any), "handed to a socket: raw icmp *, owner unknown");
    }
}
