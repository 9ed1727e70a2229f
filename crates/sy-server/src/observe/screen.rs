//! Log lines for people: one short line per request, other events with their fields behind them.
//!
//! On a terminal a request's line fits its width: `14:35:02  200  openai/gpt-5  1.2 s  340 in 512 out  $0.0045  chat stream`.
//! What is worth knowing beside it stands in lines of its own below. Elsewhere lines carry the date and are not cut. It shows
//! only what the access line has.

use std::fmt::{self, Write};
use std::time::Duration;

use ::tracing::field::{Field, Visit};
use ::tracing::{Event, Level, Subscriber};
use jiff::Zoned;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::figures;

/// The width of a terminal that does not tell its own.
const USUAL_WIDTH: usize = 80;
/// A model's name is not cut below this.
const SHORTEST_NAME: usize = 16;
/// The facts of a line that outweigh the model's whole name: time, tokens and cost.
const MAIN_FACTS: usize = 3;

/// How much of a reason is shown at least, before the model's name is shortened.
const LEAST_REASON: usize = 28;

const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const DIM: &str = "2";

/// Writes log lines for people.
#[derive(Clone, Copy, Debug)]
pub(super) struct Screen {
    /// Whether it is a terminal, which has a width and whose reader knows the day.
    pub(super) is_terminal: bool,
}

impl<S, N> FormatEvent<S, N> for Screen
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);

        let paint = Paint(writer.has_ansi_escapes());
        let now = Zoned::now();
        let form = if self.is_terminal { "%H:%M:%S" } else { "%Y-%m-%dT%H:%M:%S%:z" };
        let clock = now.strftime(form).to_string();

        let lines = match event.metadata().target() {
            "access" => request(&fields, &clock, self.width(), paint),
            _ => remark(&fields, *event.metadata().level(), &clock, paint),
        };
        writer.write_str(&lines)
    }
}

impl Screen {
    fn width(self) -> Option<usize> {
        self.is_terminal.then(terminal_width)
    }
}

/// Returns the width of standard error's terminal as it is now, in columns.
#[cfg(unix)]
fn terminal_width() -> usize {
    match rustix::termios::tcgetwinsize(std::io::stderr()) {
        Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
        Ok(_) | Err(_) => USUAL_WIDTH,
    }
}

#[cfg(not(unix))]
fn terminal_width() -> usize {
    USUAL_WIDTH
}

