//! Typed tracepoints by their type ids.
//!
//! A program on a typed tracepoint is loaded with the id of the tracepoint's
//! typedef. libbpf would read all of the kernel's types to find it, for every
//! object anew; a handler of ours for these sections gives it the id.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_int, c_long};
use std::sync::{Mutex, OnceLock};

use nfscope_kernel::btf::{Btf, Kind};
use object::read::elf::ElfFile64;
use object::{LittleEndian, Object, ObjectSection};

/// The sections' names begin so.
const SECTION: &str = "tp_btf/";

/// Ids by tracepoint: those that any object has asked for.
static IDS: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());

/// Looks up the tracepoints that an object's programs are for.
pub fn learn(object: &[u8], btf: &Btf) {
    let Ok(elf) = ElfFile64::<LittleEndian>::parse(object) else { return };
    let id = |name: &str| btf.kernel().id(&format!("btf_trace_{name}"), Kind::Typedef);
    if let Ok(mut ids) = IDS.lock() {
        for section in elf.sections() {
            let name = section.name().ok().and_then(|name| name.strip_prefix(SECTION));
            ids.extend(name.and_then(|name| Some((name.to_owned(), id(name)?))));
        }
    }
    static HANDLER: OnceLock<()> = OnceLock::new();
    HANDLER.get_or_init(register);
}

/// libbpf keeps pointers to handlers: there is one, and it stays.
fn register() {
    let options = libbpf_sys::libbpf_prog_handler_opts {
        sz: size_of::<libbpf_sys::libbpf_prog_handler_opts>() as _,
        prog_prepare_load_fn: Some(prepare),
        ..Default::default()
    };
    // As a raw tracepoint's program it asks for no types; its real type comes
    // when it is loaded. Without the handler libbpf does it in its own way.
    // SAFETY: the name is NUL-terminated, libbpf copies it and the options.
    unsafe {
        libbpf_sys::libbpf_register_prog_handler(
            c"tp_btf+".as_ptr(),
            libbpf_sys::BPF_PROG_TYPE_RAW_TRACEPOINT,
            libbpf_sys::BPF_TRACE_RAW_TP,
            &options,
        );
    }
}

unsafe extern "C" fn prepare(
    program: *mut libbpf_sys::bpf_program,
    options: *mut libbpf_sys::bpf_prog_load_opts,
    _cookie: c_long,
) -> c_int {
    // SAFETY: libbpf calls this with a program that it is loading, whose
    // section's name is NUL-terminated.
    let section = unsafe { CStr::from_ptr(libbpf_sys::bpf_program__section_name(program)) };
    let name = section.to_str().ok().and_then(|section| section.strip_prefix(SECTION));
    let ids = IDS.lock().ok();
    let Some(id) = name.zip(ids).and_then(|(name, ids)| ids.get(name).copied()) else {
        return -libc::ESRCH;
    };
    // SAFETY: both pointers are libbpf's own, valid during this call.
    unsafe {
        (*options).attach_btf_id = id;
        libbpf_sys::bpf_program__set_type(program, libbpf_sys::BPF_PROG_TYPE_TRACING)
    }
}
