//! A function's text as lines, for test fixtures and bug reports:
//! ```text
//! # comment
//! function x86_64 nft_do_chain
//! code f30f1efae800000000…            (hexadecimal, any number of lines, in order)
//! reloc 0x5 __fentry__                (offset, symbol; - for none)
//! near -0xb0 __nft_trace_verdict      (offset from the function's start, symbol)
//! jump 0x76 0x47e nft_trace_enabled   (site, target, key; - for none)
//! patched 0xfd 1 .retpoline_sites     (offset, length, table)
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::{FunctionText, JumpSite, Patched};
use crate::isa::{Arch, BadCode, Flow};

/// A line that is not in this form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of a function's text is malformed: {text}")]
pub struct DumpError {
    /// Line number, from 1; 0 if the `function` line is missing.
    pub line: usize,
    /// The line.
    pub text: String,
}

const CODE_PER_LINE: usize = 48;

impl FunctionText {
    /// Leaves out the neighbours that the code never goes to.
    pub fn trim(&mut self) -> Result<(), BadCode> {
        let ins = self.arch.decode(&self.code, |_, _| false)?;
        let goes = |flow: Flow| match flow {
            Flow::Branch { target, .. } | Flow::Jump { target } => Some(target),
            Flow::Call { target } => target,
            _ => None,
        };
        let targets: Vec<i64> = ins.iter().filter_map(|i| goes(i.flow)).collect();
        self.neighbours.retain(|offset, _| targets.contains(offset));
        Ok(())
    }
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

/// A signed offset as hexadecimal text.
struct Hex(i64);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:#x}", if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs())
    }
}

impl fmt::Display for FunctionText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arch = match self.arch {
            Arch::X86_64 => "x86_64",
            Arch::Aarch64 => "aarch64",
        };
        writeln!(f, "function {arch} {}", self.name)?;
        for part in self.code.chunks(CODE_PER_LINE) {
            write!(f, "code ")?;
            part.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
            writeln!(f)?;
        }
        for (offset, symbol) in &self.relocations {
            writeln!(f, "reloc {offset:#x} {}", or_dash(symbol))?;
        }
        for (offset, symbol) in &self.neighbours {
            writeln!(f, "near {} {symbol}", Hex(*offset))?;
        }
        for site in &self.jump_sites {
            let key = site.key.as_deref().unwrap_or("-");
            writeln!(f, "jump {:#x} {} {key}", site.offset, Hex(site.target))?;
        }
        for patched in &self.patched {
            writeln!(f, "patched {:#x} {} {}", patched.offset, patched.len, patched.table)?;
        }
        Ok(())
    }
}

fn number(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let value = match digits.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16).ok()?,
        None => digits.parse().ok()?,
    };
    Some(if negative { value.checked_neg()? } else { value })
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits.chunks(2).map(byte).collect()
}

impl FunctionText {
    fn line(&mut self, line: &str) -> Option<()> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let offset = |text| number(text).and_then(|n| u32::try_from(n).ok());
        let name = |text: &str| if text == "-" { String::new() } else { text.to_owned() };
        match words.as_slice() {
            ["code", hex] => self.code.extend(bytes(hex)?),
            ["reloc", at, symbol] => {
                self.relocations.insert(offset(at)?, name(symbol));
            }
            ["near", at, symbol] => {
                self.neighbours.insert(number(at)?, name(symbol));
            }
            ["jump", at, target, key] => self.jump_sites.push(JumpSite {
                offset: offset(at)?,
                target: number(target)?,
                key: Some(name(key)).filter(|key| !key.is_empty()),
            }),
            ["patched", at, len, table] => self.patched.push(Patched {
                offset: offset(at)?,
                len: offset(len)?,
                table: (*table).to_owned(),
            }),
            _ => return None,
        }
        Some(())
    }
}

impl FromStr for FunctionText {
    type Err = DumpError;

    fn from_str(text: &str) -> Result<Self, DumpError> {
        let mut out: Option<FunctionText> = None;
        for (n, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let done = match (&mut out, line.split_whitespace().collect::<Vec<_>>().as_slice()) {
                (None, ["function", arch @ ("x86_64" | "aarch64"), name]) => {
                    out = Some(FunctionText {
                        name: (*name).to_owned(),
                        arch: if *arch == "x86_64" { Arch::X86_64 } else { Arch::Aarch64 },
                        code: Vec::new(),
                        relocations: BTreeMap::new(),
                        neighbours: BTreeMap::new(),
                        jump_sites: Vec::new(),
                        patched: Vec::new(),
                    });
                    Some(())
                }
                (Some(function), _) => function.line(line),
                (None, _) => None,
            };
            done.ok_or_else(|| DumpError { line: n + 1, text: line.to_owned() })?;
        }
        out.ok_or_else(|| DumpError { line: 0, text: "no function line".to_owned() })
    }
}
