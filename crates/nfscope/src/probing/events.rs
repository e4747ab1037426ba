//! From records to events with names.

use nfscope_collect::probe::{Bucket, ProbeRecord, Row};
use nfscope_collect::stacks::{Context, Stack};
use nfscope_event::{
    Event, Frame, Probe, ProbeBucket, ProbeCount, ProbeField, ProbeHistogram, ProbeValue, Process,
    StackContext, StackState,
};
use nfscope_probe::{Compiled, Datum, Decoded, decode};

use super::groups::{Group, Plan};
use crate::resolve::{Symbols, now_ns, offset_ns};
use crate::targets::At;

/// So many frames are walked at most (`STACK_FRAMES` of `probe.h`).
const DEPTH: usize = 127;

/// Makes events of records.
pub struct Events<'a> {
    plan: &'a Plan,
    symbols: Symbols,
    /// To be added to the kernel's monotonic clock.
    offset_ns: i128,
    numeric: bool,
    stack: bool,
    returns: bool,
}

impl<'a> Events<'a> {
    /// For the records of a plan's programs.
    pub fn new(plan: &'a Plan, numeric: bool, stack: bool, returns: bool) -> Self {
        let (symbols, offset_ns) = (Symbols::default(), offset_ns());
        Self { plan, symbols, offset_ns, numeric, stack, returns }
    }

    /// A record's event; `None`: of a group that is not there.
    pub fn event(&mut self, record: &ProbeRecord) -> Option<Event> {
        let group = self.plan.groups.get(record.group as usize)?;
        let at = place(group, record.address)?;
        let (context, process) = match &record.context {
            Context::Process { pid, command } => {
                let process = Process { pid: *pid, command: command.clone() };
                (StackContext::Process, Some(process))
            }
            Context::Interrupt => (StackContext::Interrupt, None),
            Context::Unknown => (StackContext::Unknown, None),
        };
        let time = i128::from(record.monotonic_ns) + self.offset_ns;
        let compiled = &group.compiled;
        let stack = self.stack.then(|| {
            let stack = record.stack(compiled.length as usize);
            self.stack(&stack)
        });
        Some(Event::Probe(Box::new(Probe {
            time_ns: u64::try_from(time).unwrap_or(0),
            cpu: record.cpu,
            place: at.target.name.clone(),
            module: at.function.as_ref().and_then(|f| f.module.clone()),
            context,
            thread: process.is_some().then_some(record.tid),
            process,
            fields: fields(compiled, &record.data),
            latency_ns: self.returns.then_some(record.latency_ns),
            stack,
        })))
    }

    fn stack(&mut self, stack: &Stack) -> nfscope_event::CallStack {
        let Stack::Frames(frames) = stack else {
            let state = StackState::Missing;
            return nfscope_event::CallStack { frames: Vec::new(), state };
        };
        if !self.numeric {
            self.symbols.learn(frames);
        }
        let frame = |address: &u64| {
            let found = if self.numeric { None } else { self.symbols.resolved(*address) };
            match found {
                Some(found) => Frame {
                    function: Some(found.name),
                    offset: Some(found.offset),
                    module: found.module,
                    address: None,
                    source: Vec::new(),
                },
                None => Frame { address: Some(*address), ..Frame::default() },
            }
        };
        let state = if frames.len() >= DEPTH { StackState::Cut } else { StackState::Whole };
        nfscope_event::CallStack { frames: frames.iter().map(frame).collect(), state }
    }

    /// Counts by fields, the greatest last; those of several groups as one.
    pub fn counts(&self, rows: Vec<Row>) -> Vec<ProbeCount> {
        let mut sums: std::collections::HashMap<Vec<ProbeField>, u64> = Default::default();
        for row in rows {
            let Some(group) = self.plan.groups.get(row.group) else { continue };
            *sums.entry(fields(&group.compiled, &row.data)).or_default() += row.count;
        }
        let time_ns = now_ns();
        let mut counts: Vec<ProbeCount> =
            sums.into_iter().map(|(fields, count)| ProbeCount { time_ns, count, fields }).collect();
        counts.sort_by_cached_key(|count| (count.count, format!("{:?}", count.fields)));
        counts
    }

    /// A histogram.
    pub fn histogram(&self, name: String, rows: Vec<Bucket>) -> ProbeHistogram {
        let of = |bucket: Bucket| ProbeBucket {
            low: number(bucket.low),
            high: number(bucket.high),
            count: bucket.count,
        };
        let buckets = rows.into_iter().map(of).collect();
        ProbeHistogram { time_ns: now_ns(), name, buckets }
    }
}

/// The place of a group where the instruction pointer was: a breakpoint leaves it
/// a few bytes behind.
fn place(group: &Group, address: u64) -> Option<&At> {
    let start = |at: &&At| at.function.as_ref().map(|f| f.address);
    match group.places.as_slice() {
        [only] => Some(only),
        several => several
            .iter()
            .filter(|at| start(at).is_some_and(|start| start <= address))
            .max_by_key(start),
    }
}

fn fields(compiled: &Compiled, data: &[u8]) -> Vec<ProbeField> {
    let readings = compiled.readings.iter().zip(&compiled.offsets).take(compiled.visible);
    let field = |(index, (reading, at)): (usize, (&nfscope_probe::Reading, &u32))| {
        let name = reading.label.clone();
        match decode(reading, index, *at, data) {
            Some(Decoded { datum, text, cut }) => {
                ProbeField { name, value: Some(value(datum)), text, cut }
            }
            None => ProbeField { name, value: None, text: None, cut: false },
        }
    };
    readings.enumerate().map(field).collect()
}

fn value(datum: Datum) -> ProbeValue {
    match datum {
        Datum::Number(value) => number(value),
        Datum::Bool(value) => ProbeValue::Bool(value),
        Datum::Text(bytes) => ProbeValue::Text(String::from_utf8_lossy(&bytes).into_owned()),
        Datum::List(list) => ProbeValue::List(list.into_iter().map(value).collect()),
    }
}

fn number(value: i128) -> ProbeValue {
    match u64::try_from(value) {
        Ok(value) => ProbeValue::Number(value),
        Err(_) => ProbeValue::Negative(i64::try_from(value).unwrap_or(i64::MIN)),
    }
}
