//! The structs that x_tables shares with user space, as offsets
//! (`include/uapi/linux/netfilter_ipv4/ip_tables.h`,
//! `include/uapi/linux/netfilter_ipv6/ip6_tables.h`,
//! `include/uapi/linux/netfilter_arp/arp_tables.h`,
//! `include/uapi/linux/netfilter/x_tables.h`, on 64-bit machines):
//! ```text
//! ipt_entry    src@0 dst@4 smsk@8 dmsk@12 iniface@16 outiface@32 iniface_mask@48 outiface_mask@64
//!              proto:u16@80 flags:u8@82 invflags:u8@83 nfcache@84 target_offset:u16@88 next_offset:u16@90
//!              comefrom@92 counters@96 elems@112
//! ip6t_entry   src@0 dst@16 smsk@32 dmsk@48 iniface@64 outiface@80 iniface_mask@96 outiface_mask@112
//!              proto:u16@128 tos:u8@130 flags:u8@131 invflags:u8@132 nfcache@136 target_offset:u16@140
//!              next_offset:u16@142 comefrom@144 counters@152 elems@168
//! arpt_entry   src@0 tgt@4 smsk@8 tmsk@12 arhln:u8@16 arhln_mask@17 src_devaddr@18 tgt_devaddr@50 (16 bytes
//!              and a mask each) arpop:be16@82 mask@84 arhrd@86 mask@88 arpro@90 mask@92 iniface@94
//!              outiface@110 iniface_mask@126 outiface_mask@142 flags:u8@158 invflags:u16@160
//!              target_offset:u16@164 next_offset:u16@166 comefrom@168 counters@176 elems@192
//! match/target size:u16@0 name@2 (29 bytes) revision:u8@31 data@32
//! getinfo      name@0 (32 bytes) valid_hooks@32 hook_entry[5]@36 underflow[5]@56 num_entries@76 size@80
//! get_entries  name@0 size@32 entries@40
//! replace      name@0 valid_hooks@32 num_entries@36 size@40 hook_entry[5]@44 underflow[5]@64
//!              num_counters@84 counters@88 entries@96
//! ```
//! The tables of ARP have three hooks, not five: what stands behind the arrays
//! of hooks begins sixteen bytes earlier.

/// `NF_INET_NUMHOOKS` of the table functions; [`Family::hooks`] has the family's.
pub(super) const HOOKS: usize = 5;
/// `XT_TABLE_MAXNAMELEN`
pub(super) const TABLE_NAME: usize = 32;
/// `XT_EXTENSION_MAXNAMELEN`
pub(super) const EXTENSION_NAME: usize = 29;
/// `sizeof(struct xt_entry_match)`, `sizeof(struct xt_entry_target)`
pub(super) const EXTENSION: usize = 32;
/// `offsetof(struct ipt_get_entries, entrytable)`
pub(super) const ENTRIES: usize = 40;
/// `sizeof(struct xt_counters)`
pub(super) const COUNTERS: usize = 16;
/// Interface names and masks.
pub(super) const INTERFACE: usize = 16;

/// `IPT_SO_GET_INFO` from the family's first option on
pub(super) const GET_INFO: i32 = 0;
/// `IPT_SO_GET_ENTRIES`
pub(super) const GET_ENTRIES: i32 = 1;
/// `IPT_SO_SET_REPLACE`
pub(super) const SET_REPLACE: i32 = 0;

/// `XT_RETURN`: `-NF_REPEAT - 1`
pub(super) const RETURN: i32 = -5;

/// Bits of `invflags`, the same for both families.
pub(super) mod inverted {
    pub const INPUT: u8 = 1;
    pub const OUTPUT: u8 = 2;
    pub const SOURCE: u8 = 8;
    pub const DESTINATION: u8 = 16;
    pub const FRAGMENT: u8 = 32;
    pub const PROTOCOL: u8 = 64;
}

/// A family that has tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// iptables
    Ipv4,
    /// ip6tables
    Ipv6,
    /// arptables
    Arp,
    /// ebtables, whose structs are others (`bridge.rs`)
    Bridge,
}

/// Where the parts of a family's entry are.
#[derive(Debug, Clone, Copy)]
pub(super) struct EntryLayout {
    /// Bytes of an address.
    pub address: usize,
    pub input: usize,
    pub protocol: usize,
    pub flags: usize,
    pub inverted: usize,
    /// The flag that says that a jump does not come back; 0: there is none.
    pub goto: u8,
    /// The flag for fragments behind the first.
    pub fragment: Option<u8>,
    pub target_offset: usize,
    pub next_offset: usize,
    pub counters: usize,
    pub size: usize,
}

