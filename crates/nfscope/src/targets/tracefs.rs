//! What tracefs tells: tracepoints with their records, functions that can be
//! traced.

use std::collections::HashSet;
use std::path::PathBuf;

/// Where it may be mounted.
const MOUNTS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
/// What a packet is called in records.
const PACKETS: [&str; 2] = ["skbaddr", "skb"];
const REASON: &str = "reason";

/// The path of one of its files, where it is mounted.
pub fn file(path: &str) -> Option<PathBuf> {
    MOUNTS.iter().map(|mount| PathBuf::from(mount).join(path)).find(|path| path.exists())
}

/// The text of one of its files.
pub fn read(path: &str) -> Option<String> {
    file(path).and_then(|path| std::fs::read_to_string(path).ok())
}

/// All tracepoints, by group and name; none where tracefs is not mounted.
pub fn tracepoints() -> Vec<(String, String)> {
    let text = file("available_events").and_then(|path| std::fs::read_to_string(path).ok());
    let text = text.unwrap_or_default();
    let split = |line: &str| line.split_once(':').map(|(c, n)| (c.to_owned(), n.to_owned()));
    text.lines().filter_map(split).collect()
}

/// A name and its module.
pub type Named = (String, Option<String>);

/// The functions that the kernel's tracer can stop at; none where it does not
/// say.
pub fn traceable() -> HashSet<Named> {
    let text =
        file("available_filter_functions").and_then(|path| std::fs::read_to_string(path).ok());
    let named = |line: &str| -> Option<Named> {
        let mut words = line.split_ascii_whitespace();
        let name = words.next()?.to_owned();
        let module = words.next().and_then(|m| m.strip_prefix('[')?.strip_suffix(']'));
        Some((name, module.map(str::to_owned)))
    };
    text.unwrap_or_default().lines().filter_map(named).collect()
}

/// Where a tracepoint's record has the packet and the drop reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fields {
    /// Byte of the packet's address.
    pub skb: Option<u32>,
    /// Byte of the reason's number.
    pub reason: Option<u32>,
}

impl Fields {
    /// Reads a tracepoint's format.
    pub fn read(category: &str, name: &str) -> Self {
        let format = file(&format!("events/{category}/{name}/format"));
        let text = format.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
        Self::parse(&text)
    }

    fn parse(format: &str) -> Self {
        let mut fields = Self::default();
        for line in format.lines() {
            // `	field:void * skbaddr;	offset:8;	size:8;	signed:0;`
            let mut parts = line.trim().split(';').map(str::trim);
            let mut part = |key: &str| parts.next().and_then(|p| p.strip_prefix(key));
            let (Some(field), Some(offset), Some(size)) =
                (part("field:"), part("offset:"), part("size:"))
            else {
                continue;
            };
            let name = field.rsplit([' ', '*']).next().unwrap_or_default();
            let offset = offset.parse().ok();
            if PACKETS.contains(&name) && size == "8" && field.contains('*') {
                fields.skb = fields.skb.or(offset);
            } else if name == REASON && size == "4" && field.contains("skb_drop_reason") {
                fields.reason = offset;
            }
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format() {
        let format = "name: kfree_skb\nformat:\n\
            \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n\
            \tfield:void * skbaddr;\toffset:8;\tsize:8;\tsigned:0;\n\
            \tfield:unsigned short protocol;\toffset:32;\tsize:2;\tsigned:0;\n\
            \tfield:enum skb_drop_reason reason;\toffset:36;\tsize:4;\tsigned:0;\n";
        assert_eq!(Fields::parse(format), Fields { skb: Some(8), reason: Some(36) });
        let other = "\tfield:int reason;\toffset:8;\tsize:4;\tsigned:1;\n";
        assert_eq!(Fields::parse(other), Fields::default());
    }
}
