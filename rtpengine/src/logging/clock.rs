//! Wall-clock time in the notations of log lines.

use std::time::{SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn since_epoch(time: SystemTime) -> (libc::time_t, u32) {
    // A clock before 1970 shows as 1970.
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    (libc::time_t::try_from(since.as_secs()).unwrap_or(libc::time_t::MAX), since.subsec_micros())
}

/// `2026-11-22T23:50:00.123456Z` (RFC 3339, UTC).
pub(super) fn rfc3339(time: SystemTime) -> String {
    let (seconds, micros) = since_epoch(time);
    // SAFETY: all-zero bytes are a valid `tm` (integers and a nullable pointer).
    let mut parts: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live values of the right type, and gmtime_r keeps neither.
    unsafe { libc::gmtime_r(&raw const seconds, &raw mut parts) };
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{micros:06}Z",
        parts.tm_year + 1900,
        parts.tm_mon + 1,
        parts.tm_mday,
        parts.tm_hour,
        parts.tm_min,
        parts.tm_sec
    )
}

/// `Nov 22 23:50:00` (RFC 3164 4.1.2, local time).
pub(super) fn rfc3164(time: SystemTime) -> String {
    let (seconds, _) = since_epoch(time);
    // SAFETY: all-zero bytes are a valid `tm` (integers and a nullable pointer).
    let mut parts: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live values of the right type, and localtime_r keeps neither.
    unsafe { libc::localtime_r(&raw const seconds, &raw mut parts) };
    let month = usize::try_from(parts.tm_mon).ok().and_then(|month| MONTHS.get(month)).unwrap_or(&"Jan");
    format!("{month} {:>2} {:02}:{:02}:{:02}", parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn utc_time_is_exact() {
        let time = UNIX_EPOCH + Duration::from_micros(951_782_400_000_042);
        assert_eq!(rfc3339(time), "2000-02-29T00:00:00.000042Z");
    }

    #[test]
    fn local_time_has_the_width_of_the_rfc() {
        let text = rfc3164(UNIX_EPOCH + Duration::from_secs(951_782_400));
        assert_eq!(text.len(), 15);
        assert!(text.starts_with("Feb 2") || text.starts_with("Mar  1"), "{text}");
    }
}
