//! Types as C text, for prototypes.

use super::Btf;
use super::raw::kind;

/// Nesting that is printed before the data is taken for a loop.
const DEPTH: u32 = 16;

impl Btf {
    /// A type as C text: `const struct nft_pktinfo *`, `enum skb_drop_reason`, `u32`. A function
    /// prototype is shown as `fn`, `void` for type 0.
    pub(super) fn type_text(&self, id: u32) -> String {
        let mut out = String::new();
        self.append(id, DEPTH, &mut out);
        out
    }

    fn append(&self, id: u32, depth: u32, out: &mut String) {
        let Some((record, blob)) = (if id == 0 { None } else { self.record(id) }) else {
            out.push_str("void");
            return;
        };
        if depth == 0 {
            out.push('?');
            return;
        }
        let name = self.name(record.name_off);
        let tagged = |word: &str| {
            if name.is_empty() { format!("{word} {{…}}") } else { format!("{word} {name}") }
        };
        match record.kind {
            kind::PTR => {
                self.append(record.size_or_type, depth - 1, out);
                out.push_str(if out.ends_with('*') { "*" } else { " *" });
            }
            kind::CONST | kind::VOLATILE => {
                let word = if record.kind == kind::CONST { "const" } else { "volatile" };
                let mut inner = String::new();
                self.append(record.size_or_type, depth - 1, &mut inner);
                // A qualified pointer carries the word behind the star.
                if inner.ends_with('*') {
                    out.push_str(&format!("{inner} {word}"));
                } else {
                    out.push_str(&format!("{word} {inner}"));
                }
            }
            kind::RESTRICT | kind::TYPE_TAG => self.append(record.size_or_type, depth - 1, out),
            kind::STRUCT => out.push_str(&tagged("struct")),
            kind::UNION => out.push_str(&tagged("union")),
            kind::FWD => out.push_str(&tagged(if record.kind_flag { "union" } else { "struct" })),
            kind::ENUM | kind::ENUM64 => out.push_str(&tagged("enum")),
            kind::ARRAY => {
                self.append(blob.word(record.tail).unwrap_or(0), depth - 1, out);
                out.push_str(&format!("[{}]", blob.word(record.tail + 8).unwrap_or(0)));
            }
            kind::FUNC_PROTO => out.push_str("fn"),
            _ => out.push_str(name),
        }
    }
}
