//! The kernel's queues between a device that sends and the one that receives.
//!
//! On a busy machine senders are faster than the task that takes packets out of
//! them; what is too much for a queue (`net.core.netdev_max_backlog`, 1,000
//! packets) is dropped before any rule sees it.

use std::thread;
use std::time::Duration;

/// How often the queues are looked at.
const LOOK: Duration = Duration::from_millis(50);
/// Looks until one gives up: the test then says what is missing.
const LOOKS: usize = 600;
/// Column of `/proc/net/softnet_stat`: packets dropped since the start.
const DROPPED: usize = 1;
/// Packets in the queue now (`softnet_seq_show`, `net/core/net-procfs.c`; 5.10).
const LENGTH: usize = 11;

/// Packets that all queues hold.
fn length() -> u64 {
    column(LENGTH)
}

/// Packets that were dropped because a queue was full, since the start.
pub fn dropped() -> u64 {
    column(DROPPED)
}

/// Waits until the queues hold few packets, so that some more have room.
pub fn await_room() {
    const FEW: u64 = 100;
    for _ in 0..LOOKS {
        if length() <= FEW {
            break;
        }
        thread::sleep(LOOK / 10);
    }
}

/// Waits until the queues stay empty.
pub fn await_empty() {
    let mut quiet = 0;
    for _ in 0..LOOKS {
        quiet = if length() == 0 { quiet + 1 } else { 0 };
        if quiet == 3 {
            break;
        }
        thread::sleep(LOOK);
    }
}

/// A column's sum over all processors.
fn column(index: usize) -> u64 {
    let lines = std::fs::read_to_string("/proc/net/softnet_stat").unwrap_or_default();
    let value = |line: &str| {
        let text = line.split_ascii_whitespace().nth(index)?;
        u64::from_str_radix(text, 16).ok()
    };
    lines.lines().filter_map(value).sum()
}
