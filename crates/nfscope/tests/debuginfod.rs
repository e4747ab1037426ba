//! `nfscope symbolize` asks the servers of `DEBUGINFOD_URLS`, by elfutils' client and a server here.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

const SOURCE: &str = "int main(void) {\n    return 0;\n}\n";

/// Runs a tool in a folder.
fn run(folder: &Path, line: &str) -> bool {
    let words: Vec<&str> = line.split(' ').collect();
    let Some((tool, arguments)) = words.split_first() else { return false };
    let mut command = Command::new(tool);
    command.current_dir(folder).args(arguments).status().is_ok_and(|status| status.success())
}

/// Answers one request: the file, if it is asked for by its build id.
fn answer(stream: TcpStream, path: &str, file: &[u8]) -> std::io::Result<()> {
    let mut request = BufReader::new(stream);
    let mut first = String::new();
    request.read_line(&mut first)?;
    let mut line = String::new();
    while request.read_line(&mut line)? > 2 {
        line.clear();
    }
    let (status, body) = match first.split(' ').nth(1) == Some(path) {
        true => ("200 OK", file),
        false => ("404 Not Found", &b""[..]),
    };
    let mut out = request.into_inner();
    write!(
        out,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    out.write_all(body)
}

/// The folder with a stripped program, and the server's port.
fn prepared() -> Option<(PathBuf, u16)> {
    let folder = std::env::temp_dir().join(format!("nfscope-debuginfod-{}", std::process::id()));
    std::fs::create_dir_all(&folder).ok()?;
    std::fs::write(folder.join("a.c"), SOURCE).ok()?;
    let made = [
        "cc -g -Wl,--build-id=0x00112233445566778899 -o a a.c",
        "objcopy --only-keep-debug a a.debug",
        "objcopy --strip-all a b",
    ];
    if !made.iter().all(|line| run(&folder, line)) {
        return None;
    }
    let file: Arc<[u8]> = std::fs::read(folder.join("a.debug")).ok()?.into();
    let listener = TcpListener::bind("127.0.0.1:0").ok()?;
    let port = listener.local_addr().ok()?.port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // one that goes away early gets nothing
            let _ = answer(stream, "/buildid/00112233445566778899/debuginfo", &file);
        }
    });
    Some((folder, port))
}

#[test]
fn lines_come_from_a_server() {
    if Command::new("debuginfod-find").arg("--version").output().is_err() {
        return eprintln!("skipped: there is no debuginfod-find");
    }
    let Some((folder, port)) = prepared() else {
        return eprintln!("skipped: there is no cc or no objcopy");
    };
    let asked = |urls: &str| {
        let mut nfscope = Command::new(env!("CARGO_BIN_EXE_nfscope"));
        nfscope.args(["symbolize", "--json", "-e", "b", "main"]).current_dir(&folder);
        nfscope.env("DEBUGINFOD_URLS", urls).env("DEBUGINFOD_CACHE_PATH", folder.join("cache"));
        String::from_utf8(nfscope.output().unwrap().stdout).unwrap()
    };
    let server = format!("http://127.0.0.1:{port}");
    let nobody = asked("");
    assert!(!nobody.contains("a.c"), "{nobody}");
    let wrong = asked(&format!("{server}/none"));
    assert!(!wrong.contains("a.c"), "{wrong}");
    // that there was nothing is remembered, too
    std::fs::remove_dir_all(folder.join("cache")).unwrap();
    let told = asked(&server);
    assert!(told.contains("\"file\":\"a.c\",\"line\":1"), "{told}");
    std::fs::remove_dir_all(&folder).unwrap();
}
