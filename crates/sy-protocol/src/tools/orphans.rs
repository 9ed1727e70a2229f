//! Calls and results that do not belong together.
//!
//! Clients cut their history, lose results when they are stopped, and use an id twice. Every
//! provider refuses such a conversation as a whole. A result without its call becomes words of the
//! user, a call without its result gets one that says so, and an id that is used again becomes one
//! of its own. The last message is left alone: its calls may be about to be answered.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use sy_types::chat::{ChatRequest, Dropped, Message, Part, Role, ToolResult};

/// What is said in place of a result that the client does not have.
const NO_RESULT: &str = "No result of this call was recorded.";

/// The place of a part: message and part.
type Place = (usize, usize);

/// What is wrong in a conversation.
#[derive(Debug, Default)]
struct Faults {
    /// Calls and results with an id that was used before, and their new ids.
    renamed: HashMap<Place, String>,
    /// Results without a call.
    orphans: HashSet<Place>,
    /// Calls without a result (id and name), by the message that holds them.
    unanswered: BTreeMap<usize, Vec<(String, String)>>,
}

/// A call whose result has not come yet.
struct Waiting<'a> {
    id: &'a str,
    name: &'a str,
    message: usize,
    renamed: Option<String>,
}

/// Repairs the conversation, and reports what was added or turned into words.
pub(super) fn repair(chat: &mut Cow<'_, ChatRequest>, dropped: &mut Vec<Dropped>) {
    let faults = Faults::of(&chat.messages);
    if faults.is_empty() {
        return;
    }
    let chat = chat.to_mut();
    chat.messages = faults.mend(std::mem::take(&mut chat.messages), dropped);
}

impl Faults {
    fn of(messages: &[Message]) -> Self {
        let mut faults = Self::default();
        let mut uses: HashMap<&str, usize> = HashMap::new();
        let mut waiting: Vec<Waiting<'_>> = Vec::new();

        for (at, message) in messages.iter().enumerate() {
            for (part_at, part) in message.parts.iter().enumerate() {
                let place = (at, part_at);
                match part {
                    Part::ToolCall(call) => {
                        let count = uses.entry(&call.id).or_default();
                        *count += 1;
                        let renamed = (*count > 1).then(|| format!("{}_{count}", call.id));
                        faults.renamed.extend(renamed.clone().map(|id| (place, id)));
                        let (id, name) = (&call.id, &call.name);
                        waiting.push(Waiting { id, name, message: at, renamed });
                    }
                    Part::ToolResult(result) => {
                        match waiting.iter().position(|call| call.id == result.call_id) {
                            Some(found) => {
                                let call = waiting.remove(found);
                                faults.renamed.extend(call.renamed.map(|id| (place, id)));
                            }
                            None => {
                                faults.orphans.insert(place);
                            }
                        }
                    }
                    Part::Text(_)
                    | Part::Refusal(_)
                    | Part::Media(_)
                    | Part::Reasoning(_)
                    | Part::Opaque(_) => {}
                }
            }
        }

        for call in waiting.into_iter().filter(|call| call.message + 1 < messages.len()) {
            let id = call.renamed.unwrap_or_else(|| call.id.to_owned());
            faults.unanswered.entry(call.message).or_default().push((id, call.name.to_owned()));
        }
        faults
    }

    fn is_empty(&self) -> bool {
        self.renamed.is_empty() && self.orphans.is_empty() && self.unanswered.is_empty()
    }

    /// Writes the conversation without its faults.
    fn mend(mut self, messages: Vec<Message>, dropped: &mut Vec<Dropped>) -> Vec<Message> {
        let mut mended: Vec<Message> = Vec::with_capacity(messages.len() + 1);
        let mut words: Vec<Part> = Vec::new();

        for (at, mut message) in messages.into_iter().enumerate() {
            // Words stand behind the run of results from which they were taken.
            if message.role != Role::Tool && !words.is_empty() {
                mended.push(Message::new(Role::User, std::mem::take(&mut words)));
            }

            let parts = std::mem::take(&mut message.parts);
            let was_empty = parts.is_empty();
            for (part_at, mut part) in parts.into_iter().enumerate() {
                if let Some(id) = self.renamed.remove(&(at, part_at)) {
                    rename(&mut part, id);
                }
                match part {
                    Part::ToolResult(result) if self.orphans.contains(&(at, part_at)) => {
                        let field = format!("messages[{at}].parts[{part_at}]");
                        let reason = "a result whose call is not here: sent as words of the user";
                        dropped.push(Dropped::new(field, reason));
                        words.extend(spoken(result));
                    }
                    part => message.parts.push(part),
                }
            }
            if was_empty || !message.parts.is_empty() {
                mended.push(message);
            }

            for (id, name) in self.unanswered.remove(&at).unwrap_or_default() {
                let reason = "a call without a result: one that says so was added";
                dropped.push(Dropped::new(format!("messages[{at}] ({name})"), reason));
                answer(&mut mended, id, name);
            }
        }

        if !words.is_empty() {
            mended.push(Message::new(Role::User, words));
        }
        mended
    }
}

