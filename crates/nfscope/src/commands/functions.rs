//! `nfscope functions`: what can be probed on this machine, and how.

mod active;
mod print;

use std::io::{self, BufWriter, Write};

use crate::catalogue::events::Tracepoint;
use crate::catalogue::{Catalogue, Function, Pattern, types};
use crate::cli::FunctionsArguments;
use crate::commands::{Failure, say};
use crate::targets::{Similar, tracefs};

/// What the kernel itself is called among modules.
const KERNEL: &str = "vmlinux";

/// What the command line asks for.
struct Wanted {
    functions: Vec<Pattern>,
    tracepoints: Vec<Pattern>,
    module: Option<Pattern>,
}

impl Wanted {
    fn parse(arguments: &FunctionsArguments) -> Result<Self, Failure> {
        let parse = |word: &str| Pattern::parse(word).map_err(Failure::Usage);
        let mut wanted = Self {
            functions: Vec::new(),
            tracepoints: Vec::new(),
            module: arguments.module.as_deref().map(parse).transpose()?,
        };
        for word in &arguments.patterns {
            let pattern = parse(word)?;
            match pattern {
                Pattern::Glob(ref text) if text.contains(':') => wanted.tracepoints.push(pattern),
                _ => wanted.functions.push(pattern),
            }
        }
        wanted.tracepoints.extend(arguments.tracepoints.as_deref().map(parse).transpose()?);
        if wanted.functions.is_empty() && wanted.tracepoints.is_empty() {
            wanted.functions.push(parse("*")?);
        }
        Ok(wanted)
    }

    fn takes(&self, name: &str, module: Option<&str>) -> bool {
        let module_fits =
            self.module.as_ref().is_none_or(|wanted| wanted.fits(module.unwrap_or(KERNEL)));
        module_fits && self.functions.iter().any(|pattern| pattern.fits(name))
    }
}

/// Prints what fits. Reads the kernel's lists and changes nothing.
pub fn run(arguments: &FunctionsArguments) -> Result<(), Failure> {
    if arguments.active {
        return active::run(arguments.json);
    }
    let wanted = Wanted::parse(arguments)?;
    let mut notices = Vec::new();
    let mut tracepoints = Vec::new();
    // Tracepoints need neither the symbols nor the tracer's list.
    let catalogue = match wanted.functions.is_empty() {
        true => {
            tracepoints = Tracepoint::find(&wanted.tracepoints, &types(&mut notices));
            None
        }
        false => Some(Catalogue::read()?),
    };
    let mut functions = Vec::new();
    if let Some(catalogue) = &catalogue {
        notices.extend_from_slice(&catalogue.notices);
        functions = catalogue.functions(|name, module| wanted.takes(name, module));
        if !wanted.tracepoints.is_empty() {
            tracepoints = Tracepoint::find(&wanted.tracepoints, catalogue.types());
        }
    }
    let notices = || notices.iter().for_each(|notice| say(format_args!("-- {notice}")));
    if functions.is_empty() && tracepoints.is_empty() {
        notices();
        return Err(nothing(&wanted, catalogue.as_ref()));
    }
    if arguments.with_skb {
        functions.retain(|function| function.skb().is_some());
        tracepoints.retain(|tracepoint| tracepoint.skb.is_some());
    }
    let mut out = BufWriter::new(io::stdout().lock());
    for function in &functions {
        print::function(&mut out, function, arguments.json)?;
    }
    for tracepoint in &tracepoints {
        print::tracepoint(&mut out, tracepoint, arguments.json)?;
    }
    out.flush()?;
    notices();
    say(summary(&functions, tracepoints.len()));
    Ok(())
}

fn summary(functions: &[Function], tracepoints: usize) -> String {
    let counted = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    };
    let can = functions.iter().filter(|function| function.probes.any()).count();
    let what = format!("{}, {can} can be probed", counted(functions.len(), "function"));
    match (functions.is_empty(), tracepoints) {
        (_, 0) => what,
        (true, several) => counted(several, "tracepoint"),
        (false, several) => format!("{what}; {}", counted(several, "tracepoint")),
    }
}

/// That nothing fits, and what may have been meant.
fn nothing(wanted: &Wanted, catalogue: Option<&Catalogue>) -> Failure {
    let mut question = String::new();
    if let (Some(catalogue), Some(name)) =
        (catalogue, wanted.functions.iter().find_map(Pattern::name))
    {
        let mut similar = Similar::to(name);
        catalogue.names().for_each(|known| similar.offer(known));
        question = similar.question();
    } else if let Some(name) = wanted.tracepoints.iter().find_map(Pattern::name) {
        let mut similar = Similar::to(name);
        tracefs::tracepoints().iter().for_each(|(c, n)| similar.offer(&format!("{c}:{n}")));
        question = similar.question();
    }
    let why = match (wanted.functions.is_empty(), tracefs::tracepoints().is_empty()) {
        (true, true) => {
            " (tracefs cannot be read: run it as root; mount -t tracefs tracefs /sys/kernel/tracing)"
        }
        (false, _) if question.is_empty() => " (is its module loaded, is it inlined?)",
        _ => "",
    };
    let what = if wanted.functions.is_empty() { "tracepoint" } else { "function" };
    Failure::Other(anyhow::anyhow!("this kernel has no such {what}{why}{question}"))
}
