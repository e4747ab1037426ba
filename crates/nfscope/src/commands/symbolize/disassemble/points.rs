//! Where nfscope's probes sit in a function of the running kernel.

use nfscope_kernel::btf::Btf;
use nfscope_kernel::locate::Mark;
use nfscope_kernel::locate::ebt::{self, BridgeLocated};
use nfscope_kernel::locate::hook_slow::{self, EntriesLayout};
use nfscope_kernel::locate::ipt::{LegacyLocated, Tables};
use nfscope_kernel::locate::nft;

use crate::machine::Machine;

use super::code::{Code, CodeFrom};

/// The located points of a function, and what was refused. Nothing for functions that have none.
pub(super) fn points(code: &Code) -> (Vec<Mark>, Vec<String>) {
    if matches!(code.from, CodeFrom::File { .. }) {
        return (Vec::new(), Vec::new());
    }
    let found = match code.text.name.as_str() {
        nft::FUNCTION => of_nft(),
        hook_slow::FUNCTION => of_hook_slow(code),
        ebt::FUNCTION => BridgeLocated::find(Btf::vmlinux().ok().as_ref())
            .map(|located| (located.points.marks(), Vec::new()))
            .map_err(|e| e.to_string()),
        name => match Tables::ALL.into_iter().find(|tables| tables.function() == name) {
            Some(tables) => LegacyLocated::find(tables, Btf::vmlinux().ok().as_ref())
                .map(|located| (located.points.marks(), Vec::new()))
                .map_err(|e| e.to_string()),
            None => return (Vec::new(), Vec::new()),
        },
    };
    found.unwrap_or_else(|e| (Vec::new(), vec![e]))
}

fn of_nft() -> Result<(Vec<Mark>, Vec<String>), String> {
    let machine = Machine::read().map_err(|e| e.to_string())?;
    let layout = machine.layout.as_ref().map_err(String::clone)?;
    let located = machine.locate(layout)?;
    Ok((located.points.marks(), located.points.refused()))
}

fn of_hook_slow(code: &Code) -> Result<(Vec<Mark>, Vec<String>), String> {
    let btf = Btf::vmlinux().map_err(|e| e.to_string())?;
    let layout = EntriesLayout::from_btf(&btf)
        .ok_or("the kernel's type information does not describe struct nf_hook_entries")?;
    let drop = hook_slow::locate(&code.text, layout).map_err(|e| e.to_string())?;
    Ok((vec![drop.mark()], Vec::new()))
}
