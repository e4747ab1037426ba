//! `nfscope probe`: fields and conditions of any kernel function, as BPF programs.
//!
//! ```text
//! text -> tokens -> query -> readings and conditions -> instructions
//!         (parse)            (scope: the kernel's types)  (code)
//! ```
//!
//! Nothing here looks at the running kernel: the caller brings its types. The
//! instructions are bodies of two functions, `int stub(void *context, u8 *data)`,
//! that `nfscope_filter::patch` puts into a compiled object.

mod assembler;
pub mod ast;
mod code;
mod condition;
mod decode;
mod error;
mod formats;
mod machine;
pub mod names;
mod parse;
mod plan;
mod scope;
mod style;
#[cfg(test)]
mod tests;
mod tokens;
mod tuple;
mod type_names;
mod types;
mod value;

pub use code::{HEAD, MOST_DATA, MOST_FIELDS};
pub use decode::{Datum, Decoded, decode};
pub use error::Mistake;
pub use machine::Machine;
pub use parse::{parse, parse_field};
pub use plan::{Phase, Source};
pub use scope::{Place, Prototype, RecordField, Scope};
pub use style::{Reading, Style};

use nfscope_filter::Insn;

/// Programs, and what they leave in the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    /// Fields, in the order of the data; behind the first `visible` stand those
    /// that only the condition needs.
    pub readings: Vec<Reading>,
    /// How many were asked for.
    pub visible: usize,
    /// Where each one's data is.
    pub offsets: Vec<u32>,
    /// Bytes of the data.
    pub length: u32,
    /// At the entry, or wherever the probe is.
    pub entry: Vec<Insn>,
    /// At the return.
    pub returns: Vec<Insn>,
}

/// Compiles what is asked for, for one place.
pub fn compile(query: &ast::Query, scope: &Scope<'_>) -> Result<Compiled, Mistake> {
    let mut readings =
        query.fields.iter().map(|field| scope.reading(field)).collect::<Result<Vec<_>, _>>()?;
    let visible = readings.len();
    let asked = match &query.condition {
        Some(condition) => scope.condition(condition, &mut readings)?,
        None => condition::Asked::default(),
    };
    let whole = |text: &str| Mistake::new(0..0, text);
    if readings.len() > MOST_FIELDS {
        return Err(whole(&format!("at most {MOST_FIELDS} fields can be read at a time")));
    }
    let length = code::length(&readings);
    if length > MOST_DATA {
        let text = format!("the fields need {length} bytes; there is room for {MOST_DATA}");
        return Err(whole(&text));
    }
    let long = || whole("this needs too long a program: ask for fewer fields");
    let entry = code::program(&readings, asked.entry.as_ref(), Phase::Entry).ok_or_else(long)?;
    let returns =
        code::program(&readings, asked.returns.as_ref(), Phase::Return).ok_or_else(long)?;
    let offsets = code::offsets(&readings);
    Ok(Compiled { readings, visible, offsets, length, entry, returns })
}