/// Colours a text, where the writer shows colours.
#[derive(Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn over(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// The fields of an event as texts.
#[derive(Debug, Default)]
struct Fields(Vec<(&'static str, String)>);

impl Fields {
    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    fn number<T: std::str::FromStr + Default>(&self, name: &str) -> T {
        self.get(name).and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    fn is(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    /// Takes a value over as one line that cannot command a terminal: providers write some of them.
    fn push(&mut self, field: &Field, value: &str) {
        let clean: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.0.push((field.name(), clean));
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push(field, &format!("{value:?}"));
    }
}

/// Writes an event that is no request.
fn remark(fields: &Fields, level: Level, clock: &str, paint: Paint) -> String {
    let mut line = paint.over(DIM, clock);
    line.push_str("  ");
    let word = match level {
        Level::ERROR => paint.over(RED, "error: "),
        Level::WARN => paint.over(YELLOW, "warning: "),
        Level::INFO => String::new(),
        _ => paint.over(DIM, "debug: "),
    };
    line.push_str(&word);
    let message = fields.get("message").unwrap_or_default();
    line.push_str(message);

    // For programs, some facts of the sentence are fields as well.
    let is_new = |value: &String| !value.is_empty() && !message.contains(value.as_str());
    for (name, value) in fields.0.iter().filter(|(_, value)| is_new(value)) {
        let quoted = if value.contains(' ') { format!("{value:?}") } else { value.clone() };
        line.push_str(&paint.over(DIM, &format!(" {name}={quoted}")));
    }
    line.push('\n');
    line
}

/// Writes the line of a request, and below it what else is worth knowing.
fn request(fields: &Fields, clock: &str, width: Option<usize>, paint: Paint) -> String {
    let status: u16 = fields.number("status");
    let head = format!("{clock}  {status}  ");
    let (name, facts) = match trouble(fields, status) {
        Some(trouble) => (asked_for(fields), vec![duration(fields), trouble]),
        None => (asked_for(fields), facts(fields)),
    };
    let (name, facts) = fit(name, facts, width.map(|width| width.saturating_sub(head.len())));

    let colour = match status {
        499 => DIM,
        500.. => RED,
        400.. => YELLOW,
        _ if fields.get("error").is_some() => RED,
        _ => GREEN,
    };
    let mut lines = format!(
        "{}  {}  {name}  {}\n",
        paint.over(DIM, clock),
        paint.over(colour, &status.to_string()),
        facts.join("  ")
    );

    for (field, word) in [("failed_before", "before:"), ("dropped", "changed:")] {
        let Some(value) = fields.get(field) else { continue };
        let indent = " ".repeat(head.len());
        let room = width.map(|width| width.saturating_sub(head.len() + word.len() + 1));
        let text = format!("{word} {}", cut(value, room.unwrap_or(usize::MAX)));
        // Writing to a text cannot fail.
        writeln!(lines, "{indent}{}", paint.over(DIM, &text)).ok();
    }
    lines
}

/// Returns what a request was about: the model that answered or was named, else the route.
fn asked_for(fields: &Fields) -> String {
    match (fields.get("provider"), fields.get("model")) {
        (Some(provider), Some(model)) => format!("{provider}/{model}"),
        _ => fields.get("requested").or(fields.get("path")).unwrap_or("-").to_owned(),
    }
}

/// Returns why a request did not end well, in one sentence.
fn trouble(fields: &Fields, status: u16) -> Option<String> {
    if fields.get("outcome") == Some("client_gone") {
        return Some("the client left".to_owned());
    }
    let kind = fields.get("error")?.replace('_', " ");
    let reason = fields.get("reason").unwrap_or(&kind);
    Some(if status < 400 { format!("broke off: {reason}") } else { reason.to_owned() })
}

/// Returns the facts of a request that was answered, the weightiest first.
fn facts(fields: &Fields) -> Vec<String> {
    let mut facts = vec![duration(fields)];
    let (input, output) = (fields.number("input_tokens"), fields.number("output_tokens"));
    if input > 0 || output > 0 {
        let about = if fields.is("estimated") { "~" } else { "" };
        let (input, output) = (figures::tokens(input), figures::tokens(output));
        facts.push(format!("{about}{input} in {about}{output} out"));
    }
    // A model without a price costs nothing as far as we know, which is no knowledge.
    let cost: f64 = fields.number("cost_usd");
    if cost > 0.0 {
        facts.push(figures::dollars(cost));
    }

    let protocol = fields.get("protocol").and_then(|name| name.rsplit('_').next());
    let stream = fields.is("stream").then_some("stream");
    let kind: Vec<&str> = protocol.into_iter().chain(stream).collect();
    if !kind.is_empty() {
        facts.push(kind.join(" "));
    }
    facts
}

fn duration(fields: &Fields) -> String {
    let milliseconds: f64 = fields.number("duration_ms");
    figures::time(Duration::try_from_secs_f64(milliseconds / 1000.0).unwrap_or_default())
}

/// Makes a name and facts fit into a room: first the lightest facts go, then the name is shortened, then the last fact.
fn fit(name: String, mut facts: Vec<String>, room: Option<usize>) -> (String, Vec<String>) {
    let Some(room) = room else { return (name, facts) };
    let length = |text: &String| text.chars().count();
    // A long fact, which is a reason, leaves room for the name.
    let taken = |facts: &[String]| -> usize {
        facts.iter().map(|fact| length(fact).min(LEAST_REASON) + 2).sum()
    };

    while facts.len() > MAIN_FACTS && length(&name) + taken(&facts) > room {
        facts.pop();
    }
    while facts.len() > 1 && SHORTEST_NAME + taken(&facts) > room {
        facts.pop();
    }
    let name = shorten(&name, room.saturating_sub(taken(&facts)).max(SHORTEST_NAME));

    let others = facts.iter().rev().skip(1).map(|fact| length(fact) + 2).sum::<usize>();
    if let Some(last) = facts.last_mut() {
        *last = cut(last, room.saturating_sub(length(&name) + others + 2));
    }
    (name, facts)
}

/// Takes the middle out of a name that is too long: its ends tell the most.
fn shorten(name: &str, room: usize) -> String {
    let length = name.chars().count();
    if length <= room {
        return name.to_owned();
    }
    let kept = room.saturating_sub(1);
    let front = kept / 3;
    let back = kept - front;
    let start: String = name.chars().take(front).collect();
    let end: String = name.chars().skip(length - back).collect();
    format!("{start}…{end}")
}

/// Cuts the end off a text that is too long.
fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let kept: String = text.chars().take(room.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::{Fields, Paint, request};

    const ANSWERED: &[(&str, &str)] = &[
        ("protocol", "openai_chat"),
        ("provider", "anthropic"),
        ("model", "claude-sonnet-4-5"),
        ("status", "200"),
        ("outcome", "ok"),
        ("stream", "true"),
        ("duration_ms", "1234.5"),
        ("input_tokens", "340"),
        ("output_tokens", "512"),
        ("cost_usd", "0.0045"),
    ];

    fn lines(base: &[(&'static str, &str)], more: &[(&'static str, &str)], width: usize) -> String {
        let fields = more.iter().chain(base).map(|(name, value)| (*name, (*value).to_owned()));
        request(&Fields(fields.collect()), "14:35:02", Some(width), Paint(false))
    }

    #[test]
    fn a_wide_terminal_gets_every_fact() {
        assert_eq!(
            lines(ANSWERED, &[], 120),
            "14:35:02  200  anthropic/claude-sonnet-4-5  1.2 s  340 in 512 out  $0.0045  chat stream\n"
        );
    }

    #[test]
    fn a_narrow_one_gets_the_weightiest() {
        assert_eq!(
            lines(ANSWERED, &[], 80),
            "14:35:02  200  anthropic/claude-sonnet-4-5  1.2 s  340 in 512 out  $0.0045\n"
        );
        let long = "anthropic/claude-sonnet-4-5-20250929-with-a-long-name-for-a-model";
        for width in [60, 80] {
            let line = lines(ANSWERED, &[("model", long)], width);
            assert!(line.trim_end().chars().count() <= width, "{line}");
            assert!(line.contains("…") && line.contains("340 in 512 out"), "{line}");
            assert_eq!(line.contains("$0.0045"), width == 80, "{line}");
        }
    }

    #[test]
    fn a_failure_is_one_reason() {
        let more = [
            ("status", "429"),
            ("error", "rate_limited"),
            (
                "reason",
                "anthropic has too many requests now: try again in 20 seconds, or take another model",
            ),
        ];
        let line = lines(ANSWERED, &more, 80);
        assert_eq!(
            line,
            "14:35:02  429  anthropic/claude-sonnet-4-5  1.2 s  anthropic has too many reque…\n"
        );
        assert!(
            lines(ANSWERED, &[("outcome", "client_gone"), ("status", "499")], 80)
                .ends_with("1.2 s  the client left\n")
        );
    }

    #[test]
    fn what_came_before_stands_below() {
        let more = [("failed_before", "openai/gpt-5 was rate limited"), ("dropped", "logit_bias")];
        let lines = lines(ANSWERED, &more, 80);
        let below: Vec<&str> = lines.lines().skip(1).collect();
        assert_eq!(
            below,
            [
                "               before: openai/gpt-5 was rate limited",
                "               changed: logit_bias"
            ]
        );
    }
}
