//! What the user reads about a bad expression.

use nfscope_filter::{FilterError, compile};

/// The message, and below the expression the carets.
fn explain(expression: &str) -> (String, String) {
    match compile(expression) {
        Err(FilterError::Expression(diagnostic)) => {
            let text = diagnostic.to_string();
            let carets = text.lines().nth(2).unwrap_or_default();
            (diagnostic.message, carets.get(2..).unwrap_or_default().to_string())
        }
        Err(other) => (other.to_string(), String::new()),
        Ok(_) => panic!("`{expression}` was accepted"),
    }
}

#[test]
fn syntax_errors_are_marked_where_nothing_fits_any_more() {
    for (expression, carets) in [
        ("tcp and and", "        ^^^"),
        ("and", "^^^"),
        ("host", "    ^"),
        ("tcp port", "        ^"),
        ("tcp port 80)", "           ^"),
        ("(tcp or udp", "           ^"),
        ("tcp[0", "     ^"),
        ("tcp $ udp", "    ^"),
        ("foo", "^^^"),
        ("foo and tcp", "^^^"),
        ("tcp port 80 or or udp", "               ^^"),
        ("tcp[13] & 2 != 0 and (udp[4:2] > ) or ip", "                                 ^"),
        ("ip[((ip[0] & 0xf) << 2) = 3", "                        ^"),
        ("tcp[tcpflags] & (tcp-syn|tcp-foo) != 0", "                         ^^^^^^^"),
        ("src host 10.0.0.1 dst host 10.0.0.2", "                  ^^^"),
        ("net 10.0.0.0 mask", "                 ^"),
        ("ether host 02:00:00:00:00:01 tcp", "                             ^^^"),
    ] {
        let (message, found) = explain(expression);
        assert_eq!(message, "syntax error", "`{expression}`");
        assert_eq!(found, carets, "`{expression}`");
    }
}

#[test]
fn other_errors_are_marked_at_their_word() {
    for (expression, message, carets) in [
        ("tcp port nosuch", "unknown port 'nosuch'", "         ^^^^^^"),
        ("tcp port 70000", "illegal port number 70000 > 65535", "         ^^^^^"),
        ("vlan 5000 and tcp", "VLAN tag 5000 greater than maximum 4095", "     ^^^^"),
        ("tcp and host 300.1.1.1", "invalid IPv4 address '300.1.1.1'", "             ^^^^^^^^^"),
        ("net 10.0.0.1/8", "non-network bits set in \"10.0.0.1/8\"", "    ^^^^^^^^^^"),
        ("udp or tcp[0:3] = 1", "data size must be 1, 2, or 4", "          ^^^^^"),
        ("ether host 1:2 or tcp", "illegal link layer address", "           ^^^"),
        ("tcp and ip6 host 1.2.3.4", "'ip6' modifier applied to ip host", "        ^^^"),
        ("ip and ip6", "expression rejects all packets", ""),
        ("ip broadcast", "netmask not known, so 'ip broadcast' not supported", "^^^^^^^^^^^^"),
    ] {
        let (found, places) = explain(expression);
        assert_eq!(found, message, "`{expression}`");
        assert_eq!(places, carets, "`{expression}`");
    }
}

#[test]
fn what_is_not_in_the_packet_or_too_far_is_refused() {
    assert_eq!(
        explain("inbound").0,
        "bad filter: it asks for the packet's direction, which is not in the packet; leave it out and use the program's own options instead"
    );
    assert_eq!(
        explain("udp and ether[1000] = 5").0,
        "bad filter: it looks at byte 1000 of the frame, but only the first 512 bytes of a packet are examined"
    );
    assert!(explain("ether[0xffffffff] = 5").0.starts_with("bad filter: "));
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let Err(error) = compile("tcp\u{1b}[2J") else {
        panic!("accepted");
    };
    assert!(!error.to_string().contains('\u{1b}'), "{error:?}");
    let Err(error) = compile("tcp\0udp") else {
        panic!("accepted");
    };
    assert_eq!(error.to_string(), "bad filter: it contains a NUL byte\n  tcp?udp\n     ^");
}
