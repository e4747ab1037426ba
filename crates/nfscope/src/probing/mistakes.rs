//! A mistake as people read it: what, what may have been meant, and where.

use nfscope_probe::Mistake;

use crate::sinks::escape;
use crate::targets::Similar;

/// The lines of a mistake in a text.
pub fn lines(mistake: &Mistake, text: &str) -> String {
    let mut out = escape(&mistake.text).into_owned();
    if let Some((name, known)) = &mistake.meant {
        let mut similar = Similar::to(name);
        known.iter().for_each(|name| similar.offer(name));
        out.push_str(&similar.question());
    }
    if mistake.span.is_empty() && mistake.span.start == 0 {
        return out;
    }
    // escaped, so that the caret stands where it should
    let front = text.get(..mistake.span.start).unwrap_or_default();
    let marked = text.get(mistake.span.clone()).unwrap_or_default();
    let width = |text: &str| escape(text).chars().count();
    let (blank, carets) = (width(front), width(marked).max(1));
    out.push_str(&format!("\n  {}\n  {}{}", escape(text), " ".repeat(blank), "^".repeat(carets)));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caret_stands_under_the_word() {
        let known = vec!["sk_mark".to_owned()];
        let mistake = Mistake::unknown(3..8, "no member sk_mrk", "sk_mrk", known);
        let text = lines(&mistake, "sk.sk_mrk");
        assert_eq!(text, "no member sk_mrk; did you mean sk_mark?\n  sk.sk_mrk\n     ^^^^^");
        assert_eq!(lines(&Mistake::new(0..0, "all"), "x"), "all");
    }
}
