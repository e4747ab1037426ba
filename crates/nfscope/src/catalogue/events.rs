//! Tracepoints: what their records hold, and what their programs are given.

mod printed;

use nfscope_kernel::btf::{Btf, Carrier, Kind};
use serde::Serialize;

use super::{Pattern, Types};
use crate::targets::tracefs;

/// What all records begin with.
const COMMON: &str = "common_";
/// The kernel calls a tracepoint's programs in a function of this name.
const ITERATOR: &str = "__traceiter_";

/// A value that has a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Value {
    /// The value as the kernel writes it.
    pub value: String,
    /// Its name.
    pub name: String,
}

/// A field of a tracepoint's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type in C.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Its first byte in the record.
    pub offset: u32,
    /// Its bytes.
    pub size: u32,
    /// It may be negative.
    pub signed: bool,
    /// The names of its values: those that the kernel prints, else those of its
    /// enum.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Value>,
}

/// A tracepoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracepoint {
    /// Its group in tracefs.
    pub group: String,
    /// Its name there.
    pub name: String,
    /// Its record; `None`: the format cannot be read.
    pub fields: Option<Vec<Field>>,
    /// What BPF programs are given (`tp_btf`, raw tracepoints), in C.
    pub arguments: Option<String>,
    /// The argument that is a packet.
    pub skb: Option<Carrier>,
    /// The argument that is a socket.
    pub sock: Option<Carrier>,
}

impl Tracepoint {
    /// Those that fit one of the patterns as `GROUP:NAME`, in the kernel's order.
    pub fn find(patterns: &[Pattern], types: &Types) -> Vec<Self> {
        let btfs: Vec<&Btf> = types.iter().map(|(_, btf)| btf).collect();
        let wanted = |(group, name): &(String, String)| {
            let whole = format!("{group}:{name}");
            patterns.iter().any(|pattern| pattern.fits(&whole))
        };
        let all = tracefs::tracepoints().into_iter().filter(wanted);
        all.map(|(group, name)| Self::read(group, name, &btfs)).collect()
    }

    fn read(group: String, name: String, btfs: &[&Btf]) -> Self {
        let fields = record(&group, &name, btfs);
        let called = format!("{ITERATOR}{name}");
        let described = btfs.iter().find_map(|btf| Some((*btf, btf.id(&called, Kind::Function)?)));
        // Its first parameter is the tracepoint's own data.
        let own = |carrier: Carrier| {
            let position = carrier.position.checked_sub(1)?;
            Some(Carrier { position, ..carrier })
        };
        let carrier = |name, derived| {
            described.and_then(|(btf, id)| btf.carrier(id, name, derived)).and_then(own)
        };
        Self {
            arguments: described.and_then(|(btf, id)| btf.parameter_text(id, 1)),
            skb: carrier("sk_buff", false),
            sock: carrier("sock", true),
            group,
            name,
            fields,
        }
    }
}

/// The fields of a tracepoint's record; `None`: the format cannot be read.
pub fn record(group: &str, name: &str, btfs: &[&Btf]) -> Option<Vec<Field>> {
    let format = tracefs::read(&format!("events/{group}/{name}/format"))?;
    let mut fields = fields(&format);
    for field in fields.iter_mut().filter(|field| field.values.is_empty()) {
        field.values = enum_values(&field.type_name, btfs).unwrap_or_default();
    }
    Some(fields)
}

fn enum_values(type_name: &str, btfs: &[&Btf]) -> Option<Vec<Value>> {
    let name = type_name.strip_prefix("enum ")?;
    let values = btfs.iter().find_map(|btf| btf.enum_values(name))?;
    let named = values.into_iter().map(|(name, value)| Value { value: value.to_string(), name });
    Some(named.collect())
}

/// The fields of a format, but for those that all records have.
fn fields(format: &str) -> Vec<Field> {
    let mut fields: Vec<Field> =
        format.lines().filter_map(field).filter(|f| !f.name.starts_with(COMMON)).collect();
    if let Some((_, print)) = format.split_once("\nprint fmt:") {
        for (name, values) in printed::values(print) {
            if let Some(field) = fields.iter_mut().find(|field| field.name == name)
                && field.values.is_empty()
            {
                field.values = values;
            }
        }
    }
    fields
}

/// `field:void * skbaddr; offset:8; size:8; signed:0;`
fn field(line: &str) -> Option<Field> {
    let mut parts = line.trim().split(';').map(str::trim);
    let mut part = |key: &str| parts.next().and_then(|part| part.strip_prefix(key));
    let (declared, offset) = (part("field:")?, part("offset:")?.parse().ok()?);
    let (size, signed) = (part("size:")?.parse().ok()?, part("signed:")? == "1");
    // `u8 saddr[4]`; but the brackets of `__data_loc char[] name` are the type's
    let (front, array) = match declared.find('[') {
        Some(at) if declared.ends_with(']') => declared.split_at(at),
        _ => (declared, ""),
    };
    let begin =
        front.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(0, |at| at + 1);
    let (type_name, name) = front.split_at(begin);
    let type_name = format!("{}{array}", type_name.trim_end());
    Some(Field { name: name.into(), type_name, offset, size, signed, values: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format() {
        let format = "name: inet_sock_set_state\nformat:\n\
            \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n\
            \tfield:const void * skaddr;\toffset:8;\tsize:8;\tsigned:0;\n\
            \tfield:int oldstate;\toffset:16;\tsize:4;\tsigned:1;\n\
            \tfield:__u8 saddr[4];\toffset:32;\tsize:4;\tsigned:0;\n\
            \tfield:__data_loc char[] name;\toffset:36;\tsize:4;\tsigned:0;\n\n\
            print fmt: \"oldstate=%s\", __print_symbolic(REC->oldstate, { 1, \"TCP_ESTABLISHED\" }, \
            { 2, \"TCP_SYN_SENT\" })\n";
        let all = fields(format);
        let shown: Vec<_> = all.iter().map(|f| (f.name.as_str(), f.type_name.as_str())).collect();
        let wanted = [
            ("skaddr", "const void *"),
            ("oldstate", "int"),
            ("saddr", "__u8[4]"),
            ("name", "__data_loc char[]"),
        ];
        assert_eq!(shown, wanted);
        assert_eq!((all[1].offset, all[1].size, all[1].signed), (16, 4, true));
        assert_eq!(all[1].values.len(), 2);
        assert_eq!(all[1].values[1], Value { value: "2".into(), name: "TCP_SYN_SENT".into() });
        assert!(fields("field:x;offset:a;size:1;signed:0;\nfield:\n").is_empty());
    }
}
