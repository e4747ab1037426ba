//! Functions and tracepoints as text and as JSON.

use std::collections::BTreeMap;
use std::io::{self, Write};

use nfscope_kernel::btf::{Carrier, Parameter};
use serde::Serialize;

use crate::catalogue::events::{Field, Tracepoint, Value};
use crate::catalogue::{Answer, Function};
use crate::sinks::{escape, json_line};

/// A parameter.
#[derive(Serialize)]
struct Argument {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(rename = "type")]
    type_name: String,
}

/// An argument that is a packet or a socket.
#[derive(Serialize)]
struct Carries<'a> {
    argument: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    by_number: bool,
}

impl Carries<'_> {
    /// `skb: argument 0 (skb)`
    fn text(&self, what: &str) -> String {
        let name = self.name.map(|name| format!(" ({name})")).unwrap_or_default();
        format!("{what}: argument {}{name}", self.argument)
    }
}

#[derive(Serialize)]
struct FunctionLine<'a> {
    r#type: &'static str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    module: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    returns: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<Vec<Argument>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    type_of_one_of: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skb: Option<Carries<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sock: Option<Carries<'a>>,
    probes: Vec<&'static str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    not: BTreeMap<&'static str, &'static str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    unknown: BTreeMap<&'static str, &'static str>,
}

impl<'a> FunctionLine<'a> {
    fn new(function: &'a Function, json: bool) -> Self {
        let carries = |Carrier { position, by_number }| Carries {
            argument: position,
            name: function.parameter_name(position),
            by_number,
        };
        let argument = |p: Parameter| Argument { name: p.name, type_name: p.type_name };
        // What text shows is in the signature.
        let parameters = json.then(|| function.parameters()).flatten();
        let mut line = Self {
            r#type: "function",
            name: function.name,
            module: function.module,
            address: function.address.map(|address| format!("{address:#x}")),
            signature: function.signature(),
            returns: json.then(|| function.returned()).flatten(),
            type_of_one_of: function.shared_type(),
            skb: function.skb().map(carries),
            sock: function.sock().map(carries),
            arguments: parameters.map(|all| all.into_iter().map(argument).collect()),
            probes: Vec::new(),
            not: BTreeMap::new(),
            unknown: BTreeMap::new(),
        };
        for (way, answer) in function.probes.named() {
            match answer {
                Answer::Yes => line.probes.push(way),
                Answer::No(why) => _ = line.not.insert(way, why),
                Answer::Unknown(why) => _ = line.unknown.insert(way, why),
            }
        }
        line
    }

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "{}", escape(self.name))?;
        if let Some(module) = self.module {
            write!(out, " [{}]", escape(module))?;
        }
        let ways: Vec<&str> =
            self.probes.iter().map(|way| if *way == "offset" { "+offset" } else { way }).collect();
        let ways = if ways.is_empty() { "not to be probed".to_owned() } else { ways.join(", ") };
        write!(out, ": {ways}")?;
        for (what, carries) in [("skb", &self.skb), ("sock", &self.sock)] {
            if let Some(carries) = carries {
                write!(out, "; {}", escape(&carries.text(what)))?;
            }
        }
        writeln!(out)?;
        if let Some(signature) = &self.signature {
            writeln!(out, "    {}", escape(signature))?;
        }
        if let Some(times) = self.type_of_one_of {
            writeln!(out, "    (the type is that of one of {times} functions of this name)")?;
        }
        self.reasons(out, "not", &self.not)?;
        self.reasons(out, "unknown:", &self.unknown)
    }

    /// A line for each reason, with all that it holds for.
    fn reasons(
        &self,
        out: &mut dyn Write,
        word: &str,
        reasons: &BTreeMap<&str, &'static str>,
    ) -> io::Result<()> {
        let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        reasons.iter().for_each(|(way, why)| by_reason.entry(why).or_default().push(way));
        by_reason
            .iter()
            .try_for_each(|(why, ways)| writeln!(out, "    {word} {}: {why}", ways.join(", ")))
    }
}

/// Prints a function.
///
/// # Errors
/// What the writer says.
pub fn function(out: &mut dyn Write, function: &Function, json: bool) -> io::Result<()> {
    let line = FunctionLine::new(function, json);
    if json { json_line(out, &line) } else { line.text(out) }
}

#[derive(Serialize)]
struct TracepointLine<'a> {
    r#type: &'static str,
    group: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skb: Option<Carries<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sock: Option<Carries<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<&'a [Field]>,
}

/// Prints a tracepoint.
///
/// # Errors
/// What the writer says.
pub fn tracepoint(out: &mut dyn Write, tracepoint: &Tracepoint, json: bool) -> io::Result<()> {
    let carries =
        |Carrier { position, by_number }| Carries { argument: position, name: None, by_number };
    let line = TracepointLine {
        r#type: "tracepoint",
        group: &tracepoint.group,
        name: &tracepoint.name,
        arguments: tracepoint.arguments.as_deref(),
        skb: tracepoint.skb.map(carries),
        sock: tracepoint.sock.map(carries),
        fields: tracepoint.fields.as_deref(),
    };
    if json {
        return json_line(out, &line);
    }
    write!(out, "{}:{}", escape(line.group), escape(line.name))?;
    if let Some(arguments) = line.arguments {
        write!(out, "({})", escape(arguments))?;
    }
    for (what, carries) in [("skb", &line.skb), ("sock", &line.sock)] {
        if let Some(carries) = carries {
            write!(out, "; {}", carries.text(what))?;
        }
    }
    writeln!(out)?;
    let Some(fields) = line.fields else {
        return writeln!(out, "    the record's format cannot be read");
    };
    for Field { name, type_name, offset, size, values, .. } in fields {
        writeln!(
            out,
            "    {:<24} {} (byte {offset}, {size} bytes)",
            escape(name),
            escape(type_name)
        )?;
        for Value { value, name } in values {
            writeln!(out, "        {} {}", escape(value), escape(name))?;
        }
    }
    Ok(())
}
