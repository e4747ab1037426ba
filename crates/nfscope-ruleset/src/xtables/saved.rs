//! The rules as iptables-legacy-save prints them, and as `arptables-legacy -L` and
//! `ebtables-legacy -L --Lx` do, which have no `-S`.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::table::Table;
use super::uapi::Family;
use crate::nft::program::{self, Running};
use crate::sys;

/// How long the program may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The lines of a table's rules, by chain, in order.
#[derive(Debug, Default)]
pub(super) struct Lines(HashMap<String, Vec<String>>);

impl Lines {
    /// The lines in what `arptables-legacy -L -n --line-numbers` has printed, as
    /// arptables-legacy-save makes rules of them: number, target, the rest.
    fn parse_listing(text: &str) -> Self {
        let mut chains: HashMap<String, Vec<String>> = HashMap::new();
        let mut chain: Option<&str> = None;
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("Chain ") {
                chain = rest.rsplit_once(" (").map(|(name, _)| name);
                continue;
            }
            let Some((chain, (number, rule))) = chain.zip(line.split_once(' ')) else { continue };
            if number.bytes().all(|b| b.is_ascii_digit()) {
                let rule = format!("-A {chain} {rule}");
                chains.entry(chain.to_owned()).or_default().push(rule.trim_end().to_owned());
            }
        }
        Self(chains)
    }

    /// The lines in what `ebtables-legacy -L --Lx` has printed: commands that make them.
    fn parse_commands(text: &str) -> Self {
        let command = |line: &str| {
            let (_, rest) = line.strip_prefix("ebtables -t ")?.split_once(' ')?;
            Some(format!("{rest}\n"))
        };
        Self::parse(&text.lines().filter_map(command).collect::<String>())
    }

    /// The lines in what a program has printed.
    fn parse(text: &str) -> Self {
        let mut chains: HashMap<String, Vec<String>> = HashMap::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("-A ") {
                let name = rest.split(' ').next().unwrap_or(rest);
                chains.entry(name.to_owned()).or_default().push(line.trim_end().to_owned());
            }
        }
        Self(chains)
    }

    /// Whether each chain has as many rules here as in the table.
    fn fit(&self, table: &Table) -> bool {
        let lines = |name: &str| self.0.get(name).map_or(0, Vec::len);
        let filled = table.chains.iter().filter(|chain| !chain.rules.is_empty()).count();
        table.chains.iter().all(|chain| lines(&chain.name) == chain.rules.len())
            && self.0.len() == filled
    }

    /// A rule's line; numbers count from 1.
    pub fn line(&self, chain: &str, number: u32) -> Option<&str> {
        let n = usize::try_from(number).ok()?.checked_sub(1)?;
        self.0.get(chain)?.get(n).map(String::as_str)
    }
}

/// The programs of the families, as far as they are there.
#[derive(Debug)]
pub(super) struct Programs {
    found: Vec<(Family, PathBuf)>,
}

impl Programs {
    /// Looks for them.
    pub fn find() -> Self {
        let found = Family::ALL.into_iter().chain([Family::Bridge]);
        Self { found: found.filter_map(|family| Some((family, of_family(family)?))).collect() }
    }

    /// The table's lines, printed in the calling thread's namespace; none where
    /// there is no such program, or it printed another table.
    pub fn lines(&self, table: &Table) -> Option<Lines> {
        let (family, program) = self.found.iter().find(|(family, _)| *family == table.family)?;
        let (more, parse): (&[&str], fn(&str) -> Lines) = match family {
            Family::Ipv4 | Family::Ipv6 => (&[], Lines::parse),
            Family::Arp => (&["-L", "-n", "--line-numbers"], Lines::parse_listing),
            Family::Bridge => (&["-L", "--Lx"], Lines::parse_commands),
        };
        let text = print(program, &table.name, more)?;
        Some(parse(&text)).filter(|lines| lines.fit(table))
    }
}

fn of_family(family: Family) -> Option<PathBuf> {
    let [legacy, either] = family.save_programs();
    program::find(legacy).or_else(|| program::find(either).filter(|path| is_legacy(path)))
}

/// Whether a program without "legacy" in its name is of iptables-legacy. Until
/// 1.8 there was no other, and the version did not say so.
fn is_legacy(program: &Path) -> bool {
    let Ok(output) = Command::new(program).arg("-V").output() else { return false };
    let version = String::from_utf8_lossy(&output.stdout);
    output.status.success() && !version.contains("nf_tables")
}

fn print(program: &Path, table: &str, more: &[&str]) -> Option<String> {
    if !program::is_plain(table) {
        return None;
    }
    let mut running = Running::start(program, &[&["-t", table], more].concat()).ok()?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match sys::poll(&[running.as_fd()], Some(left)).ok()?.first() {
            Some(true) if running.read() => {}
            Some(true) => return running.finish(),
            // it is killed
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_listing() {
        let lines = Lines::parse_listing(
            "Chain INPUT (policy ACCEPT)\n1 -j web -s 10.0.0.1 \n2 -j DROP --opcode 1 \n\nChain web (1 references)\n1 \n2 -j DROP \n",
        );
        assert_eq!(lines.line("INPUT", 2), Some("-A INPUT -j DROP --opcode 1"));
        assert_eq!(lines.line("web", 1), Some("-A web"));
        assert_eq!(lines.line("web", 2), Some("-A web -j DROP"));
    }

    #[test]
    fn lines_of_commands() {
        let lines = Lines::parse_commands(
            "ebtables -t filter -N sub\nebtables -t filter -P FORWARD DROP\n\
             ebtables -t filter -A FORWARD -p ARP -j CONTINUE \n\
             ebtables -t filter -A sub -o ! right -j DROP \n",
        );
        assert_eq!(lines.line("FORWARD", 1), Some("-A FORWARD -p ARP -j CONTINUE"));
        assert_eq!(lines.line("sub", 1), Some("-A sub -o ! right -j DROP"));
        assert_eq!(lines.line("FORWARD", 2), None);
    }

    #[test]
    fn lines_by_chain() {
        let lines = Lines::parse(
            "# Generated\n*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -s 10.0.0.1/32 -j web\n-A web -j DROP \n-A INPUT -j DROP\nCOMMIT\n",
        );
        assert_eq!(lines.line("INPUT", 2), Some("-A INPUT -j DROP"));
        assert_eq!(lines.line("web", 1), Some("-A web -j DROP"));
        assert_eq!(lines.line("web", 2), None);
        assert_eq!(lines.line("web", 0), None);
    }
}
