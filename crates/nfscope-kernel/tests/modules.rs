//! Module files: found, decompressed, checked and read. The files are made here.

use std::path::PathBuf;

use nfscope_kernel::modules::elf::{Elf, build_id_of_note};
use nfscope_kernel::modules::{ModuleError, ModuleFile, XzError, decompress_xz, function};
use proptest::prelude::*;

const TEXT: &str = include_str!("fixtures/nft_do_chain-7.2-amd64.txt");
/// The same, by `xz --check=crc32 --lzma2=dict=1MiB`, as the kernel's build calls it.
const XZ: &[u8] = include_bytes!("fixtures/nft_do_chain-7.2-amd64.txt.xz");

/// Makes a relocatable ELF file section by section.
#[derive(Default)]
struct Maker {
    body: Vec<u8>,
    names: Vec<u8>,
    headers: Vec<[u64; 10]>,
}

const PROGBITS: u64 = 1;
const SYMTAB: u64 = 2;
const STRTAB: u64 = 3;
const RELA: u64 = 4;
const NOTE: u64 = 7;

impl Maker {
    /// Adds a section: name, type, link, info, content; gives its index.
    fn section(&mut self, name: &str, kind: u64, link: u64, info: u64, content: &[u8]) -> u64 {
        let at = self.names.len() as u64;
        self.names.extend_from_slice(name.as_bytes());
        self.names.push(0);
        let offset = 64 + self.body.len() as u64;
        self.body.extend_from_slice(content);
        self.headers.push([at, kind, 0, 0, offset, content.len() as u64, link, info, 1, 0]);
        self.headers.len() as u64 - 1
    }

    fn finish(mut self) -> Vec<u8> {
        let names = self.headers.len() as u64;
        let content = [self.names.clone(), b".shstrtab\0".to_vec()].concat();
        self.section(".shstrtab", STRTAB, 0, 0, &content);
        let mut out = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        out.extend_from_slice(&[1, 0, 62, 0, 1, 0, 0, 0]);
        out.resize(40, 0);
        out.extend_from_slice(&(64 + self.body.len() as u64).to_le_bytes());
        out.resize(58, 0);
        out.extend_from_slice(&64u16.to_le_bytes());
        out.extend_from_slice(&(self.headers.len() as u16).to_le_bytes());
        out.extend_from_slice(&(names as u16).to_le_bytes());
        out.extend_from_slice(&self.body);
        for [name, kind, flags, address, offset, size, link, info, align, entry] in self.headers {
            for (value, len) in [
                (name, 4),
                (kind, 4),
                (flags, 8),
                (address, 8),
                (offset, 8),
                (size, 8),
                (link, 4),
                (info, 4),
                (align, 8),
                (entry, 8),
            ] {
                out.extend_from_slice(&value.to_le_bytes()[..len]);
            }
        }
        out
    }
}

fn symbol(name: u32, kind: u8, section: u16, value: u64, size: u64) -> Vec<u8> {
    let mut out = name.to_le_bytes().to_vec();
    out.extend_from_slice(&[kind, 0]);
    out.extend_from_slice(&section.to_le_bytes());
    out.extend_from_slice(&value.to_le_bytes());
    out.extend_from_slice(&size.to_le_bytes());
    out
}

fn rela(offset: u64, symbol: u64, addend: i64) -> Vec<u8> {
    let mut out = offset.to_le_bytes().to_vec();
    out.extend_from_slice(&(symbol << 32 | 2).to_le_bytes());
    out.extend_from_slice(&addend.to_le_bytes());
    out
}

const BUILD_ID: &[u8] = &[4, 0, 0, 0, 3, 0, 0, 0, 3, 0, 0, 0, b'G', b'N', b'U', 0, 1, 2, 3];

/// A module with `local` at 0 and `wanted` at 8 of `.text`: `call local; call extern; nopl; ret`.
fn module() -> Vec<u8> {
    let mut m = Maker::default();
    m.section("", 0, 0, 0, &[]);
    let code = [
        0xc3, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, // local: ret
        0xe8, 0xf3, 0xff, 0xff, 0xff, // call local
        0xe8, 0, 0, 0, 0, // call extern
        0x0f, 0x1f, 0x44, 0, 0,    // nopl, a jump label
        0xc3, // ret
    ];
    let text = m.section(".text", PROGBITS, 0, 0, &code);
    let strings = b"\0local\0wanted\0extern\0key\0";
    let symbols = [
        symbol(0, 0, 0, 0, 0),
        symbol(0, 3, 1, 0, 0),
        symbol(1, 2, 1, 0, 1),
        symbol(7, 2, 1, 8, 16),
        symbol(14, 0, 0, 0, 0),
        symbol(21, 1, 9, 16, 16),
        symbol(0, 3, 9, 0, 0),
    ];
    m.section(".rela.text", RELA, 3, text, &rela(14, 4, -4));
    m.section(".symtab", SYMTAB, 4, 1, &symbols.concat());
    m.section(".strtab", STRTAB, 0, 0, strings);
    let table = m.section("__jump_table", PROGBITS, 0, 0, &[0; 16]);
    // code = .text+18, target = .text+23, key = .data+16 with flag bit 1 set
    let entries = [rela(0, 1, 18), rela(4, 1, 23), rela(8, 6, 16 + 1)];
    m.section(".rela__jump_table", RELA, 3, table, &entries.concat());
    let bugs = m.section("__bug_table", PROGBITS, 0, 0, &[0; 12]);
    m.section(".rela__bug_table", RELA, 3, bugs, &rela(0, 1, 23));
    m.section(".data", PROGBITS, 0, 0, &[0; 32]);
    m.section(".note.gnu.build-id", NOTE, 0, 0, BUILD_ID);
    m.finish()
}

