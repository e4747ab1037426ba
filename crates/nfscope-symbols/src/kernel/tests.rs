//! A kernel made of a compiled file, and of a table that puts it elsewhere.

use std::process::Command;

use super::*;

/// Each function's lines are its own.
const SOURCE: &str = "\
volatile int sink;
void first(void) {
    sink = 1;
}
void second(void) {
    sink = 2;
}
int main(void) { first(); second(); return 0; }
";
/// How far the kernel is moved.
const MOVED: u64 = 0xffff_ffff_8000_0000;
/// Where the module's code is.
const TEXT: u64 = 0xffff_ffff_c000_0000;

/// The fixture as a program or as a module's file; `None` where there is no C compiler.
fn image<'a>(store: &'a Store, name: &str, arguments: &[&str]) -> Option<Image<'a>> {
    let folder = std::env::temp_dir().join(format!("nfscope-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).ok()?;
    std::fs::write(folder.join("fixture.c"), SOURCE).ok()?;
    let mut cc = Command::new("cc");
    cc.current_dir(&folder).args(["-g", "-O0", "-o", "out", "fixture.c"]).args(arguments);
    let done = cc.status().is_ok_and(|status| status.success());
    let image = done.then(|| Image::open(store, &DebugFiles::default(), &folder.join("out")));
    // what remains only costs space
    let _ = std::fs::remove_dir_all(&folder);
    image?.ok()
}

fn address(image: &mut Image, name: &str) -> u64 {
    image.symbols().named(name).next().unwrap().address
}

fn kernel<'a>(
    store: &'a Store,
    part: Part<'a>,
    module: Option<&str>,
    lines: &[String],
) -> Kernel<'a> {
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let mut kernel = Kernel::of_release(store, DebugFiles::default(), "0");
    kernel.table = Some(Kallsyms::of(&lines));
    kernel.images.insert(module.map(str::to_owned), part);
    kernel
}

fn ask(kernel: &mut Kernel, text: &str, lookup: Lookup) -> Result<Answer, String> {
    let all = kernel.resolve(&Target::parse(text).unwrap(), lookup)?;
    assert_eq!(all.len(), 1, "{text}");
    Ok(all[0].clone())
}

/// A call at a function's end returns behind it: to the next function's first byte.
#[test]
fn call_at_the_end() {
    let store = Store::new();
    let Some(mut image) = image(&store, "end", &["-no-pie"]) else {
        return eprintln!("skipped: there is no C compiler (cc)");
    };
    let starts = ["first", "second", "main"].map(|name| (name, address(&mut image, name)));
    let size = starts[1].1 - starts[0].1;
    let lines = starts.map(|(name, at)| format!("{:x} T {name}", at.wrapping_add(MOVED)));
    let part = Part { image: Some(image), moved: Some(MOVED), ..Part::default() };
    let mut kernel = kernel(&store, part, None, &lines);
    let end = format!("first+{size:#x}/{size:#x}");
    let answer = ask(&mut kernel, &end, Lookup::Return).unwrap();
    assert_eq!(answer.symbol.unwrap().name, "first");
    assert_eq!(answer.section.as_deref(), Some(".text"));
    assert_eq!(answer.frames[0].function.as_deref(), Some("first"));
    assert_eq!(answer.frames[0].line, Some(4));
    let answer = ask(&mut kernel, "second+0x0", Lookup::Return).unwrap();
    assert_eq!(answer.frames[0].line, Some(5));
    let error = ask(&mut kernel, "first+0x0/0x7000", Lookup::Return).unwrap_err();
    assert!(error.contains("another kernel"), "{error}");
}

/// The kernel's size of a module's last function says nothing: no other source has it.
#[test]
fn last_function_of_a_module() {
    let store = Store::new();
    let Some(mut image) = image(&store, "last", &["-c"]) else {
        return eprintln!("skipped: there is no C compiler (cc)");
    };
    let starts = ["first", "second", "main"].map(|name| (name, address(&mut image, name)));
    let mut lines: Vec<String> = starts
        .iter()
        .map(|(name, at)| format!("{:x} t {name}\t[one]", at - starts[0].1 + TEXT))
        .collect();
    lines.push(format!("{:x} t other\t[two]", TEXT + 0x8000));
    // where the kernel does not show its sections, and where it does
    let sections = [Vec::new(), vec![(".text".to_owned(), TEXT)]];
    assert!(image.named("main", Some(0xf00)).is_ok(), "by its file alone");
    assert!(image.named("main", Some(1)).unwrap_err().contains("another build"));
    assert!(image.named("first", Some(0xf00)).unwrap_err().contains("another build"));
    let part = Part { image: Some(image), ..Part::default() };
    let mut kernel = kernel(&store, part, Some("one"), &lines);
    for sections in sections {
        kernel.part(Some("one")).sections = sections;
        let answer = ask(&mut kernel, "main+0x1/0xf00 [one]", Lookup::Return).unwrap();
        assert_eq!(answer.symbol.unwrap().size, Some(0xf00), "as it was given");
        assert_eq!(answer.frames[0].function.as_deref(), Some("main"));
        let answer = ask(&mut kernel, "main+0x1", Lookup::Exact).unwrap();
        assert_eq!(answer.symbol.unwrap().size, None);
        assert_eq!(answer.frames[0].line, Some(8));
        let error = ask(&mut kernel, "first+0x0/0x7000", Lookup::Return).unwrap_err();
        assert!(error.contains("another kernel"), "{error}");
    }
}
