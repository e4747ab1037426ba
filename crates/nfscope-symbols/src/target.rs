//! What somebody asks for.

/// A place in code, as people and kernels write it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// `0xffffffff81a2b3cf`, `ffffffff81a2b3cf`, `[<ffffffff81a2b3cf>]`
    Address(u64),
    /// `nf_hook_slow+0x3f/0xc0`, `nf_hook_slow+63`, `nf_tables:nft_do_chain+0x1a8`,
    /// `nft_do_chain+0x1a8/0x5e0 [nf_tables]`
    Symbol {
        /// The module, where one is named.
        module: Option<String>,
        /// The function.
        name: String,
        /// Bytes from its start.
        offset: u64,
        /// Its size, where it is told.
        size: Option<u64>,
    },
    /// `.text+0x1a8`, `nf_tables:.text+0x1a8`
    Section {
        /// The module, where one is named.
        module: Option<String>,
        /// The section.
        name: String,
        /// Bytes from its start.
        offset: u64,
    },
}

impl Target {
    /// Reads one; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (place, behind) = match text.split_once(char::is_whitespace) {
            Some((place, behind)) => (place, Some(in_brackets(behind.trim())?)),
            None => (text, None),
        };
        let bare = place.trim_start_matches("[<").trim_end_matches(">]");
        if behind.is_none()
            && let Some(address) = address(bare)
        {
            return Some(Self::Address(address));
        }
        let (module, symbol) = match place.split_once(':') {
            Some((module, symbol)) => (Some(module), symbol),
            None => (behind, place),
        };
        if module.is_some_and(|module| !is_module(module)) {
            return None;
        }
        let module = module.filter(|name| *name != "vmlinux").map(str::to_owned);
        let (name, offset, size) = match symbol.rsplit_once('+') {
            None => (symbol, 0, None),
            Some((name, numbers)) => match numbers.split_once('/') {
                None => (name, number(numbers)?, None),
                Some((offset, size)) => (name, number(offset)?, Some(number(size)?)),
            },
        };
        if !is_symbol(name) {
            return None;
        }
        let name = name.to_owned();
        // the compiler's names have a dot inside, sections' names have it in front
        Some(if name.starts_with('.') {
            Self::Section { module, name, offset }
        } else {
            Self::Symbol { module, name, offset, size }
        })
    }

    /// The module that is named.
    pub fn module(&self) -> Option<&str> {
        match self {
            Self::Address(_) => None,
            Self::Symbol { module, .. } | Self::Section { module, .. } => module.as_deref(),
        }
    }
}

/// The module in `[nf_tables]`, `[nf_tables 0123abcd…]` (with its build id), `([nf_tables])`.
fn in_brackets(text: &str) -> Option<&str> {
    let text = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')).unwrap_or(text);
    let inside = text.strip_prefix('[')?.strip_suffix(']')?;
    let name = inside.split_whitespace().next()?;
    // what perf calls the kernel itself
    Some(if name == "kernel.kallsyms" { "vmlinux" } else { name })
}

fn is_module(name: &str) -> bool {
    !name.is_empty()
        && name.len() < 64
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

fn is_symbol(name: &str) -> bool {
    let first = name.bytes().next();
    first.is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'.' | b'$'))
        && name.len() < 512
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'$' | b'@'))
}

/// A number: hexadecimal with `0x`, else decimal.
fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => hexadecimal(digits),
        None => text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten(),
    }
}

fn hexadecimal(digits: &str) -> Option<u64> {
    let plain = digits.bytes().all(|b| b.is_ascii_hexdigit());
    plain.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

/// An address: with `0x`, or all sixteen digits of a 64-bit one.
fn address(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => hexadecimal(digits),
        None => (text.len() == 16).then(|| hexadecimal(text)).flatten(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn symbol(module: Option<&str>, name: &str, offset: u64, size: Option<u64>) -> Option<Target> {
        let (module, name) = (module.map(str::to_owned), name.to_owned());
        Some(Target::Symbol { module, name, offset, size })
    }

    #[test]
    fn every_way_to_write_it() {
        let parse = Target::parse;
        let table = Some("nf_tables");
        assert_eq!(parse("nf_hook_slow"), symbol(None, "nf_hook_slow", 0, None));
        assert_eq!(parse("nf_hook_slow+0x3f"), symbol(None, "nf_hook_slow", 0x3f, None));
        assert_eq!(parse("nf_hook_slow+63/396"), symbol(None, "nf_hook_slow", 63, Some(396)));
        assert_eq!(
            parse("nf_tables:nft_do_chain+0x1a8"),
            symbol(table, "nft_do_chain", 0x1a8, None)
        );
        let shown = symbol(table, "nft_do_chain", 0x1a8, Some(0x5e0));
        assert_eq!(parse("nft_do_chain+0x1a8/0x5e0 [nf_tables]"), shown);
        assert_eq!(parse("nft_do_chain+0x1a8/0x5e0 [nf_tables 0123456789abcdef]"), shown);
        assert_eq!(parse("nft_do_chain+0x1a8/0x5e0 ([nf_tables])"), shown);
        assert_eq!(parse("ip_rcv+0x1 ([kernel.kallsyms])"), symbol(None, "ip_rcv", 1, None));
        assert_eq!(parse("do_one.isra.0+0x1/0x2"), symbol(None, "do_one.isra.0", 1, Some(2)));
        assert_eq!(parse("0xffffffff81000000"), Some(Target::Address(0xffff_ffff_8100_0000)));
        assert_eq!(parse("ffffffff81000000"), Some(Target::Address(0xffff_ffff_8100_0000)));
        assert_eq!(parse("[<ffffffff81000000>]"), Some(Target::Address(0xffff_ffff_8100_0000)));
        let section = |module: Option<&str>| {
            let (module, name) = (module.map(str::to_owned), ".text".to_owned());
            Some(Target::Section { module, name, offset: 16 })
        };
        assert_eq!(parse(".text+16"), section(None));
        assert_eq!(parse("nf_tables:.text+0x10"), section(Some("nf_tables")));
    }

    #[test]
    fn what_is_none() {
        for text in [
            "",
            " ",
            "+0x3",
            "a+",
            "a+0x",
            "a+-1",
            "a+1/",
            "a+0x10000000000000000",
            "a:b:c",
            "a b",
            "1+1",
            "a+1 [",
            "x\u{202e}y+1",
            "a+ff",
            "+1",
            "a/b+1",
        ] {
            assert_eq!(Target::parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,64}") {
            let _ = Target::parse(&text);
        }
    }
}
