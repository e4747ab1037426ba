//! Answers of both programs in one form.

use std::collections::VecDeque;

use anyhow::{Context, Result};
use serde_json::Value;

/// One function of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its name.
    pub function: String,
    /// The file, relative to the source tree; `??` without one.
    pub file: String,
    /// The line.
    pub line: Option<u64>,
}

/// `addr2line -a -i -f`: an address, then two lines a frame, the innermost first.
pub fn of_addr2line(output: &str) -> Result<Vec<Vec<Frame>>> {
    let mut out: Vec<Vec<Frame>> = Vec::new();
    let mut lines: VecDeque<&str> = output.lines().collect();
    while let Some(line) = lines.pop_front() {
        if line.starts_with("0x") {
            out.push(Vec::new());
            continue;
        }
        let place = lines.pop_front().context("addr2line's output ends early")?;
        // `file.c:12 (discriminator 3)`, `??:0`, `file.c:?`
        let place = place.split_once(" (").map_or(place, |(place, _)| place);
        let (file, number) = place.rsplit_once(':').context("addr2line's line has no colon")?;
        let line_number = number.parse().ok().filter(|number| *number != 0);
        let frame = Frame { function: line.to_owned(), file: simplified(file), line: line_number };
        out.last_mut().context("addr2line's output begins without an address")?.push(frame);
    }
    out.iter_mut().for_each(without_guess);
    Ok(out)
}

/// `llvm-symbolizer`: two lines a frame, an empty one behind each address.
pub fn of_llvm(output: &str) -> Result<Vec<Vec<Frame>>> {
    let mut out = Vec::new();
    for block in output.split("\n\n").map(str::trim).filter(|block| !block.is_empty()) {
        let mut chain = Vec::new();
        let mut lines = block.lines();
        while let Some(function) = lines.next() {
            // file.c:12:3
            let place = lines.next().context("llvm-symbolizer's output ends early")?;
            let mut parts = place.rsplitn(3, ':').skip(1);
            let line = parts.next().and_then(|line| line.parse().ok()).filter(|line| *line != 0);
            let file = simplified(parts.next().unwrap_or("??"));
            chain.push(Frame { function: function.to_owned(), file, line });
        }
        without_guess(&mut chain);
        out.push(chain);
    }
    Ok(out)
}

/// Takes away what is said where there is no line: a symbol near by and perhaps the file that it is from.
pub fn without_guess(chain: &mut Vec<Frame>) {
    if let [Frame { line: None, .. }] = chain.as_slice() {
        chain.clear();
    }
}

/// `nfscope symbolize --json`: an object an address.
pub fn of_nfscope(output: &str) -> Result<Vec<Vec<Frame>>> {
    let mut out = Vec::new();
    for line in output.lines() {
        let answer: Value = serde_json::from_str(line).context("no JSON")?;
        let text = |value: &Value, name: &str| {
            value.get(name).and_then(Value::as_str).unwrap_or("??").to_owned()
        };
        let frames = answer.get("frames").and_then(Value::as_array);
        out.push(match frames {
            Some(frames) => frames
                .iter()
                .map(|frame| Frame {
                    function: text(frame, "function"),
                    file: simplified(&text(frame, "file")),
                    line: frame.get("line").and_then(Value::as_u64),
                })
                .collect(),
            None => Vec::new(),
        });
    }
    out.iter_mut().for_each(without_guess);
    Ok(out)
}

/// A path without `.`, `..` and the folder that Debian's kernels are built in.
pub fn simplified(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        match parts.last() {
            Some(last) if part == ".." && *last != ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    // debian/build/build_amd64_none_cloud-amd64
    let build = parts.windows(2).position(|pair| pair == ["debian", "build"]);
    parts.get(build.map_or(0, |at| at + 3)..).unwrap_or_default().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_one() {
        let theirs = of_addr2line(
            "0x01\ninner\n./include/a.h:3 (discriminator 1)\nouter\n\
             debian/build/build_x/net/..//net/b.c:7\n0x02\npad\n??:0\n",
        );
        let ours = of_nfscope(
            r#"{"frames":[{"function":"inner","file":"include/a.h","line":3},{"function":"outer","file":"net/b.c","line":7}]}
            {"symbol":{"name":"pad"}}"#,
        );
        let theirs = theirs.unwrap();
        assert_eq!(theirs, ours.unwrap());
        let third = of_llvm("inner\n./include/x.h:3:1\nouter\n/b/debian/build/x/net/b.c:7:9\n\n");
        assert_eq!(third.unwrap()[0][0].file, "include/x.h");
        assert_eq!((theirs[0].len(), theirs[1].len()), (2, 0));
    }
}
