//! Targets by the programs that they need.

use nfscope_collect::probe::ProbeGroup;
use nfscope_collect::stacks::Probe;
use nfscope_kernel::btf::Btf;
use nfscope_probe::ast::{Field, Query};
use nfscope_probe::{Compiled, HEAD, Machine, Mistake, Place, Reading, Scope, Source};

use super::mistakes;
use super::types::{Types, record};
use crate::commands::Failure;
use crate::targets::{self, At, Places};

/// The longest key that is counted by (`KEY_BYTES` of `probe.h`).
const MOST_KEY: u32 = 512;
/// Copies of the programs: each takes memory and time.
const MOST_GROUPS: usize = 64;

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Fields and condition, as they are written.
    pub text: String,
    /// Fields that are counted by, as they are written.
    pub count_by: Vec<String>,
    /// The field whose values are distributed.
    pub hist: Option<String>,
    /// The target returns.
    pub returns: bool,
}

/// A group of targets.
pub struct Group {
    /// Its places.
    pub places: Vec<At>,
    /// Its programs.
    pub compiled: Compiled,
}

/// Targets and programs.
pub struct Plan {
    /// By the programs that they need.
    pub groups: Vec<Group>,
    /// Sentences on what is left out.
    pub left_out: Vec<String>,
}

impl Plan {
    /// Makes one.
    pub fn make(asked: &Asked, found: Places, btf: &Btf) -> Result<Self, Failure> {
        let query = asked.query()?;
        let machine = Machine::read(btf).ok_or_else(|| {
            anyhow::anyhow!("the kernel's type information does not have its registers (pt_regs)")
        })?;
        let types = Types::read(btf, &found.all);
        let mut plan = Self { groups: Vec::new(), left_out: Vec::new() };
        let (mut first_mistake, mut mistaken, mut crowded) = (None, 0, 0);
        for at in found.all {
            match asked.compile(&query, &at, &types, &machine) {
                Ok(compiled) => crowded += usize::from(!plan.add(at, compiled)),
                Err(mistake) if found.pattern => {
                    mistaken += 1;
                    first_mistake.get_or_insert(mistake);
                }
                Err(mistake) => return Err(asked.usage(&mistake)),
            }
        }
        if let (true, Some(mistake)) = (plan.groups.is_empty(), &first_mistake) {
            return Err(asked.usage(mistake));
        }
        for (count, why) in [
            (mistaken, "they do not have what is asked for"),
            (found.without, "no packet is there"),
            (found.beyond, "this kernel takes a kprobe for each; choose fewer"),
            (crowded, "their arguments are too different; choose fewer"),
        ] {
            if count > 0 {
                plan.left_out.push(format!("{count} places of the pattern are left out: {why}"));
            }
        }
        Ok(plan)
    }

    /// Adds a place; whether there was room.
    fn add(&mut self, at: At, compiled: Compiled) -> bool {
        let kind = |at: &At| std::mem::discriminant(&at.target.probe);
        // places inside of functions are told apart by their group alone
        let inside = |at: &At| matches!(at.place, targets::Place::Offset(_));
        let fits = |group: &&mut Group| {
            group.compiled == compiled
                && group.places.first().is_some_and(|first| {
                    let tracepoint = first.function.is_none();
                    kind(first) == kind(&at)
                        && first.target.skb == at.target.skb
                        && !inside(first)
                        && !inside(&at)
                        && !tracepoint
                })
        };
        if let Some(group) = self.groups.iter_mut().find(fits) {
            group.places.push(at);
            return true;
        }
        if self.groups.len() >= MOST_GROUPS {
            return false;
        }
        self.groups.push(Group { places: vec![at], compiled });
        true
    }

    /// How many places.
    pub fn places(&self) -> usize {
        self.groups.iter().map(|group| group.places.len()).sum()
    }

    /// What is loaded.
    pub fn programs(&self) -> Vec<ProbeGroup> {
        let of = |group: &Group| {
            let compiled = &group.compiled;
            ProbeGroup {
                targets: group.places.iter().map(|at| at.target.clone()).collect(),
                entry: compiled.entry.clone(),
                returns: compiled.returns.clone(),
                data_bytes: compiled.length,
                key_bytes: key_bytes(compiled),
                signed: matches!(
                    compiled.readings.first().map(|r| &r.source),
                    Some(Source::Number(number)) if number.signed
                ),
            }
        };
        self.groups.iter().map(of).collect()
    }
}

