//! Sets with their elements, for questions about one rule.

use std::ops::ControlFlow;

use nfscope_event::Family;

use super::attr::{Attribute, Attributes};
use super::constants as c;
use super::error::Error;
use super::objects::SetInfo;
use super::socket::Socket;
use super::verdict::Verdict;

/// `NFT_SET_ELEM_INTERVAL_END`
const INTERVAL_END: u32 = 1;
/// `NFT_SET_ELEM_CATCHALL`
const CATCHALL: u32 = 2;
/// How many elements of a set are kept, and how many are counted: a set may
/// have millions.
const KEPT: usize = 64;
const COUNTED: usize = 20_000;

/// An element of a set or map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// The key as the kernel compares it.
    pub key: Vec<u8>,
    /// The last key of the range, where the kernel keeps ranges as such.
    pub key_end: Option<Vec<u8>>,
    /// No element, but the first key behind a range.
    pub range_end: bool,
    /// It stands for every key that no other element has.
    pub catchall: bool,
    /// The value of a verdict map.
    pub verdict: Option<Verdict>,
}

/// A set with its elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetContents {
    /// The set.
    pub info: SetInfo,
    /// The first ones, as the kernel lists them.
    pub elements: Vec<Element>,
    /// How many there are: elements, or ranges.
    pub count: usize,
    /// There are more than were counted.
    pub more: bool,
    /// Its elements have limits, counters or the like.
    pub stateful: bool,
}

impl SetContents {
    /// The elements with the last key of their range, if they are ranges.
    pub fn ranges(&self) -> impl Iterator<Item = (&Element, Option<Vec<u8>>)> {
        // The kernel lists trees from either end.
        let mut sorted: Vec<&Element> = self.elements.iter().collect();
        sorted.sort_by(|a, b| {
            (a.catchall, &a.key, a.range_end).cmp(&(b.catchall, &b.key, b.range_end))
        });
        let mut all = Vec::new();
        for (at, element) in sorted.iter().enumerate().filter(|(_, e)| !e.range_end) {
            let end = element.key_end.clone().filter(|end| *end != element.key);
            let interval = self.info.interval && element.key_end.is_none() && !element.catchall;
            let behind = || match sorted[at + 1..].iter().find(|next| !next.catchall) {
                Some(next) => before(&next.key),
                None => vec![0xff; element.key.len()],
            };
            let end = end.or_else(|| interval.then(behind));
            all.push((*element, end.filter(|end| *end != element.key)));
        }
        all.into_iter()
    }
}

/// The key before a key.
fn before(key: &[u8]) -> Vec<u8> {
    let mut key = key.to_vec();
    for byte in key.iter_mut().rev() {
        let borrow = *byte == 0;
        *byte = byte.wrapping_sub(1);
        if !borrow {
            break;
        }
    }
    key
}

fn value(attribute: Attribute<'_>) -> Option<Vec<u8>> {
    Some(attribute.nested().get(c::NFTA_DATA_VALUE)?.payload.to_vec())
}

/// Reads an element; says whether it has expressions.
fn read(all: Attributes<'_>) -> Option<(Element, bool)> {
    let flags = all.get(c::NFTA_SET_ELEM_FLAGS).and_then(Attribute::u32).unwrap_or(0);
    let catchall = flags & CATCHALL != 0;
    let key = all.get(c::NFTA_SET_ELEM_KEY).and_then(value);
    let data = all.get(c::NFTA_SET_ELEM_DATA).map(Attribute::nested);
    let verdict = data.and_then(|data| data.get(c::NFTA_DATA_VERDICT));
    let stateful = [c::NFTA_SET_ELEM_EXPR, c::NFTA_SET_ELEM_EXPRESSIONS];
    let element = Element {
        key: if catchall { key.unwrap_or_default() } else { key? },
        key_end: all.get(c::NFTA_SET_ELEM_KEY_END).and_then(value),
        range_end: flags & INTERVAL_END != 0,
        catchall,
        verdict: verdict.and_then(|verdict| Verdict::read(verdict.nested())),
    };
    Some((element, stateful.iter().any(|kind| all.get(*kind).is_some())))
}

