//! figures.rs - times, sizes and counts as people read them.

use maud::{Markup, html};

/// A package's or catalog's time, `YYYYMMDDTHHMMSS…Z`, in UTC to the minute.
pub fn time(stamp: &str) -> Markup {
    let digits = |range: std::ops::Range<usize>| {
        stamp.get(range).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let parts = [0..4, 4..6, 6..8, 9..11, 11..13, 13..15].map(digits);
    let [Some(year), Some(month), Some(day), Some(hour), Some(minute), Some(second)] = parts else {
        return html! { (stamp) };
    };
    html! {
        time datetime=(format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z")) {
            (year) "-" (month) "-" (day) " " (hour) ":" (minute) " UTC"
        }
    }
}

/// A size in bytes.
pub fn size(bytes: u64) -> String {
    let mut amount = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if amount < 1000.0 {
            return if unit == "B" { format!("{bytes} B") } else { format!("{amount:.1} {unit}") };
        }
        amount /= 1024.0;
    }
    format!("{amount:.1} TiB")
}

/// A number with its digits in groups.
pub fn number(count: usize) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            // A narrow blank that does not break.
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    grouped
}

/// A number of things.
pub fn count(count: usize, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures() {
        let shown = time("20240102T030405Z").into_string();
        let expected = "<time datetime=\"2024-01-02T03:04:05Z\">2024-01-02 03:04 UTC</time>";
        assert_eq!(shown, expected);
        assert_eq!(time("<b>").into_string(), "&lt;b&gt;");
        assert_eq!(time("2024010éT030405Z").into_string(), "2024010éT030405Z");
        for (bytes, text) in [(0, "0 B"), (999, "999 B"), (1000, "1.0 KiB"), (5 << 20, "5.0 MiB")] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(count(1, "package", "packages"), "1 package");
        assert_eq!(number(1_234_567).replace('\u{202f}', " "), "1 234 567");
    }
}
