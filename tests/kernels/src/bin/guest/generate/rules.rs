//! The rulesets, and what to aim packets at.

use super::construct::{Cause, Choice, Ending, Writer, map_elements, through, words};
use super::key::{Field, Key};
use super::place::{Network, Path, Transport};
use super::random::Random;
use super::slot::{Abilities, Ability, Column, Slot, slots};
use super::table::{Chain, Construct, Rule, Table};
use anyhow::{Result, ensure};
use std::collections::BTreeSet;

/// The smallest selector.
pub const FIRST_SELECTOR: u16 = 20_000;
/// The first of the ports that no group of rules owns.
pub const COMMON_PORTS: u16 = 40_000;

/// Packets that a construct waits for.
#[derive(Debug, Clone)]
pub struct Aim {
    /// Where a packet so aimed should end, for an even share; None: nowhere.
    pub goal: Option<(Column, Cause)>,
    /// How to send it.
    pub path: Path,
    /// Its network protocol.
    pub network: Network,
    /// Its transport protocol, if it must be a certain one.
    pub transport: Option<Transport>,
    /// Whether the selector must be in the destination address.
    pub by_address: bool,
    /// Whether the selector must be in the destination port.
    pub by_port: bool,
    /// The selectors.
    pub selectors: Vec<u16>,
}

/// A base chain that is being filled.
struct Base {
    slot: Slot,
    ability: Ability,
    table: usize,
    name: String,
    header: String,
    drops: bool,
    rules: Vec<Rule>,
    spared: Vec<Key>,
}

/// Makes the tables and what to aim at in them.
pub fn generate(
    random: &mut Random,
    abilities: &Abilities,
    rules: usize,
) -> Result<(Vec<Table>, Vec<Aim>)> {
    let mut generator = Generator {
        random,
        choice: Choice::new(),
        tables: Vec::new(),
        aims: Vec::new(),
        selector: FIRST_SELECTOR,
    };
    let mut bases = generator.bases(abilities);
    ensure!(!bases.is_empty(), "the kernel takes no nftables chain at all");
    for base in &mut bases {
        for cause in Cause::ALL {
            generator.add(base, Some(cause));
        }
    }
    while generator.count(&bases) < rules {
        let index = generator.random.below(bases.len());
        let cause = match generator.random.below(8) {
            index @ 0..5 => Some(Cause::ALL[index]),
            5 | 6 => Some(Cause::Drop),
            _ => None,
        };
        generator.add(&mut bases[index], cause);
        ensure!(generator.selector < COMMON_PORTS - 8, "too many rules");
    }
    for base in bases {
        generator.finish(base);
    }
    Ok((generator.tables, generator.aims))
}

struct Generator<'a> {
    random: &'a mut Random,
    choice: Choice,
    tables: Vec<Table>,
    aims: Vec<Aim>,
    /// The next free one.
    selector: u16,
}

