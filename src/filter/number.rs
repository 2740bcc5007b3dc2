//! Numbers by their digits: what is compared is what was written, not what a machine's number could hold of it.

use serde_json::Number;
use std::cmp::Ordering;

/// Reads a number as FQL writes it: a sign, digits, a fraction.
pub(super) fn parse(text: &str) -> Option<Number> {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(unsigned) => ("-", unsigned),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let shorter = unsigned.trim_start_matches('0');
    let zero = if shorter.starts_with(|first: char| first.is_ascii_digit()) { "" } else { "0" };
    serde_json::from_str(&format!("{sign}{zero}{shorter}")).ok()
}

/// Compares two numbers exactly, whatever their lengths. (Exponents of more than 18 digits are taken as the largest.)
pub(super) fn compare(left: &Number, right: &Number) -> Ordering {
    let (left, right) = (Decimal::of(left), Decimal::of(right));
    match (left.negative, right.negative) {
        (false, true) => Ordering::Greater,
        (true, false) => Ordering::Less,
        (false, false) => left.size(&right),
        (true, true) => right.size(&left),
    }
}

/// Whether a number is 0, however it is written.
pub(super) fn is_zero(number: &Number) -> bool {
    Decimal::of(number).digits.is_empty()
}

/// `0.digits × 10^exponent`; neither the first nor the last digit is 0, so that there is one way to write a number.
struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    exponent: i64,
}

/// Beyond this an exponent is taken as this: a sum of it and a length is still a number.
const EXPONENT_MAX: i64 = 1_000_000_000_000_000_000;

impl Decimal {
    fn of(number: &Number) -> Self {
        let text = number.as_str();
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).skip_while(|digit| *digit == b'0').collect();
        let length = |digits: usize| i64::try_from(digits).unwrap_or(EXPONENT_MAX);
        let point = length(digits.len()) - length(fraction.len());
        let end = digits.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
        let digits: Vec<u8> = digits.into_iter().take(end).collect();
        let is_zero = digits.is_empty();
        Self {
            negative: text.starts_with('-') && !is_zero,
            exponent: if is_zero { i64::MIN } else { point.saturating_add(read_exponent(exponent)) },
            digits,
        }
    }

    fn size(&self, other: &Self) -> Ordering {
        self.exponent.cmp(&other.exponent).then_with(|| self.digits.cmp(&other.digits))
    }
}

fn read_exponent(text: &str) -> i64 {
    let largest = if text.starts_with('-') { -EXPONENT_MAX } else { EXPONENT_MAX };
    text.strip_prefix('+').unwrap_or(text).parse().unwrap_or(largest).clamp(-EXPONENT_MAX, EXPONENT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_their_order() {
        // Each is less than the next; those of one line are equal.
        let order: [&[&str]; 13] = [
            &["-1e99999999999999999999"],
            &["-12345678901234567891"],
            &["-12345678901234567890", "-1234567890123456789e1"],
            &["-1.5", "-15e-1"],
            &["-1e-400"],
            &["0", "-0", "0.00", "0e7", "0e99999999999999999999"],
            &["1e-99999999999999999999"],
            &["0.1234567890123456789012345"],
            &["0.1234567890123456789012346"],
            &["1.1", "1.10", "0.11e1", "11E-1"],
            &["99", "9.9e1"],
            &["100", "1e2", "1e+2", "0.1e3"],
            &["1e99999999999999999999"],
        ];
        let number = |text: &str| serde_json::from_str::<Number>(text).unwrap();
        for (low, lows) in order.iter().enumerate() {
            for (high, highs) in order.iter().enumerate() {
                for (left, right) in lows.iter().flat_map(|left| highs.iter().map(move |right| (left, right))) {
                    assert_eq!(compare(&number(left), &number(right)), low.cmp(&high), "{left} {right}");
                }
            }
        }
    }

    #[test]
    fn numbers_as_fql_writes_them() {
        for (text, read) in [
            ("7", "7"),
            ("+7", "7"),
            ("-007.50", "-7.50"),
            ("000", "0"),
            ("0.5", "0.5"),
            ("-0", "-0"),
            ("12345678901234567890123", "12345678901234567890123"),
        ] {
            assert_eq!(parse(text).unwrap().as_str(), read, "{text}");
        }
    }
}
