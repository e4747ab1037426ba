//! Opening, preparing and loading one compiled BPF object.

use std::ops::{Deref, DerefMut};
use std::os::fd::BorrowedFd;
use std::sync::{Mutex, OnceLock};

use libbpf_rs::{
    MapCore, MapFlags, MapImpl, Object, ObjectBuilder, OpenObject, PrintLevel, ProgramMut,
    set_print,
};

use nfscope_filter::Insn;
use nfscope_kernel::btf::Btf;

use crate::core_types::CoreTypes;
use crate::memory::MapMemory;
use crate::{CollectError, kernel_ids, tracepoints};

/// The last lines that libbpf wrote: the verifier's words, for error messages.
static LOG: OnceLock<Mutex<Vec<String>>> = OnceLock::new();
const LOG_LINES: usize = 400;

fn keep(_: PrintLevel, text: String) {
    let log = LOG.get_or_init(Mutex::default);
    if let Ok(mut log) = log.lock() {
        log.extend(text.lines().map(str::to_owned));
        let excess = log.len().saturating_sub(LOG_LINES);
        log.drain(..excess);
    }
}

/// What is written from here on is another object's.
fn forget_log() {
    if let Some(Ok(mut log)) = LOG.get().map(|log| log.lock()) {
        log.clear();
    }
}

fn log_tail() -> String {
    let lines = LOG.get().and_then(|log| log.lock().ok().map(|log| log.clone()));
    let lines = lines.unwrap_or_default();
    if std::env::var_os("NFSCOPE_BPF_LOG").is_some() {
        return format!("\n{}", lines.join("\n"));
    }
    // the verifier's last complaint stands before its statistics
    let complaint = lines.iter().rev().find(|l| {
        let frame = ["libbpf:", "processed ", "-- ", "max_states", "R0", "R1"];
        !l.is_empty() && !frame.iter().any(|start| l.starts_with(start))
    });
    complaint.map(|l| format!(" ({l})")).unwrap_or_default()
}

/// A compiled object, for kernels without and with typed casts
/// (`bpf/kernel_ids.h`).
#[derive(Debug, Clone, Copy)]
pub struct Compiled {
    /// Without.
    pub plain: &'static [u8],
    /// With.
    pub typed: &'static [u8],
    /// Whether the programs are given the kernel's variables.
    pub variables: bool,
}

impl Compiled {
    /// The same for a kernel that does not let its variables be read, if `known`
    /// is not: it refuses programs that only name one.
    pub fn with_variables(self, known: bool) -> Self {
        Self { variables: known, ..self }
    }

    fn bytes(self, btf: Option<&Btf>) -> Vec<u8> {
        let typed = btf.is_some_and(kernel_ids::has_typed_casts);
        if typed { self.typed } else { self.plain }.to_vec()
    }
}

/// The object that was compiled from a file.
macro_rules! compiled {
    ($name:literal) => {
        $crate::object::Compiled {
            plain: include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".plain.bpf.o")),
            typed: include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".typed.bpf.o")),
            variables: true,
        }
    };
}
pub(crate) use compiled;

/// An object to be loaded, with what libbpf reads when it is.
#[derive(Debug)]
pub struct Opened {
    object: OpenObject,
    _types: Option<CoreTypes>,
}

impl Deref for Opened {
    type Target = OpenObject;
    fn deref(&self) -> &OpenObject {
        &self.object
    }
}

impl DerefMut for Opened {
    fn deref_mut(&mut self) -> &mut OpenObject {
        &mut self.object
    }
}

/// Opens an object with the user's filter in it. Without a filter the place
/// holder is cut down to two instructions.
pub fn open_filtered(
    compiled: Compiled,
    filter: Option<&nfscope_filter::Compiled>,
    btf: &Btf,
) -> Result<Opened, CollectError> {
    let insns = filter_body(filter)?;
    open_with(compiled, &[("packet_filter", &insns)], btf)
}

/// The body of the filter's stub.
pub fn filter_body(filter: Option<&nfscope_filter::Compiled>) -> Result<Vec<Insn>, CollectError> {
    match filter {
        Some(filter) => Ok(filter.insns.clone()),
        None => nfscope_filter::Compiled::accept_all()
            .map(|all| all.insns)
            .map_err(|e| CollectError::Filter(e.to_string())),
    }
}

/// Opens an object with bodies for its stubs.
pub fn open_with(
    compiled: Compiled,
    stubs: &[(&str, &[Insn])],
    btf: &Btf,
) -> Result<Opened, CollectError> {
    let mut bytes = compiled.bytes(Some(btf));
    for (stub, insns) in stubs {
        nfscope_filter::patch(&mut bytes, stub, insns)
            .map_err(|e| CollectError::Filter(e.to_string()))?;
    }
    open_bytes(bytes, Some(btf), compiled.variables)
}

