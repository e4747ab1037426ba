//! Types of the functions that are watched, of the kernel and of its modules.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use nfscope_kernel::btf::Btf;
use nfscope_probe::{Prototype, RecordField};

use crate::catalogue::events;
use crate::targets::At;

/// Where the kernel shows its modules' types.
const MODULES: &str = "/sys/kernel/btf";

/// Why a function's type is not known.
const NO_MODULES: &str = "this kernel has no type information of its modules (5.11)";
const SEVERAL: &str = "several functions have this name";
const NOT_THERE: &str = "the kernel's type information does not have this function";

/// Types by module.
pub struct Types {
    kernel: Arc<Btf>,
    modules: HashMap<String, Option<Arc<Btf>>>,
    /// Type ids of functions, by module and name.
    functions: HashMap<(Option<String>, String), Vec<u32>>,
}

impl Types {
    /// Those of all functions among the places.
    pub fn read(kernel: &Btf, places: &[At]) -> Self {
        let kernel = Arc::new(kernel.kernel().clone());
        let mut modules = HashMap::new();
        let mut functions: HashMap<(Option<String>, String), Vec<u32>> = HashMap::new();
        for function in places.iter().filter_map(|at| at.function.as_ref()) {
            functions.entry((function.module.clone(), function.name.clone())).or_default();
            if let Some(name) = &function.module {
                modules.entry(name.clone()).or_insert_with(|| {
                    let there = Path::new(MODULES).join(name).exists();
                    let btf = there.then(|| Btf::module(name, kernel.clone()).ok()).flatten();
                    btf.map(Arc::new)
                });
            }
        }
        let mut all = Self { kernel, modules, functions };
        all.number();
        all
    }

    fn number(&mut self) {
        let of_modules = self.modules.iter();
        let of_modules = of_modules.filter_map(|(n, b)| Some((Some(n.clone()), b.clone()?)));
        let btfs: Vec<_> = of_modules.chain([(None, self.kernel.clone())]).collect();
        for (module, btf) in btfs {
            if !self.functions.keys().any(|(of, _)| *of == module) {
                continue;
            }
            for (id, name) in btf.functions() {
                if let Some(ids) = self.functions.get_mut(&(module.clone(), name.to_owned())) {
                    ids.push(id);
                }
            }
        }
    }

    /// The types of a place.
    pub fn of(&self, at: &At) -> &Btf {
        let module = at.function.as_ref().and_then(|f| f.module.as_ref());
        let of_module = module.and_then(|name| self.modules.get(name)?.as_deref());
        of_module.unwrap_or(&self.kernel)
    }

    /// A function's prototype, or why it is not known.
    pub fn prototype(&self, at: &At) -> Result<Prototype, &'static str> {
        let Some(function) = &at.function else { return Err(NOT_THERE) };
        if let Some(module) = &function.module
            && !matches!(self.modules.get(module), Some(Some(_)))
        {
            return Err(NO_MODULES);
        }
        let key = (function.module.clone(), function.name.clone());
        match self.functions.get(&key).map(Vec::as_slice) {
            _ if at.ambiguous => Err(SEVERAL),
            Some([id]) => {
                let (parameters, returned) = self.of(at).prototype_ids(*id).ok_or(NOT_THERE)?;
                Ok(Prototype { parameters, returned })
            }
            Some([_, _, ..]) => Err(SEVERAL),
            _ => Err(NOT_THERE),
        }
    }
}

/// The fields of a tracepoint's record; none where tracefs does not tell.
pub fn record(category: &str, name: &str, btf: &Btf) -> Vec<RecordField> {
    let of = |field: events::Field| RecordField {
        names: field
            .values
            .iter()
            .filter_map(|value| Some((value.name.clone(), number(&value.value)?)))
            .collect(),
        name: field.name,
        type_name: field.type_name,
        offset: field.offset,
        size: field.size,
        signed: field.signed,
    };
    events::record(category, name, &[btf]).unwrap_or_default().into_iter().map(of).collect()
}

/// A number as the kernel's print formats have it.
fn number(text: &str) -> Option<i64> {
    match text.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}
