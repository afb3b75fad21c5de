//! number.rs - a number as text that sorts like the number.
//!
//! An index of SQLite 2 is ordered by its keys' bytes, so a number stands in it as text: `0`, the exponent
//! plus 1024 in two digits, and the mantissa plus 1/2 in at most ten digits, all to the base 64, where
//! number = mantissa * 64^exponent and mantissa < 1/2.  Zero has the exponent -1024.

/// Their codes increase.
const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz|~";

/// The text.
pub fn sortable(number: u32) -> Vec<u8> {
    let (mut mantissa, mut exponent) = (f64::from(number), 1024_usize);
    if number == 0 {
        exponent = 0;
    }
    // Powers of two: nothing is lost.
    while mantissa >= 0.5 {
        mantissa /= 64.0;
        exponent += 1;
    }
    let mut text = vec![b'0', DIGITS[exponent >> 6 & 63], DIGITS[exponent & 63]];
    let mut rest = mantissa + 0.5;
    while rest > 0.0 && text.len() < 13 {
        rest *= 64.0;
        let digit = rest.floor();
        text.push(DIGITS[digit as usize & 63]);
        rest -= digit;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        for (number, text) in [(0, "000W"), (1, "0G1X"), (2, "0G1Y"), (31, "0G1~"), (32, "0G2WW")] {
            assert_eq!(text, String::from_utf8(sortable(number)).unwrap(), "{number}");
        }
    }

    #[test]
    fn texts_are_ordered_like_numbers() {
        let around = |n: u32| [n.saturating_sub(1), n, n.saturating_add(1)];
        let mut numbers: Vec<u32> = (0..32).flat_map(|bit| around(1 << bit)).collect();
        numbers.extend([0, 5, 63, 64, 65, 1000, 4095, 4096, 99_999, u32::MAX]);
        numbers.sort_unstable();
        numbers.dedup();
        for pair in numbers.windows(2) {
            let (less, more) = (sortable(pair[0]), sortable(pair[1]));
            assert!(less < more, "{pair:?}: {less:?} {more:?}");
        }
    }
}