#[test]
fn a_function_with_calls_jump_labels_and_patched_places() {
    let bytes = module();
    let elf = Elf::parse(&bytes).unwrap();
    let mut text = function(&elf, "wanted").unwrap();
    text.trim().unwrap();
    let shown = text.to_string();
    let lines: Vec<&str> = shown.lines().skip(2).collect();
    assert_eq!(
        lines,
        ["reloc 0x6 extern", "near -0x8 local", "jump 0xa 0xf key", "patched 0xf 1 __bug_table"]
    );
    assert!(function(&elf, "extern").is_err(), "not defined here");
    assert_eq!(elf.build_id(), Some(&[1u8, 2, 3][..]));
}

/// A folder like `/lib/modules`, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("nfscope-modules-{}-{name}", std::process::id()));
        std::fs::create_dir_all(path.join("1.2.3/kernel")).expect("a folder");
        Self(path)
    }

    fn put(&self, name: &str, content: &[u8]) {
        std::fs::write(self.0.join("1.2.3").join(name), content).expect("a file");
    }

    fn find(&self, module: &str, note: Option<&[u8]>) -> Result<ModuleFile, ModuleError> {
        ModuleFile::find(std::slice::from_ref(&self.0), "1.2.3", module, note)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn found_by_name_whatever_the_compression() {
    let folder = Folder::new("find");
    let gz = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut encoder, &module()).unwrap();
        encoder.finish().unwrap()
    };
    let level = ruzstd::encoding::CompressionLevel::Fastest;
    let zst = ruzstd::encoding::compress_to_vec(module().as_slice(), level);
    folder.put("kernel/plain-one.ko", &module());
    folder.put("kernel/zst_one.ko.zst", &zst);
    folder.put("kernel/gz_one.ko.gz", &gz);
    folder.put(
        "modules.dep",
        b"kernel/plain-one.ko: kernel/x.ko\nkernel/zst_one.ko.zst:\nkernel/gz_one.ko.gz:\n",
    );
    folder.put("modules.builtin", b"kernel/net/in_it.ko\n");
    for name in ["plain_one", "zst_one", "gz_one"] {
        let file = folder.find(name, Some(BUILD_ID)).unwrap();
        assert!(file.verified, "{name}");
        assert!(function(&file.elf().unwrap(), "wanted").is_ok(), "{name}");
    }
    assert!(!folder.find("plain_one", None).unwrap().verified);
    let mut other = BUILD_ID.to_vec();
    other[16] = 9;
    assert!(matches!(folder.find("plain_one", Some(&other)), Err(ModuleError::OtherBuild { .. })));
    assert!(matches!(folder.find("in_it", None), Err(ModuleError::BuiltIn(_))));
    assert!(matches!(folder.find("one", None), Err(ModuleError::NotFound { .. })));
}

#[test]
fn xz() {
    assert_eq!(decompress_xz(XZ, 1 << 20).unwrap(), TEXT.as_bytes());
    assert_eq!(decompress_xz(XZ, 100), Err(XzError::TooLarge(100)));
    for len in 0..XZ.len() - 40 {
        assert!(decompress_xz(&XZ[..len], 1 << 20).is_err(), "cut off at {len}");
    }
}

#[test]
fn a_changed_byte_of_an_xz_file_is_noticed() {
    // From behind the block's header to the end of its data.
    for at in 24..XZ.len() - 60 {
        let mut bytes = XZ.to_vec();
        bytes[at] ^= 0x10;
        assert!(decompress_xz(&bytes, 1 << 20).is_err(), "byte {at}");
    }
}

proptest! {
    #[test]
    fn damaged_xz(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = XZ.to_vec();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let _ = decompress_xz(&bytes, 1 << 16);
    }

    #[test]
    fn damaged_module(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12), cut in any::<prop::sample::Index>()) {
        let mut bytes = module();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(bytes.len() - cut.index(bytes.len()) / 8);
        if let Ok(elf) = Elf::parse(&bytes) {
            let _ = (function(&elf, "wanted"), elf.build_id());
        }
    }

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = build_id_of_note(&bytes);
        let _ = decompress_xz(&bytes, 1000);
        let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1];
        elf.extend_from_slice(&bytes);
        if let Ok(elf) = Elf::parse(&elf) {
            let _ = function(&elf, "wanted");
        }
    }
}
