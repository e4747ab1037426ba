//! From text to programs and back to values, where no type information is needed.

use nfscope_kernel::btf::Btf;

use crate::{
    Compiled, Datum, Machine, Mistake, Place, Prototype, RecordField, Scope, compile, decode,
};

/// Type information that has no types.
fn no_types() -> Btf {
    let words = [24u32, 0, 0, 0, 1].map(u32::to_le_bytes).concat();
    Btf::parse([&[0x9f, 0xeb, 1, 0][..], &words, &[0]].concat()).unwrap()
}

fn at(place: Place, text: &str) -> Result<Compiled, Mistake> {
    let (btf, machine) = (no_types(), Machine::sample());
    let scope = Scope { btf: &btf, machine: &machine, function: "f", place };
    compile(&crate::parse(text).unwrap(), &scope)
}

fn untyped(text: &str) -> Result<Compiled, Mistake> {
    at(Place::Function { prototype: None, untyped: "nobody knows", returns: true }, text)
}

fn record() -> Vec<RecordField> {
    let field = |type_name: &str, name: &str, offset, size| RecordField {
        name: name.into(),
        type_name: type_name.into(),
        offset,
        size,
        signed: false,
        names: Vec::new(),
    };
    vec![
        field("char[16]", "prev_comm", 8, 16),
        field("__data_loc char[]", "name", 24, 4),
        field("bool", "vlan_tagged", 28, 1),
        field("__u8[4]", "saddr", 32, 4),
        field("int", "dfd", 40, 8),
        field("const char *", "filename", 48, 8),
    ]
}

/// A field of the tracepoint whose data is that; value and text.
fn told(text: &str, data: &[u8]) -> (Datum, Option<String>) {
    let compiled = at(Place::Record(record()), text).unwrap();
    let mut all = vec![0; 16];
    all.extend(data);
    all.resize(compiled.length as usize, 0);
    let found = decode(&compiled.readings[0], 0, compiled.offsets[0], &all).unwrap();
    (found.datum, found.text)
}

fn mistake(of: Result<Compiled, Mistake>) -> String {
    of.unwrap_err().text
}

#[test]
fn text_and_bool_of_tracepoints() {
    let text = |t: &str| (Datum::Text(t.as_bytes().to_vec()), None);
    assert_eq!(told("prev_comm", b"kworker/0:1\0\0\0\0\0"), text("kworker/0:1"));
    assert_eq!(told("prev_comm[0..4]", b"kwor\0\0\0\0"), text("kwor"));
    assert_eq!(told("name", b"eth0\0"), text("eth0"));
    assert_eq!(told("((char *)filename)[0..8]", b"/etc/pas"), text("/etc/pas"));
    assert_eq!(told("vlan_tagged", &[1]).0, Datum::Bool(true));
    assert_eq!(told("saddr", &[10, 0, 0, 1]), text("10.0.0.1"));
    let list = told("((u8 *)filename)[0..2]", &[1, 2]);
    assert_eq!(list.1.unwrap(), "[1, 2]");
}

#[test]
fn a_system_call_s_int_has_a_sign() {
    assert_eq!(told("dfd", &(-100i64).to_le_bytes()).0, Datum::Number(-100));
    assert_eq!(told("dfd:hex", &(-100i64).to_le_bytes()).1.unwrap(), "0xffffff9c");
    assert!(at(Place::Record(record()), "if dfd == -100").is_ok());
}

#[test]
fn a_record_s_address_is_no_value() {
    let of = |text| mistake(at(Place::Record(record()), text));
    assert!(of("&dfd").contains("address of a tracepoint's field"));
    assert!(of("if &dfd == 1").contains("address of a tracepoint's field"));
    assert!(at(Place::Record(record()), "((u16 *)saddr)[1]").is_ok());
}

