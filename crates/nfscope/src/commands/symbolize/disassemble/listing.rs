//! A function's instructions with everything that is known of each.

use std::collections::{BTreeMap, HashMap};

use nfscope_kernel::isa::{Flow, Shown};
use nfscope_kernel::locate::Mark;
use nfscope_kernel::symbols::{Near, nearest};
use nfscope_symbols::{Answer, Frame, Lookup, Target};
use serde::{Serialize, Serializer};

use super::super::origin::Origin;
use super::changed::{self, Change};
use super::code::{Code, CodeFrom};
use super::{ftrace, points};

/// A function.
#[derive(Serialize)]
pub(super) struct Listing {
    pub function: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "hexadecimal")]
    pub address: Option<u64>,
    pub size: u64,
    pub code: CodeFrom,
    /// Whether the file's code was compared with memory.
    pub compared: bool,
    pub instructions: Vec<Line>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// An instruction.
#[derive(Serialize)]
pub(super) struct Line {
    pub offset: u32,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "hexadecimal")]
    pub address: Option<u64>,
    pub bytes: String,
    pub text: String,
    /// What it refers to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refers: Option<String>,
    /// It was asked for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub asked: bool,
    /// What is there in memory, where that differs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub now: Vec<String>,
    /// It is overwritten by what the one before became.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub overwritten: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ftrace_site: Option<Site>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jump_label: Option<JumpLabel>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub points: Vec<Mark>,
    /// Tables of the file that say that the kernel patches it or takes it for itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<Frame>,
}

/// The place that ftrace patches.
#[derive(Serialize)]
pub(super) struct Site {
    /// Whether it calls now; absent where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<bool>,
}

/// A static key's site.
#[derive(Serialize)]
pub(super) struct JumpLabel {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Where it jumps to, from the function's start.
    pub target: i64,
    /// Whether it jumps now; absent where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jumps: Option<bool>,
}

