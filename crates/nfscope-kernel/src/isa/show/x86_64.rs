//! x86-64 as the GNU assembler writes it, which is what objdump, gdb and the kernel's own tools print.

use iced_x86::{
    Code, Decoder, DecoderOptions, FormatMnemonicOptions, Formatter, GasFormatter, Instruction,
    Mnemonic, Register,
};

use super::Shown;

pub(super) fn show(code: &[u8]) -> Vec<Shown> {
    let mut formatter = GasFormatter::new();
    let options = formatter.options_mut();
    options.set_uppercase_hex(false);
    options.set_small_hex_numbers_in_decimal(false);
    options.set_rip_relative_addresses(true);
    let mut decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
    let mut raw = Instruction::default();
    let mut out = Vec::with_capacity(code.len() / 4);
    while let Some(byte) = code.get(decoder.position()) {
        let at = decoder.position();
        let offset = at as u32;
        decoder.set_ip(at as u64);
        decoder.decode_out(&mut raw);
        if raw.code() == Code::INVALID {
            let text = format!(".byte {byte:#04x}");
            out.push(Shown { offset, len: 1, text, branch: None, data: None });
            // inside of the code: the loop's condition said so
            if decoder.set_position(at + 1).is_err() {
                break;
            }
            continue;
        }
        let near = raw.is_jcc_short_or_near()
            || raw.is_jmp_short_or_near()
            || raw.is_call_near()
            || raw.is_loop()
            || raw.is_loopcc()
            || raw.is_jcx_short();
        let mut text = String::new();
        if near {
            formatter.format_mnemonic_options(&raw, &mut text, FormatMnemonicOptions::NONE);
        } else {
            formatter.format(&raw, &mut text);
        }
        let relative = raw.memory_base() == Register::RIP && raw.mnemonic() != Mnemonic::Nop;
        out.push(Shown {
            offset,
            len: raw.len() as u8,
            text,
            branch: near.then(|| raw.near_branch_target() as i64),
            data: relative.then(|| raw.memory_displacement64() as i64),
        });
    }
    out
}
