//! Times, sums and token counts as people read them.
//!
//! For the lines of `serve` on a terminal and for the last line of `run`. Programs get the numbers themselves.

use std::time::Duration;

/// Writes a time: `12 ms`, `1.2 s`, `12 s`, `1 min 1 s`.
pub fn time(duration: Duration) -> String {
    match duration.as_millis() {
        milliseconds @ 0..100 => format!("{} ms", milliseconds.max(1)),
        100..10_000 => format!("{:.1} s", duration.as_secs_f64()),
        10_000..60_000 => format!("{} s", duration.as_secs()),
        _ => format!("{} min {} s", duration.as_secs() / 60, duration.as_secs() % 60),
    }
}

/// Writes a sum in US dollars so that small ones can be told apart: two digits that count, at least cents.
pub fn dollars(sum: f64) -> String {
    let digits = match sum {
        sum if sum >= 0.1 => 2,
        sum if sum >= 0.01 => 3,
        sum if sum >= 0.001 => 4,
        sum if sum >= 0.0001 => 5,
        _ => 6,
    };
    format!("${sum:.digits$}")
}

/// Writes a count of tokens, shortened from ten thousand on: `9999`, `12.3k`, `1.2M`.
pub fn tokens(count: u64) -> String {
    match count {
        0..10_000 => count.to_string(),
        10_000..1_000_000 => format!("{:.1}k", count as f64 / 1e3),
        _ => format!("{:.1}M", count as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{dollars, time, tokens};

    #[test]
    fn sums_are_readable() {
        let cases =
            [(12.3456, "$12.35"), (0.0123, "$0.012"), (0.00456, "$0.0046"), (0.00004, "$0.000040")];
        for (sum, expected) in cases {
            assert_eq!(dollars(sum), expected);
        }
    }

    #[test]
    fn times_are_readable() {
        let cases =
            [(0, "1 ms"), (42, "42 ms"), (1234, "1.2 s"), (12_345, "12 s"), (61_000, "1 min 1 s")];
        for (milliseconds, expected) in cases {
            assert_eq!(time(Duration::from_millis(milliseconds)), expected);
        }
    }

    #[test]
    fn counts_are_readable() {
        for (count, expected) in [(0, "0"), (9999, "9999"), (12_345, "12.3k"), (1_240_000, "1.2M")]
        {
            assert_eq!(tokens(count), expected);
        }
    }
}
