//! Instructions as `nfscope symbolize --disassemble` shows them against binutils' objdump, over the code of
//! this very test.

use std::process::Command;

use nfscope_kernel::isa::{Arch, Shown};

/// So much of the code is compared.
const BYTES: u64 = 64 << 10;

/// Where objdump says that instructions start, with their mnemonics, from an address on.
fn objdump(path: &str, start: u64) -> Option<Vec<(u64, String)>> {
    let output = Command::new("objdump")
        .args(["-d", "--no-show-raw-insn", "-w"])
        .arg(format!("--start-address={start:#x}"))
        .arg(format!("--stop-address={:#x}", start + BYTES))
        .arg(path)
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = |line: &str| {
        let (address, rest) = line.trim_start().split_once(":\t")?;
        let address = u64::from_str_radix(address, 16).ok()?;
        Some((address, rest.split_whitespace().next()?.to_owned()))
    };
    Some(text.lines().filter_map(line).collect())
}

/// Where `.text` is in a file: address and offset.
fn text_section(path: &str) -> Option<(u64, u64)> {
    let output = Command::new("objdump").args(["-h", "-w", "-j", ".text", path]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.contains(" .text "))?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let number = |n: usize| u64::from_str_radix(words.get(n)?, 16).ok();
    Some((number(3)?, number(5)?))
}

#[test]
fn instructions_start_where_objdump_says() {
    let path = std::env::current_exe().unwrap().display().to_string();
    let path = path.as_str();
    let (Some(arch), Some((address, offset))) = (Arch::native(), text_section(path)) else {
        println!("skipped: there is no objdump for this machine");
        return;
    };
    let wanted = objdump(path, address).unwrap();
    let bytes = std::fs::read(path).unwrap();
    let code = &bytes[offset as usize..][..BYTES as usize + 16];
    let shown: Vec<Shown> = arch.show(code, address);
    let end = address + BYTES;
    let found: Vec<u64> =
        shown.iter().map(|s| address + u64::from(s.offset)).filter(|at| *at < end).collect();
    let starts: Vec<u64> = wanted.iter().map(|(at, _)| *at).filter(|at| *at < end).collect();
    assert!(starts.len() > 5_000, "objdump shows only {} instructions", starts.len());
    let differ = starts.iter().zip(&found).find(|(wanted, found)| wanted != found);
    assert_eq!(differ, None, "first difference");
    // names of the few that both write in one way
    for (shown, (at, mnemonic)) in shown.iter().zip(&wanted) {
        let own = shown.text.split(' ').next().unwrap_or_default();
        if ["call", "jmp", "ret", "push", "pop", "bl", "b", "stp"].contains(&mnemonic.as_str()) {
            // the size is written where memory tells where to
            let own = own.strip_suffix('q').unwrap_or(own);
            assert_eq!(own, mnemonic, "at {at:#x}");
        }
    }
}
