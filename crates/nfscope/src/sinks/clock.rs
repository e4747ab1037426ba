//! Event times as a person reads them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Turns an event's time into the local time of day.
#[derive(Debug, Clone)]
pub struct Clock {
    zone: TimeZone,
}

impl Clock {
    /// The machine's time zone (`TZ`, `/etc/localtime`; UTC if neither says).
    pub fn local() -> Self {
        Self { zone: TimeZone::system() }
    }

    /// UTC.
    pub fn utc() -> Self {
        Self { zone: TimeZone::UTC }
    }

    /// `14:03:22.104211`, from nanoseconds since the Unix epoch.
    pub(super) fn time(&self, time_ns: u64) -> String {
        // Every u64 of nanoseconds lies within jiff's range (year 2554).
        let stamp = Timestamp::from_nanosecond(time_ns.into()).unwrap_or_default();
        self.zone.to_datetime(stamp).strftime("%H:%M:%S.%6f").to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn microseconds_are_cut_not_rounded() {
        assert_eq!(Clock::utc().time(1_700_000_000_999_999_999), "22:13:20.999999");
        assert_eq!(Clock::utc().time(0), "00:00:00.000000");
        assert_eq!(Clock::utc().time(u64::MAX).len(), 15);
        assert_eq!(Clock::local().time(5).len(), 15);
    }
}
