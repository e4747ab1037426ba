//! Where the kernel lets no kprobe be.

/// The addresses of `/sys/kernel/debug/kprobes/blacklist`.
#[derive(Debug, Default)]
pub struct Blacklist {
    readable: bool,
    /// First byte, and the one behind the last of this and all before: they may
    /// nest, where a label inside of a function is listed, too.
    ranges: Vec<(u64, u64)>,
}

impl Blacklist {
    /// From lines `0xBEGIN-0xEND\tNAME`; none: it cannot be read.
    pub fn new(text: Option<&str>) -> Self {
        let Some(text) = text else { return Self::default() };
        let hex = |word: &str| u64::from_str_radix(word.trim().strip_prefix("0x")?, 16).ok();
        let range = |line: &str| {
            let (begin, end) = line.split_whitespace().next()?.split_once('-')?;
            Some((hex(begin)?, hex(end)?))
        };
        let mut ranges: Vec<_> = text.lines().filter_map(range).collect();
        ranges.sort_unstable();
        // What is hidden (kptr_restrict) says nothing.
        let shown = ranges.iter().any(|(begin, _)| *begin != 0);
        let mut last = 0;
        for (_, end) in &mut ranges {
            last = last.max(*end);
            *end = last;
        }
        Self { readable: shown || ranges.is_empty(), ranges }
    }

    /// Whether an address is on it; `None`: not known.
    pub fn has(&self, address: u64) -> Option<bool> {
        let begun = &self.ranges[..self.ranges.partition_point(|(begin, _)| *begin <= address)];
        self.readable.then(|| begun.last().is_some_and(|(_, end)| address < *end))
    }
}

#[cfg(test)]
mod tests {
    use super::Blacklist;

    #[test]
    fn ranges() {
        let text = "0x100-0x200\touter\n0x120-0x130\tinner\n0x300-0x300\tlabel\n";
        let list = Blacklist::new(Some(text));
        let has = |address| list.has(address);
        assert_eq!(
            [0x0ff, 0x100, 0x140, 0x200, 0x300].map(has),
            [false, true, true, false, false].map(Some)
        );
        assert_eq!(Blacklist::new(None).has(0x100), None);
        assert_eq!(Blacklist::new(Some("0x0-0x0\thidden\n")).has(0x100), None);
        assert_eq!(Blacklist::new(Some("")).has(0x100), Some(false));
    }
}
