//! From rows of the count map to counts with names.

use std::collections::HashMap;

use nfscope_collect::stacks::{By, Context, Row, Stack};
use nfscope_event::{CallStack, Frame, Netns, Process, StackContext, StackCount, StackState};
use nfscope_ruleset::netns::Names;

use super::source::SourceLines;
use super::symbols::Symbols;
use super::user::UserMaps;
use super::{ReasonNames, wall_clock};

/// Turns rows into counts.
pub struct StackResolver {
    /// What was counted apart.
    pub by: By,
    /// Names of drop reasons.
    pub reasons: ReasonNames,
    /// So many frames are walked at most.
    pub depth: usize,
    /// Print addresses instead of names.
    pub numeric: bool,
}

impl StackResolver {
    /// The counts, those of one content as one; with the source lines of the kernel's frames, if
    /// they are wanted.
    pub fn counts(
        &self,
        rows: Vec<Row>,
        users: &mut UserMaps,
        mut lines: Option<&mut SourceLines<'_>>,
    ) -> Vec<StackCount> {
        let mut symbols = Symbols::default();
        if !self.numeric {
            let frames = rows.iter().flat_map(|row| match &row.kernel {
                Stack::Frames(frames) => frames.as_slice(),
                Stack::Missing | Stack::Unkept => &[],
            });
            symbols.learn(&frames.copied().collect::<Vec<_>>());
        }
        let names = if self.numeric { Names::default() } else { Names::scan() };
        let time_ns = wall_clock::now_ns();
        // the kernel counts user stacks by process, since their addresses are
        // the process's own
        let mut sums: HashMap<(Row, Option<CallStack>), u64> = HashMap::new();
        for mut row in rows {
            let user = self.by.user.then(|| self.user_stack(&row, users));
            row.user = Stack::Missing;
            row.context = row.context.filter(|_| self.by.process);
            let count = std::mem::take(&mut row.count);
            *sums.entry((row, user)).or_default() += count;
        }
        let finish = |((row, user_stack), count): ((Row, Option<CallStack>), u64)| {
            let (context, process) = match row.context {
                Some(Context::Process { pid, command }) => {
                    (Some(StackContext::Process), Some(Process { pid, command }))
                }
                Some(Context::Interrupt) => (Some(StackContext::Interrupt), None),
                Some(Context::Unknown) => (Some(StackContext::Unknown), None),
                None => (None, None),
            };
            let netns = || {
                let name = names.get(row.netns).map(str::to_owned);
                Netns { inode: row.netns, name }
            };
            StackCount {
                time_ns,
                count,
                stack: self.stack(&row.kernel, |address| {
                    let frame = self.kernel_frame(&mut symbols, address);
                    let at = |lines: &mut &mut SourceLines<'_>| {
                        lines.at(address, frame.function.as_deref())
                    };
                    Frame { source: lines.as_mut().map(at).unwrap_or_default(), ..frame }
                }),
                user_stack,
                reason: row.reason.filter(|_| self.by.reason).map(|r| self.reasons.name(r)),
                context,
                process,
                cpu: self.by.cpu.then_some(row.cpu),
                netns: self.by.netns.then(netns),
            }
        };
        sums.into_iter().map(finish).collect()
    }

    fn kernel_frame(&self, symbols: &mut Symbols, address: u64) -> Frame {
        let found = if self.numeric { None } else { symbols.resolved(address) };
        match found {
            Some(found) => Frame {
                function: Some(found.name),
                offset: Some(found.offset),
                module: found.module,
                ..Frame::default()
            },
            None => Frame { address: Some(address), ..Frame::default() },
        }
    }

    fn user_stack(&self, row: &Row, users: &mut UserMaps) -> CallStack {
        let pid = match row.context {
            Some(Context::Process { pid, .. }) => Some(pid),
            _ => None,
        };
        self.stack(&row.user, |address| {
            let bare = Frame { address: Some(address), ..Frame::default() };
            pid.filter(|_| !self.numeric).and_then(|p| users.frame(p, address)).unwrap_or(bare)
        })
    }

    fn stack(&self, stack: &Stack, frame: impl FnMut(u64) -> Frame) -> CallStack {
        let (frames, state) = match stack {
            Stack::Frames(frames) if frames.len() >= self.depth => (frames, StackState::Cut),
            Stack::Frames(frames) => (frames, StackState::Whole),
            Stack::Missing => return CallStack { frames: vec![], state: StackState::Missing },
            Stack::Unkept => return CallStack { frames: vec![], state: StackState::Unkept },
        };
        CallStack { frames: frames.iter().copied().map(frame).collect(), state }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_that_nobody_asked_for_are_one_count() {
        let row = |pid, count| Row {
            count,
            kernel: Stack::Frames(vec![1, 2]),
            user: Stack::Unkept,
            reason: None,
            cpu: 5,
            netns: 7,
            context: Some(Context::Process { pid, command: String::new() }),
        };
        let resolver = |process| StackResolver {
            by: By { user: true, process, ..By::default() },
            reasons: ReasonNames::default(),
            depth: 2,
            numeric: true,
        };
        let rows = || vec![row(1, 3), row(2, 4)];
        let counts = resolver(false).counts(rows(), &mut UserMaps::default(), None);
        assert_eq!(counts.len(), 1);
        assert_eq!((counts[0].count, counts[0].cpu, &counts[0].netns), (7, None, &None));
        assert_eq!(counts[0].stack.state, StackState::Cut);
        let user = counts[0].user_stack.as_ref().unwrap();
        assert_eq!(user.state, StackState::Unkept);
        assert_eq!(resolver(true).counts(rows(), &mut UserMaps::default(), None).len(), 2);
    }
}
