//! `nfscope symbolize`: which function and source line is that?

mod backtrace;
mod disassemble;
mod known;
mod origin;
mod output;

use std::io::{BufRead, IsTerminal, Write};

use nfscope_symbols::{DebugFiles, Lookup, Source, Store, Target};

use crate::cli::SymbolizeArguments;
use crate::commands::{Failure, say};

use backtrace::Place;
use known::Known;
use origin::Origin;
use output::Output;

/// A line of text is not longer; what is, is no stack.
const MAX_LINE: u64 = 64 << 10;

/// Answers each address, or annotates the text on standard input.
pub fn run(arguments: &SymbolizeArguments) -> Result<(), Failure> {
    // wrong words come first
    let words = joined(&arguments.addresses);
    let targets: Vec<(&str, Target)> = words
        .iter()
        .map(|word| {
            let target = Target::parse(word).ok_or_else(|| {
                Failure::Usage(format!(
                    "{}: not an address; write FUNCTION+OFFSET, MODULE:FUNCTION+OFFSET or 0x…",
                    crate::sinks::escape(word)
                ))
            })?;
            Ok((word.as_str(), target))
        })
        .collect::<Result<_, Failure>>()?;
    if let Some(tree) = arguments.source_tree.iter().find(|tree| !tree.is_dir()) {
        return Err(Failure::Usage(format!("--source-tree {}: no such folder", tree.display())));
    }
    let store = Store::new();
    let files = DebugFiles::with(&arguments.debug_root).asking_servers();
    let mut origin = Origin::open(&store, files, arguments)?;
    let mut trees = arguments.source_tree.clone();
    trees.extend(origin.release().map(Source::installed).unwrap_or_default());
    let out = std::io::BufWriter::new(std::io::stdout().lock());
    if arguments.disassemble {
        return disassemble::run(&targets, &mut origin, Source::new(trees), arguments.json, out);
    }
    let mut output = Output::new(out, Source::new(trees), arguments.json);
    if targets.is_empty() {
        text(arguments, &mut origin, &mut output)?;
        return Ok(output.finish()?);
    }
    let lookup = if arguments.return_addresses { Lookup::Return } else { Lookup::Exact };
    let mut failed = 0;
    for (word, target) in &targets {
        let answers = origin.resolve(target, lookup);
        failed += usize::from(answers.is_err());
        output.answers(word, &answers)?;
    }
    output.finish()?;
    if failed > 0 {
        let all = targets.len();
        return Err(anyhow::anyhow!("{failed} of {all} addresses could not be told").into());
    }
    Ok(())
}

/// Puts a module that the shell took for a word of its own (`nft_do_chain+0x1a8 [nf_tables]`) behind its
/// address again.
fn joined(words: &[String]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for word in words {
        match out.last_mut() {
            Some(last) if word.starts_with('[') && !word.starts_with("[<") => {
                last.push(' ');
                last.push_str(word);
            }
            _ => out.push(word.clone()),
        }
    }
    out
}

/// Annotates standard input, line by line as it comes.
fn text<W: Write>(
    arguments: &SymbolizeArguments,
    origin: &mut Origin,
    output: &mut Output<W>,
) -> Result<(), Failure> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        say(
            "nfscope: paste a stack or an oops, then Ctrl-D (or give addresses: nfscope symbolize --help)",
        );
    }
    let mut input = stdin.lock();
    let mut line = Vec::new();
    let mut known = Known::default();
    loop {
        line.clear();
        if std::io::Read::take(&mut input, MAX_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line);
        output.line(&line)?;
        for Place { word, target, lookup, certain } in backtrace::places(&text) {
            let lookup = match (arguments.exact, arguments.return_addresses) {
                (true, _) => Lookup::Exact,
                (_, true) => Lookup::Return,
                _ => lookup,
            };
            if let Target::Address(address) = target
                && !origin.has_code_at(address)
            {
                continue;
            }
            let answers =
                known.answer(target, lookup, |target, lookup| origin.resolve(target, lookup));
            if certain || answers.is_ok() {
                output.answers(&word, answers)?;
            }
        }
        output.flush()?;
    }
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn a_module_as_a_word_of_its_own() {
        let words = ["a+1", "[nf_tables]", "[<ffffffff81000000>]", "b"].map(str::to_owned);
        assert_eq!(joined(&words), ["a+1 [nf_tables]", "[<ffffffff81000000>]", "b"]);
    }
}
