//! The last line of `run` on a terminal: who answered, how long it took, what it cost.

use std::time::Duration;

use sy_server::Record;

/// Describes a finished request in one line. What is unknown is left out.
pub(super) fn of(record: &Record) -> String {
    let mut facts = vec![format!("{}/{}", record.provider, record.model)];
    if record.attempts > 1 {
        facts.push(format!("after {} attempts", record.attempts));
    }
    facts.push(seconds(record.duration));

    let usage = &record.usage;
    if usage.input > 0 || usage.output > 0 {
        let about = if record.usage_estimated { "about " } else { "" };
        let cached = match usage.cache_read {
            0 => String::new(),
            cached => format!(" ({cached} cached)"),
        };
        facts.push(format!("{about}{} tokens in{cached}, {} out", usage.input, usage.output));
    }
    // A model without a price costs nothing as far as we know, which is no knowledge.
    if record.cost_usd > 0.0 {
        facts.push(dollars(record.cost_usd));
    }
    facts.join(" · ")
}

fn seconds(duration: Duration) -> String {
    match duration.as_secs() {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        seconds @ 10..60 => format!("{seconds} s"),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

/// Writes a sum so that small ones can be told apart: two digits that count, at least cents.
fn dollars(sum: f64) -> String {
    let digits = match sum {
        sum if sum >= 0.1 => 2,
        sum if sum >= 0.01 => 3,
        sum if sum >= 0.001 => 4,
        sum if sum >= 0.0001 => 5,
        _ => 6,
    };
    format!("${sum:.digits$}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{dollars, seconds};

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
        let cases = [(1234, "1.2 s"), (12_345, "12 s"), (61_000, "1 min 1 s")];
        for (milliseconds, expected) in cases {
            assert_eq!(seconds(Duration::from_millis(milliseconds)), expected);
        }
    }
}