/// Opens an object; `btf`: the kernel's types, if it needs any.
pub fn open(compiled: Compiled, btf: Option<&Btf>) -> Result<Opened, CollectError> {
    open_bytes(compiled.bytes(btf), btf, compiled.variables)
}

fn open_bytes(
    mut bytes: Vec<u8>,
    btf: Option<&Btf>,
    variables: bool,
) -> Result<Opened, CollectError> {
    set_print(Some((PrintLevel::Warn, keep)));
    forget_log();
    let mut builder = ObjectBuilder::default();
    builder.name("nfscope").map_err(CollectError::load)?;
    let mut types = None;
    if let Some(btf) = btf {
        kernel_ids::write(&mut bytes, btf, variables);
        tracepoints::learn(&bytes, btf);
        types = CoreTypes::of(&bytes, btf);
    }
    if let Some(types) = &types {
        builder.btf_custom_path(types.path()).map_err(CollectError::load)?;
    }
    let object = builder.open_memory(&bytes).map_err(CollectError::load)?;
    Ok(Opened { object, _types: types })
}

/// Whether settings have the size that an object's programs expect.
#[cfg(test)]
pub(crate) fn takes(compiled: Compiled, settings: &[u8]) -> bool {
    open(compiled, None).is_ok_and(|mut object| set_rodata(&mut object, settings).is_ok())
}

/// Writes the object's constant settings.
pub fn set_rodata(object: &mut OpenObject, value: &[u8]) -> Result<(), CollectError> {
    for mut map in object.maps_mut() {
        if map.name().to_string_lossy().ends_with(".rodata") {
            let target = map.initial_value_mut().unwrap_or_default();
            if target.len() != value.len() {
                return Err(CollectError::Load {
                    reason: format!(
                        "settings have {} bytes, the program expects {}: built wrongly",
                        value.len(),
                        target.len()
                    ),
                });
            }
            target.copy_from_slice(value);
            return Ok(());
        }
    }
    Err(CollectError::Load { reason: "the object has no settings: built wrongly".into() })
}

/// Has an object use the maps of others, by the ends of their names.
pub fn share(object: &mut OpenObject, maps: &[(&str, BorrowedFd<'_>)]) -> Result<(), CollectError> {
    for mut map in object.maps_mut() {
        let name = map.name().to_string_lossy().into_owned();
        let shared = maps.iter().find(|(end, _)| name.ends_with(end));
        if let Some((_, fd)) = shared {
            map.reuse_fd(*fd).map_err(CollectError::load)?;
        }
    }
    Ok(())
}

/// Loads only the named programs.
pub fn load(mut opened: Opened, programs: &[&str]) -> Result<Object, CollectError> {
    for mut program in opened.progs_mut() {
        let wanted = programs.iter().any(|p| program.name() == *p);
        program.set_autoload(wanted);
    }
    opened.object.load().map_err(|e| CollectError::Load { reason: format!("{e}{}", log_tail()) })
}

/// A map by the end of its name (`ring`, `.bss`).
pub fn map<'o>(object: &'o Object, name: &str) -> Result<MapImpl<'o>, CollectError> {
    object.maps().find(|m| m.name().to_string_lossy().ends_with(name)).ok_or_else(|| {
        CollectError::Load { reason: format!("the object has no map {name}: built wrongly") }
    })
}

/// The values of an array map or of the programs' variables (`.bss`), as memory.
pub fn memory(object: &Object, name: &str) -> Result<MapMemory, CollectError> {
    MapMemory::of(&map(object, name)?)
}

/// Sets the only value of a one-entry map.
pub fn set_value(object: &Object, name: &str, value: &[u8]) -> Result<(), CollectError> {
    map(object, name)?.update(&0u32.to_ne_bytes(), value, MapFlags::ANY).map_err(CollectError::load)
}

/// Does something with a program by its name.
pub fn with_program<T>(
    object: &Object,
    name: &str,
    work: impl FnOnce(&ProgramMut<'_>) -> Result<T, CollectError>,
) -> Result<T, CollectError> {
    let program = object
        .progs_mut()
        .find(|p| p.name() == name)
        .ok_or_else(|| CollectError::load(format!("no program {name}: built wrongly")))?;
    work(&program)
}

/// A device's name as the kernel keeps it.
pub fn device_name(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().take(15).zip(name.bytes()) {
        *to = from;
    }
    bytes
}
