//! Numbers for people, as the command line writes them.

/// A share as a percentage: `87.9%`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

/// Seconds as `0:42`, `12:05`, `3:07:09`.
pub(crate) fn duration(seconds: f64) -> String {
    let seconds = seconds.clamp(0.0, 1e9).round() as u64;
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
    fn spans_of_time_are_short() {
        assert_eq!(
            [0.4, 42.0, 725.0, 11_229.0, f64::MAX].map(duration),
            ["0:00", "0:42", "12:05", "3:07:09", "277777:46:40"]
        );
    }
}