#[test]
fn what_an_untyped_function_returns_has_no_sign() {
    for text in ["if ret < 0", "if ret == -2", "if ret == -EPERM", "if 5 > ret", "if ret >= arg0"] {
        assert!(mistake(untyped(text)).contains("(int)ret"), "{text}");
    }
    for text in ["if (int)ret < 0", "if ret == 0", "if ret & 0xff > 3", "if (u64)ret > 3", "if ret"]
    {
        assert!(untyped(text).is_ok(), "{text}");
    }
    let compiled = untyped("ret").unwrap();
    let mut data = vec![0; 16];
    data.extend(0xffff_fffeu64.to_le_bytes());
    let found = decode(&compiled.readings[0], 0, 16, &data).unwrap();
    assert_eq!(
        (found.datum, found.text.unwrap()),
        (Datum::Number(0xffff_fffe), "0xfffffffe".into())
    );
}

#[test]
fn a_result_that_is_cast_has_the_names_of_errors() {
    let named = |text: &str| {
        let compiled = untyped(text).unwrap();
        let data = [[0; 16].as_slice(), &(-2i64).to_ne_bytes()].concat();
        decode(&compiled.readings[0], 0, 16, &data).unwrap().text
    };
    assert_eq!(named("(int)ret").as_deref(), Some("-ENOENT"));
    assert_eq!(named("(long)ret").as_deref(), Some("-ENOENT"));
    assert_eq!(named("(int)arg0"), None);
    assert_eq!(named("*(int *)ret"), None);
    assert!(untyped("ret if (int)ret == -ENOENT").is_ok());
}

#[test]
fn numbers_beyond_all_bounds() {
    assert!(mistake(untyped("arg18446744073709551615")).contains("arg0 to arg5"));
    assert!(mistake(untyped("((char *)arg0)[0..4294967295]")).contains("choose some"));
    let text = "if ((char *)arg0)[0..4294967295] == \"a\"";
    assert!(untyped(text).is_ok(), "it is read as far as the text goes");
    let typed = Prototype { parameters: Vec::new(), returned: 0 };
    let place = Place::Function { prototype: Some(typed), untyped: "", returns: false };
    assert!(mistake(at(place, "arg18446744073709551615")).contains("no arguments"));
}

#[test]
fn masks_add_up() {
    use crate::plan::{Condition, Operand};
    let btf = no_types();
    let machine = Machine::sample();
    let place = Place::Function { prototype: None, untyped: "", returns: false };
    let scope = Scope { btf: &btf, machine: &machine, function: "f", place };
    let query = crate::parse("if arg0 & 0xff & 0xf0 == 16").unwrap();
    let asked = scope.condition(&query.condition.unwrap(), &mut Vec::new()).unwrap();
    let Some(Condition::Compare { left: Operand::Read(number), .. }) = asked.entry else {
        panic!()
    };
    assert_eq!(number.mask, Some(0xf0));
}

#[test]
fn the_task_s_name_is_text() {
    assert!(untyped("comm").is_ok() && untyped("comm:str").is_ok());
    assert!(untyped("if comm == \"cat\"").is_ok());
    assert!(mistake(untyped("comm:hex")).contains("comm is text"));
    for text in ["if comm == 5", "if pid == comm", "if comm", "comm.x"] {
        assert!(mistake(untyped(text)).contains("comm is text"), "{text}");
    }
}

#[test]
fn the_longest_expressions_need_no_large_stack() {
    let chain = format!("((u64 {})arg0){}", "*".repeat(127), "[0]".repeat(127));
    assert!(untyped(&chain).is_ok());
    for operator in ["||", "&&"] {
        let chain = "if arg0".to_owned() + &format!("{operator}arg1").repeat(256);
        assert!(untyped(&chain).is_ok());
    }
}

/// The bits of unread fields are in memory: in a register the verifier would follow
/// each mixture of them.
#[test]
fn no_register_keeps_what_failed() {
    let text = vec!["((u64 *)arg0)[0]"; 64].join(" ");
    let compiled = untyped(&text).unwrap();
    assert!(compiled.entry.iter().all(|insn| insn.dst != 8 && insn.src != 8));
    let zero = compiled.entry.iter().position(|i| (i.code, i.dst, i.off) == (0x7a, 7, 0));
    assert_eq!(zero, Some(2), "no bit is left from the event before");
    assert!(compiled.returns.iter().all(|i| (i.code, i.dst, i.off) != (0x7a, 7, 0)));
}