/// Bytes of the fields that were asked for.
fn key_bytes(compiled: &Compiled) -> u32 {
    let visible = compiled.readings.iter().take(compiled.visible);
    HEAD + visible.map(|reading| reading.source.size()).sum::<u32>()
}

impl Asked {
    fn query(&self) -> Result<Query, Failure> {
        let usage = |text: &str| Failure::Usage(text.to_owned());
        let mut query = nfscope_probe::parse(&self.text)
            .map_err(|mistake| Failure::Usage(mistakes::lines(&mistake, &self.text)))?;
        let instead: Vec<&String> = self.count_by.iter().chain(&self.hist).collect();
        if !instead.is_empty() {
            if !query.fields.is_empty() {
                return Err(usage(
                    "with --count-by and --hist no fields are printed: leave them out",
                ));
            }
            for text in instead {
                let field = nfscope_probe::parse_field(text)
                    .map_err(|mistake| Failure::Usage(mistakes::lines(&mistake, text)))?;
                query.fields.push(field);
            }
        }
        Ok(query)
    }

    fn usage(&self, mistake: &(Mistake, String)) -> Failure {
        Failure::Usage(mistakes::lines(&mistake.0, &mistake.1))
    }

    /// A mistake comes with the text that it is in.
    fn compile(
        &self,
        query: &Query,
        at: &At,
        types: &Types,
        machine: &Machine,
    ) -> Result<Compiled, (Mistake, String)> {
        let btf = types.of(at);
        let place = match &at.target.probe {
            Probe::Tracepoint { category, name } => Place::Record(record(category, name, btf)),
            _ if matches!(at.place, targets::Place::Offset(bytes) if bytes > 0) => Place::Inside,
            probe => {
                let (prototype, untyped) = match types.prototype(at) {
                    Ok(prototype) => (Some(prototype), ""),
                    Err(why) => (None, why),
                };
                let returns = matches!(probe, Probe::Return(_));
                Place::Function { prototype, untyped, returns }
            }
        };
        let function = at.function.as_ref().map_or(at.target.name.as_str(), |f| &f.name);
        let scope = Scope { btf, machine, function, place };
        let own = self.texts(query);
        // each field alone first, so that a mistake is shown in its own text
        for (field, text) in query.fields.iter().zip(&own) {
            scope.reading(field).map_err(|mistake| (mistake, (*text).clone()))?;
        }
        let mut query = query.clone();
        if self.returns && self.prints() {
            query.fields.extend(result(&query, &scope));
        }
        let compiled = nfscope_probe::compile(&query, &scope)
            .map_err(|mistake| (mistake, self.text.clone()))?;
        self.check(&compiled).map_err(|text| (Mistake::new(0..0, text), String::new()))?;
        Ok(compiled)
    }

    /// Whether fields are printed, not counted.
    fn prints(&self) -> bool {
        self.count_by.is_empty() && self.hist.is_none()
    }

    /// The text that each field is written in.
    fn texts(&self, query: &Query) -> Vec<&String> {
        match self.prints() {
            true => vec![&self.text; query.fields.len()],
            false => self.count_by.iter().chain(&self.hist).collect(),
        }
    }

    fn check(&self, compiled: &Compiled) -> Result<(), String> {
        let is_number = |reading: &Reading| matches!(reading.source, Source::Number(_));
        if self.hist.is_some() && !compiled.readings.first().is_some_and(is_number) {
            return Err("--hist is for a number".into());
        }
        let is_packet = |reading: &Reading| matches!(reading.source, Source::Packet { .. });
        if !self.count_by.is_empty() && compiled.readings.iter().any(is_packet) {
            return Err("--count-by: the bytes that :tuple is read from differ from packet to \
                packet; count by fields of the packet's socket, as skb.sk:tuple"
                .into());
        }
        let key = key_bytes(compiled);
        if !self.count_by.is_empty() && key > MOST_KEY {
            return Err(format!(
                "--count-by: the fields need {key} bytes; {MOST_KEY} can be counted by: \
                 shorten texts, as in :str[32]"
            ));
        }
        Ok(())
    }
}

/// What the function returns, if it does and nobody has asked for it already.
fn result(query: &Query, scope: &Scope<'_>) -> Option<Field> {
    if query.fields.iter().any(|field| field.label == "ret") {
        return None;
    }
    let field = nfscope_probe::parse_field("ret").ok()?;
    scope.reading(&field).ok().map(|_| field)
}
