//! Stacks as `bpftrace -e '… { @[kstack] = count(); }'` prints them.

use std::io::{self, Write};

use nfscope_event::{CallStack, StackCount};

use super::super::source_text;
use super::{labels, place, remark};

/// The rarest first, so that the most frequent stands last on the screen.
///
/// # Errors
/// What the writer says.
pub fn text(out: &mut dyn Write, counts: &[StackCount], by_reason: bool) -> io::Result<()> {
    let mut lines: Vec<(u64, String)> =
        counts.iter().map(|c| (c.count, block(c, by_reason))).collect();
    lines.sort();
    for (count, block) in lines {
        writeln!(out, "@[{block}]: {count}")?;
    }
    Ok(())
}

fn block(count: &StackCount, by_reason: bool) -> String {
    let mut parts = vec![frames(&count.stack, "kernel")];
    parts.extend(count.user_stack.as_ref().map(|stack| frames(stack, "user")));
    parts.extend(labels(count, by_reason));
    parts.join(", ")
}

fn frames(stack: &CallStack, whose: &str) -> String {
    let mut lines = String::new();
    for frame in &stack.frames {
        lines += &format!("\n    {}", place(frame));
        frame.source.iter().for_each(|at| lines += &format!("\n        {}", source_text(at)));
    }
    remark(stack, whose).iter().for_each(|remark| lines += &format!("\n    {remark}"));
    lines + "\n"
}

#[cfg(test)]
mod tests {
    use nfscope_event::{Netns, StackState};

    use super::super::samples::{count, with_lines};
    use super::*;

    #[test]
    fn lines_stand_below_their_frame() {
        let mut out = Vec::new();
        text(&mut out, &[with_lines(1, &["f", "g"])], false).unwrap();
        let wanted = "@[\n    f+63\n        inner at net/core.c:7 (inlined)\n        \
                      outer at net/core.c:9\n    g+63\n]: 1\n";
        assert_eq!(String::from_utf8(out).unwrap(), wanted);
    }

    #[test]
    fn the_most_frequent_comes_last() {
        let mut second = count(2, &["ip_rcv"]);
        second.netns = Some(Netns { inode: 0, name: None });
        second.user_stack = Some(CallStack { frames: vec![], state: StackState::Missing });
        let all = [count(7, &["nf_hook_slow", "ip_rcv"]), second];
        let mut out = Vec::new();
        text(&mut out, &all, false).unwrap();
        let wanted = "@[\n    ip_rcv+63\n, \n    [no user stack]\n, unknown netns]: 2\n\
                      @[\n    nf_hook_slow+63\n    ip_rcv+63\n]: 7\n";
        assert_eq!(String::from_utf8(out).unwrap(), wanted);
    }
}
