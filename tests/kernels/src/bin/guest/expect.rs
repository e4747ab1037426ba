//! `nfscope-guest expect`

use std::{fs, path::PathBuf, str::FromStr};

use anyhow::{Context, Result, bail};
use nfscope_event::Event;
use serde_json::Value;

/// Events shown when an expectation fails.
const SHOWN: usize = 5;

/// Check how many events of `nfscope --json` fit all conditions.
#[derive(clap::Args)]
pub struct Arguments {
    /// The output, one JSON object a line.
    file: PathBuf,
    /// `3`: exactly three; `3+`: at least three.
    count: Count,
    /// `PATH=TEXT`, `PATH!=TEXT`, `PATH~PART`, `PATH>=NUMBER`, `PATH<=NUMBER`,
    /// `PATH` (is there), `!PATH` (is not there). A path is names with dots
    /// between them, as in `packet.transport.destination`.
    conditions: Vec<Condition>,
    /// Kind of event: `drop`, `trace`, `lost` or `notice`.
    #[arg(long = "type", default_value = "drop")]
    kind: String,
}

/// How many events are expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Count {
    least: usize,
    exact: bool,
}

impl FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, exact) = text.strip_suffix('+').map_or((text, true), |rest| (rest, false));
        let least = number.parse().map_err(|_| "expected a number, or a number and +")?;
        Ok(Self { least, exact })
    }
}

/// What one field of an event has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    path: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Present,
    Absent,
    Equal(String),
    Unequal(String),
    Contains(String),
    AtLeast(i128),
    AtMost(i128),
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (text, absent) = text.strip_prefix('!').map_or((text, false), |rest| (rest, true));
        let in_path = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let (path, rest) = text.split_at(text.find(|c| !in_path(c)).unwrap_or(text.len()));
        let number = |text: &str| text.parse().map_err(|_| format!("{text:?} is not a number"));
        let test = if rest.is_empty() {
            if absent { Test::Absent } else { Test::Present }
        } else if let Some(value) = rest.strip_prefix("!=") {
            Test::Unequal(value.to_owned())
        } else if let Some(value) = rest.strip_prefix(">=") {
            Test::AtLeast(number(value)?)
        } else if let Some(value) = rest.strip_prefix("<=") {
            Test::AtMost(number(value)?)
        } else if let Some(value) = rest.strip_prefix('=') {
            Test::Equal(value.to_owned())
        } else if let Some(value) = rest.strip_prefix('~') {
            Test::Contains(value.to_owned())
        } else {
            return Err(format!("no comparison in {text:?}"));
        };
        if path.is_empty() || (absent && test != Test::Absent) {
            return Err(format!("expected a path in {text:?}"));
        }
        Ok(Self { path: path.to_owned(), test })
    }
}

impl Condition {
    fn holds(&self, event: &Value) -> bool {
        let found = lookup(event, &self.path);
        let text = found.map(as_text);
        let number = text.as_ref().and_then(|text| text.parse::<i128>().ok());
        match &self.test {
            Test::Present => found.is_some(),
            Test::Absent => found.is_none(),
            Test::Equal(wanted) => text.as_ref() == Some(wanted),
            Test::Unequal(other) => text.is_some_and(|text| text != *other),
            Test::Contains(part) => text.is_some_and(|text| text.contains(part)),
            Test::AtLeast(least) => number.is_some_and(|number| number >= *least),
            Test::AtMost(most) => number.is_some_and(|number| number <= *most),
        }
    }
}

fn lookup<'a>(event: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(event, |value, name| match value {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        other => other.get(name),
    })
}

fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Run it.
///
/// # Errors
/// When the count is another one, or a line is not an event.
pub fn run(arguments: &Arguments) -> Result<()> {
    let bytes = fs::read(&arguments.file)
        .with_context(|| format!("cannot read {}", arguments.file.display()))?;
    let text = String::from_utf8(bytes).context("the output is not UTF-8")?;
    let mut events = Vec::new();
    for line in text.lines() {
        let event: Value =
            serde_json::from_str(line).with_context(|| format!("not JSON: {line}"))?;
        serde_json::from_str::<Event>(line).with_context(|| format!("not an event: {line}"))?;
        if event.get("type").and_then(Value::as_str) == Some(&arguments.kind) {
            events.push(event);
        }
    }
    let fits = |event: &&Value| arguments.conditions.iter().all(|test| test.holds(event));
    let found = events.iter().filter(fits).count();
    let Count { least, exact } = arguments.count;
    if found == least || (!exact && found > least) {
        return Ok(());
    }
    bail!(
        "expected {}{least} {} events with {}, found {found} of {}{}",
        if exact { "" } else { "at least " },
        arguments.kind,
        describe(&arguments.conditions),
        events.len(),
        nearest(&events, &arguments.conditions)
    );
}

fn describe(conditions: &[Condition]) -> String {
    if conditions.is_empty() {
        return "anything".to_owned();
    }
    conditions.iter().map(Condition::to_string).collect::<Vec<_>>().join(" ")
}

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = &self.path;
        match &self.test {
            Test::Present => write!(f, "{path}"),
            Test::Absent => write!(f, "!{path}"),
            Test::Equal(value) => write!(f, "{path}={value:?}"),
            Test::Unequal(value) => write!(f, "{path}!={value:?}"),
            Test::Contains(value) => write!(f, "{path}~{value:?}"),
            Test::AtLeast(value) => write!(f, "{path}>={value}"),
            Test::AtMost(value) => write!(f, "{path}<={value}"),
        }
    }
}

/// The events that come closest, with what is wrong with each.
fn nearest(events: &[Value], conditions: &[Condition]) -> String {
    let mut ranked: Vec<(Vec<String>, &Value)> = events
        .iter()
        .map(|event| {
            let wrong = conditions
                .iter()
                .filter(|condition| !condition.holds(event))
                .map(|condition| match lookup(event, &condition.path) {
                    Some(value) => format!("{} is {value}", condition.path),
                    None => format!("no {}", condition.path),
                })
                .collect();
            (wrong, event)
        })
        .collect();
    ranked.sort_by_key(|(wrong, _)| wrong.len());
    let mut text = String::new();
    for (wrong, event) in ranked.iter().take(SHOWN) {
        let why = if wrong.is_empty() { "fits".to_owned() } else { wrong.join(", ") };
        text.push_str(&format!("\n  {why}: {event}"));
    }
    if ranked.len() > SHOWN {
        text.push_str(&format!("\n  and {} more", ranked.len() - SHOWN));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn holds(condition: &str) -> bool {
        let event = json!({
            "cause": {"kind": "nft_rule", "handle": 7, "rule": "tcp dport 10000 drop"},
            "vlan": [{"id": 12}], "priority": -10,
        });
        condition.parse::<Condition>().unwrap().holds(&event)
    }

    #[test]
    fn conditions() {
        for good in [
            "cause.kind=nft_rule",
            "cause.handle=7",
            "cause.handle>=7",
            "cause.handle<=7",
            "cause.handle!=8",
            "cause.rule~dport 10000",
            "vlan.0.id=12",
            "!cause.chain",
            "cause.rule",
            "priority=-10",
            "priority<=-1",
        ] {
            assert!(holds(good), "{good}");
        }
        for bad in [
            "cause.kind=nft",
            "cause.handle=07",
            "cause.handle>=8",
            "cause.chain",
            "!cause.rule",
            "cause.chain!=x",
            "vlan.1.id=12",
            "cause.kind>=1",
        ] {
            assert!(!holds(bad), "{bad}");
        }
        for wrong in ["", "=x", "a?b", "!a=b", "a>=x"] {
            assert!(wrong.parse::<Condition>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn counts() {
        assert_eq!("3".parse(), Ok(Count { least: 3, exact: true }));
        assert_eq!("1+".parse(), Ok(Count { least: 1, exact: false }));
        assert!("+".parse::<Count>().is_err());
    }
}
