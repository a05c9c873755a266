//! Numbers for people.

use std::time::Duration;

/// A share as a percentage with one digit behind the point: `87.9%`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

/// A 95% interval of a share: `95% interval 83.1% to 91.4%`.
pub(crate) fn interval(low: f64, high: f64) -> String {
    format!("95% interval {} to {}", percent(low), percent(high))
}

/// A share with its interval, in percent without the sign: `87.9 (83.1-91.4)`.
pub(crate) fn share_interval(share: f64, [low, high]: [f64; 2]) -> String {
    format!("{:.1} ({:.1}-{:.1})", share * 100.0, low * 100.0, high * 100.0)
}

/// A difference of shares in points: `+3.2`.
pub(crate) fn points(difference: f64) -> String {
    // What rounds to nothing has no sign.
    let points = (difference * 1000.0).round() / 10.0;
    if points == 0.0 {
        "0.0".to_string()
    } else {
        format!("{points:+.1}")
    }
}

/// An interval of such a difference: `-0.1 to +6.4`.
pub(crate) fn points_interval([low, high]: [f64; 2]) -> String {
    format!("{} to {}", points(low), points(high))
}

/// The p-value of a test: `0.034`, `<0.001`.
pub(crate) fn p_value(p: f64) -> String {
    if p < 0.001 {
        "<0.001".to_string()
    } else {
        format!("{p:.3}")
    }
}

/// A count in three or four digits and a unit: `1234`, `56.8 k`, `1.23 M`, `45.6 G`.
pub(crate) fn count(n: u64) -> String {
    let (value, unit) = match n {
        0..10_000 => return n.to_string(),
        10_000..1_000_000 => (n as f64 / 1e3, "k"),
        1_000_000..1_000_000_000 => (n as f64 / 1e6, "M"),
        _ => (n as f64 / 1e9, "G"),
    };
    let digits = if value < 10.0 { 2 } else { 1 };
    format!("{value:.digits$} {unit}")
}

/// An amount of memory in MiB or GiB.
pub(crate) fn bytes(n: u64) -> String {
    let mib = n as f64 / f64::from(1 << 20);
    if mib < 1024.0 {
        format!("{mib:.0} MiB")
    } else {
        format!("{:.1} GiB", mib / 1024.0)
    }
}

/// The length of a file: `1.6 KiB`, `0.3 MiB`.
pub(crate) fn file_size(n: u64) -> String {
    let kib = n as f64 / 1024.0;
    if kib < 100.0 {
        format!("{kib:.1} KiB")
    } else if kib < 10240.0 {
        format!("{:.1} MiB", kib / 1024.0)
    } else {
        bytes(n)
    }
}

/// A span of time: `0:42`, `12:05`, `3:07:09`.
pub(crate) fn duration(span: Duration) -> String {
    let seconds = span.as_secs_f64().round() as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_exact_enough() {
        assert_eq!(percent(0.8787), "87.9%");
        assert_eq!(
            [9_999, 10_000, 1_234_567, 45_600_000_000].map(count),
            ["9999", "10.0 k", "1.23 M", "45.6 G"]
        );
        assert_eq!([0.0321, -0.0001, -0.01].map(points), ["+3.2", "0.0", "-1.0"]);
        assert_eq!(points_interval([-0.001, 0.064]), "-0.1 to +6.4");
        assert_eq!(share_interval(0.8787, [0.831, 0.914]), "87.9 (83.1-91.4)");
        assert_eq!([0.0341, 0.0002, 1.0].map(p_value), ["0.034", "<0.001", "1.000"]);
        assert_eq!([3 << 20, 3 << 29].map(bytes), ["3 MiB", "1.5 GiB"]);
        assert_eq!(
            [1683, 334_000, 3 << 29].map(file_size),
            ["1.6 KiB", "0.3 MiB", "1.5 GiB"]
        );
        assert_eq!(
            [0.4, 42.0, 725.0, 11_229.0].map(|s| duration(Duration::from_secs_f64(s))),
            ["0:00", "0:42", "12:05", "3:07:09"]
        );
    }
}
