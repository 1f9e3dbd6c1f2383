//! Spans of time as people read them.

use std::time::Duration;

/// A span in its two largest units: `0s`, `59s`, `3m 12s`, `4h 5m`, `2d 1h`.
pub fn short(span: Duration) -> String {
    let seconds = span.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => two(minutes, "m", seconds % 60, "s"),
        (0, _, _) => two(hours, "h", minutes, "m"),
        (_, _, _) => two(days, "d", hours, "h"),
    }
}

/// The same to the nearest tenth, which is shown where it is below ten seconds and no whole number of them: `0.1s`, `2.5s`, `5s`.
pub fn precise(span: Duration) -> String {
    let tenths = (span.as_millis() + 50) / 100;
    if tenths < 100 && !tenths.is_multiple_of(10) {
        return format!("{}.{}s", tenths / 10, tenths % 10);
    }
    short(Duration::from_millis(u64::try_from(tenths * 100).unwrap_or(u64::MAX)))
}

fn two(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    if small == 0 { format!("{large}{large_unit}") } else { format!("{large}{large_unit} {small}{small_unit}") }
}

/// A moment as UTC text: `2026-08-01 12:30:05 UTC`. Moments before 1970 or after the year 9999 are shown as they are.
pub fn utc(at_ms: i64) -> String {
    let seconds = at_ms.div_euclid(1000);
    if !(0..253_402_300_800).contains(&seconds) {
        return format!("{at_ms} ms");
    }
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// Year, month and day of a day counted from 1970-01-01, which must not be before it: the days-to-civil algorithm of
/// Howard Hinnant ("chrono-compatible low-level date algorithms"), with eras of 400 years from 0000-03-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_show_their_two_largest_units() {
        let check = |seconds: u64, expected: &str| assert_eq!(short(Duration::from_secs(seconds)), expected);
        check(0, "0s");
        check(59, "59s");
        check(60, "1m");
        check(192, "3m 12s");
        check(3600, "1h");
        check(14_700, "4h 5m");
        check(86_400, "1d");
        check(176_400, "2d 1h");
    }

    #[test]
    fn precise_spans_are_rounded_and_show_tenths_where_they_are_short() {
        let check = |millis: u64, expected: &str| assert_eq!(precise(Duration::from_millis(millis)), expected);
        check(0, "0s");
        check(149, "0.1s");
        check(2450, "2.5s");
        check(949, "0.9s");
        check(999, "1s");
        check(5000, "5s");
        check(9960, "10s");
        check(15_998, "16s");
        check(59_999, "1m");
        check(192_000, "3m 12s");
    }

    #[test]
    fn moments_are_shown_in_utc() {
        let check = |at_ms: i64, expected: &str| assert_eq!(utc(at_ms), expected);
        check(0, "1970-01-01 00:00:00 UTC");
        check(951_782_400_000, "2000-02-29 00:00:00 UTC");
        check(1_735_689_599_999, "2024-12-31 23:59:59 UTC");
        check(1_767_225_600_000, "2026-01-01 00:00:00 UTC");
        check(253_402_300_799_000, "9999-12-31 23:59:59 UTC");
        check(-1, "-1 ms");
        check(i64::MAX, "9223372036854775807 ms");
    }
}
