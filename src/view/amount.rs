//! Amounts of memory as people read them.

/// Bytes in the largest unit of 1024 that fits, one decimal below ten: `0 B`, `640 KiB`, `1.5 MiB`, `12 MiB`, `2.0 GiB`. Cut, not
/// rounded, so that a limit that is not reached never looks reached.
pub fn short(bytes: u64) -> String {
    let units = [(1_u64 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let Some((size, unit)) = units.into_iter().find(|(size, _)| bytes >= *size) else { return format!("{bytes} B") };
    let whole = bytes / size;
    if whole < 10 {
        return format!("{whole}.{} {unit}", bytes % size * 10 / size);
    }
    format!("{whole} {unit}")
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn amounts_are_cut_to_two_digits_or_whole_units() {
        let check = |bytes: u64, expected: &str| assert_eq!(short(bytes), expected, "{bytes}");
        check(0, "0 B");
        check(1023, "1023 B");
        check(1024, "1.0 KiB");
        check(10 * 1024 - 1, "9.9 KiB");
        check(10 * 1024, "10 KiB");
        check((1 << 20) - 1, "1023 KiB");
        check(1_600_000, "1.5 MiB");
        check(12_900_000, "12 MiB");
        check(1 << 31, "2.0 GiB");
        check(u64::MAX, "16777215 TiB");
    }
}
