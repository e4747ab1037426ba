//! Debug information from servers (debuginfod), by elfutils' own client: it knows TLS, keeps what it
//! fetched below `~/.cache/debuginfod_client`, and has the user's settings.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::notes::hexadecimal;

/// elfutils' client.
const PROGRAM: &str = "debuginfod-find";
/// Where servers are named (debuginfod-find(1)); empty or absent: nobody is asked.
const SERVERS: &str = "DEBUGINFOD_URLS";

/// Who is asked.
#[derive(Debug, Clone)]
pub(crate) struct Debuginfod {
    program: PathBuf,
}

impl Debuginfod {
    /// As the environment says.
    pub fn from_environment() -> Option<Self> {
        let servers = std::env::var_os(SERVERS)?;
        let named = !servers.to_string_lossy().trim().is_empty();
        named.then(|| Self { program: PROGRAM.into() })
    }

    /// The file with the debug information of a build id; else why there is none.
    pub fn find(&self, build_id: &[u8]) -> Result<PathBuf, String> {
        let build_id = hexadecimal(build_id);
        let mut command = Command::new(&self.program);
        let output = command.args(["debuginfo", &build_id]).stdin(Stdio::null()).output();
        let output = match output {
            Ok(output) => output,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(format!(
                    "{SERVERS} is set, but there is no {PROGRAM} to ask with: install elfutils' debuginfod \
                     client (Debian: apt install debuginfod; Fedora: dnf install elfutils-debuginfod-client)"
                ));
            }
            Err(e) => return Err(format!("{PROGRAM} cannot be run: {e}")),
        };
        let text = String::from_utf8_lossy(&output.stdout);
        let path = text.lines().last().map(|line| PathBuf::from(line.trim()));
        match path.filter(|path| output.status.success() && path.is_file()) {
            Some(path) => Ok(path),
            None => {
                let error = String::from_utf8_lossy(&output.stderr);
                let error = error.lines().last().unwrap_or("it does not say why").trim();
                Err(format!("debuginfod has nothing for build id {build_id}: {error}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A program in the place of the client.
    fn client(name: &str, script: &str) -> Debuginfod {
        let path = std::env::temp_dir().join(format!("nfscope-{name}-{}", std::process::id()));
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        Debuginfod { program: path }
    }

    #[test]
    fn its_answers() {
        let found = client("found", "[ \"$1 $2\" = 'debuginfo 01ff' ] && echo /dev/../etc/passwd");
        assert_eq!(found.find(&[1, 0xff]), Ok(PathBuf::from("/dev/../etc/passwd")));
        assert!(found.find(&[2]).is_err());
        let none =
            client("none", "echo Server query failed: No such file or directory >&2; exit 1");
        let why = none.find(&[1]).unwrap_err();
        assert!(
            why.ends_with("build id 01: Server query failed: No such file or directory"),
            "{why}"
        );
        for client in [found, none] {
            std::fs::remove_file(client.program).unwrap();
        }
        let missing = Debuginfod { program: "/nonexistent/debuginfod-find".into() };
        assert!(missing.find(&[1]).unwrap_err().contains("apt install debuginfod"));
    }
}
