//! Parsers of option values.

use std::time::Duration;

/// `10`, `1.5`, `10s`, `2m`, `1h`, `500ms`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" => 60.0,
        "h" => 3600.0,
        other => return Err(format!("unknown unit {other:?}; use ms, s, m or h")),
    };
    let number: f64 = digits.parse().map_err(|_| format!("{text:?} is not a duration"))?;
    Duration::try_from_secs_f64(number * unit).map_err(|e| e.to_string())
}

/// A size in bytes, `65536`, `512K`, `4M`, rounded up to a power of two; 4 KiB
/// to 1 GiB, as the kernel wants of a ring buffer.
pub fn ring_size(text: &str) -> Result<u32, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match &text[digits.len()..] {
        "" => 1,
        "K" | "k" | "KiB" => 1 << 10,
        "M" | "m" | "MiB" => 1 << 20,
        "G" | "g" | "GiB" => 1 << 30,
        other => return Err(format!("unknown unit {other:?}; use K, M or G")),
    };
    let number: u64 = digits.parse().map_err(|_| format!("{text:?} is not a size"))?;
    let bytes = number.saturating_mul(unit);
    if !(1 << 12..=1 << 30).contains(&bytes) {
        return Err("must be between 4K and 1G".into());
    }
    // what is at most 1 << 30 has a power of two that fits
    Ok(u32::try_from(bytes.next_power_of_two()).unwrap_or(1 << 30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("10"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert!(duration("10 parsecs").is_err());
        assert!(duration("-1").is_err());
        assert!(duration("").is_err());
    }

    #[test]
    fn ring_sizes() {
        assert_eq!(ring_size("4096"), Ok(4096));
        assert_eq!(ring_size("5000"), Ok(8192));
        assert_eq!(ring_size("1M"), Ok(1 << 20));
        assert_eq!(ring_size("1G"), Ok(1 << 30));
        assert!(ring_size("2G").is_err());
        assert!(ring_size("100").is_err());
        assert!(ring_size("99999999999999999999G").is_err());
    }
}