impl Generator<'_> {
    /// Empty base chains, two tables to a namespace and family.
    fn bases(&mut self, abilities: &Abilities) -> Vec<Base> {
        let mut seen = BTreeSet::new();
        let mut bases = Vec::new();
        for (index, slot) in slots(abilities).into_iter().enumerate() {
            let family = slot.column.family();
            let name = ["filter", "second"][self.random.below(2)];
            let known = |t: &Table| (t.node, t.family, t.name) == (slot.node, family, name);
            let table = self.tables.iter().position(known).unwrap_or_else(|| {
                self.tables.push(Table::new(slot.node, family, name));
                self.tables.len() - 1
            });
            // Each column has one chain with a policy that drops.
            let drops = seen.insert(slot.column) || self.random.chance(60);
            let device = slot.device.map(|d| format!("device \"{d}\""));
            let policy = if drops { "drop" } else { "accept" };
            bases.push(Base {
                slot,
                ability: abilities.get(&slot.column).copied().unwrap_or_default(),
                table,
                name: slot.hook.to_owned(),
                header: format!(
                    "type filter hook {} {} priority {}; policy {policy};",
                    slot.hook,
                    device.unwrap_or_default(),
                    index as i32 * 3 - 60,
                ),
                drops,
                rules: Vec::new(),
                spared: Vec::new(),
            });
        }
        bases
    }

    fn count(&self, bases: &[Base]) -> usize {
        let chains = self.tables.iter().flat_map(|t| &t.chains);
        let finished: usize = chains.map(|c| c.rules.len()).sum();
        finished + bases.iter().map(|b| b.rules.len()).sum::<usize>()
    }

    /// Adds rules for `cause` (None: rules that drop nothing, and one that
    /// may hit packets aimed at others) if the chain can have them.
    fn add(&mut self, base: &mut Base, cause: Option<Cause>) {
        let possible = match cause {
            Some(Cause::Policy) => base.drops,
            Some(Cause::Reject) => base.ability.reject && base.slot.may_reject(),
            Some(Cause::Queue) => base.ability.queue,
            _ => true,
        };
        if !possible {
            return;
        }
        let Some((path, network, reply)) = self.traffic(&base.slot, cause) else {
            return;
        };
        let mut transport = match (reply, network) {
            (_, Network::Arp) => None,
            // The kernel answers these from the address they were sent to.
            (true, _) => Some(*self.random.pick(&[Transport::Tcp, Transport::Icmp])),
            (false, _) => None,
        };
        let construct = match cause {
            Some(cause) => self.choice.next(self.random, cause),
            None => Construct::Accept,
        };
        let ending = match cause {
            Some(cause) => Ending::choose(self.random, cause, &base.slot, network, &mut transport),
            None if base.ability.queue && self.random.chance(40) => Ending::BYPASS,
            None => Ending::ACCEPT,
        };
        if construct == Construct::ConcatenatedMap && network != Network::Arp {
            transport = Some(Transport::Tcp);
        }
        let concatenated = construct == Construct::ConcatenatedMap && network != Network::Arp;
        let field = match concatenated {
            true => Field::Address,
            false => self.field(cause, network, reply, &mut transport),
        };
        let key = Key { path, network, reply, field, selectors: self.selectors(construct) };
        let (dropped, accepted) = map_elements(construct, &key.selectors);
        let aim = Aim {
            goal: cause.map(|cause| (base.slot.column, cause)),
            path,
            network,
            transport,
            by_address: field == Field::Address,
            by_port: field != Field::Address || concatenated,
            selectors: dropped.to_vec(),
        };
        if let Some(accepted) = accepted {
            self.aims.push(Aim { goal: None, selectors: vec![accepted], ..aim.clone() });
        }
        self.aims.push(aim);
        let mut writer = Writer {
            table: &mut self.tables[base.table],
            base: &mut base.rules,
            spared: &mut base.spared,
            random: self.random,
            column: base.slot.column,
        };
        writer.write(construct, &key, &ending);
        if cause.is_none() {
            base.rules.push(self.noise(network));
        }
    }

    /// A path, a network protocol and a direction that come by.
    fn traffic(&mut self, slot: &Slot, cause: Option<Cause>) -> Option<(Path, Network, bool)> {
        let requests = slot.paths.iter().map(|path| (*path, false));
        let ways = requests.chain(slot.replies.iter().map(|path| (*path, true)));
        let ways: Vec<_> = ways
            .flat_map(|(path, reply)| path.networks().iter().map(move |n| (path, *n, reply)))
            .filter(|(_, network, _)| slot.column.networks().contains(network))
            .filter(|(_, network, _)| cause != Some(Cause::Reject) || *network != Network::Arp)
            // The router answers ARP, and the bridge; but the destination's
            // answer to bridged ARP is a matter of its neighbours.
            .filter(|way| *way != (Path::Bridged, Network::Arp, true))
            .collect();
        (!ways.is_empty()).then(|| *self.random.pick(&ways))
    }

    /// Address or port; narrows `transport` to the port's.
    fn field(
        &mut self,
        cause: Option<Cause>,
        network: Network,
        reply: bool,
        transport: &mut Option<Transport>,
    ) -> Field {
        let by_port = network != Network::Arp && cause != Some(Cause::Policy);
        if !by_port || *transport == Some(Transport::Icmp) || self.random.chance(60) {
            return Field::Address;
        }
        let ports = [Transport::Tcp, Transport::Udp, Transport::Sctp];
        let port = match (reply, *transport) {
            (_, Some(transport)) => transport,
            (true, None) => Transport::Tcp,
            (false, None) => *self.random.pick(&ports),
        };
        *transport = Some(port);
        Field::Port(port)
    }

    fn selectors(&mut self, construct: Construct) -> Vec<u16> {
        let count = match construct {
            Construct::Plain | Construct::Jump | Construct::Goto => 1 + self.random.below(3) as u16,
            _ => 3,
        };
        let first = self.selector;
        self.selector += count;
        (first..self.selector).collect()
    }

    /// A rule that is aimed at nothing, but may hit.
    fn noise(&mut self, network: Network) -> Rule {
        let ttl = 40 + self.random.below(20);
        let port = usize::from(COMMON_PORTS) + self.random.below(30);
        let length = 60 + self.random.below(100);
        let drop = Some(nfscope_event::NftVerdict::Drop);
        let (text, verdict) = match (self.random.below(4), network) {
            (0, Network::V4) => (format!("ip ttl {ttl} counter drop"), drop),
            (0, Network::V6) => (format!("ip6 hoplimit {ttl} counter drop"), drop),
            (1, Network::V4 | Network::V6) => (format!("th dport {port} counter drop"), drop),
            (2, _) => (format!("meta length {length}-200 counter"), None),
            _ => (format!("meta length > {length} meta mark set 0"), None),
        };
        Rule { counted: verdict.is_some(), verdict, ..through(Construct::Noise, text) }
    }

    /// Mixes the rules, spares what is not for the policy, and puts the chain
    /// into its table.
    fn finish(&mut self, base: Base) {
        let mut rules = base.rules;
        self.mix(&mut rules);
        if base.drops {
            let networks = base.slot.column.networks();
            for network in networks {
                rules.push(through(
                    Construct::Accept,
                    spare(*network, networks.len() == 1, &base.spared),
                ));
            }
            if networks.len() > 1 {
                rules.push(through(
                    Construct::Accept,
                    "meta protocol != { ip, ip6, arp } accept".to_owned(),
                ));
            }
        }
        self.tables[base.table].chains.push(Chain {
            name: base.name,
            header: Some(base.header),
            column: base.slot.column,
            rules,
        });
    }

    /// Shuffles, but keeps a rule that sets a mark before the one that tests
    /// it, and rules around a jump in order: only whole constructs move.
    fn mix(&mut self, rules: &mut Vec<Rule>) {
        let mut groups: Vec<Vec<Rule>> = Vec::new();
        for rule in rules.drain(..) {
            match groups.last_mut() {
                Some(group) if continues(group, &rule) => group.push(rule),
                _ => groups.push(vec![rule]),
            }
        }
        self.random.shuffle(&mut groups);
        rules.extend(groups.into_iter().flatten());
    }
}