fn rename(part: &mut Part, id: String) {
    match part {
        Part::ToolCall(call) => call.id = id,
        Part::ToolResult(result) => result.call_id = id,
        Part::Text(_)
        | Part::Refusal(_)
        | Part::Media(_)
        | Part::Reasoning(_)
        | Part::Opaque(_) => {}
    }
}

/// Turns a result into words of the user.
fn spoken(result: ToolResult) -> impl Iterator<Item = Part> {
    let head = match &result.name {
        Some(name) => format!("Result of the tool {name}:"),
        None => "Result of a tool:".to_owned(),
    };
    std::iter::once(Part::text(head)).chain(result.parts)
}

/// Adds the result that is missing behind the calls.
fn answer(messages: &mut Vec<Message>, call_id: String, name: String) {
    let result = Part::ToolResult(ToolResult {
        call_id,
        name: Some(name),
        parts: vec![Part::text(NO_RESULT)],
        is_error: false,
        cache: false,
    });
    match messages.last_mut() {
        Some(last) if last.role == Role::Tool => last.parts.push(result),
        _ => messages.push(Message::new(Role::Tool, vec![result])),
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use sy_types::chat::{ChatRequest, Message, Part, Role, ToolCall, ToolResult};

    use super::repair;

    fn call(id: &str) -> Part {
        let (name, arguments) = ("look".to_owned(), "{}".to_owned());
        let (custom, signature, cache) = (false, None, false);
        Part::ToolCall(ToolCall { id: id.to_owned(), name, arguments, custom, signature, cache })
    }

    fn result(id: &str) -> Part {
        let parts = vec![Part::text("seen")];
        let (name, is_error, cache) = (None, false, false);
        Part::ToolResult(ToolResult { call_id: id.to_owned(), name, parts, is_error, cache })
    }

    /// Writes a repaired conversation in short: role, then ids of calls and results, then `words`.
    fn repaired(messages: Vec<Message>) -> (String, usize) {
        let mut chat = Cow::Owned(ChatRequest { messages, ..ChatRequest::default() });
        let mut dropped = Vec::new();
        repair(&mut chat, &mut dropped);
        let short = chat.messages.iter().map(|message| {
            let parts = message.parts.iter().map(|part| match part {
                Part::ToolCall(call) => format!("call {}", call.id),
                Part::ToolResult(result) => format!("{} {}", result.call_id, result.joined_text()),
                _ => "words".to_owned(),
            });
            format!("{:?}[{}]", message.role, parts.collect::<Vec<_>>().join(", "))
        });
        (short.collect::<Vec<_>>().join(" "), dropped.len())
    }

    #[test]
    fn a_whole_conversation_is_not_touched() {
        let messages = vec![
            Message::new(Role::Assistant, vec![call("1"), call("2")]),
            Message::text(Role::User, "wait"),
            Message::new(Role::Tool, vec![result("2"), result("1")]),
            Message::new(Role::Assistant, vec![call("3")]),
        ];
        let before = ChatRequest { messages, ..ChatRequest::default() };
        let mut chat = Cow::Borrowed(&before);
        repair(&mut chat, &mut Vec::new());
        assert!(matches!(chat, Cow::Borrowed(_)), "{chat:?}");
    }

    #[test]
    fn what_is_missing_is_added_and_what_is_left_over_becomes_words() {
        let (short, dropped) = repaired(vec![
            Message::new(Role::Tool, vec![result("gone")]),
            Message::new(Role::Assistant, vec![call("1"), call("2")]),
            Message::new(Role::Tool, vec![result("2")]),
            Message::text(Role::User, "go on"),
        ]);
        assert_eq!(
            short,
            "User[words, words] Assistant[call 1, call 2] Tool[1 No result of this call was recorded.] \
             Tool[2 seen] User[words]"
        );
        assert_eq!(dropped, 2);
    }

    #[test]
    fn an_id_that_is_used_again_becomes_one_of_its_own() {
        let (short, dropped) = repaired(vec![
            Message::new(Role::Assistant, vec![call("1")]),
            Message::new(Role::Tool, vec![result("1")]),
            Message::new(Role::Assistant, vec![call("1")]),
            Message::new(Role::Tool, vec![result("1")]),
        ]);
        assert_eq!(short, "Assistant[call 1] Tool[1 seen] Assistant[call 1_2] Tool[1_2 seen]");
        assert_eq!(dropped, 0);
    }
}
