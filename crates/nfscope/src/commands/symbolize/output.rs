//! Answers as text and as JSON.

use std::collections::HashSet;
use std::io::{self, Write};

use nfscope_symbols::{Answer, Frame, Source};
use serde::Serialize;

use crate::resolve::source_frame;
use crate::sinks::{escape, escape_bytes, json_line, source_text};

/// Writes answers.
pub(super) struct Output<W: Write> {
    out: W,
    source: Source,
    json: bool,
    /// Notes that were told: each is told once.
    told: HashSet<String>,
    /// Whether answers stand below the lines of a text.
    in_text: bool,
}

/// A JSON line.
#[derive(Serialize)]
struct Line<'a> {
    input: &'a str,
    /// How many functions of this name have the offset; absent if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    candidates: Option<usize>,
    #[serde(flatten)]
    answer: Option<&'a Answer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    source: Vec<SourceLine>,
}

/// Source text of a frame.
#[derive(Serialize)]
struct SourceLine {
    file: String,
    line: u32,
    text: String,
}

impl<W: Write> Output<W> {
    /// `out` should be buffered.
    pub fn new(out: W, source: Source, json: bool) -> Self {
        Self { out, source, json, told: HashSet::new(), in_text: false }
    }

    /// A line of the text that is annotated.
    pub fn line(&mut self, line: &[u8]) -> io::Result<()> {
        self.in_text = true;
        if self.json {
            return Ok(());
        }
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // tabs are harmless, and stacks are full of them
        for (n, part) in line.split(|byte| *byte == b'\t').enumerate() {
            let tab = if n > 0 { "\t" } else { "" };
            write!(self.out, "{tab}{}", escape_bytes(part))?;
        }
        writeln!(self.out)
    }

    /// What was found for an address.
    pub fn answers(
        &mut self,
        input: &str,
        answers: &Result<Vec<Answer>, String>,
    ) -> io::Result<()> {
        match answers {
            Err(e) if self.json => {
                let error = Some(e.as_str());
                let line =
                    Line { input, candidates: None, answer: None, error, source: Vec::new() };
                json_line(&mut self.out, &line)
            }
            Err(e) if self.in_text => writeln!(self.out, "        -- {}", escape(e)),
            Err(e) => writeln!(self.out, "{}: {}", escape(input), escape(e)),
            Ok(answers) => {
                let several = (answers.len() > 1).then_some(answers.len());
                if let (Some(count), false) = (several, self.json) {
                    let indent = if self.in_text { "        " } else { "" };
                    let name = answers.first().and_then(|answer| answer.symbol.as_ref());
                    let name = name.map_or(input, |symbol| &symbol.name);
                    writeln!(self.out, "{indent}{count} functions are called {}:", escape(name))?;
                }
                answers.iter().try_for_each(|answer| self.answer(input, answer, several))
            }
        }
    }

    fn answer(
        &mut self,
        input: &str,
        answer: &Answer,
        candidates: Option<usize>,
    ) -> io::Result<()> {
        if self.json {
            let source = answer.frames.iter().filter_map(|frame| self.text(frame)).collect();
            let line = Line { input, candidates, answer: Some(answer), error: None, source };
            return json_line(&mut self.out, &line);
        }
        // a text has the names already, but not those of addresses
        let told = answer.symbol.as_ref().is_some_and(|symbol| input.contains(&symbol.name));
        if !self.in_text || candidates.is_some() || (answer.frames.is_empty() && !told) {
            self.heading(answer)?;
        }
        let indent = if self.in_text { "        " } else { "    " };
        for frame in &answer.frames {
            writeln!(self.out, "{indent}{}", source_text(&source_frame(frame.clone())))?;
            if let Some(source) = self.text(frame) {
                writeln!(self.out, "{indent}    {:>5}: {}", source.line, escape(&source.text))?;
            }
        }
        for note in &answer.notes {
            if self.told.insert(note.clone()) {
                writeln!(self.out, "{indent}note: {}", escape(note))?;
            }
        }
        Ok(())
    }

    /// Symbol, module, section and address.
    fn heading(&mut self, answer: &Answer) -> io::Result<()> {
        write!(self.out, "{}", if self.in_text { "        " } else { "" })?;
        match &answer.symbol {
            Some(symbol) => {
                write!(self.out, "{}+{:#x}", escape(&symbol.name), symbol.offset)?;
                if let Some(size) = symbol.size {
                    write!(self.out, "/{size:#x}")?;
                }
            }
            None => write!(self.out, "??")?,
        }
        if let Some(module) = &answer.module {
            write!(self.out, " [{}]", escape(module))?;
        }
        if let (Some(section), Some(offset)) = (&answer.section, answer.section_offset) {
            write!(self.out, "  {}+{offset:#x}", escape(section))?;
        }
        if let Some(address) = answer.address {
            write!(self.out, "  {address:#x}")?;
        }
        writeln!(self.out)
    }

    /// The source text of a frame.
    fn text(&mut self, frame: &Frame) -> Option<SourceLine> {
        let (name, line) = (frame.file.as_deref()?, frame.line?);
        let text = self.source.line(name, line)?.to_owned();
        let file = self.source.path(name)?.display().to_string();
        Some(SourceLine { file, line, text })
    }

    /// Hands everything written to the reader.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// The end.
    pub fn finish(mut self) -> io::Result<()> {
        self.flush()
    }
}
