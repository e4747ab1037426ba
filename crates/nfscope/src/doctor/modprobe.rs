//! What would happen if the kernel asked for a module: which one it is, and whether
//! modprobe (`modprobe.d(5)`), the boot line or the kernel refuse it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Where modprobe is told what to do, the first folder that has a file's name decides.
const FOLDERS: [&str; 5] = [
    "/etc/modprobe.d",
    "/run/modprobe.d",
    "/usr/local/lib/modprobe.d",
    "/usr/lib/modprobe.d",
    "/lib/modprobe.d",
];

/// Why a module would not be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Who refuses it.
    pub why: String,
    /// The command that loads it all the same.
    pub fix: Option<String>,
}

/// What is known of modules that the kernel may ask for.
#[derive(Debug, Clone, Default)]
pub struct Modprobe {
    /// `modules.alias`, `modules.dep` and `modules.softdep` of the running kernel; none if
    /// they are not to be found.
    aliases: Option<String>,
    files: String,
    softdeps: String,
    /// Lines of modprobe's configuration.
    told: Vec<String>,
    /// `/proc/cmdline`
    boot: String,
    /// Nothing is loaded any more (`kernel.modules_disabled`).
    disabled: bool,
}

impl Modprobe {
    /// Reads what is there.
    pub fn read() -> Self {
        let read = |path: &str| std::fs::read_to_string(path);
        let release = read("/proc/sys/kernel/osrelease").unwrap_or_default();
        let list = |name: &str| read(&format!("/lib/modules/{}/{name}", release.trim()));
        Self {
            aliases: list("modules.alias").ok(),
            files: list("modules.dep").unwrap_or_default(),
            softdeps: list("modules.softdep").unwrap_or_default(),
            told: configuration(),
            boot: read("/proc/cmdline").unwrap_or_default(),
            disabled: read("/proc/sys/kernel/modules_disabled")
                .is_ok_and(|text| text.trim() == "1"),
        }
    }

    /// Whether it is known which modules there are.
    pub fn known(&self) -> bool {
        self.aliases.is_some()
    }

    /// The module that would be loaded for a name that the kernel asks for.
    pub fn module(&self, alias: &str) -> Option<String> {
        let fits = |line: &str| {
            let mut words = line.split_whitespace();
            let right = words.next() == Some("alias") && words.next() == Some(alias);
            if right { words.next().map(underscored) } else { None }
        };
        self.aliases.as_deref()?.lines().find_map(fits)
    }

    /// Whether there is a file of this module.
    pub fn has(&self, module: &str) -> bool {
        let name = |line: &str| {
            let file = line.split(':').next()?.rsplit('/').next()?;
            Some(underscored(file.split(".ko").next()?))
        };
        self.files.lines().filter_map(name).any(|name| name == module)
    }

    /// The first of these modules that would have to be loaded. One without a file is built
    /// in, or this kernel does without; where files are not known, each may have one.
    pub fn missing<'a>(&self, modules: &[&'a str]) -> Option<&'a str> {
        let may = |module: &str| match self.known() {
            true => self.has(module),
            // a kernel without it has no modules at all
            false => Path::new("/proc/modules").exists(),
        };
        modules.iter().copied().find(|module| may(module) && !loaded(module))
    }

    /// Who keeps the module from being loaded when the kernel asks for `alias`.
    pub fn refusal(&self, alias: &str, module: &str) -> Option<Refusal> {
        let refused = |why: String, fix| Some(Refusal { why, fix });
        if self.disabled {
            let why = "the kernel loads no modules any more (kernel.modules_disabled): boot again";
            return refused(why.into(), None);
        }
        if self.boot_list("module_blacklist").contains(module) {
            return refused("the boot line has module_blacklist".into(), None);
        }
        let asked = underscored(alias);
        let mut words: Vec<(Vec<&str>, &String)> = Vec::new();
        words.extend(self.told.iter().map(|line| (line.split_whitespace().collect(), line)));
        let install = words.iter().find(|(words, _)| {
            let name = words.get(1).map(|name| underscored(name));
            words.first() == Some(&"install")
                && name.is_some_and(|name| name == module || name == asked)
                && words.get(2).is_some_and(|command| does_nothing(command))
        });
        if let Some((_, line)) = install {
            let fix = format!("modprobe --ignore-install {module}");
            return refused(format!("modprobe is told: {line}"), Some(fix));
        }
        // Both are asked of names that stand for modules only. Modules of rules that log name
        // what they want beforehand, with which it is loaded all the same.
        if self.wanted_by_other(module) {
            return None;
        }
        let fix = Some(format!("modprobe {module}"));
        let line = words.iter().find(|(words, _)| match words[..] {
            ["blacklist", name, ..] => underscored(name) == module,
            ["alias", name, "off", ..] => underscored(name) == asked,
            _ => false,
        });
        if let Some((_, line)) = line {
            return refused(format!("modprobe is told: {line}"), fix);
        }
        if self.boot_list("modprobe.blacklist").contains(module) {
            return refused("the boot line has modprobe.blacklist".into(), fix);
        }
        None
    }

    /// Whether a module that is not loaded yet brings this one along.
    fn wanted_by_other(&self, module: &str) -> bool {
        self.softdeps.lines().any(|line| {
            let mut words = line.split_whitespace().skip(1);
            let other = words.next().map(underscored).unwrap_or_default();
            let brings = words.any(|word| underscored(word) == module);
            brings && LOGGING.contains(&other.as_str()) && !loaded(&other)
        })
    }

    /// `NAME=one,two` of the boot line.
    fn boot_list(&self, name: &str) -> BTreeSet<String> {
        let lists = self.boot.split_whitespace().filter_map(|word| word.split_once('='));
        let lists = lists.filter(|(known, _)| *known == name);
        lists.flat_map(|(_, list)| list.split(',').map(underscored)).collect()
    }
}

