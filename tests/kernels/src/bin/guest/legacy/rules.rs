//! Random tables for the namespace `router` of the scenario.

use anyhow::Result;

use crate::generate::random::Random;

/// Print random tables as `iptables-legacy-restore` reads them; the seed stands
/// in the first line.
#[derive(clap::Args)]
pub struct Arguments {
    /// Same seed, same tables.
    #[arg(long)]
    seed: u64,
    /// For ip6tables.
    #[arg(long)]
    ipv6: bool,
    /// Have the kernel log each packet's way (TRACE).
    #[arg(long)]
    trace: bool,
}

/// Tables with their built-in chains.
const TABLES: [(&str, &[&str]); 5] = [
    ("raw", &["PREROUTING", "OUTPUT"]),
    ("mangle", &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"]),
    ("nat", &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"]),
    ("filter", &["INPUT", "FORWARD", "OUTPUT"]),
    ("security", &["INPUT", "FORWARD", "OUTPUT"]),
];
/// User chains of each table: a jump leads to one with a higher number.
const CHAINS: usize = 6;
/// The ports that traffic goes to.
pub const PORTS: std::ops::RangeInclusive<u16> = 10_001..=10_012;

struct Writer {
    random: Random,
    ipv6: bool,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let seed = arguments.seed;
    println!("# seed {seed}");
    let salt = if arguments.ipv6 { 0x6666_6666 } else { 0 };
    let mut writer = Writer { random: Random::new(seed ^ salt), ipv6: arguments.ipv6 };
    for (table, built_in) in TABLES {
        writer.table(table, built_in, arguments.trace);
    }
    Ok(())
}

impl Writer {
    fn table(&mut self, table: &str, built_in: &[&str], trace: bool) {
        println!("*{table}");
        for chain in built_in {
            let drops = table == "filter" && *chain == "INPUT" && self.random.chance(50);
            println!(":{chain} {}", if drops { "DROP" } else { "ACCEPT" });
        }
        for n in 1..=CHAINS {
            println!(":{table}-{n} -");
        }
        for chain in built_in {
            if trace && table == "raw" {
                println!("-A {chain} -j TRACE");
            }
            // all chains are reached, the deepest by five jumps
            println!("-A {chain} -p udp -j {table}-1");
            for _ in 0..3 + self.random.below(3) {
                self.rule(table, chain, 0);
            }
            if table == "nat" {
                self.mapping(chain);
            }
        }
        for n in 1..=CHAINS {
            let chain = format!("{table}-{n}");
            for _ in 0..1 + self.random.below(3) {
                self.rule(table, &chain, n);
            }
            if n < CHAINS {
                println!("-A {chain} -p udp -j {table}-{}", n + 1);
            }
            for _ in 0..self.random.below(3) {
                self.rule(table, &chain, n);
            }
        }
        println!("COMMIT");
    }

    /// A rule of a chain; `n`: the user chain's number, 0 for a built-in one.
    fn rule(&mut self, table: &str, chain: &str, n: usize) {
        let matches = self.matches(table, chain);
        let target = self.target(table, n);
        println!("-A {chain}{matches}{target}");
    }

    fn not(&mut self) -> &'static str {
        if self.random.chance(30) { " !" } else { "" }
    }

    fn ports(&mut self) -> String {
        let span = (PORTS.end() - PORTS.start()) as usize + 1;
        let first = PORTS.start() + self.random.below(span) as u16;
        let last = first + self.random.below(4) as u16;
        if first == last { first.to_string() } else { format!("{first}:{last}") }
    }

    fn matches(&mut self, table: &str, chain: &str) -> String {
        let mut out = String::new();
        let mut protocol = None;
        if self.random.chance(60) {
            let name = *self.random.pick(&["udp", "udp", "tcp"]);
            out += &format!(" -p {name}");
            protocol = Some(name);
        } else if self.random.chance(20) {
            out += " ! -p tcp";
        }
        if self.random.chance(30) {
            let addresses: &[&str] = if self.ipv6 {
                &["fd00::/64", "fd00:1::2", "fd00:1::/64"]
            } else {
                &["10.0.0.0/24", "10.0.1.2", "10.0.0.0/255.0.0.255"]
            };
            let option = *self.random.pick(&["-s", "-d"]);
            out += &format!("{} {option} {}", self.not(), self.random.pick(addresses));
        }
        let device = match chain {
            "INPUT" | "PREROUTING" => Some("-i"),
            "OUTPUT" | "POSTROUTING" => Some("-o"),
            "FORWARD" => Some(*self.random.pick(&["-i", "-o"])),
            _ => None,
        };
        if let Some(option) = device.filter(|_| self.random.chance(25)) {
            out +=
                &format!("{} {option} {}", self.not(), self.random.pick(&["left", "right", "ri+"]));
        }
        if let Some(name) = protocol {
            match self.random.below(4) {
                0 => out += &format!(" -m {name}{} --dport {}", self.not(), self.ports()),
                1 => out += &format!(" -m {name}{} --sport {}", self.not(), self.ports()),
                2 => {
                    let list = format!("{},{}", self.ports(), PORTS.end());
                    out += &format!(" -m multiport{} --dports {list}", self.not());
                }
                _ => {}
            }
        }
        if self.random.chance(15) {
            let mask = self.random.below(3) + 1;
            out += &format!(" -m mark{} --mark 0x1/{mask:#x}", self.not());
        }
        if table != "raw" && self.random.chance(25) {
            let states =
                *self.random.pick(&["NEW", "ESTABLISHED", "RELATED,ESTABLISHED", "INVALID"]);
            out += &format!(" -m conntrack{} --ctstate {states}", self.not());
        }
        if self.random.chance(15) {
            let (set, side) = (self.set(), *self.random.pick(&["src", "dst"]));
            out += &format!(" -m set{} --match-set {set} {side}", self.not());
        }
        if self.random.chance(10) {
            out += " -m comment --comment \"a rule's \\\"comment\\\"\"";
        }
        out
    }

    /// One of the sets of addresses that the scenario makes; `seen` is filled by rules.
    fn set(&mut self) -> String {
        let family = if self.ipv6 { 6 } else { 4 };
        format!("{}{family}", self.random.pick(&["near", "seen"]))
    }

    fn target(&mut self, table: &str, n: usize) -> String {
        let dice = self.random.below(100);
        match (dice, table) {
            (0..30, _) if n < CHAINS => {
                let to = n + 1 + self.random.below(CHAINS - n);
                let how = if self.random.chance(30) { "-g" } else { "-j" };
                format!(" {how} {table}-{to}")
            }
            (30..45, _) => " -j RETURN".into(),
            (45..50, _) => " -j ACCEPT".into(),
            (75..79, "mangle") => " -j CONNMARK --save-mark".into(),
            (50..75, "mangle" | "raw") => format!(" -j MARK --set-xmark 0x{}/0x3", dice % 4),
            (50..54, "filter") => " -j DROP".into(),
            (54..58, "filter") => " -j REJECT".into(),
            (75..78, "raw") => " -j CT --notrack".into(),
            (79..86, _) => {
                let family = if self.ipv6 { 6 } else { 4 };
                let side = *self.random.pick(&["src", "dst"]);
                format!(" -j SET --add-set seen{family} {side} --exist")
            }
            _ => String::new(),
        }
    }

    /// Rules that map addresses, at the hooks where they may stand.
    fn mapping(&mut self, chain: &str) {
        let server = if self.ipv6 { "[fd00:1::2]" } else { "10.0.1.2" };
        match chain {
            "PREROUTING" => {
                println!(
                    "-A {chain} -p udp -m udp --dport 10010 -j DNAT --to-destination {server}:10001"
                );
                println!("-A {chain} -p udp -m udp --dport 10011 -j REDIRECT --to-ports 10002");
            }
            "OUTPUT" => {
                println!(
                    "-A {chain} -p udp -m udp --dport 10010 -j DNAT --to-destination {server}:10003"
                );
            }
            "POSTROUTING" => {
                let to = if self.ipv6 { "fd00:1::1" } else { "10.0.1.254" };
                println!("-A {chain} -p udp -m udp --dport 10004:10006 -o right -j MASQUERADE");
                println!(
                    "-A {chain} -p udp -m udp --dport 10007 -o right -j SNAT --to-source {to}"
                );
            }
            _ => {}
        }
    }
}
