//! `nfscope symbolize --disassemble`: the machine code of a kernel function, with what is known of each
//! instruction.

mod changed;
mod code;
mod ftrace;
mod listing;
mod page;
mod points;

use std::io::Write;

use nfscope_symbols::{Answer, Lookup, Source, Target};

use crate::commands::{Failure, say};
use crate::sinks::{escape, json_line};

use super::origin::Origin;

/// Prints the functions that these places are in.
pub(super) fn run(
    targets: &[(&str, Target)],
    origin: &mut Origin,
    mut source: Source,
    json: bool,
    mut out: impl Write,
) -> Result<(), Failure> {
    let mut failed = 0;
    for (n, (word, target)) in targets.iter().enumerate() {
        let listing = origin
            .resolve(target, Lookup::Exact)
            .and_then(|answers| only(&answers))
            .and_then(|answer| listing::listing(origin, &answer));
        match listing {
            Ok(listing) if json => json_line(&mut out, &listing)?,
            Ok(listing) => {
                if n > 0 {
                    writeln!(out)?;
                }
                page::page(&mut out, &listing, &mut source)?;
            }
            Err(e) => {
                failed += 1;
                out.flush()?;
                say(format_args!("{}: {}", escape(word), escape(&e)));
            }
        }
    }
    out.flush()?;
    if failed > 0 {
        let all = targets.len();
        return Err(anyhow::anyhow!("{failed} of {all} functions could not be shown").into());
    }
    Ok(())
}

/// The one function that is meant.
fn only(answers: &[Answer]) -> Result<Answer, String> {
    match answers {
        [answer] => Ok(answer.clone()),
        _ => {
            let each = |answer: &Answer| {
                let symbol = answer.symbol.as_ref()?;
                let module = answer.module.as_ref().map(|m| format!(" [{m}]")).unwrap_or_default();
                Some(format!("{:#x} ({}{module})", answer.address?, symbol.name))
            };
            let all: Vec<String> = answers.iter().filter_map(each).collect();
            Err(format!(
                "{} functions have this name: give the address of one: {}",
                answers.len(),
                all.join(", ")
            ))
        }
    }
}
