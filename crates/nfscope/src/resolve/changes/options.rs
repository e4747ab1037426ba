//! Options that set and get tables of iptables-legacy and its like: `struct
//! ipt_replace`, `xt_counters_info`, `ipt_get_entries`, `ebt_replace`
//! (`include/uapi/linux/netfilter_ipv4/ip_tables.h`, `.../netfilter/x_tables.h`,
//! `.../netfilter_bridge/ebtables.h`). All begin with the table's name.

use nfscope_collect::changes::RequestKind;
use nfscope_event::{Family, TableOperation};
use nfscope_ruleset::xtables;

/// `PF_INET6`
const INET6: u32 = 10;
/// `IPT_BASE_CTL`, `ARPT_BASE_CTL`, `EBT_BASE_CTL`
const IPTABLES: i32 = 64;
const ARPTABLES: i32 = 96;
const EBTABLES: i32 = 128;
/// `XT_TABLE_MAXNAMELEN`
const NAME: usize = 32;

/// A table that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its family.
    pub family: Family,
    /// Its name.
    pub name: String,
    /// What is to be done to it, if it is not only read.
    pub operation: TableOperation,
    /// Entries that it has, as the caller knows it, and that it shall have.
    pub entries: (Option<u32>, Option<u32>),
}

impl Table {
    /// The table of an option.
    pub fn of(kind: &RequestKind) -> Option<Self> {
        let (RequestKind::Set { family, option, argument }
        | RequestKind::Get { family, option, argument }) = kind
        else {
            return None;
        };
        let (first, family) = match option & !31 {
            IPTABLES if *family == INET6 => (IPTABLES, Family::Ip6),
            IPTABLES => (IPTABLES, Family::Ip),
            ARPTABLES => (ARPTABLES, Family::Arp),
            EBTABLES => (EBTABLES, Family::Bridge),
            _ => return None,
        };
        let name = argument.get(..NAME)?;
        let end = name.iter().position(|byte| *byte == 0).unwrap_or(NAME);
        let name = String::from_utf8_lossy(&name[..end]).into_owned();
        let number = |at: usize| {
            let bytes = argument.get(at..at + 4)?;
            bytes.try_into().ok().map(u32::from_ne_bytes)
        };
        let replaces = *option == first;
        let entries = match family {
            _ if !replaces => (None, None),
            // hooks are three, not five
            Family::Arp => (number(68), number(36)),
            // num_counters stands behind what is kept
            Family::Bridge => (None, number(36)),
            _ => (number(84), number(36)),
        };
        let operation =
            if replaces { TableOperation::Replace } else { TableOperation::AddCounters };
        Some(Self { family, name, operation, entries })
    }

    /// The program whose tables these are.
    pub fn program(&self) -> &'static str {
        match self.family {
            Family::Ip6 => "ip6tables",
            Family::Arp => "arptables",
            Family::Bridge => "ebtables",
            _ => "iptables",
        }
    }

    /// The family as tables are read by; none of ebtables.
    pub fn readable(&self) -> Option<xtables::Family> {
        match self.family {
            Family::Ip => Some(xtables::Family::Ipv4),
            Family::Ip6 => Some(xtables::Family::Ipv6),
            Family::Arp => Some(xtables::Family::Arp),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_an_option() {
        let mut argument = vec![0; 96];
        argument[..6].copy_from_slice(b"filter");
        argument[36..40].copy_from_slice(&7u32.to_ne_bytes());
        argument[84..88].copy_from_slice(&4u32.to_ne_bytes());
        argument[68..72].copy_from_slice(&3u32.to_ne_bytes());
        let set = |family, option| {
            let argument = argument.clone();
            Table::of(&RequestKind::Set { family, option, argument }).unwrap()
        };
        let replaced = set(2, 64);
        assert_eq!((replaced.name.as_str(), replaced.entries), ("filter", (Some(4), Some(7))));
        assert_eq!(replaced.operation, TableOperation::Replace);
        assert_eq!(set(10, 65).operation, TableOperation::AddCounters);
        assert_eq!((set(10, 64).family, set(2, 128).family), (Family::Ip6, Family::Bridge));
        assert_eq!(set(2, 96).entries, (Some(3), Some(7)));
        let short = RequestKind::Set { family: 2, option: 64, argument: Vec::new() };
        assert_eq!(Table::of(&short), None);
    }
}
