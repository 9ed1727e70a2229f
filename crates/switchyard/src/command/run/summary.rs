//! The last line of `run` on a terminal: who answered, how long it took, what it cost.

use sy_server::Record;
use sy_server::observe::figures::{dollars, time};

/// Describes a finished request in one line. What is unknown is left out.
pub(super) fn of(record: &Record) -> String {
    let mut facts = vec![format!("{}/{}", record.provider, record.model)];
    if record.attempts > 1 {
        facts.push(format!("after {} attempts", record.attempts));
    }
    facts.push(time(record.duration));

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
