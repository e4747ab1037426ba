//! Which functions the kernel's tracer can stop at: what `fentry` and
//! kprobe-multi need, and most kernels ask of kprobes, too.

use std::collections::HashMap;

use super::symbols::Symbols;

/// What is known of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// Some functions of its name are, and the kernel does not tell which.
    Some,
    /// Nothing: the list cannot be read.
    Nothing,
}

/// The functions with a call to the tracer, by address.
#[derive(Debug, Default)]
pub struct Traceable {
    readable: bool,
    known: HashMap<u64, Known>,
}

impl Traceable {
    /// From `available_filter_functions_addrs` (kernel 6.5 and later) or
    /// `available_filter_functions`, whichever there is.
    pub fn new(addresses: Option<&str>, names: Option<&str>, symbols: &Symbols) -> Self {
        let known = match (addresses, names) {
            _ if symbols.hidden => return Self::default(),
            (Some(text), _) => by_address(text, symbols),
            (None, Some(text)) => by_name(text, symbols),
            (None, None) => return Self::default(),
        };
        Self { readable: true, known }
    }

    /// Whether the tracer can stop at the function that starts here.
    pub fn at(&self, address: u64) -> Known {
        match self.readable {
            true => self.known.get(&address).copied().unwrap_or(Known::No),
            false => Known::Nothing,
        }
    }
}

/// `ADDRESS NAME [MODULE]`
fn by_address(text: &str, symbols: &Symbols) -> HashMap<u64, Known> {
    let call = |line: &str| u64::from_str_radix(line.split_ascii_whitespace().next()?, 16).ok();
    let starts = text.lines().filter_map(call).filter_map(|call| symbols.traced_at(call));
    starts.map(|start| (start, Known::Yes)).collect()
}

/// `NAME [MODULE]`, as often as the name has functions that can be traced.
fn by_name(text: &str, symbols: &Symbols) -> HashMap<u64, Known> {
    let mut times: HashMap<(&str, Option<&str>), usize> = HashMap::new();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let Some(name) = words.next() else { continue };
        let module = words.next().and_then(|m| m.strip_prefix('[')?.strip_suffix(']'));
        *times.entry((name, module)).or_default() += 1;
    }
    let mut known = HashMap::new();
    for ((name, module), times) in times {
        let all = symbols.named(name, module);
        let state = if times >= all.len() { Known::Yes } else { Known::Some };
        for symbol in all {
            // Of several names for one address the kernel lists one.
            let at = known.entry(symbol.address).or_insert(state);
            if state == Known::Yes {
                *at = state;
            }
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::super::symbols::tests::table;
    use super::*;

    const TABLE: &str = "1000 t one\n1000 t alias\n1100 t two\n1200 t two\n1300 t no\n\
                         1400 t one\t[other]\n";

    #[test]
    fn by_what_there_is() {
        let symbols = table(TABLE);
        let names = "one\ntwo\ntwo\none [other]\n";
        let all = Traceable::new(None, Some(names), &symbols);
        for address in [0x1000, 0x1100, 0x1200, 0x1400] {
            assert_eq!(all.at(address), Known::Yes, "{address:x}");
        }
        assert_eq!(all.at(0x1300), Known::No);
        let some = Traceable::new(None, Some("two\n"), &symbols);
        assert_eq!((some.at(0x1100), some.at(0x1000)), (Known::Some, Known::No));
        let exact = Traceable::new(Some("1204 two\n"), Some(names), &symbols);
        assert_eq!((exact.at(0x1100), exact.at(0x1200)), (Known::No, Known::Yes));
        assert_eq!(Traceable::new(None, None, &symbols).at(0x1000), Known::Nothing);
    }
}