fn hexadecimal<S: Serializer>(address: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{:#x}", address.unwrap_or_default()))
}

/// Reads the function that an answer lies in.
pub(super) fn listing(origin: &mut Origin, answer: &Answer) -> Result<Listing, String> {
    let mut code = Code::find(origin, answer)?;
    let changes = match &code.live {
        Some(live) => {
            changed::changes(code.text.arch, &code.shown, (&code.text.code, live), &code.references)
        }
        None => BTreeMap::new(),
    };
    let names = Names::of(&mut code, &changes);
    let asked = answer.symbol.as_ref().map_or(0, |symbol| symbol.offset);
    let running = matches!(origin, Origin::Kernel(kernel) if kernel.is_running());
    let (marks, refused) = if running { points::points(&code) } else { Default::default() };
    code.notes.extend(refused);
    let mut marks_at: HashMap<u32, Vec<Mark>> = HashMap::new();
    marks.into_iter().for_each(|mark| marks_at.entry(mark.offset).or_default().push(mark));
    let ftrace = ftrace::site(&code);
    let mut notes = std::mem::take(&mut code.notes);
    let mut instructions = Vec::with_capacity(code.shown.len());
    for shown in &code.shown {
        let (frames, more) = frames(origin, &code, shown, answer);
        more.into_iter().for_each(|note| {
            if !notes.contains(&note) {
                notes.push(note);
            }
        });
        let bytes = code.text.code.get(shown.offset as usize..shown.end() as usize);
        let bytes = bytes.unwrap_or_default().iter().map(|byte| format!("{byte:02x}")).collect();
        let now = match changes.get(&shown.offset) {
            Some(Change::Now(now)) => now.iter().map(|now| names.text(now, None).0).collect(),
            _ => Vec::new(),
        };
        let (text, refers) = names.text(shown, code.reference(shown).map(|to| to.name.as_str()));
        instructions.push(Line {
            offset: shown.offset,
            address: code.address.map(|start| start.wrapping_add(shown.offset.into())),
            bytes,
            text,
            refers,
            // the function as a whole is no place in it
            asked: asked > 0 && (u64::from(shown.offset)..u64::from(shown.end())).contains(&asked),
            now,
            overwritten: changes.get(&shown.offset) == Some(&Change::Covered),
            ftrace_site: (ftrace == Some(shown.offset)).then(|| Site {
                calls: state(&code, shown, |flow| matches!(flow, Flow::Call { .. })),
            }),
            jump_label: jump_label(&code, shown),
            points: marks_at.remove(&shown.offset).unwrap_or_default(),
            tables: tables(&code, shown),
            frames,
        });
    }
    for mark in marks_at.into_values().flatten() {
        notes
            .push(format!("{} is at +{:#x}, in the function's cold part", mark.point, mark.offset));
    }
    Ok(Listing {
        function: code.text.name.clone(),
        module: code.module.clone(),
        address: code.address,
        size: code.text.code.len() as u64,
        compared: code.live.is_some(),
        code: code.from,
        instructions,
        notes,
    })
}

/// Names of what is outside of the function.
struct Names {
    start: Option<u64>,
    size: i64,
    near: BTreeMap<u64, Near>,
    neighbours: BTreeMap<i64, String>,
}

impl Names {
    fn of(code: &mut Code, changes: &BTreeMap<u32, Change>) -> Self {
        let size = code.text.code.len() as i64;
        let now = changes.values().flat_map(|change| match change {
            Change::Now(now) => now.as_slice(),
            Change::Covered => &[],
        });
        let now = now.flat_map(|shown| [shown.branch, shown.data]).flatten();
        let targets: Vec<i64> =
            code.targets().into_iter().chain(now).filter(|to| !(0..size).contains(to)).collect();
        // the addresses of a linked file are not those of memory
        let start = code.address.filter(|_| !matches!(code.from, CodeFrom::File { .. }));
        let mut near = BTreeMap::new();
        if let (Some(start), false) = (start, targets.is_empty()) {
            let all: Vec<u64> = targets.iter().map(|to| start.wrapping_add_signed(*to)).collect();
            match nearest(&all) {
                Ok(found) => near = found,
                Err(e) => code.notes.push(e.to_string()),
            }
        }
        Self { start, size, near, neighbours: code.text.neighbours.clone() }
    }

    /// An instruction's text, and what it refers to beside where it branches to.
    fn text(&self, shown: &Shown, reference: Option<&str>) -> (String, Option<String>) {
        if shown.branch.is_some() {
            let to = reference.map(str::to_owned);
            let to = to.or_else(|| shown.branch.map(|to| self.name(to, true)));
            return (shown.with(&to.unwrap_or_default()), None);
        }
        let refers = reference.map(str::to_owned);
        (shown.text.clone(), refers.or_else(|| shown.data.map(|to| self.name(to, false))))
    }

    fn name(&self, to: i64, code: bool) -> String {
        if (0..self.size).contains(&to) {
            return format!("+{to:#x}");
        }
        let near = self.start.and_then(|start| self.near.get(&start.wrapping_add_signed(to)));
        // code in front of a variable says that variables are not among the symbols
        if let Some(near) = near.filter(|near| code || !near.text || near.offset == 0) {
            return near.to_string();
        }
        match (self.neighbours.get(&to), self.start) {
            (Some(name), _) => name.clone(),
            (None, Some(start)) => format!("{:#x}", start.wrapping_add_signed(to)),
            (None, None) if to < 0 => format!("-{:#x}", to.unsigned_abs()),
            (None, None) => format!("+{to:#x}"),
        }
    }
}

/// The lines of an instruction, and why there are none.
fn frames(
    origin: &mut Origin,
    code: &Code,
    shown: &Shown,
    answer: &Answer,
) -> (Vec<Frame>, Vec<String>) {
    let in_memory = matches!(origin, Origin::Kernel(kernel) if kernel.is_running());
    let target = match code.address.filter(|_| in_memory) {
        Some(start) => Target::Address(start.wrapping_add(shown.offset.into())),
        None => Target::Symbol {
            module: code.module.clone(),
            name: code.text.name.clone(),
            offset: shown.offset.into(),
            size: answer.symbol.as_ref().and_then(|symbol| symbol.size),
        },
    };
    match origin.resolve(&target, Lookup::Exact) {
        Ok(answers) => answers.into_iter().next().map(|a| (a.frames, a.notes)).unwrap_or_default(),
        Err(e) => (Vec::new(), vec![e]),
    }
}

/// What an instruction that is switched does in memory: `true` if `goes` says so of where it goes, `false`
/// if it does nothing.
fn state(code: &Code, shown: &Shown, goes: impl Fn(Flow) -> bool) -> Option<bool> {
    let live = match code.from {
        CodeFrom::Memory => &code.text.code,
        _ => code.live.as_ref()?,
    };
    let now = changed::one(code.text.arch, live, shown.offset)?;
    if changed::is_nop(code.text.arch, live, &now) {
        return Some(false);
    }
    changed::flow(code.text.arch, live, &now).filter(|flow| goes(*flow)).map(|_| true)
}

fn jump_label(code: &Code, shown: &Shown) -> Option<JumpLabel> {
    let site = code.text.jump_sites.iter().find(|site| site.offset == shown.offset)?;
    let jumps = state(code, shown, |flow| matches!(flow, Flow::Jump { .. }));
    Some(JumpLabel { key: site.key.clone(), target: site.target, jumps })
}

fn tables(code: &Code, shown: &Shown) -> Vec<String> {
    let here = (shown.offset..shown.end()).collect::<Vec<_>>();
    let patched = code.text.patched.iter().filter(|p| here.contains(&p.offset));
    patched.map(|p| p.table.clone()).collect()
}
