//! Tool names that a target refuses, and the way back.
//!
//! The one mapping for every target: definitions, earlier calls and results, and the tool choice go
//! out under names that the target takes; calls in its answers come back under the client's own. A
//! name is kept where it is legal. Else it is written in legal characters and cut to length, and
//! gets a hash where that could make two names one. The mapping depends on the names of the request
//! alone, so that a prompt keeps its bytes from turn to turn.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use sy_types::chat::{ChatRequest, Part, ToolChoice, ToolKind};
use sy_types::target::ToolNames;

/// Characters of the hash behind a name.
const HASH_LENGTH: usize = 8;

/// What each name of a request is called at the target.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    /// The target's name for a name of the client; names that stay are not listed.
    written: HashMap<String, String>,
    /// The client's name for a name of the target.
    original: HashMap<String, String>,
}

impl Names {
    /// Finds names for all tools that a request speaks of.
    pub(super) fn of(chat: &ChatRequest, rules: ToolNames) -> Self {
        let mut seen: HashSet<&str> = HashSet::new();
        let all: Vec<&str> = used(chat).filter(|name| seen.insert(name)).collect();
        let mut taken: HashSet<String> = HashSet::new();
        taken
            .extend(all.iter().filter(|name| is_legal(name, rules)).map(|name| (*name).to_owned()));
        if taken.len() == all.len() {
            return Self::default();
        }

        let mut forms: HashMap<String, usize> = HashMap::new();
        let refused: Vec<(&str, String)> = all
            .into_iter()
            .filter(|name| !is_legal(name, rules))
            .map(|name| (name, legal_form(name, rules)))
            .collect();
        for (_, form) in &refused {
            *forms.entry(form.clone()).or_default() += 1;
        }

        let mut names = Self::default();
        for (name, form) in refused {
            let is_alone = forms.get(&form) == Some(&1) && !taken.contains(&form);
            let is_whole = form.len() <= rules.longest && name.is_ascii() && !name.is_empty();
            let written = match is_alone && is_whole {
                true => form,
                false => hashed(name, &form, rules, &taken),
            };
            taken.insert(written.clone());
            names.original.insert(written.clone(), name.to_owned());
            names.written.insert(name.to_owned(), written);
        }
        names
    }

    /// Returns true when every name stays as it is.
    pub(crate) fn is_empty(&self) -> bool {
        self.written.is_empty()
    }

    /// Puts the client's name back in place of the target's.
    pub(crate) fn restore(&self, name: &mut String) {
        if let Some(original) = self.original.get(name.as_str()) {
            original.clone_into(name);
        }
    }

    /// Renames everything that a request says of tools.
    pub(super) fn apply(&self, chat: &mut ChatRequest) {
        let rename = |name: &mut String| {
            if let Some(written) = self.written.get(name.as_str()) {
                written.clone_into(name);
            }
        };
        for tool in &mut chat.tools {
            if !matches!(tool.kind, ToolKind::Server { .. }) {
                rename(&mut tool.name);
            }
        }
        match &mut chat.tool_choice {
            Some(ToolChoice::Named(name)) => rename(name),
            Some(ToolChoice::Allowed { names, .. }) => names.iter_mut().for_each(rename),
            Some(ToolChoice::Auto | ToolChoice::None | ToolChoice::Required) | None => {}
        }
        for part in chat.messages.iter_mut().flat_map(|message| &mut message.parts) {
            match part {
                Part::ToolCall(call) => rename(&mut call.name),
                Part::ToolResult(result) => result.name.iter_mut().for_each(rename),
                Part::Text(_)
                | Part::Refusal(_)
                | Part::Media(_)
                | Part::Reasoning(_)
                | Part::Opaque(_) => {}
            }
        }
    }
}