/// Whether `rule` belongs to the construct that `group` is the start of.
fn continues(group: &[Rule], rule: &Rule) -> bool {
    let paired = matches!(rule.construct, Construct::Mark | Construct::Return);
    paired && group.len() == 1 && group[0].construct == rule.construct
}

/// The rule that accepts packets of `network` that are not for the policy.
fn spare(network: Network, only: bool, spared: &[Key]) -> String {
    let keys: Vec<&Key> = spared.iter().filter(|k| k.network == network).collect();
    let expressions: BTreeSet<String> = keys.iter().map(|k| k.expression()).collect();
    let mut tests = Vec::new();
    for expression in expressions {
        let own = keys.iter().filter(|k| k.expression() == expression);
        let values: Vec<String> =
            own.flat_map(|key| key.selectors.iter().map(|s| key.value(*s))).collect();
        tests.push(format!("{expression} != {{ {} }}", values.join(", ")));
    }
    if tests.is_empty() && !only {
        tests.push(format!(
            "meta protocol {}",
            match network {
                Network::V4 => "ip",
                Network::V6 => "ip6",
                Network::Arp => "arp",
            }
        ));
    }
    let tests: Vec<&str> = tests.iter().map(String::as_str).collect();
    words(&[&tests.join(" "), "accept"])
}
