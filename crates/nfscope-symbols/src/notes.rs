//! ELF notes, as the kernel shows them.

/// The build id in `/sys/kernel/notes` and in `.note.gnu.build-id`: the descriptor of the note of type 3
/// that is called `GNU`. Each note is name size, descriptor size, type, name, descriptor, the last two
/// padded to four bytes (elf(5)).
pub(crate) fn build_id(mut notes: &[u8]) -> Option<&[u8]> {
    loop {
        let word = |at: usize| {
            let bytes: [u8; 4] = notes.get(at..at + 4)?.try_into().ok()?;
            usize::try_from(u32::from_le_bytes(bytes)).ok()
        };
        let (name_size, size, kind) = (word(0)?, word(4)?, word(8)?);
        let start = name_size.checked_next_multiple_of(4)?.checked_add(12)?;
        let name = notes.get(12..12usize.checked_add(name_size)?)?;
        if kind == 3 && name == b"GNU\0" {
            return notes.get(start..start.checked_add(size)?);
        }
        notes = notes.get(start.checked_add(size.checked_next_multiple_of(4)?)?..)?;
    }
}

/// A build id as everybody writes it.
pub(crate) fn hexadecimal(build_id: &[u8]) -> String {
    build_id.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_id_behind_other_notes() {
        let mut notes = Vec::new();
        for (name, kind, desc) in [(&b"Xen\0"[..], 6u32, &b"ab"[..]), (b"GNU\0", 3, b"\x01\x02")] {
            notes.extend((name.len() as u32).to_le_bytes());
            notes.extend((desc.len() as u32).to_le_bytes());
            notes.extend(kind.to_le_bytes());
            notes.extend(name);
            notes.extend(desc);
            notes.extend([0, 0]);
        }
        assert_eq!(build_id(&notes), Some(&[1, 2][..]));
        for len in 0..notes.len() - 4 {
            assert_eq!(build_id(&notes[..len]), None, "{len}");
        }
    }
}