/// Returns the names that a request speaks of, definitions first.
fn used(chat: &ChatRequest) -> impl Iterator<Item = &str> {
    let declared = chat.tools.iter().filter(|tool| !matches!(tool.kind, ToolKind::Server { .. }));
    let chosen: &[String] = match &chat.tool_choice {
        Some(ToolChoice::Named(name)) => std::slice::from_ref(name),
        Some(ToolChoice::Allowed { names, .. }) => names,
        Some(ToolChoice::Auto | ToolChoice::None | ToolChoice::Required) | None => &[],
    };
    let parts = chat.messages.iter().flat_map(|message| &message.parts);
    let said = parts.filter_map(|part| match part {
        Part::ToolCall(call) => Some(call.name.as_str()),
        Part::ToolResult(result) => result.name.as_deref(),
        Part::Text(_)
        | Part::Refusal(_)
        | Part::Media(_)
        | Part::Reasoning(_)
        | Part::Opaque(_) => None,
    });
    declared.map(|tool| tool.name.as_str()).chain(chosen.iter().map(String::as_str)).chain(said)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

fn is_first(c: char, rules: ToolNames) -> bool {
    !rules.letter_first || c.is_ascii_alphabetic() || c == '_'
}

fn is_legal(name: &str, rules: ToolNames) -> bool {
    name.len() <= rules.longest
        && name.chars().all(is_word)
        && name.chars().next().is_some_and(|first| is_first(first, rules))
}

/// Writes a name in legal characters; it may still be too long.
fn legal_form(name: &str, rules: ToolNames) -> String {
    let mut form: String = name.chars().map(|c| if is_word(c) { c } else { '_' }).collect();
    if !form.chars().any(|c| c.is_ascii_alphanumeric()) {
        form = "tool".to_owned();
    }
    if !form.chars().next().is_some_and(|first| is_first(first, rules)) {
        form.insert(0, '_');
    }
    form
}

/// Adds a hash of the whole name, as often as it takes to make the result one of its own.
fn hashed(name: &str, form: &str, rules: ToolNames, taken: &HashSet<String>) -> String {
    let head: String = form.chars().take(rules.longest.saturating_sub(HASH_LENGTH + 1)).collect();
    let head = head.trim_end_matches('_');
    let mut seed = Cow::Borrowed(name);
    loop {
        let hash = format!("{:016x}", fnv(&seed));
        let written = format!("{head}_{}", hash.get(..HASH_LENGTH).unwrap_or(&hash));
        if !taken.contains(&written) {
            return written;
        }
        seed = Cow::Owned(format!("{seed} "));
    }
}

/// FNV-1a, 64 bits (parameters: draft-eastlake-fnv): stable over runs and builds, as a name in a
/// cached prompt must be.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

#[cfg(test)]
mod tests {
    use sy_types::chat::{ChatRequest, Message, Part, Role, Tool, ToolCall, ToolChoice, ToolKind};
    use sy_types::target::ToolNames;

    use super::Names;

    fn tool(name: &str) -> Tool {
        let kind = ToolKind::Function { parameters: serde_json::json!({}), strict: None };
        Tool { name: name.to_owned(), description: None, kind, cache: false }
    }

    fn written<'a>(names: &'a Names, name: &'a str) -> &'a str {
        names.written.get(name).map_or(name, String::as_str)
    }

    fn of(names: &[&str], rules: ToolNames) -> Names {
        let tools = names.iter().map(|name| tool(name)).collect();
        Names::of(&ChatRequest { tools, ..ChatRequest::default() }, rules)
    }

    #[test]
    fn legal_names_stay() {
        assert!(of(&["read_file", "mcp__git__log", "3d-view"], ToolNames::default()).is_empty());
    }

    #[test]
    fn every_name_becomes_legal_and_its_own_and_comes_back() {
        let long = "mcp__a_server_with_a_long_name__and_a_tool_whose_name_is_longer_still_";
        let (first, second) = (format!("{long}1"), format!("{long}2"));
        let given = [
            "a.b",
            "a:b",
            "a_b",
            "a/b c",
            "",
            "查询天气",
            "天气查询",
            "9lives",
            "-",
            "$",
            &first,
            &second,
            "x.y",
        ];
        for rules in
            [ToolNames::default(), ToolNames { letter_first: true, ..ToolNames::default() }]
        {
            let names = of(&given, rules);
            let mut seen = std::collections::HashSet::new();
            for name in given {
                let written = written(&names, name).to_owned();
                assert!(super::is_legal(&written, rules), "{name:?} became {written:?}");
                assert!(seen.insert(written.clone()), "{written} stands for two names");
                let mut back = written;
                names.restore(&mut back);
                assert_eq!(back, name);
            }
            assert_eq!(written(&names, "a_b"), "a_b");
            assert_eq!(written(&names, "x.y"), "x_y");
        }
    }

    #[test]
    fn a_name_does_not_depend_on_its_place() {
        let (one, other) = (
            of(&["a.b", "a:b", "c"], ToolNames::default()),
            of(&["c", "a:b", "a.b"], ToolNames::default()),
        );
        assert_eq!(written(&one, "a.b"), written(&other, "a.b"));
        assert_eq!(written(&one, "a:b"), written(&other, "a:b"));
    }

    #[test]
    fn history_and_choice_are_renamed_alike() {
        let call = ToolCall {
            id: "1".to_owned(),
            name: "gone.tool".to_owned(),
            arguments: "{}".to_owned(),
            custom: false,
            signature: None,
            cache: false,
        };
        let mut chat = ChatRequest {
            tools: vec![tool("a.b")],
            tool_choice: Some(ToolChoice::Named("a.b".to_owned())),
            messages: vec![Message::new(Role::Assistant, vec![Part::ToolCall(call)])],
            ..ChatRequest::default()
        };
        Names::of(&chat, ToolNames::default()).apply(&mut chat);
        assert_eq!(chat.tool_choice, Some(ToolChoice::Named("a_b".to_owned())));
        let Some(Part::ToolCall(call)) = chat.messages[0].parts.first() else { panic!("a call") };
        assert_eq!((chat.tools[0].name.as_str(), call.name.as_str()), ("a_b", "gone_tool"));
    }
}
