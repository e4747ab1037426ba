//! From the kernel's monotonic clock to the time of day.

/// Nanoseconds to add to `CLOCK_MONOTONIC` now. Read between two readings of
/// the other clock, to be off by no more than the reading takes.
pub fn offset_ns() -> i128 {
    let before = monotonic();
    let wall = i128::from(now_ns());
    let after = monotonic();
    wall - (before + after) / 2
}

/// Now, nanoseconds since the Unix epoch.
pub fn now_ns() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX))
}

fn monotonic() -> i128 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    i128::from(now.tv_sec) * 1_000_000_000 + i128::from(now.tv_nsec)
}
