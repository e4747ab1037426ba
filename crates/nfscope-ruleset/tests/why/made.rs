//! Rules as nft and the kernel make them.

use std::io::Write as _;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::thread;

use crate::skip::skip;
use nfscope_event::Family;
use nfscope_ruleset::netlink::Socket;
use nfscope_ruleset::netns;
use nfscope_ruleset::nft::Options;
use nfscope_ruleset::why::{PacketFacts, Rule, WhyNot, explain};

/// Sets and objects that the rules refer to.
pub const TABLE: &str = "table inet t {
  set blocked { type ipv4_addr; elements = { 192.0.2.1, 192.0.2.2, 192.0.2.3 }
  }
  set pairs { type ipv4_addr . inet_service; flags interval; elements = { 10.0.0.0/24 . 80-90 }
  }
  set seen { type ipv4_addr; flags dynamic; size 2; timeout 1m
  }
  set slow { type ipv4_addr; flags dynamic; timeout 1m
  }
  map marks { type ipv4_addr : mark; elements = { 192.0.2.1 : 5 }
  }
  limit lim { rate 5/second
  }
  chain c {
  }
}
";

pub fn in_namespace(test: impl FnOnce() + Send + 'static) {
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        skip("needs root for a network namespace");
        return;
    }
    if Options::default().nft.is_none() {
        skip("needs the nft program");
        return;
    }
    thread::spawn(|| {
        netns::unshare().unwrap();
        let mut child =
            Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(TABLE.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
        test();
    })
    .join()
    .unwrap();
}

/// A rule that nft made and the kernel tells, with nft's text.
pub struct Made {
    pub rule: Rule,
    pub text: String,
}

pub fn read(family: Family, table: &str, chain: &str, handle: u64) -> Rule {
    let mut socket = Socket::open().unwrap();
    let expressions = socket.rule_expressions(family, table, chain, handle).unwrap().unwrap();
    let sets = expressions.iter().filter_map(|expr| expr.kind.set());
    let sets =
        sets.map(|set| Socket::open().unwrap().set_contents(family, table, set).unwrap()).collect();
    Rule::new(family, expressions, sets, vec![(1, "lo".into())], 0)
}

/// Adds a rule to the table of [`TABLE`]; none if this kernel or nft does not
/// know such rules.
pub fn made(rule: &str) -> Option<Made> {
    made_in(Family::Inet, rule)
}

/// As [`made`], to table `t` of a family.
pub fn made_in(family: Family, rule: &str) -> Option<Made> {
    let name = family.to_string();
    let add = ["add", "rule", &name, "t", "c", rule];
    let output = Command::new("nft").args(add).output().unwrap();
    if !output.status.success() {
        println!("left out, refused: {rule}: {}", String::from_utf8_lossy(&output.stderr));
        return None;
    }
    let list = ["-a", "list", "chain", &name, "t", "c"];
    let listing = Command::new("nft").args(list).output().unwrap();
    let listing = String::from_utf8(listing.stdout).unwrap();
    let mut rules = listing.lines().filter(|line| line.starts_with("\t\t"));
    let (text, handle) = rules.next_back().unwrap().trim().rsplit_once(" # handle ").unwrap();
    let handle = handle.parse().unwrap();
    let rule = read(family, "t", "c", handle).with_text(Some(text.into()));
    Some(Made { rule, text: text.into() })
}

/// Explains with these bytes in the first data register.
pub fn why(rule: &Rule, failing: usize, bytes: &[u8]) -> WhyNot {
    let mut registers = [0; 80];
    registers[16..16 + bytes.len()].copy_from_slice(bytes);
    explain(rule, failing, &registers, &PacketFacts::default())
}