impl Family {
    /// All whose tables can be listed: of ebtables a namespace only tells those that it is
    /// asked for, and makes them for that.
    pub const ALL: [Self; 3] = [Self::Ipv4, Self::Ipv6, Self::Arp];

    /// The built-in chains, by hook number (`NF_INET_*`, `NF_ARP_*`).
    pub(super) fn built_in(self) -> &'static [&'static str] {
        match self {
            Self::Ipv4 | Self::Ipv6 => &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
            Self::Arp => &["INPUT", "OUTPUT", "FORWARD"],
            Self::Bridge => {
                &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING", "BROUTING"]
            }
        }
    }

    /// How many hooks there are (`NF_INET_NUMHOOKS`, `NF_ARP_NUMHOOKS`).
    pub(super) fn hooks(self) -> usize {
        self.built_in().len()
    }

    /// `sizeof(struct ipt_getinfo)`, `sizeof(struct arpt_getinfo)`
    pub(super) fn info_size(self) -> usize {
        44 + 8 * self.hooks()
    }

    /// Level and first option of the family's questions (`IPT_BASE_CTL`,
    /// `ARPT_BASE_CTL`, `EBT_BASE_CTL`).
    pub(super) fn options(self) -> (i32, i32) {
        match self {
            Self::Ipv4 => (libc::IPPROTO_IP, 64),
            Self::Ipv6 => (libc::IPPROTO_IPV6, 64),
            Self::Arp => (libc::IPPROTO_IP, 96),
            Self::Bridge => (libc::IPPROTO_IP, 128),
        }
    }

    pub(super) fn layout(self) -> EntryLayout {
        match self {
            Self::Ipv4 => EntryLayout {
                address: 4,
                input: 16,
                protocol: 80,
                flags: 82,
                inverted: 83,
                goto: 2,
                fragment: Some(1),
                target_offset: 88,
                next_offset: 90,
                counters: 96,
                size: 112,
            },
            Self::Ipv6 => EntryLayout {
                address: 16,
                input: 64,
                protocol: 128,
                flags: 131,
                inverted: 132,
                goto: 4,
                fragment: None,
                target_offset: 140,
                next_offset: 142,
                counters: 152,
                size: 168,
            },
            Self::Arp => EntryLayout {
                address: 4,
                input: 94,
                protocol: 90,
                flags: 158,
                inverted: 160,
                goto: 0,
                fragment: None,
                target_offset: 164,
                next_offset: 166,
                counters: 176,
                size: 192,
            },
            Self::Bridge => EntryLayout {
                address: 0,
                input: 10,
                protocol: 8,
                flags: 0,
                inverted: 4,
                goto: 0,
                fragment: None,
                target_offset: 104,
                next_offset: 108,
                // they stand elsewhere
                counters: 112,
                size: 112,
            },
        }
    }

    /// The file that lists a namespace's tables, if there is one.
    pub(super) fn names_file(self) -> Option<&'static str> {
        match self {
            Self::Ipv4 => Some("/proc/thread-self/net/ip_tables_names"),
            Self::Ipv6 => Some("/proc/thread-self/net/ip6_tables_names"),
            Self::Arp => Some("/proc/thread-self/net/arp_tables_names"),
            Self::Bridge => None,
        }
    }

    /// The program that prints a table, by its two names; the second may be
    /// that of iptables-nft. arptables-legacy-save prints what the program
    /// `arptables` lists, which may be that of nftables.
    pub(super) fn save_programs(self) -> [&'static str; 2] {
        match self {
            Self::Ipv4 => ["iptables-legacy-save", "iptables-save"],
            Self::Ipv6 => ["ip6tables-legacy-save", "ip6tables-save"],
            Self::Arp => ["arptables-legacy", "arptables"],
            Self::Bridge => ["ebtables-legacy", "ebtables"],
        }
    }
}

/// The `u16` at an offset.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

/// The `u32` at an offset.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// The text in a field of so many bytes, up to its end mark.
pub(super) fn name_at(bytes: &[u8], at: usize, len: usize) -> Option<String> {
    let field = bytes.get(at..at.checked_add(len)?)?;
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(len);
    Some(String::from_utf8_lossy(&field[..end]).into_owned())
}
