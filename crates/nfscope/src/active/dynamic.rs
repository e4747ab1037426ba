//! Events of tracefs: those that somebody defined, and those that are switched on.

use std::path::Path;

use serde::Serialize;

use super::{Kprobe, Owner};
use crate::targets::tracefs;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Its group.
    pub group: String,
    /// Its name.
    pub name: String,
    /// How it was defined, if somebody did: `p:kprobes/mine ip_rcv`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    /// Whether it is on, in tracefs.
    pub enabled: bool,
    /// The instance of tracefs that it is switched on in; none: the main one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
}

impl Event {
    /// Reads what tracefs lists; `None`: it cannot be read.
    pub fn read() -> Option<Vec<Self>> {
        let defined = match tracefs::read("dynamic_events") {
            Some(text) => text,
            None => {
                let (kprobes, uprobes) =
                    (tracefs::read("kprobe_events"), tracefs::read("uprobe_events"));
                if kprobes.is_none() && uprobes.is_none() {
                    return None;
                }
                kprobes.unwrap_or_default() + &uprobes.unwrap_or_default()
            }
        };
        let mut all: Vec<Self> = defined.lines().filter_map(Self::defined).collect();
        for event in &mut all {
            let switch = format!("events/{}/{}/enable", event.group, event.name);
            event.enabled = tracefs::read(&switch).is_some_and(|text| text.starts_with('1'));
        }
        let mut on = |set: &str, instance: Option<&str>| {
            for line in set.lines() {
                let Some((group, name)) = line.split_once(':') else { continue };
                let known = |e: &Self| e.group == group && e.name == name && e.enabled;
                if instance.is_some() || !all.iter().any(known) {
                    all.push(Self {
                        group: group.to_owned(),
                        name: name.to_owned(),
                        definition: None,
                        enabled: true,
                        instance: instance.map(str::to_owned),
                    });
                }
            }
        };
        on(&tracefs::read("set_event").unwrap_or_default(), None);
        let instances = tracefs::file("instances").and_then(|path| std::fs::read_dir(path).ok());
        for instance in instances.into_iter().flatten().flatten() {
            let set = std::fs::read_to_string(Path::new(&instance.path()).join("set_event"));
            on(&set.unwrap_or_default(), instance.file_name().to_str());
        }
        Some(all)
    }

    /// Reads `p:kprobes/mine ip_rcv`, `r16:GROUP/NAME …`, `e:…`, `s:…`.
    fn defined(line: &str) -> Option<Self> {
        let (kind, rest) = line.split_once(':')?;
        let whole = rest.split_ascii_whitespace().next()?;
        let (group, name) = match whole.split_once('/') {
            Some((group, name)) => (group, name),
            None if kind == "s" => ("synthetic", whole),
            None => return None,
        };
        Some(Self {
            group: group.to_owned(),
            name: name.to_owned(),
            definition: Some(line.to_owned()),
            enabled: false,
            instance: None,
        })
    }

    /// Whether a kprobe may be its own.
    pub(super) fn is_at(&self, kprobe: &Kprobe) -> bool {
        let Some(definition) = &self.definition else { return false };
        let mut words = definition.split_ascii_whitespace();
        let returns = definition.starts_with('r');
        let (Some(head), Some(place)) = (words.next(), words.next()) else { return false };
        if !head.starts_with(['p', 'r']) || returns != kprobe.returns {
            return false;
        }
        // `nf_tables:nft_do_chain+4`
        let place = place.split_once(':').map_or(place, |(_, place)| place);
        let (function, offset) = place.split_once('+').unwrap_or((place, "0"));
        let offset = match offset.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).ok(),
            None => offset.parse().ok(),
        };
        function == kprobe.function
            && (offset == Some(kprobe.offset) || offset == Some(0) && kprobe.at_entry())
    }

    /// As an owner.
    pub(super) fn owner(&self) -> Owner {
        Owner::Event { name: format!("{}:{}", self.group, self.name) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions() {
        let defined = |line| Event::defined(line).unwrap();
        let mine = defined("p:kprobes/mine nf_tables:nft_do_chain+0x4 a=%di");
        assert_eq!((mine.group.as_str(), mine.name.as_str()), ("kprobes", "mine"));
        let kprobe = |line| Kprobe::parse(line).unwrap();
        assert!(mine.is_at(&kprobe("1  k  nft_do_chain+0x4  nf_tables [FTRACE]")));
        assert!(!mine.is_at(&kprobe("1  r  nft_do_chain+0x4  nf_tables [FTRACE]")));
        let returns = defined("r16:kprobes/back ip_rcv");
        assert!(returns.is_at(&kprobe("1  r  ip_rcv+0x4    [FTRACE]")));
        assert!(!returns.is_at(&kprobe("1  r  ip_rcv_core+0x4    [FTRACE]")));
        assert_eq!(defined("s:wakeup u64 delta").group, "synthetic");
        assert_eq!(Event::defined("nothing"), None);
    }
}
