//! `nfscope-lab symbols`: `nfscope symbolize` against addr2line, faddr2line and gdb.

mod chains;
mod differences;
mod faddr2line;
mod gdb;
mod measure;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::{
    cache::Cache,
    kernel::{debuginfo::DebugInfo, faddr2line::script as faddr2line_script, spec::KernelSpec},
};

use differences::Differences;
use measure::{Measured, measured};

/// The section whose code is asked for.
const SECTION: &str = ".text";
/// An answer takes no more of a processor.
const FIRST: Duration = Duration::from_millis(500);

/// Compare `nfscope symbolize` with addr2line, faddr2line and gdb on Debian's debug files, at
/// random addresses; they are fetched into the cache.
#[derive(clap::Args)]
pub struct Arguments {
    /// The nfscope to test.
    #[arg(long, value_name = "FILE")]
    nfscope: PathBuf,
    /// Addresses in each file.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    count: usize,
    /// 6.12 or SUITE:PREFIX[:FLAVOUR].
    #[arg(required = true)]
    kernels: Vec<KernelSpec>,
}

/// Run it.
///
/// # Errors
/// When files cannot be had, or one of the programs fails.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let cache = Cache::open()?;
    let mut failed = false;
    let script = faddr2line_script(&cache)?;
    for spec in &arguments.kernels {
        let debug = DebugInfo::ensure(&cache, spec)?;
        println!("{}", debug.release);
        for file in [&debug.vmlinux, &debug.module] {
            failed |= !compare(arguments, &cache, &script, file)?;
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A file that is asked about.
struct Subject<'a> {
    arguments: &'a Arguments,
    file: &'a Path,
    /// Where its code begins; 0: it has no addresses, as modules.
    base: u64,
    /// For what programs say.
    work: &'a Path,
}

impl Subject<'_> {
    fn name(&self) -> String {
        self.file.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// nfscope's answers for these offsets in the code.
    fn nfscope(&self, offsets: &[u64], name: &str) -> Result<Measured> {
        let mut nfscope = Command::new(&self.arguments.nfscope);
        nfscope.args(["symbolize", "--json", "-e"]).arg(self.file);
        nfscope.args(offsets.iter().map(|at| match self.base {
            0 => format!("{SECTION}+{at:#x}"),
            base => format!("{:#x}", base + at),
        }));
        if offsets.is_empty() {
            // without words it would read its input
            nfscope.stdin(Stdio::null());
        }
        measured(&mut nfscope, &self.work.join(format!("{name}.nfscope")))
    }

    /// The same of addr2line.
    fn addr2line(&self, offsets: &[u64], name: &str) -> Result<Measured> {
        let list = self.work.join("addresses");
        let lines: Vec<String> =
            offsets.iter().map(|at| format!("{:#x}", self.base + at)).collect();
        fs::write(&list, lines.join("\n") + "\n")?;
        let mut addr2line = Command::new("addr2line");
        addr2line.args(["-a", "-i", "-f", "-e"]).arg(self.file).stdin(File::open(&list)?);
        if self.base == 0 {
            addr2line.args(["-j", SECTION]);
        }
        measured(&mut addr2line, &self.work.join(format!("{name}.addr2line")))
    }

    /// Bytes of the longest other section with code, where all begin at the same address.
    fn longest_other(&self) -> Result<u64> {
        if self.base != 0 {
            return Ok(0);
        }
        let others = sections(self.file)?.into_iter().filter(|section| section.name != SECTION);
        Ok(others.filter(|section| section.code).map(|section| section.size).max().unwrap_or(0))
    }
}

/// Whether no more answers differ than may, and none took too long.
fn compare(arguments: &Arguments, cache: &Cache, script: &Path, file: &Path) -> Result<bool> {
    let all = sections(file)?;
    let text = all.iter().find(|section| section.name == SECTION);
    let text = text.with_context(|| format!("{} has no section {SECTION}", file.display()))?;
    let (base, offsets) = (text.address, random(arguments.count, text.size));
    let work = cache.work()?;
    let subject = Subject { arguments, file, base, work: work.path() };
    let ask = |name: &str, offsets: &[u64]| -> Result<(Measured, Measured)> {
        Ok((subject.addr2line(offsets, name)?, subject.nfscope(offsets, name)?))
    };
    let name = subject.name();
    let first = ask("first", offsets.get(..1).unwrap_or_default())?;
    let all = ask("all", &offsets)?;
    for (what, (theirs, ours)) in [("first answer", &first), ("all answers", &all)] {
        println!("  {name}: {what}: nfscope {ours}, addr2line {theirs}");
    }
    let theirs = chains::of_addr2line(&all.0.output)?;
    let ours = chains::of_nfscope(&all.1.output)?;
    if theirs.len() != offsets.len() || ours.len() != offsets.len() {
        bail!("{} addresses, {} and {} answers", offsets.len(), ours.len(), theirs.len());
    }
    let differences = Differences::new(&subject, &offsets, (&theirs, &ours))?;
    let lines = ours.iter().filter(|chain| chain.iter().any(|frame| frame.line.is_some())).count();
    let inlined = ours.iter().filter(|chain| chain.len() > 1).count();
    println!(
        "  {name}: {} addresses, {lines} with lines, {inlined} inlined, {differences}",
        offsets.len()
    );
    let as_faddr2line = faddr2line::compare(&subject, script, &all.1.output, &differences.all())?;
    let as_gdb = if gdb::is_there() {
        gdb::compare(&subject, &offsets, &ours, &differences.doubtful())?
    } else {
        println!("  {name}: skipped: gdb; install it to compare with it");
        true
    };
    let limits = [
        (differences.are_few(offsets.len()), "more answers differ than may"),
        (first.1.is_within(FIRST), "nfscope's first answer takes too long"),
        // a comparison of nothing proves nothing
        (lines * 2 > offsets.len() && inlined > 0, "too few addresses have lines to be compared"),
    ];
    let broken: Vec<&str> =
        limits.iter().filter(|(kept, _)| !kept).map(|(_, text)| *text).collect();
    broken.iter().for_each(|text| println!("  {name}: {text}"));
    Ok(as_faddr2line && as_gdb && broken.is_empty())
}

/// A section, as far as it matters here.
struct Section {
    name: String,
    address: u64,
    size: u64,
    code: bool,
}

fn sections(file: &Path) -> Result<Vec<Section>> {
    let output = Command::new("readelf").arg("-SW").arg(file).output();
    let output = output.context("cannot run readelf; install binutils")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let section = |line: &str| {
        // [ 1] .text PROGBITS ffffffff81000000 200000 e01da2 00 AX …
        let (_, rest) = line.split_once(']')?;
        let words: Vec<&str> = rest.split_whitespace().collect();
        let number = |n: usize| u64::from_str_radix(words.get(n)?, 16).ok();
        Some(Section {
            name: (*words.first()?).to_owned(),
            address: number(2)?,
            size: number(4)?,
            code: words.get(6)?.contains('X'),
        })
    };
    Ok(text.lines().filter_map(section).collect())
}

/// Offsets below `size`, the same in every run (xorshift64).
fn random(count: usize, size: u64) -> Vec<u64> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % size.max(1)
    };
    (0..count).map(|_| next()).collect()
}
