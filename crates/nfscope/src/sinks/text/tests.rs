use super::super::escape::is_harmful;
use super::super::samples;
use super::*;

fn text(options: &TextOptions, events: &[Event]) -> String {
    let mut out = Vec::new();
    let mut sink = Text::new(&mut out, options.clone());
    events.iter().for_each(|event| sink.event(event).unwrap());
    sink.finish().unwrap();
    String::from_utf8(out).unwrap()
}

fn options() -> TextOptions {
    TextOptions { color: false, verbose: false, own_netns: None, clock: Clock::utc() }
}

#[test]
fn everything_once() {
    insta::assert_snapshot!(text(&options(), &samples::all()), @r"
    22:13:20.104211  netns blue  eth0 in  IP 10.0.0.1.43210 > 10.0.0.2.10000: tcp [S] seq 123 len 60
        dropped by rule: ip filter input handle 7: tcp dport 10000 drop
    22:13:20.104211  netns blue  eth0 in  IP 10.0.0.1.43210 > 10.0.0.2.10000: tcp [S] seq 123 len 60
        rejected by rule: inet filter input handle 9: tcp dport 22 reject with tcp reset (sent tcp reset)
    22:13:20.104211  netns blue  eth0 in  IP 10.0.0.1.43210 > 10.0.0.2.10000: tcp [S] seq 123 len 60
        dropped by rule: ip filter ports handle 12: tcp dport vmap @verdicts (element 10000 : drop)
    22:13:20.104211  netns blue  eth0 in  IP 10.0.0.1.43210 > 10.0.0.2.10000: tcp [S] seq 123 len 60
        ended by rule: ip filter ? handle 8: (text unknown: the rule was gone or replaced before its text was known)
    22:13:20.104211  netns blue  eth0 in  IP 10.0.0.1.43210 > 10.0.0.2.10000: tcp [S] seq 123 len 60
        dropped by rule: ip filter INPUT handle 4: -A INPUT -p tcp --dport 10000 -j DROP
    22:13:20.104211  netns blue  eth0 in  IP 10.0.0.1.43210 > 10.0.0.2.10000: tcp [S] seq 123 len 60
        dropped by policy: inet filter input (policy drop)
    22:13:20.104211  netns blue  eth0 in  IP 10.0.0.1.43210 > 10.0.0.2.10000: tcp [S] seq 123 len 60
        dropped by kernel: NO_SOCKET: no socket listens on this port (tcp_v4_rcv+0x1a2)
        hint: list what listens: ss -tulnp
        stack     tcp_v4_rcv+0x1a2
                  ip_local_deliver+0x10
    22:13:20.104211  netns blue  eth0 in  IP 10.0.0.1.43210 > 10.0.0.2.10000: tcp [S] seq 123 len 60
        dropped by kernel: NETFILTER_DROP: a netfilter hook dropped it (hook function nf_conntrack_in, nf_hook_slow+0xa6)
    22:13:20.104211  netns blue  eth0 in  IP 10.0.0.1.43210 > 10.0.0.2.10000: tcp [S] seq 123 len 60
        freed at: skb_release+0x10 (not known to be a drop)
    -- 12 events lost: ring buffer full; try --ring-size or a narrower filter
    -- rule texts are unknown: the program nft was not found
    ");
}

#[test]
fn verbose_is_one_line_a_fact() {
    let verbose = TextOptions { verbose: true, ..options() };
    let events = [samples::verdict_map(), samples::iptables(), samples::no_socket()];
    insta::assert_snapshot!(text(&verbose, &events), @r"
    22:13:20.104211  netns blue  eth0 in  IP 10.0.0.1.43210 > 10.0.0.2.10000: tcp [S] seq 123 len 60
        dropped by rule: ip filter ports handle 12: tcp dport vmap @verdicts (element 10000 : drop)
        hook      input, priority 0, base chain input
        header    ttl 64, id 1, window 64240
        packet    skb 0xffff888001234500, length 60, mark 0x10
        seen by   points, cpu 1
    22:13:20.104211  netns blue  eth0 in  IP 10.0.0.1.43210 > 10.0.0.2.10000: tcp [S] seq 123 len 60
        dropped by rule: ip filter INPUT handle 4: -A INPUT -p tcp --dport 10000 -j DROP
        hook      input, priority 0
        nft rule  tcp dport 10000 counter drop
        comment   no \x1b[31mred
        header    ttl 64, id 1, window 64240
        packet    skb 0xffff888001234500, length 60, mark 0x10
        seen by   points, cpu 1
    22:13:20.104211  netns blue  eth0 in  IP 10.0.0.1.43210 > 10.0.0.2.10000: tcp [S] seq 123 len 60
        dropped by kernel: NO_SOCKET: no socket listens on this port (tcp_v4_rcv+0x1a2)
        hint: list what listens: ss -tulnp
        code      0xffffffff81234567
        header    ttl 64, id 1, window 64240
        packet    skb 0xffff888001234500, length 60, mark 0x10
        process   nc\n (pid 1234)
        seen by   tracepoint, cpu 1
        stack     tcp_v4_rcv+0x1a2
                  ip_local_deliver+0x10
    ");
}

#[test]
fn columns_grow_and_own_namespace_is_left_out() {
    let mut other = samples::drop_of(samples::rule());
    other.netns.inode = 1;
    other.netns.name = None;
    other.in_device = None;
    let events = [samples::rule(), Event::Drop(Box::new(other)), samples::rule()];
    let own = TextOptions { own_netns: Some(4_026_532_281), ..options() };
    insta::assert_snapshot!(text(&own, &events), @r"
    22:13:20.104211  eth0 in  IP 10.0.0.1.43210 > 10.0.0.2.10000: tcp [S] seq 123 len 60
        dropped by rule: ip filter input handle 7: tcp dport 10000 drop
    22:13:20.104211  netns 1  eth0     IP 10.0.0.1.43210 > 10.0.0.2.10000: tcp [S] seq 123 len 60
        dropped by rule: ip filter input handle 7: tcp dport 10000 drop
    22:13:20.104211           eth0 in  IP 10.0.0.1.43210 > 10.0.0.2.10000: tcp [S] seq 123 len 60
        dropped by rule: ip filter input handle 7: tcp dport 10000 drop
    ");
}

#[test]
fn a_hint_is_given_once() {
    let twice = [samples::no_socket(), samples::no_socket()];
    assert_eq!(text(&options(), &twice).matches("hint:").count(), 1);
    let verbose = TextOptions { verbose: true, ..options() };
    assert_eq!(text(&verbose, &twice).matches("hint:").count(), 2);
}

#[test]
fn losses() {
    use LossPlace::*;
    let events = [Ring, Nested, Attribution, Netlink].map(|place| samples::lost(place, 1));
    insta::assert_snapshot!(text(&options(), &events), @r"
    -- 1 event lost: ring buffer full; try --ring-size or a narrower filter
    -- 1 event lost: the probe was interrupted by another packet on its CPU
    -- 1 event without a rule: too many packets between rule and drop
    -- 1 event may lack a rule: the kernel's trace messages were too many, or came too late
    ");
}

#[test]
fn colour() {
    let color = TextOptions { color: true, ..options() };
    let text = text(&color, &[samples::no_socket(), samples::notice()]);
    insta::assert_snapshot!(text.escape_debug().to_string().replace("\\n", "\n"), @r"
    \u{1b}[2m22:13:20.104211\u{1b}[0m  netns blue  eth0 in  IP 10.0.0.1.43210 > 10.0.0.2.10000: tcp [S] seq 123 len 60
        \u{1b}[31mdropped by kernel\u{1b}[0m: NO_SOCKET: \u{1b}[1mno socket listens on this port\u{1b}[0m (tcp_v4_rcv+0x1a2)
        \u{1b}[36mhint: list what listens: ss -tulnp\u{1b}[0m
        \u{1b}[2mstack   \u{1b}[0m  tcp_v4_rcv+0x1a2
        \u{1b}[2m        \u{1b}[0m  ip_local_deliver+0x10
    \u{1b}[33m-- rule texts are unknown: the program nft was not found\u{1b}[0m
    ");
}

#[test]
fn nothing_foreign_reaches_the_terminal() {
    let evil = "\x1b]0;\u{9b}1m\n\u{202e}".to_owned();
    let mut drop = samples::drop_of(samples::iptables());
    drop.netns.name = Some(evil.clone());
    drop.device.as_mut().unwrap().name.clone_from(&evil);
    drop.in_device.as_mut().unwrap().name.clone_from(&evil);
    drop.process = Some(nfscope_event::Process { pid: 1, command: evil.clone() });
    drop.stack = vec![evil.clone()];
    if let Cause::NftRule(rule) = &mut drop.cause {
        for text in [&mut rule.rule, &mut rule.iptables, &mut rule.comment] {
            *text = Some(evil.clone());
        }
        for text in [&mut rule.element, &mut rule.sent, &mut rule.place.chain] {
            *text = Some(evil.clone());
        }
        for text in [&mut rule.place.base_chain, &mut rule.place.hook] {
            *text = Some(evil.clone());
        }
        rule.place.table.clone_from(&evil);
    }
    let verbose = TextOptions { verbose: true, ..options() };
    let notice = nfscope_event::Notice { time_ns: 0, text: evil };
    let events = [Event::Drop(Box::new(drop)), Event::Notice(notice)];
    let text = text(&verbose, &events);
    let lines = text.lines().count();
    assert!(!text.replace('\n', "").contains(is_harmful), "{text}");
    assert_eq!(lines, 11, "{text}");
}
