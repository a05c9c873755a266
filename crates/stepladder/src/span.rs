//! Spans of time as users write them: `90s`, `20m`, `1h30m`.

use std::time::Duration;

/// The longest span, in seconds: a year.
const LONGEST: u64 = 365 * 24 * 60 * 60;

/// Reads whole numbers with the units h, m and s, each at most once and in this order.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || "write a time with its unit, e.g. 90s, 20m or 1h30m".to_string();
    let mut seconds = 0_u64;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    for (unit, of) in [('h', 3600), ('m', 60), ('s', 1)] {
        let Some((number, after)) = rest.split_once(unit) else {
            continue;
        };
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let part = number.checked_mul(of).and_then(|part| seconds.checked_add(part));
        seconds = part
            .filter(|&seconds| seconds <= LONGEST)
            .ok_or("longer than a year")?;
        rest = after;
    }
    if !rest.is_empty() {
        return Err(wrong());
    }
    if seconds == 0 {
        return Err("no time at all; give a second or more".to_string());
    }
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_by_their_units() {
        for (text, seconds) in [
            ("90s", 90),
            ("20m", 1200),
            ("1h30m", 5400),
            ("2h", 7200),
            ("1h1s", 3601),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "20",
            "m",
            "1m2h",
            "1.5h",
            "-3m",
            "0m",
            "99999999h",
            "20 minutes",
            "18446744073709551615h",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
