//! Source lines as text.

use nfscope_event::SourceFrame;

use super::escape;

/// `nf_hook_entry_hookfn at include/linux/netfilter.h:154 (inlined)`
pub fn source_text(frame: &SourceFrame) -> String {
    let function = escape(frame.function.as_deref().unwrap_or("??"));
    let file = escape(frame.file.as_deref().unwrap_or("??"));
    let line = frame.line.map_or_else(|| "?".to_owned(), |line| line.to_string());
    format!("{function} at {file}:{line}{}", if frame.inlined { " (inlined)" } else { "" })
}

/// A stack's lines with their labels: each frame, and below it its source lines.
pub(super) fn stack_lines(
    stack: &[String],
    source: &[Vec<SourceFrame>],
) -> Vec<(&'static str, String)> {
    let mut out = Vec::new();
    for (number, frame) in stack.iter().enumerate() {
        out.push((if number == 0 { "stack" } else { "" }, escape(frame).into_owned()));
        let lines = source.get(number).map(Vec::as_slice).unwrap_or_default();
        out.extend(lines.iter().map(|line| ("", format!("    {}", source_text(line)))));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_is_said_and_names_are_harmless() {
        let frame = SourceFrame { inlined: true, ..SourceFrame::default() };
        assert_eq!(source_text(&frame), "?? at ??:? (inlined)");
        let file = Some("a\n.c".to_owned());
        let frame = SourceFrame { file, line: Some(7), ..SourceFrame::default() };
        assert_eq!(source_text(&frame), "?? at a\\n.c:7");
    }
}
