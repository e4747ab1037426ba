//! Says what becomes of a filter expression: `explain tcp port 80`.

use std::process::ExitCode;

use nfscope_filter::{classic, translate};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let program = match classic(&words.join(" ")) {
        Ok(program) => program,
        Err(error) => {
            eprintln!("explain: {error}");
            return ExitCode::from(2);
        }
    };
    match translate(&program) {
        Ok(compiled) => {
            println!(
                "{} classic instructions, {} eBPF; looks at {} bytes; needs a link header: {}; wants the VLAN tag: {}",
                program.len(),
                compiled.insns.len(),
                compiled.bytes_needed,
                compiled.needs_link,
                compiled.wants_vlan_tag
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("explain: {error}");
            ExitCode::from(2)
        }
    }
}
