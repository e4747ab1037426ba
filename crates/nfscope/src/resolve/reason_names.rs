//! Names of drop reasons, from the running kernel: the numbers differ between
//! kernels.

use std::collections::HashMap;

use nfscope_kernel::btf::Btf;

/// What the kernel calls each reason.
#[derive(Debug, Clone, Default)]
pub struct ReasonNames {
    names: HashMap<u32, String>,
    subsystems: HashMap<u32, String>,
    has_reason: bool,
}

const PREFIX: &str = "SKB_DROP_REASON_";
const SUBSYSTEM_PREFIX: &str = "SKB_DROP_REASON_SUBSYS_";
/// `SKB_DROP_REASON_SUBSYS_SHIFT`, `include/net/dropreason.h`
const SUBSYSTEM_SHIFT: u32 = 16;

impl ReasonNames {
    /// Reads them from type information: the core's reasons, those of
    /// subsystems (modules included, if their types are in `btf`), and the
    /// subsystems' own names.
    pub fn read(btf: &Btf, has_reason: bool) -> Self {
        let mut all = Self { has_reason, ..Self::default() };
        for (name, value) in btf.enum_values("skb_drop_reason").unwrap_or_default() {
            all.add(value, name.strip_prefix(PREFIX).unwrap_or(&name));
        }
        for (name, value) in btf.enum_values("skb_drop_reason_subsys").unwrap_or_default() {
            if let (Some(name), Ok(value)) =
                (name.strip_prefix(SUBSYSTEM_PREFIX), u32::try_from(value))
            {
                all.subsystems.insert(value, name.to_lowercase());
            }
        }
        for subsystem in ["mac80211_drop_reason", "ovs_drop_reason"] {
            for (name, value) in btf.enum_values(subsystem).unwrap_or_default() {
                all.add(value, &name);
            }
        }
        all
    }

    fn add(&mut self, value: i64, name: &str) {
        if let Ok(value) = u32::try_from(value) {
            self.names.entry(value).or_insert_with(|| name.to_string());
        }
    }

    /// Whether this kernel tells reasons at all.
    pub fn known(&self) -> bool {
        self.has_reason
    }

    /// The reason's name without the common prefix; a number whose name is not
    /// known as `0x20003 (openvswitch)`.
    pub fn name(&self, reason: u32) -> String {
        if let Some(name) = self.names.get(&reason) {
            return name.clone();
        }
        match self.subsystems.get(&(reason >> SUBSYSTEM_SHIFT)) {
            Some(subsystem) if reason >> SUBSYSTEM_SHIFT != 0 => {
                format!("{reason:#x} ({subsystem})")
            }
            _ => format!("{reason:#x}"),
        }
    }

    /// The number of a reason by its name, with or without the prefix, in any
    /// case.
    pub fn number(&self, name: &str) -> Option<u32> {
        let wanted = name.to_ascii_uppercase();
        let wanted = wanted.strip_prefix(PREFIX).unwrap_or(&wanted);
        self.names.iter().find(|(_, n)| n.to_ascii_uppercase() == wanted).map(|(v, _)| *v)
    }

    /// All names, sorted.
    pub fn all(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.names.values().map(String::as_str).collect();
        names.sort_unstable();
        names
    }
}
