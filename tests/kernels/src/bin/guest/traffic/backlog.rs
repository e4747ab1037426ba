//! The kernel's queues between a device that sends and the one that receives.
//!
//! On a busy machine senders are faster than the task that takes packets out of
//! them; what is too much for a queue (`net.core.netdev_max_backlog`, 1,000
//! packets) is dropped before any rule sees it.

use anyhow::{Context, Result, bail};
use std::thread;
use std::time::Duration;

/// `softnet_seq_show`, `net/core/net-procfs.c`
const STATISTICS: &str = "/proc/net/softnet_stat";
/// How often the queues are looked at.
const LOOK: Duration = Duration::from_millis(50);
/// Looks until one gives up.
const LOOKS: usize = 600;
/// Column: packets dropped since the start.
const DROPPED: usize = 1;
/// Packets in the queue now; since 5.10.
const LENGTH: usize = 11;

/// Packets that were dropped because a queue was full, since the start.
pub fn dropped() -> Result<u64> {
    column(DROPPED)
}

/// Waits until the queues hold few packets, so that some more have room.
pub fn await_room() -> Result<()> {
    const FEW: u64 = 100;
    for _ in 0..10 * LOOKS {
        if column(LENGTH)? <= FEW {
            return Ok(());
        }
        thread::sleep(LOOK / 10);
    }
    bail!("the kernel's queues do not get shorter")
}

/// Waits until the queues stay empty.
pub fn await_empty() -> Result<()> {
    let mut quiet = 0;
    for _ in 0..LOOKS {
        quiet = if column(LENGTH)? == 0 { quiet + 1 } else { 0 };
        if quiet == 3 {
            return Ok(());
        }
        thread::sleep(LOOK);
    }
    bail!("the kernel's queues do not get empty")
}

/// A column's sum over all processors.
fn column(index: usize) -> Result<u64> {
    let text = std::fs::read_to_string(STATISTICS).context(STATISTICS)?;
    let value = |line: &str| {
        let word = line.split_ascii_whitespace().nth(index);
        let word = word.with_context(|| format!("{STATISTICS} has no column {index}"))?;
        Ok(u64::from_str_radix(word, 16)?)
    };
    text.lines().map(value).sum()
}
