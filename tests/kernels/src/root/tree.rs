//! What the packages' maintainer scripts would have done.

use std::{fs, os::unix::fs::symlink, path::Path};

use anyhow::{Context, Result};

/// Names that `update-alternatives` makes: link, and what it leads to in the
/// same folder.
const ALTERNATIVES: [(&str, &str); 15] = [
    ("usr/bin/awk", "gawk"),
    ("usr/bin/nc", "ncat"),
    ("usr/sbin/iptables", "iptables-nft"),
    ("usr/sbin/iptables-save", "iptables-nft-save"),
    ("usr/sbin/iptables-restore", "iptables-nft-restore"),
    ("usr/sbin/ip6tables", "ip6tables-nft"),
    ("usr/sbin/ip6tables-save", "ip6tables-nft-save"),
    ("usr/sbin/ip6tables-restore", "ip6tables-nft-restore"),
    ("usr/sbin/arptables", "arptables-nft"),
    ("usr/sbin/arptables-save", "arptables-nft-save"),
    ("usr/sbin/arptables-restore", "arptables-nft-restore"),
    ("usr/sbin/ebtables", "ebtables-nft"),
    ("usr/sbin/ebtables-save", "ebtables-nft-save"),
    ("usr/sbin/ebtables-restore", "ebtables-nft-restore"),
    ("usr/sbin/hping", "hping3"),
];
const FILES: [(&str, &str); 5] = [
    (
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/bash\n\
         tcpdump:x:100:100::/:/usr/sbin/nologin\n\
         nobody:x:65534:65534::/:/usr/sbin/nologin\n",
    ),
    ("etc/group", "root:x:0:\ntcpdump:x:100:\nnogroup:x:65534:\n"),
    ("etc/hosts", "127.0.0.1 localhost lab\n::1 localhost lab\n"),
    ("etc/hostname", "lab\n"),
    ("etc/nsswitch.conf", "hosts: files\npasswd: files\ngroup: files\n"),
];
/// Mount points, and what nobody reads in a guest.
const FOLDERS: [&str; 9] =
    ["dev", "proc", "sys", "run", "tmp", "root", "var/run", "usr/lib/modules", "etc/iproute2"];
const UNUSED: [&str; 4] = ["usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info"];

/// Complete the unpacked tree.
///
/// # Errors
/// When the tree cannot be written.
pub fn finish(tree: &Path) -> Result<()> {
    for folder in UNUSED.map(|folder| tree.join(folder)).iter().filter(|folder| folder.exists()) {
        fs::remove_dir_all(folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    for folder in FOLDERS.map(|folder| tree.join(folder)) {
        // var/run is a link in base-files.
        if folder.symlink_metadata().is_err() {
            fs::create_dir_all(&folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
    }
    for (name, text) in FILES {
        fs::write(tree.join(name), text).with_context(|| format!("cannot write {name}"))?;
    }
    for (name, target) in ALTERNATIVES {
        let link = tree.join(name);
        let exists = link.with_file_name(target).symlink_metadata().is_ok();
        if exists && link.symlink_metadata().is_err() {
            symlink(target, &link).with_context(|| format!("cannot link {name}"))?;
        }
    }
    Ok(())
}
