//! QEMU's command line.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use clap::ValueEnum;

use crate::kernel::spec::Architecture;

/// What executes the guest's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Acceleration {
    /// QEMU's translator: works everywhere, and the same everywhere.
    Tcg,
    /// The processor itself, through /dev/kvm.
    Kvm,
    /// KVM where it works, else the translator.
    Auto,
}

/// The virtual hardware.
#[derive(Debug, Clone)]
pub struct Hardware {
    /// What executes the guest's code.
    pub acceleration: Acceleration,
    /// Count instructions: each takes one virtual nanosecond. Needs the
    /// translator and one processor, whatever the other fields say.
    pub icount: bool,
    /// Number of processors. The translator runs them in turn.
    pub processors: u32,
    /// Memory in MiB.
    pub memory: u32,
    /// More words for the kernel's command line.
    pub append: String,
}

/// Files of one machine.
pub struct Disks {
    /// Kernel image.
    pub kernel: PathBuf,
    /// Initial RAM disk.
    pub ram_disk: PathBuf,
    /// Root file system; the guest's writes are forgotten.
    pub root: PathBuf,
    /// `/usr/lib/modules`, read only.
    pub modules: PathBuf,
    /// The shared files as a tar archive, read only.
    pub share: PathBuf,
    /// Where the guest writes a tar archive.
    pub out: Option<PathBuf>,
    /// The kernel's console goes here.
    pub console: PathBuf,
}

impl Hardware {
    /// The arguments of `qemu-system-…`. The guest's output is QEMU's own.
    pub fn arguments(&self, architecture: Architecture, disks: &Disks) -> Vec<String> {
        let kvm = !self.icount && self.kvm(architecture);
        let mut arguments: Vec<String> = Vec::new();
        let mut add =
            |words: &[&str]| arguments.extend(words.iter().map(|word| (*word).to_owned()));
        let console = match architecture {
            Architecture::Amd64 => {
                add(&["-M", "pc,usb=off,vmport=off"]);
                // Emulating five page table levels and 16 byte exchanges is slow.
                add(&["-cpu", if kvm { "host" } else { "max,la57=off,cx16=off" }]);
                "ttyS0"
            }
            Architecture::Arm64 => {
                add(&["-M", "virt", "-cpu", if kvm { "host" } else { "cortex-a57" }]);
                "ttyAMA0"
            }
        };
        // Several threads of the translator crash guests that patch their code
        // (seen with QEMU 7.2 and kernels 6.12 and 6.18).
        add(&["-accel", if kvm { "kvm" } else { "tcg,thread=single" }]);
        let processors = if self.icount { 1 } else { self.processors };
        add(&["-smp", &processors.to_string(), "-m", &self.memory.to_string()]);
        if self.icount {
            add(&["-icount", "shift=0,sleep=off"]);
        }
        add(&["-display", "none", "-vga", "none", "-nic", "none", "-monitor", "none"]);
        add(&["-no-reboot", "-serial", &format!("file:{}", escaped(&disks.console))]);
        add(&["-device", "virtio-rng-pci", "-device", "virtio-serial-pci"]);
        add(&["-chardev", "file,id=output,path=/dev/stdout"]);
        add(&["-device", "virtserialport,chardev=output,nr=1"]);
        for (path, mode) in [
            (Some(&disks.root), "snapshot=on"),
            (Some(&disks.modules), "readonly=on"),
            (Some(&disks.share), "readonly=on"),
            (disks.out.as_ref(), "cache=unsafe"),
        ] {
            let Some(path) = path else { continue };
            add(&["-drive", &format!("file={},format=raw,if=virtio,{mode}", escaped(path))]);
        }
        add(&["-kernel", &disks.kernel.to_string_lossy()]);
        add(&["-initrd", &disks.ram_disk.to_string_lossy()]);
        // A busy host makes the guest's timer look broken at boot. Programs at the
        // same addresses each time are translated once: a sixth of all time.
        let line = format!(
            "console={console} quiet log_buf_len=8M panic=-1 reboot=t no_timer_check norandmaps {}",
            self.append
        );
        add(&["-append", line.trim_end()]);
        arguments
    }

    fn kvm(&self, architecture: Architecture) -> bool {
        match self.acceleration {
            Acceleration::Tcg => false,
            Acceleration::Kvm => true,
            Acceleration::Auto => kvm_works(architecture),
        }
    }
}

/// A comma in a file's name is doubled in QEMU's options.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

/// Start a machine without anything in it: /dev/kvm may be there and refuse.
fn kvm_works(architecture: Architecture) -> bool {
    let child = Command::new(format!("qemu-system-{}", architecture.machine()))
        .args(["-M", "none", "-accel", "kvm", "-nodefaults", "-display", "none"])
        .args(["-monitor", "stdio"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else { return false };
    if let Some(mut stdin) = child.stdin.take() {
        // A machine that did not start does not read, and fails below.
        let _ = stdin.write_all(b"quit\n");
    }
    child.wait().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(icount: bool) -> String {
        let hardware = Hardware {
            acceleration: Acceleration::Kvm,
            icount,
            processors: 2,
            memory: 512,
            append: String::new(),
        };
        let path = || PathBuf::from("/a,b");
        let disks = Disks {
            kernel: path(),
            ram_disk: path(),
            root: path(),
            modules: path(),
            share: path(),
            out: None,
            console: path(),
        };
        hardware.arguments(Architecture::Amd64, &disks).join(" ")
    }

    #[test]
    fn counting_needs_the_translator_and_one_processor() {
        assert!(arguments(false).contains("-accel kvm -smp 2"));
        assert!(arguments(true).contains("-accel tcg,thread=single -smp 1"));
        assert!(arguments(true).contains("file=/a,,b,"));
    }
}
