//! Durations and sizes as people write them: `30d`, `250ms`, `1h30m`, `2 MiB`.

use std::time::Duration;

/// The longest duration that a setting may have: ten years. No setting means more, and within it no sum of an instant
/// and a duration can overflow.
pub const DURATION_MAX: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

/// The units of a duration and their milliseconds, longest first.
const DURATION_UNITS: [(&str, u64); 6] =
    [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// The units of a size and their bytes, largest first.
const SIZE_UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("B", 1),
];

/// Reads a duration: whole numbers with units (`ms`, `s`, `m`, `h`, `d`, `w`), added up when there are several.
///
/// # Errors
///
/// A sentence that says what is wrong and quotes it, for the person who wrote the setting.
pub fn duration(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("a duration cannot be empty".to_owned());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (number, unit, after) = leading_quantity(rest).ok_or_else(|| format!("`{text}` is not a duration"))?;
        let scale = unit_scale(&DURATION_UNITS, text, unit)?;
        total = number
            .checked_mul(scale)
            .and_then(|part| total.checked_add(part))
            .filter(|milliseconds| Duration::from_millis(*milliseconds) <= DURATION_MAX)
            .ok_or_else(|| format!("`{text}` is longer than ten years"))?;
        rest = after;
    }
    Ok(Duration::from_millis(total))
}

/// Reads a size in bytes: one whole number with a unit (`B`, `KB`, `KiB`, `MB`, `MiB`, `GB`, `GiB`).
///
/// # Errors
///
/// A sentence that says what is wrong and quotes it, for the person who wrote the setting.
pub fn size(text: &str) -> Result<u64, String> {
    let (number, unit, rest) = leading_quantity(text.trim()).ok_or_else(|| format!("`{text}` is not a size"))?;
    let scale = unit_scale(&SIZE_UNITS, text, unit)?;
    if !rest.is_empty() {
        return Err(format!("`{text}` is not a size: one number and one unit are enough"));
    }
    number.checked_mul(scale).ok_or_else(|| format!("`{text}` is more than can be counted"))
}

/// A duration as [`duration`] reads it, to the millisecond: `30d`, `1h30m`.
pub fn print_duration(duration: Duration) -> String {
    let mut left = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut printed = String::new();
    // Weeks are left out: people say 30 days, not 4 weeks and 2 days.
    for (unit, scale) in DURATION_UNITS.into_iter().filter(|(unit, _)| *unit != "w") {
        if left >= scale {
            printed.push_str(&format!("{}{unit}", left / scale));
            left %= scale;
        }
    }
    if printed.is_empty() { "0s".to_owned() } else { printed }
}

/// A size as [`size`] reads it, exactly, in the largest unit that divides it: `2 MiB`, `1 MB`.
pub fn print_size(bytes: u64) -> String {
    SIZE_UNITS
        .into_iter()
        .find(|(_, scale)| bytes >= *scale && bytes.is_multiple_of(*scale))
        .map_or_else(|| "0 B".to_owned(), |(unit, scale)| format!("{} {unit}", bytes / scale))
}

/// Splits `12 ms rest` into its number, its unit and what follows.
fn leading_quantity(text: &str) -> Option<(u64, &str, &str)> {
    let (digits, rest) = text.split_at_checked(text.bytes().take_while(u8::is_ascii_digit).count())?;
    let rest = rest.trim_start();
    let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (unit, after) = rest.split_at_checked(letters)?;
    let number = digits.parse().ok()?;
    // Whatever is neither digit nor letter may only be white space: `1.5h` and `-1s` end here.
    let after = after.trim_start();
    (after.is_empty() || after.starts_with(|c: char| c.is_ascii_digit())).then_some((number, unit, after))
}

fn unit_scale(units: &[(&str, u64)], text: &str, unit: &str) -> Result<u64, String> {
    match units.iter().find(|(name, _)| *name == unit) {
        Some((_, scale)) => Ok(*scale),
        None if unit.is_empty() => Err(format!("`{text}` needs a unit after its number")),
        None => Err(format!("`{text}` has an unknown unit `{unit}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_that_are_read() {
        for (text, milliseconds, printed) in [
            ("250ms", 250, "250ms"),
            ("5s", 5_000, "5s"),
            ("30 s", 30_000, "30s"),
            ("1h30m", 5_400_000, "1h30m"),
            ("1h 30m", 5_400_000, "1h30m"),
            ("90m", 5_400_000, "1h30m"),
            ("30d", 2_592_000_000, "30d"),
            ("2w", 1_209_600_000, "14d"),
            ("0s", 0, "0s"),
            (" 1s1ms ", 1_001, "1s1ms"),
            ("3650d", 315_360_000_000, "3650d"),
        ] {
            let read = duration(text).unwrap();
            assert_eq!(read, Duration::from_millis(milliseconds), "{text}");
            assert_eq!(print_duration(read), printed, "{text}");
            assert_eq!(duration(printed).unwrap(), read, "{text}");
        }
    }

    #[test]
    fn durations_that_are_refused() {
        for (text, sentence) in [
            ("", "a duration cannot be empty"),
            ("30", "`30` needs a unit after its number"),
            ("1h30", "`1h30` needs a unit after its number"),
            ("30x", "`30x` has an unknown unit `x`"),
            ("30 days", "`30 days` has an unknown unit `days`"),
            ("5S", "`5S` has an unknown unit `S`"),
            ("s", "`s` is not a duration"),
            ("1.5h", "`1.5h` is not a duration"),
            ("-1s", "`-1s` is not a duration"),
            ("1s, 2ms", "`1s, 2ms` is not a duration"),
            ("é", "`é` is not a duration"),
            ("3651d", "`3651d` is longer than ten years"),
            ("99999999999999999w", "`99999999999999999w` is longer than ten years"),
            ("999999999999999999999s", "`999999999999999999999s` is not a duration"),
        ] {
            assert_eq!(duration(text), Err(sentence.to_owned()));
        }
    }

    #[test]
    fn sizes_that_are_read() {
        for (text, bytes, printed) in [
            ("0 B", 0, "0 B"),
            ("17B", 17, "17 B"),
            ("2 MiB", 2 << 20, "2 MiB"),
            ("64KiB", 64 << 10, "64 KiB"),
            ("1MB", 1_000_000, "1 MB"),
            ("1 GiB", 1 << 30, "1 GiB"),
            ("1500 B", 1500, "1500 B"),
        ] {
            assert_eq!(size(text).unwrap(), bytes, "{text}");
            assert_eq!(print_size(bytes), printed, "{text}");
            assert_eq!(size(printed).unwrap(), bytes, "{text}");
        }
    }

    #[test]
    fn sizes_that_are_refused() {
        for (text, sentence) in [
            ("", "`` is not a size"),
            ("12", "`12` needs a unit after its number"),
            ("2 mib", "`2 mib` has an unknown unit `mib`"),
            ("1 MiB 2 B", "`1 MiB 2 B` is not a size: one number and one unit are enough"),
            ("99999999999 GiB", "`99999999999 GiB` is more than can be counted"),
        ] {
            assert_eq!(size(text), Err(sentence.to_owned()));
        }
    }
}
