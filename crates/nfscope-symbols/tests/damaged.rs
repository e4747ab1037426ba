//! Damaged files: whatever is in them, there is an answer or an error, never a panic.
//!
//! The files are compiled here, since a fixture's bytes would explain nothing: a program whose lines and
//! inlined functions are known, and the same as a relocatable file, which is what a module is.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use nfscope_symbols::{DebugFiles, Image, Lines, Lookup, Object, Store, Symbols, Target};
use proptest::prelude::*;

/// `inner` is merged into `outer`; the call is in line 6.
const SOURCE: &str = "\
volatile int sink;
static inline __attribute__((always_inline)) void inner(int n) {
    sink = n; sink = n + 1;
}
__attribute__((noinline)) int outer(int n) {
    inner(n);
    return sink;
}
__attribute__((section(\".text.other\"))) int other(int n) { return n + sink; }
int main(void) { return outer(3) + other(4); }
";

/// The program and the relocatable file; `None` where there is no C compiler.
fn files() -> Option<&'static [Vec<u8>; 2]> {
    static FILES: OnceLock<Option<[Vec<u8>; 2]>> = OnceLock::new();
    FILES.get_or_init(compile).as_ref()
}

fn compile() -> Option<[Vec<u8>; 2]> {
    let folder = std::env::temp_dir().join(format!("nfscope-symbols-{}", std::process::id()));
    std::fs::create_dir_all(&folder).ok()?;
    std::fs::write(folder.join("fixture.c"), SOURCE).ok()?;
    let build = |arguments: &[&str], output: &str| {
        let mut cc = Command::new("cc");
        cc.current_dir(&folder).args(["-g", "-O1", "-o", output]).args(arguments).arg("fixture.c");
        let done = cc.status().is_ok_and(|status| status.success());
        done.then(|| std::fs::read(folder.join(output)).ok()).flatten()
    };
    let files = build(&["-no-pie"], "program").zip(build(&["-c"], "fixture.o"));
    // what remains only costs space
    let _ = std::fs::remove_dir_all(&folder);
    files.map(|(program, relocatable)| [program, relocatable])
}

#[test]
fn lines_inlined_functions_and_sections() {
    let Some(files) = files() else { return eprintln!("skipped: there is no C compiler (cc)") };
    for bytes in files {
        let store = Store::new();
        let path = std::env::temp_dir().join(format!("nfscope-image-{}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        let mut image = Image::open(&store, &DebugFiles::default(), &path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let mut ask = |text: &str| {
            image.resolve(&Target::parse(text).unwrap(), Lookup::Exact).map(|all| all[0].clone())
        };
        let other = ask("other").unwrap();
        assert_eq!(other.frames[0].file.as_deref(), Some("fixture.c"));
        assert_eq!(other.frames[0].line, Some(9));
        let size = ask("outer").unwrap().symbol.unwrap().size.unwrap();
        let inlined = (0..size)
            .filter_map(|at| ask(&format!("outer+{at}")).ok())
            .find(|answer| answer.frames.len() == 2);
        let frames = inlined.expect("inner is merged into outer").frames;
        let told = |n: usize| (frames[n].function.as_deref(), frames[n].line, frames[n].inlined);
        assert_eq!(told(0), (Some("inner"), Some(3), true));
        assert_eq!(told(1), (Some("outer"), Some(6), false));
        assert!(ask("outer+0x1/0x7ffff").unwrap_err().contains("another build"));
        assert!(ask("outer+0x7ffff").unwrap_err().contains("bytes long"));
        assert!(ask("nothing").unwrap_err().contains("no function"));
        assert!(ask(".nothing+1").is_err());
        assert!(ask("0xffffffffffffffff").is_err());
        assert!(ask("0x0").is_err());
    }
    let store = Store::new();
    let object =
        Object::parse(&store, Path::new("fixture.o"), store.keep(files[1].clone())).unwrap();
    let other = *Symbols::read(&object).named("other").next().unwrap();
    let place = object.place(other.address).unwrap();
    assert_eq!((place.section, place.offset), (".text.other", 0));
}

/// Asks a file everything.
fn ask_everything(bytes: Vec<u8>) {
    let store = Store::new();
    let bytes = store.keep(bytes);
    let Ok(object) = Object::parse(&store, Path::new("damaged"), bytes) else { return };
    let _ =
        (object.build_id(), object.debug_link(), object.shared_debug_link(), object.has_lines());
    let mut symbols = Symbols::read(&object);
    let mut addresses: Vec<u64> = symbols.iter().flat_map(|s| [s.address, s.end]).collect();
    addresses.extend([0, 1, 0x1_0000, 0x40_1000, u64::MAX - 1, u64::MAX]);
    let _ = symbols.named("outer").count();
    let lines = Lines::load(&object, None);
    for address in addresses {
        let _ = (symbols.at(address), object.place(address), object.bytes(address, 16));
        if let Ok(lines) = &lines {
            let _ = lines.frames(address);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn cut_off(which in 0..2usize, keep in 0.0..1.0f64) {
        if let Some(files) = files() {
            let bytes = &files[which];
            ask_everything(bytes[..(bytes.len() as f64 * keep) as usize].to_vec());
        }
    }

    #[test]
    fn mutated(
        which in 0..2usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
    ) {
        if let Some(files) = files() {
            let mut bytes = files[which].clone();
            for (index, value) in changes {
                let at = index.index(bytes.len());
                bytes[at] = value;
            }
            ask_everything(bytes);
        }
    }

    /// Changes where they hurt: in headers and in the debug sections, at the end of the file.
    #[test]
    fn mutated_headers(
        which in 0..2usize,
        changes in prop::collection::vec((0..4096usize, any::<u8>(), any::<bool>()), 1..12),
    ) {
        if let Some(files) = files() {
            let mut bytes = files[which].clone();
            for (at, value, end) in changes {
                let at = if end { bytes.len().saturating_sub(at + 1) } else { at };
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = value;
                }
            }
            ask_everything(bytes);
        }
    }
}
