//! What every provider needs of a conversation, whatever its protocol: results of tools right behind their calls, no message
//! that says nothing, no line that is meant for another vendor.
//!
//! Called once by [`crate::Inbound`] behind a client's decoder, so that no builder has to see to it. It deliberately makes up
//! neither calls nor results that a client left out.

use std::collections::HashMap;

use sy_types::chat::{ChatRequest, Dropped, Message, Part, Role};

/// How the line begins that Claude Code puts first into its system prompt: it counts the client's requests for Anthropic, whose
/// servers take it out (seen in recordings of Claude Code 2, 2026). Elsewhere it stays in the prompt, and as it changes with
/// each request, no prefix is found in a cache.
pub(crate) const BILLING_LINE: &str = "x-anthropic-billing-header:";

/// Brings a decoded request into the form that every builder may rely on. What is left out is reported.
pub(crate) fn settle(chat: &mut ChatRequest) {
    leave_out_billing(&mut chat.messages, &mut chat.unmapped);
    leave_out_empty(&mut chat.messages, &mut chat.unmapped);
    chat.messages = in_order(std::mem::take(&mut chat.messages));
}

/// Returns the report of a billing line that was left out.
pub(crate) fn billing_report() -> Dropped {
    Dropped::needless("x-anthropic-billing-header", "meant for Anthropic alone, and spoils caches")
}

/// Returns what is left of a text that begins with a billing line; `None` for any other text.
pub(crate) fn without_billing(text: &str) -> Option<&str> {
    let text = text.trim_start();
    if !text.starts_with(BILLING_LINE) {
        return None;
    }
    Some(text.split_once('\n').map_or("", |(_, rest)| rest.trim_start()))
}

fn leave_out_billing(messages: &mut Vec<Message>, dropped: &mut Vec<Dropped>) {
    let mut is_found = false;
    for message in messages.iter_mut().filter(|message| message.role == Role::System) {
        let mut is_here = false;
        for part in &mut message.parts {
            let Part::Text(text) = part else { continue };
            let Some(rest) = without_billing(&text.text).map(str::to_owned) else { continue };
            text.text = rest;
            is_here = true;
        }

        if is_here {
            message.parts.retain(|part| !is_blank(part));
            is_found = true;
        }
    }

    if is_found {
        messages.retain(|message| message.role != Role::System || !message.parts.is_empty());
        dropped.push(billing_report());
    }
}

/// Leaves out messages that say nothing: most providers refuse them, and a stand-in would be words that nobody said.
fn leave_out_empty(messages: &mut Vec<Message>, dropped: &mut Vec<Dropped>) {
    let mut index = 0;
    messages.retain(|message| {
        let says_something = !message.parts.iter().all(is_blank);
        if !says_something {
            dropped.push(Dropped::needless(format!("messages[{index}]"), "it says nothing"));
        }
        index += 1;
        says_something
    });
}

fn is_blank(part: &Part) -> bool {
    match part {
        Part::Text(text) => text.text.trim().is_empty() && text.signature.is_none(),
        Part::Refusal(text) => text.trim().is_empty(),
        Part::Reasoning(reasoning) => {
            reasoning.text.trim().is_empty() && reasoning.signature.is_none()
        }
        Part::Media(_) | Part::ToolCall(_) | Part::ToolResult(_) | Part::Opaque(_) => false,
    }
}

/// A message and the results of the calls in it.
struct Turn {
    message: Message,
    has_calls: bool,
    results: Vec<Message>,
}

/// Puts results right behind the message with their calls, though others may have spoken in between (Codex lets them), and
/// joins messages of the model between which a call is still open: they are one turn. Results without a call stay where they
/// are.
fn in_order(messages: Vec<Message>) -> Vec<Message> {
    let mut turns: Vec<Turn> = Vec::with_capacity(messages.len());
    let mut callers: HashMap<String, usize> = HashMap::new();

    for message in messages {
        if message.role == Role::Tool {
            hand_out(message, &mut turns, &callers);
            continue;
        }

        let is_assistant = message.role == Role::Assistant;
        let calls = message.parts.iter().filter_map(|part| match part {
            Part::ToolCall(call) if is_assistant => Some(call.id.clone()),
            _ => None,
        });
        let calls: Vec<String> = calls.collect();
        let has_calls = !calls.is_empty();
        match turns.last_mut() {
            Some(last) if is_assistant && last.has_calls && last.results.is_empty() => {
                last.message.parts.extend(message.parts);
            }
            _ => turns.push(Turn { message, has_calls, results: Vec::new() }),
        }
        callers.extend(calls.into_iter().map(|id| (id, turns.len() - 1)));
    }

    turns.into_iter().flat_map(|turn| std::iter::once(turn.message).chain(turn.results)).collect()
}