impl Socket {
    /// A set or map with its elements, as it is now. The socket must not be
    /// used for anything else afterwards: what is left of a big set's listing
    /// is not read.
    pub fn set_contents(
        mut self,
        family: Family,
        table: &str,
        name: &str,
    ) -> Result<SetContents, Error> {
        let mut found = None;
        let request = (c::NFT_MSG_GETSET, family.nfproto(), false);
        self.ask(
            request,
            "tell a set",
            |w| {
                w.string(c::NFTA_SET_TABLE, table);
                w.string(c::NFTA_SET_NAME, name);
            },
            |message| {
                let all = message.attributes();
                let stateful = [c::NFTA_SET_EXPR, c::NFTA_SET_EXPRESSIONS];
                let stateful = stateful.iter().any(|kind| all.get(*kind).is_some());
                found = SetInfo::read(message).map(|info| (info, stateful));
            },
        )?;
        let (info, stateful) = found.ok_or(Error::Malformed("a set without a name"))?;
        let mut set = SetContents { info, elements: Vec::new(), count: 0, more: false, stateful };
        // An interrupted listing is still nearly right.
        match self.elements(family, table, name, &mut set) {
            Ok(()) | Err(Error::Interrupted) => Ok(set),
            Err(error) => Err(error),
        }
    }

    fn elements(
        &mut self,
        family: Family,
        table: &str,
        name: &str,
        set: &mut SetContents,
    ) -> Result<(), Error> {
        let request = (c::NFT_MSG_GETSETELEM, family.nfproto(), true);
        self.ask_until(
            request,
            "list a set's elements",
            |w| {
                w.string(c::NFTA_SET_ELEM_LIST_TABLE, table);
                w.string(c::NFTA_SET_ELEM_LIST_SET, name);
            },
            |message| {
                let list = message.attributes().get(c::NFTA_SET_ELEM_LIST_ELEMENTS);
                let list = list.map(Attribute::nested).into_iter().flatten();
                let elements = list.filter(|element| element.kind == c::NFTA_LIST_ELEM);
                for (element, stateful) in elements.filter_map(|e| read(e.nested())) {
                    set.stateful |= stateful;
                    if !element.range_end {
                        if set.count == COUNTED {
                            set.more = true;
                            return ControlFlow::Break(());
                        }
                        set.count += 1;
                    }
                    if set.elements.len() < KEPT {
                        set.elements.push(element);
                    }
                }
                ControlFlow::Continue(())
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(interval: bool, elements: Vec<Element>) -> SetContents {
        let info = SetInfo {
            family: Family::Inet,
            table: "t".into(),
            name: "s".into(),
            anonymous: true,
            key_type: 13,
            key_length: 2,
            interval,
        };
        SetContents { info, elements, count: 0, more: false, stateful: false }
    }

    fn key(port: u16, range_end: bool) -> Element {
        let key = port.to_be_bytes().to_vec();
        Element { key, key_end: None, range_end, catchall: false, verdict: None }
    }

    #[test]
    fn ranges_end_before_the_next_key() {
        let tree = [(0, true), (22, false), (23, true), (80, false), (256, true), (300, false)];
        let set = contents(true, tree.iter().rev().map(|(port, end)| key(*port, *end)).collect());
        let ranges: Vec<_> =
            set.ranges().map(|(element, end)| (element.key.clone(), end)).collect();
        let port = |port: u16| port.to_be_bytes().to_vec();
        assert_eq!(
            ranges,
            [(port(22), None), (port(80), Some(port(255))), (port(300), Some(port(0xffff)))]
        );
    }

    #[test]
    fn single_keys_are_no_ranges() {
        let set = contents(false, vec![key(22, false), key(80, false)]);
        assert!(set.ranges().all(|(_, end)| end.is_none()));
        let concatenated = Element { key_end: Some(vec![0, 90]), ..key(80, false) };
        let set = contents(true, vec![concatenated]);
        assert_eq!(set.ranges().next().unwrap().1, Some(vec![0, 90]));
    }
}
