//! Which argument of a function is the packet, and which the drop reason.

use std::collections::HashMap;

use nfscope_collect::stacks::Argument;
use nfscope_kernel::btf::Btf;

use super::Function;

/// What the kernel calls them.
const PACKET: &str = "sk_buff";
const REASON: &str = "enum skb_drop_reason";

/// What is to be known of a target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The packet: without it the target is of no use.
    pub skb: bool,
    /// The drop reason.
    pub reason: bool,
}

/// Arguments of functions, by the kernel's type information.
pub struct Arguments<'a> {
    kernel: &'a Btf,
    modules: Vec<(String, Btf)>,
    /// By module and name; `None`: several functions have the name.
    packets: HashMap<(Option<String>, String), Option<u32>>,
}

impl<'a> Arguments<'a> {
    /// Reads what is wanted.
    pub fn read(kernel: &'a Btf, wanted: Wanted) -> Self {
        let kernel = kernel.kernel();
        let any = wanted.skb || wanted.reason;
        let modules = if any { kernel.modules() } else { Vec::new() };
        let mut all = Self { kernel, modules, packets: HashMap::new() };
        if wanted.skb {
            let modules = all.modules.iter().map(|(name, btf)| (Some(name.clone()), btf));
            for (module, btf) in std::iter::once((None, kernel)).chain(modules) {
                for taking in btf.functions_taking(PACKET) {
                    let position = (taking.position < Argument::NUMBERS).then_some(taking.position);
                    all.packets
                        .entry((module.clone(), taking.name))
                        .and_modify(|known| *known = None)
                        .or_insert(position);
                }
            }
        }
        all
    }

    /// The packet.
    pub fn skb(&self, function: &Function) -> Option<Argument> {
        let key = (function.module.clone(), function.name.clone());
        self.packets.get(&key).copied().flatten().map(Argument::Number)
    }

    /// The drop reason.
    pub fn reason(&self, function: &Function) -> Option<Argument> {
        let btf = match &function.module {
            None => self.kernel,
            Some(module) => &self.modules.iter().find(|(name, _)| name == module)?.1,
        };
        let parameters = btf.func_params(&function.name)?;
        let position = parameters.iter().position(|(_, kind)| kind == REASON)?;
        // a struct by value may take several registers
        let by_value = |kind: &str| {
            (kind.starts_with("struct ") || kind.starts_with("union ")) && !kind.contains('*')
        };
        let position = u32::try_from(position).ok()?;
        let plain = !parameters.iter().any(|(_, kind)| by_value(kind));
        (plain && position < Argument::NUMBERS).then_some(Argument::Number(position))
    }
}