/// Gives the results of one message to the turns that called for them; those that belong together stay in one message.
fn hand_out(message: Message, turns: &mut Vec<Turn>, callers: &HashMap<String, usize>) {
    let mut before: Option<usize> = None;
    for part in message.parts {
        let caller = match &part {
            Part::ToolResult(result) => callers.get(&result.call_id).copied(),
            _ => None,
        };
        // What is no result of a known call stands behind what came last.
        let at = caller.or(before);
        let is_new = before != at;
        let Some(turn) = at.and_then(|at| turns.get_mut(at)) else {
            let message =
                Message { role: Role::Tool, parts: vec![part], name: message.name.clone() };
            before = Some(turns.len());
            turns.push(Turn { message, has_calls: false, results: Vec::new() });
            continue;
        };

        let is_orphan = turn.message.role == Role::Tool;
        match turn.results.last_mut() {
            _ if is_orphan => turn.message.parts.push(part),
            Some(last) if !is_new => last.parts.push(part),
            _ => {
                let message =
                    Message { role: Role::Tool, parts: vec![part], name: message.name.clone() };
                turn.results.push(message);
            }
        }
        before = at;
    }
}

#[cfg(test)]
mod tests {
    use sy_types::chat::{ChatRequest, Message, Part, Role, Text, ToolCall, ToolResult};

    use super::settle;

    fn call(id: &str) -> Part {
        Part::ToolCall(ToolCall {
            id: id.to_owned(),
            name: "f".to_owned(),
            arguments: "{}".to_owned(),
            custom: false,
            signature: None,
            cache: false,
        })
    }

    fn result(id: &str) -> Part {
        let call_id = id.to_owned();
        Part::ToolResult(ToolResult {
            call_id,
            name: None,
            parts: vec![Part::text(format!("of {id}"))],
            is_error: false,
            cache: false,
        })
    }

    /// Shows a conversation as one line: roles with the calls (`+`), results (`-`) and texts of each message.
    fn line(messages: &[Message]) -> String {
        let part = |part: &Part| match part {
            Part::ToolCall(call) => format!("+{}", call.id),
            Part::ToolResult(result) => format!("-{}", result.call_id),
            Part::Text(Text { text, .. }) => text.clone(),
            _ => "?".to_owned(),
        };
        let message = |message: &Message| {
            let parts: Vec<String> = message.parts.iter().map(part).collect();
            format!("{:?}({})", message.role, parts.join(" "))
        };
        messages.iter().map(message).collect::<Vec<_>>().join(" ")
    }

    #[track_caller]
    fn check(messages: &[(Role, Vec<Part>)], expected: &str, reports: &[&str]) {
        let messages =
            messages.iter().map(|(role, parts)| Message::new(*role, parts.clone())).collect();
        let mut chat = ChatRequest { messages, ..ChatRequest::default() };
        settle(&mut chat);
        assert_eq!(line(&chat.messages), expected);
        let fields: Vec<&str> = chat.unmapped.iter().map(|one| one.field.as_str()).collect();
        assert_eq!(fields, reports);
    }

    fn say(text: &str) -> Vec<Part> {
        vec![Part::text(text)]
    }

    #[test]
    fn results_follow_their_calls() {
        use Role::{Assistant, Developer, Tool, User};
        check(
            &[
                (User, say("u")),
                (Assistant, vec![call("a")]),
                (Developer, say("d")),
                (User, say("v")),
                (Tool, vec![result("a")]),
                (Assistant, say("end")),
            ],
            "User(u) Assistant(+a) Tool(-a) Developer(d) User(v) Assistant(end)",
            &[],
        );
        // Calls of one turn that came as messages of their own.
        check(
            &[
                (Assistant, vec![call("a")]),
                (Assistant, vec![call("b")]),
                (Tool, vec![result("a")]),
                (Tool, vec![result("b")]),
            ],
            "Assistant(+a +b) Tool(-a) Tool(-b)",
            &[],
        );
        // One message with the results of two turns, and a result that nobody called for.
        check(
            &[
                (Assistant, vec![call("a")]),
                (User, say("u")),
                (Assistant, vec![call("b"), call("c")]),
                (Tool, vec![result("a"), result("b"), result("c")]),
                (User, say("v")),
                (Tool, vec![result("x"), result("y")]),
            ],
            "Assistant(+a) Tool(-a) User(u) Assistant(+b +c) Tool(-b -c) User(v) Tool(-x -y)",
            &[],
        );
        // One id in two rounds.
        check(
            &[
                (Assistant, vec![call("a")]),
                (Tool, vec![result("a")]),
                (Assistant, vec![call("a")]),
                (User, say("u")),
                (Tool, vec![result("a")]),
            ],
            "Assistant(+a) Tool(-a) Assistant(+a) Tool(-a) User(u)",
            &[],
        );
    }

    #[test]
    fn messages_that_say_nothing_are_left_out_and_named() {
        use Role::{Assistant, User};
        check(
            &[(User, say("u")), (Assistant, say(" \n")), (User, Vec::new()), (User, say("v"))],
            "User(u) User(v)",
            &["messages[1]", "messages[2]"],
        );
    }

    #[test]
    fn the_billing_line_is_left_out() {
        let line = "x-anthropic-billing-header: cc_version=2.1; cch=a1b2c;";
        check(
            &[
                (Role::System, vec![Part::text(line), Part::text("You are")]),
                (Role::User, say(line)),
            ],
            &format!("System(You are) User({line})"),
            &["x-anthropic-billing-header"],
        );
        check(
            &[(Role::System, say(line)), (Role::User, say("u"))],
            "User(u)",
            &["x-anthropic-billing-header"],
        );
        check(
            &[(Role::System, say(&format!("{line}\nYou are"))), (Role::User, say("u"))],
            "System(You are) User(u)",
            &["x-anthropic-billing-header"],
        );
    }
}
