//! Counted stacks: as bpftrace prints them, as a tree, folded, as a flame graph.

mod folded;
mod text;
mod tree;

pub use folded::{flamegraph, folded};
pub use text::text;
pub use tree::{Root, tree};

use nfscope_event::{CallStack, Frame, StackContext, StackCount, StackState};

use super::{escape, source_text};

/// What a count is for, beside its stacks.
fn labels(count: &StackCount, by_reason: bool) -> Vec<String> {
    let mut out = Vec::new();
    if by_reason {
        out.push(count.reason.as_deref().map_or("no reason".into(), |r| escape(r).into_owned()));
    }
    match (count.context, &count.process) {
        (_, Some(p)) => out.push(format!("{} (pid {})", escape(&p.command), p.pid)),
        (Some(StackContext::Interrupt), _) => out.push("interrupt".into()),
        (Some(_), None) => out.push("unknown process".into()),
        (None, None) => {}
    }
    out.extend(count.cpu.map(|cpu| format!("cpu {cpu}")));
    out.extend(count.netns.as_ref().map(|netns| match (&netns.name, netns.inode) {
        (Some(name), _) => format!("netns {}", escape(name)),
        (None, 0) => "unknown netns".into(),
        (None, inode) => format!("netns {inode}"),
    }));
    out
}

/// A frame without its offset: what trees are made of.
fn function(frame: &Frame) -> String {
    match (&frame.function, &frame.module) {
        (Some(function), _) => escape(function).into_owned(),
        _ => place(frame),
    }
}

/// A frame in full.
fn place(frame: &Frame) -> String {
    let module = frame.module.as_deref().map(escape);
    match (&frame.function, frame.offset, module) {
        (Some(function), offset, module) => {
            let module = module.map(|m| format!(" [{m}]")).unwrap_or_default();
            format!("{}+{}{module}", escape(function), offset.unwrap_or(0))
        }
        (None, Some(offset), Some(module)) => format!("{module}+{offset:#x}"),
        _ => format!("{:#x}", frame.address.unwrap_or(0)),
    }
}

/// What to say where a stack ends too early, or is none.
fn remark(stack: &CallStack, whose: &str) -> Option<String> {
    match stack.state {
        StackState::Whole => None,
        StackState::Cut => Some("[deeper frames not walked]".into()),
        StackState::Missing => Some(format!("[no {whose} stack]")),
        StackState::Unkept => Some(format!("[{whose} stack not kept]")),
    }
}

/// Functions from the innermost to the outermost, the kernel's first; and what
/// is to be said of them.
fn functions(count: &StackCount) -> Vec<String> {
    let mut out = Vec::new();
    let stacks = [(Some(&count.stack), "kernel"), (count.user_stack.as_ref(), "user")];
    for (stack, whose) in stacks {
        let Some(stack) = stack else { continue };
        for frame in &stack.frames {
            // with lines those stand for the function, and what was inlined has its own
            match frame.source.as_slice() {
                [] => out.push(function(frame)),
                lines => out.extend(lines.iter().map(source_text)),
            }
        }
        out.extend(remark(stack, whose));
    }
    out
}

#[cfg(test)]
mod samples {
    use nfscope_event::{Process, SourceFrame};

    use super::*;

    /// A stack of functions, innermost first.
    pub fn count(count: u64, functions: &[&str]) -> StackCount {
        let frame = |name: &&str| Frame {
            function: Some((*name).into()),
            offset: Some(63),
            ..Frame::default()
        };
        let frames = functions.iter().map(frame).collect();
        StackCount {
            time_ns: 1,
            count,
            stack: CallStack { frames, state: StackState::Whole },
            user_stack: None,
            reason: None,
            context: None,
            process: None,
            cpu: None,
            netns: None,
        }
    }

    /// The same with lines for the first: one function was inlined into another.
    pub fn with_lines(number: u64, functions: &[&str]) -> StackCount {
        let at = |name: &str, line, inlined| SourceFrame {
            function: Some(name.into()),
            file: Some("net/core.c".into()),
            line: Some(line),
            column: None,
            inlined,
        };
        let mut out = count(number, functions);
        out.stack.frames[0].source = vec![at("inner", 7, true), at("outer", 9, false)];
        out
    }

    #[test]
    fn names_are_harmless() {
        let process = Process { pid: 1, command: "a\x1b[m".into() };
        let one = StackCount { process: Some(process), cpu: Some(3), ..count(1, &[]) };
        assert_eq!(labels(&one, true), ["no reason", "a\\x1b[m (pid 1)", "cpu 3"]);
        let frame = Frame { module: Some("lib\n".into()), offset: Some(16), ..Frame::default() };
        assert_eq!(place(&frame), "lib\\n+0x10");
    }
}
