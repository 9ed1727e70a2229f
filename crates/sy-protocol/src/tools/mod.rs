//! The tools of a request that crosses to another protocol, brought into a form that the target
//! takes.
//!
//! Called by [`crate::face::build`] before a protocol writes its body, so that every protocol
//! profits alike: names (`names`), schemas whose root is a choice (`root_schema`), tools that the
//! provider runs itself (`hosted`), and calls without their results (`orphans`). [`ToolAnswers`] is
//! the way back. It deliberately copies the request only where something must change.

mod answers;
mod hosted;
mod names;
mod orphans;
mod root_schema;

use std::borrow::Cow;
use std::collections::HashSet;

use sy_types::chat::{ChatRequest, Dropped, ToolKind};
use sy_types::{ProtocolId, Target};

pub use answers::ToolAnswers;
pub(crate) use answers::nameless;
use names::Names;

/// A request whose tools a target takes.
pub(crate) struct Prepared<'a> {
    /// The request.
    pub(crate) chat: Cow<'a, ChatRequest>,
    /// The way back for the answer.
    pub(crate) answers: ToolAnswers,
    /// What was changed or left out.
    pub(crate) dropped: Vec<Dropped>,
}

/// Prepares a request for a target that takes the bodies of the given protocol.
pub(crate) fn prepare<'a>(
    chat: &'a ChatRequest,
    wire: ProtocolId,
    target: &Target,
) -> Prepared<'a> {
    let mut dropped = Vec::new();
    let mut chat = Cow::Borrowed(chat);

    without_twins(&mut chat, &mut dropped);
    schemas(&mut chat, &mut dropped);
    hosted::translate(&mut chat, wire, target, &mut dropped);
    orphans::repair(&mut chat, &mut dropped);

    let names = Names::of(&chat, target.dialect.tool_names);
    if !names.is_empty() {
        names.apply(chat.to_mut());
    }

    Prepared { chat, answers: ToolAnswers::new(names), dropped }
}

/// Leaves out tools whose name was declared before: Claude and Gemini refuse a request with two of
/// a name.
fn without_twins(chat: &mut Cow<'_, ChatRequest>, dropped: &mut Vec<Dropped>) {
    let mut known = HashSet::new();
    let is_twin: Vec<bool> = chat
        .tools
        .iter()
        .map(|tool| !matches!(tool.kind, ToolKind::Server { .. }) && !known.insert(&tool.name))
        .collect();
    if !is_twin.contains(&true) {
        return;
    }

    let mut twins = is_twin.into_iter();
    let chat = chat.to_mut();
    let mut index = 0;
    chat.tools.retain(|tool| {
        let is_twin = twins.next().unwrap_or_default();
        if is_twin {
            let field = format!("tools[{index}] ({})", tool.name);
            dropped.push(Dropped::new(field, "a tool of this name was declared before"));
        }
        index += 1;
        !is_twin
    });
}

/// Gives every function one object as its schema.
fn schemas(chat: &mut Cow<'_, ChatRequest>, dropped: &mut Vec<Dropped>) {
    for index in 0..chat.tools.len() {
        let Some(tool) = chat.tools.get(index) else { return };
        let ToolKind::Function { parameters, strict } = &tool.kind else { continue };
        let Some(merged) = root_schema::merge(parameters) else { continue };

        // A strict schema must demand every field, which alternatives laid over each other cannot.
        let loses_strict = *strict == Some(true) && merged.words.is_some();
        let strict = if loses_strict { Some(false) } else { *strict };
        let Some(tool) = chat.to_mut().tools.get_mut(index) else { return };
        if let Some(words) = merged.words {
            let given = tool.description.take().filter(|given| !given.trim().is_empty());
            tool.description = Some(match given {
                Some(given) => format!("{given}\n\n{words}"),
                None => words,
            });
        }
        tool.kind = ToolKind::Function { parameters: merged.schema, strict };

        let path = format!("tools[{index}] ({})", tool.name);
        if loses_strict {
            dropped.push(Dropped::new(format!("{path}.strict"), "its schema is a choice"));
        }
        dropped.push(Dropped::new(
            format!("{path}.parameters"),
            "a choice at the root was made one object, and told in the description",
        ));
    }
}