/// Modules of rules that log.
const LOGGING: [&str; 2] = ["nft_log", "xt_LOG"];

/// Whether a module is loaded, or built in and says so.
pub fn loaded(module: &str) -> bool {
    Path::new("/sys/module").join(module).exists()
}

/// Modules' names and those of their files differ.
fn underscored(name: &str) -> String {
    name.replace('-', "_")
}

/// `/bin/false`, `true`
fn does_nothing(command: &str) -> bool {
    matches!(command.rsplit('/').next(), Some("false" | "true"))
}

/// The lines of all files that count.
fn configuration() -> Vec<String> {
    let mut files = BTreeMap::new();
    for folder in FOLDERS {
        for file in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = file.file_name();
            if Path::new(&name).extension().is_some_and(|end| end == "conf") {
                files.entry(name).or_insert_with(|| file.path());
            }
        }
    }
    let texts = files.values().filter_map(|path| std::fs::read_to_string(path).ok());
    texts.flat_map(|text| lines(&text)).collect()
}

/// Lines without comments; one that ends in a backslash goes on.
fn lines(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(told: &str, boot: &str) -> Modprobe {
        Modprobe {
            aliases: Some("alias nf-logger-2-0 nf_log_syslog\nalias x y\n".into()),
            files: "kernel/net/netfilter/nf_log_syslog.ko.xz:\nkernel/a/b-c.ko: kernel/d.ko\n"
                .into(),
            told: lines(told),
            boot: boot.into(),
            ..Modprobe::default()
        }
    }

    #[test]
    fn which_module() {
        let modprobe = with("", "");
        assert_eq!(modprobe.module("nf-logger-2-0").as_deref(), Some("nf_log_syslog"));
        assert_eq!(modprobe.module("nf-logger-3-0"), None);
        assert!(modprobe.has("nf_log_syslog") && modprobe.has("b_c") && !modprobe.has("d"));
    }

    #[test]
    fn who_refuses() {
        let why = |told, boot| {
            let refusal = with(told, boot).refusal("nf-logger-2-0", "nf_log_syslog");
            refusal.map(|refusal| refusal.why)
        };
        assert_eq!(
            why("# no\n\nblacklist pcspkr\ninstall nf_log_syslog /sbin/modprobe x", ""),
            None
        );
        for line in [
            "blacklist nf-log-syslog",
            "install nf_log_syslog /bin/false",
            "install nf-logger-2-0 /bin/true",
            "alias nf-logger-2-0 off",
        ] {
            assert_eq!(why(line, ""), Some(format!("modprobe is told: {line}")));
        }
        assert!(why("", "quiet modprobe.blacklist=a,nf_log_syslog").is_some());
        assert!(why("", "module_blacklist=nf_log_syslog").is_some());
        assert!(why("install nf_log_syslog \\\n /bin/false", "").is_some());
    }

    #[test]
    fn what_another_module_brings_is_not_refused_by_its_alias() {
        let softdeps = "# comment\nsoftdep nft_log pre: nf_log_syslog\n".to_owned();
        let refused = |line| {
            let modprobe = Modprobe { softdeps: softdeps.clone(), ..with(line, "") };
            modprobe.refusal("nf-logger-2-0", "nf_log_syslog").is_some()
        };
        assert!(!refused("blacklist nf_log_syslog") || loaded("nft_log"));
        assert!(refused("install nf_log_syslog /bin/false"));
    }
}
