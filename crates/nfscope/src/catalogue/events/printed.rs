//! Names of values in the text by which the kernel prints a tracepoint's record:
//! `__print_symbolic(REC->oldstate, { 1, "TCP_ESTABLISHED" }, …)` and
//! `__print_flags(REC->flags, "|", { 0x1, "SYN" }, …)`.

use super::Value;

/// How a call begins, and how many arguments it has in front of its values.
const CALLS: [(&str, usize); 4] = [
    ("__print_symbolic(", 1),
    ("__print_symbolic_u64(", 1),
    ("__print_flags(", 2),
    ("__print_flags_u64(", 2),
];
/// The record there.
const RECORD: &str = "REC->";

/// The fields whose values have names, with these.
pub fn values(print: &str) -> Vec<(String, Vec<Value>)> {
    let mut out = Vec::new();
    let mut rest = print;
    while let Some((at, call, skip)) = next_call(rest) {
        rest = &rest[at + call..];
        let Some(arguments) = arguments(rest) else { break };
        let field = arguments.first().and_then(|expression| only_field(expression));
        let named = arguments.iter().skip(skip).filter_map(|pair| value(pair)).collect();
        out.extend(field.map(|field| (field.to_owned(), named)));
    }
    out
}

fn next_call(text: &str) -> Option<(usize, usize, usize)> {
    let found = CALLS.iter().filter_map(|(call, skip)| Some((text.find(call)?, call.len(), *skip)));
    found.min()
}

/// The arguments of a call up to its closing parenthesis.
fn arguments(text: &str) -> Option<Vec<&str>> {
    let (mut depth, mut begin, mut out) = (0usize, 0, Vec::new());
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        if quoted {
            quoted = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'(' | b'{' | b'[' => depth += 1,
            b')' if depth == 0 => {
                out.push(text[begin..at].trim());
                return Some(out);
            }
            b')' | b'}' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                out.push(text[begin..at].trim());
                begin = at + 1;
            }
            _ => {}
        }
    }
    None
}

/// The field of the record that an expression is made of, if it is one.
fn only_field(expression: &str) -> Option<&str> {
    let mut names = expression.split(RECORD).skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        &rest[..end.unwrap_or(rest.len())]
    });
    let name = names.next()?;
    names.all(|other| other == name).then_some(name)
}

/// `{ 1, "NAME" }`
fn value(pair: &str) -> Option<Value> {
    let inner = pair.strip_prefix('{')?.strip_suffix('}')?;
    let (value, name) = inner.split_once(",")?;
    let name = name.trim().strip_prefix('"')?.strip_suffix('"')?;
    Some(Value { value: value.trim().to_owned(), name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::values;

    #[test]
    fn names_of_values() {
        let text = r#" "a=%s b=%s c=%s d=%s", __print_symbolic(REC->a, { 1, "ONE" }, { (1 << 1), "TWO, \")" }), __print_flags(((REC->b) & 3), "|,", { 0x1, "X" }), __print_symbolic(REC->c + REC->a, { 1, "no" }), REC->d"#;
        let all = values(text);
        let shown: Vec<String> = all
            .iter()
            .flat_map(|(f, values)| {
                values.iter().map(move |v| format!("{f} {} {}", v.value, v.name))
            })
            .collect();
        assert_eq!(shown, ["a 1 ONE", "a (1 << 1) TWO, \\\")", "b 0x1 X"]);
    }

    proptest! {
        #[test]
        fn any_text(text in "(__print_symbolic\\(|REC->[ab]|[{}(),\" \\\\é]|[0-9a-z]){0,40}") {
            let _ = values(&text);
        }
    }
}
