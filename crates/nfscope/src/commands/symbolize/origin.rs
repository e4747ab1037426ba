//! Where answers come from: the running kernel, another one's files, or the files that were given.

use std::path::Path;

use nfscope_symbols::{Answer, DebugFiles, Image, Kernel, Lookup, Store, Target};

use crate::cli::SymbolizeArguments;
use crate::commands::Failure;

/// What answers.
pub(super) enum Origin<'a> {
    /// A kernel.
    Kernel(Box<Kernel<'a>>),
    /// Files alone, with the modules that they may be.
    Files(Vec<(String, Image<'a>)>),
}

impl<'a> Origin<'a> {
    /// What the arguments ask for.
    pub fn open(
        store: &'a Store,
        files: DebugFiles,
        arguments: &SymbolizeArguments,
    ) -> Result<Self, Failure> {
        if !arguments.files.is_empty() {
            let image = |path| Ok((module(path), Image::open(store, &files, path)?));
            let images = arguments.files.iter().map(|path| image(path));
            return Ok(Self::Files(images.collect::<anyhow::Result<_>>()?));
        }
        let running = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let kernel = match &arguments.kernel {
            Some(release)
                if release.contains('/') || release.is_empty() || release.starts_with('.') =>
            {
                return Err(Failure::Usage(format!(
                    "--kernel {release}: not a release, as uname -r prints it (for a file use -e)"
                )));
            }
            Some(release) if *release != running.trim() => {
                Kernel::of_release(store, files, release)
            }
            _ => Kernel::running(store, files)?,
        };
        Ok(Self::Kernel(Box::new(kernel)))
    }

    /// The kernel's release.
    pub fn release(&self) -> Option<&str> {
        match self {
            Self::Kernel(kernel) => Some(kernel.release()),
            Self::Files(_) => None,
        }
    }

    /// The file among those that were given that has a function.
    pub fn image(&mut self, module: Option<&str>, name: &str) -> Option<&mut Image<'a>> {
        let Self::Files(images) = self else { return None };
        let alone = images.len() == 1;
        images
            .iter_mut()
            .filter(|(own, _)| alone || module.is_none_or(|module| module == own))
            .map(|(_, image)| image)
            .find_map(|image| image.named(name, None).is_ok().then_some(image))
    }

    /// Whether a number in a text may be an address of code.
    pub fn has_code_at(&self, address: u64) -> bool {
        match self {
            Self::Kernel(kernel) => kernel.has_code_at(address),
            Self::Files(images) => images
                .iter()
                .any(|(_, image)| !image.object().is_relocatable() && image.has_symbol_at(address)),
        }
    }

    /// Answers, or says why it cannot.
    pub fn resolve(&mut self, target: &Target, lookup: Lookup) -> Result<Vec<Answer>, String> {
        let images = match self {
            Self::Kernel(kernel) => return kernel.resolve(target, lookup),
            Self::Files(images) => images,
        };
        let mut reason = None;
        let wanted = target.module().map(str::to_owned);
        // one file is meant whatever it is called
        let alone = images.len() == 1;
        for (name, image) in images {
            if !alone && wanted.as_ref().is_some_and(|wanted| wanted != name) {
                continue;
            }
            match image.resolve(target, lookup) {
                Ok(mut answers) => {
                    answers.iter_mut().for_each(|answer| answer.module.clone_from(&wanted));
                    return Ok(answers);
                }
                Err(e) => reason = reason.or(Some(e)),
            }
        }
        Err(reason.unwrap_or_else(|| {
            format!("none of the files is module {}", wanted.unwrap_or_default())
        }))
    }
}

/// The module that a file may be, by its name.
fn module(path: &Path) -> String {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.split_once(".ko").map_or(name, |(stem, _)| stem).replace('-', "_")
}
