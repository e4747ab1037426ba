//! Whether a program listens to netfilter's announcements yet: before that,
//! `nft monitor` prints nothing of what happens.

use std::collections::HashSet;
use std::fs;

/// `NETLINK_NETFILTER`
const NETFILTER: &str = "12";

/// Whether a process of the calling thread's network namespace has joined a group
/// of netfilter's netlink.
pub(super) fn is_subscribed(process: u32) -> bool {
    let Ok(list) = fs::read_to_string("/proc/thread-self/net/netlink") else { return false };
    let sockets = subscribers(&list);
    let files = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    files.filter_map(|file| fs::read_link(file.path()).ok()).any(|target| {
        let target = target.to_string_lossy();
        let inode = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
        inode.is_some_and(|inode| sockets.contains(inode))
    })
}

/// Inodes of sockets with a group: `sk Eth Pid Groups … Inode`.
fn subscribers(list: &str) -> HashSet<&str> {
    let lines = list.lines().skip(1).map(|line| line.split_ascii_whitespace());
    let found = lines.filter_map(|mut words| {
        let (protocol, groups) = (words.nth(1)?, words.nth(1)?);
        let joined = groups.bytes().any(|digit| digit != b'0');
        (protocol == NETFILTER && joined).then(|| words.last())?
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_sockets_that_listen() {
        let list = "\
sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode
0000000000000001 12  155        00000000 0        0        0     2        0        4
0000000000000002 12  4294966999 00000140 0        0        0     2        0        250
0000000000000003 0   7          00000001 0        0        0     2        0        247
";
        assert_eq!(subscribers(list), HashSet::from(["250"]));
    }
}
