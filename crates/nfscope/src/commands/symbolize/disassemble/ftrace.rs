//! The place at a function's entry that ftrace patches.

use nfscope_kernel::isa::{Arch, Shown};

use super::code::{Code, CodeFrom};

/// Tables of a module's file that list such places.
const TABLES: [&str; 2] = ["__mcount_loc", "__patchable_function_entries"];
/// The function that a file calls there.
const CALLED: [&str; 3] = ["__fentry__", "mcount", "_mcount"];
/// What the running kernel can trace.
const LISTS: [&str; 2] = [
    "/sys/kernel/tracing/available_filter_functions",
    "/sys/kernel/debug/tracing/available_filter_functions",
];
/// `mov x9, x30`, which keeps the return address before ftrace is called.
const KEEP_LINK: u32 = 0xaa1e_03e9;

/// The offset of the function's ftrace site; none where it has none, or that cannot be told.
pub(super) fn site(code: &Code) -> Option<u32> {
    if code.from != CodeFrom::Memory && code.text.arch == Arch::Aarch64 {
        // where it makes room for ftrace at all, the compiler puts two nops, of which the table has the first
        return by_bytes(code);
    }
    if code.from != CodeFrom::Memory {
        let called = |shown: &&Shown| {
            let linked = shown.branch.and_then(|to| code.text.neighbours.get(&to));
            let name = code.reference(shown).map(|to| &to.name).or(linked);
            name.is_some_and(|name| CALLED.contains(&name.as_str()))
        };
        let listed =
            code.text.patched.iter().find(|p| TABLES.contains(&p.table.as_str())).map(|p| p.offset);
        return listed.or_else(|| code.shown.iter().find(called).map(|shown| shown.offset));
    }
    let name = match &code.module {
        Some(module) => format!("{} [{module}]", code.text.name),
        None => code.text.name.clone(),
    };
    let lists = LISTS.iter().find_map(|path| std::fs::read_to_string(path).ok())?;
    lists.lines().any(|line| line == name).then(|| by_bytes(code)).flatten()
}

/// It is a nop or a call, behind what marks a branch's target.
fn by_bytes(code: &Code) -> Option<u32> {
    let bytes = |shown: &Shown| code.text.code.get(shown.offset as usize..shown.end() as usize);
    match code.text.arch {
        Arch::X86_64 => code.shown.iter().take(2).find_map(|shown| {
            let site = matches!(bytes(shown)?, [0x0f, 0x1f, 0x44, 0, 0] | [0xe8, ..]);
            site.then_some(shown.offset)
        }),
        Arch::Aarch64 => code.shown.windows(2).take(3).find_map(|pair| {
            let [first, second] = pair else { return None };
            let word = |shown| Some(u32::from_le_bytes(bytes(shown)?.try_into().ok()?));
            let kept = word(first)? == KEEP_LINK || first.text == "nop";
            let site = second.text == "nop" || word(second)? >> 26 == 0x25;
            (kept && site).then_some(second.offset)
        }),
    }
}
