//! The programs' settings, as `struct config` of `resets.h` lays them out.

use nfscope_kernel::btf::Btf;

use super::functions::{argument, find, is_packet, is_reason};
use crate::drop::NftOffsets;
use crate::nft::ValueAt;

/// Where values are at the entries of the kernel's own functions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Arguments {
    /// In the order of `resets.h`, up to `accepted_skb`.
    values: [ValueAt; 7],
}

impl Arguments {
    /// Reads them from the kernel's types.
    pub fn read(btf: &Btf) -> Self {
        let reason = |function| find(btf, function, |_, kind| is_reason(kind));
        let skb = |function| find(btf, function, |_, kind| is_packet(kind));
        Self {
            values: [
                reason("tcp_v4_send_reset"),
                reason("tcp_v6_send_reset"),
                reason("tcp_send_active_reset"),
                skb("ip_send_unicast_reply"),
                find(btf, "ip_send_unicast_reply", |_, kind| kind.contains("ip_reply_arg")),
                find(btf, "tcp_v6_send_response", |name, _| name == "rst"),
                skb("tcp_reset"),
            ],
        }
    }

    /// What is answered over IPv4 cannot be told without these.
    pub fn knows_v4(&self) -> bool {
        self.values[3] != ValueAt::None && self.values[4] != ValueAt::None
    }

    /// The same over IPv6.
    pub fn knows_v6(&self) -> bool {
        self.values[5] != ValueAt::None
    }
}

/// Where values are at the entries of modules' functions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ModuleArguments {
    /// `invalid_format`, `invalid_first`, `reject_skb`, `eval_rule`, `eval_chain`.
    pub values: [ValueAt; 5],
}

impl ModuleArguments {
    /// conntrack's. 5.10 tells no types of modules: (skb, ct, fmt, …) there.
    pub fn conntrack(conntrack: Option<&Btf>) -> [ValueAt; 2] {
        let parameters = conntrack.and_then(|btf| btf.func_params("nf_ct_l4proto_log_invalid"));
        let format = parameters
            .map_or(2, |all| all.iter().position(|(name, _)| name == "fmt").unwrap_or(all.len()));
        [argument(format), argument(format + 1)]
    }
}

/// `struct config`: constant once the programs are loaded.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Only this device's name, NUL-padded.
    pub only_device: Option<[u8; 16]>,
    /// Of the kernel's functions.
    pub arguments: Arguments,
    /// Of modules' functions.
    pub modules: ModuleArguments,
    /// Layouts.
    pub nft: NftOffsets,
    /// Only this namespace.
    pub only_netns: Option<u32>,
    /// A filter is in the program: bytes that it looks at.
    pub filter: Option<u32>,
    /// Whether process context can be told from softirq.
    pub context_known: bool,
}

impl Config {
    /// The bytes of `struct config`.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        out.extend_from_slice(&self.only_device.unwrap_or_default());
        let values = self.arguments.values.iter().chain(&self.modules.values);
        let words = values.flat_map(|value| value.words()).chain(self.nft.fields);
        let flags = [
            self.only_netns.unwrap_or(0),
            u32::from(self.only_device.is_some()),
            u32::from(self.filter.is_some()),
            self.filter.unwrap_or(0),
            u32::from(self.context_known),
        ];
        out.extend(words.chain(flags).flat_map(u32::to_ne_bytes));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object;

    #[test]
    fn programs_expect_these_settings() {
        let settings = Config::default().bytes();
        assert!(object::takes(object::compiled!("resets"), &settings));
        assert!(object::takes(object::compiled!("netfilter"), &settings));
        assert!(!object::takes(object::compiled!("resets"), &settings[..settings.len() - 4]));
    }
}
