//! Which model family an id belongs to, as far as reasoning levels depend on it.
//!
//! Used by the encoders and the built-in table. Reads ids only; what a level becomes is not decided here.

use super::Facts;

/// Levels of a Claude that decides by itself how long to think.
pub(super) struct Adaptive {
    pub(super) levels: &'static [&'static str],
    /// Whether it must be told to summarise what it thought.
    pub(super) summarized: bool,
}

/// Returns the levels of a Claude that thinks adaptively: 4.6 (opus, sonnet), 4.7 and later, or one without a version.
pub(super) fn adaptive(id: &str) -> Option<Adaptive> {
    let rest = &id.get(id.find("claude-")? + "claude-".len()..)?;
    let late = Adaptive { levels: &["low", "medium", "high", "xhigh", "max"], summarized: true };
    match claude_version(rest) {
        None => Some(late),
        Some(version) if version >= (4, 7) => Some(late),
        Some((4, 6)) if id.contains("opus") || id.contains("sonnet") => {
            Some(Adaptive { levels: &["low", "medium", "high", "max"], summarized: false })
        }
        Some(_) => None,
    }
}

/// Reads `4-5`, `4.6`, `sonnet-4-20250514` or `3-5-haiku` behind `claude-`: a number of one or two digits is a version, a
/// longer one is a date.
fn claude_version(rest: &str) -> Option<(u32, u32)> {
    let number = |part: &str| part.parse::<u32>().ok().filter(|_| part.len() <= 2);
    let mut parts = rest.split(['-', '.', '@', ':', '/']).skip_while(|part| number(part).is_none());
    let major = number(parts.next()?)?;
    Some((major, parts.next().and_then(number).unwrap_or(0)))
}

/// Returns true for Claude Opus 4.5, which takes a budget and a level together.
pub(super) fn is_opus_4_5(id: &str) -> bool {
    id.contains("opus-4-5") || id.contains("opus-4.5")
}

/// Returns true for the models of Moonshot.
pub(super) fn is_kimi(facts: &Facts<'_>) -> bool {
    const HOSTS: [&str; 4] =
        ["api.kimi.com", "api.moonshot.ai", "api.moonshot.cn", "api.moonshotai.cn"];
    let named = |text: &str| text.contains("kimi") || text.contains("moonshot");
    named(facts.provider)
        || named(facts.id)
        || HOSTS.iter().any(|host| facts.base_url.contains(host))
}

/// Returns true for the models of Anthropic, wherever they are served.
pub(super) fn is_claude(id: &str) -> bool {
    id.contains("claude") || id.contains("anthropic")
}

/// Returns the levels of a GPT-5 or later, by its id; `None` for any other model.
pub(super) fn gpt_levels(id: &str) -> Option<&'static [&'static str]> {
    const FULL: &[&str] = &["none", "low", "medium", "high", "xhigh"];
    let start = id.find("gpt-5")?;
    let rest = id.get(start + "gpt-5".len()..)?;
    let minor: u32 = rest.strip_prefix('.').map_or(0, |digits| {
        digits.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0)
    });
    if rest.contains("-chat") {
        return Some(if minor == 0 { &[] } else { &["medium"] });
    }
    if rest.contains("codex") {
        return Some(match minor {
            3.. => FULL,
            2 => &["low", "medium", "high", "xhigh"],
            _ if rest.contains("codex-max") => &["low", "medium", "high", "xhigh"],
            _ => &["low", "medium", "high"],
        });
    }
    if rest.contains("-pro") {
        return Some(if minor == 0 { &["high"] } else { &["medium", "high", "xhigh"] });
    }
    match minor {
        0 => None,
        1 => Some(&["none", "low", "medium", "high"]),
        _ => Some(FULL),
    }
}

/// Returns the levels of a model of OpenAI, by its id and release date.
pub(super) fn openai_levels(id: &str, release_date: &str) -> Vec<&'static str> {
    if id.contains("deep-research") {
        return vec!["medium"];
    }
    if let Some(levels) = gpt_levels(id) {
        return levels.to_vec();
    }
    let mut levels = Vec::new();
    if release_date >= "2025-11-13" {
        levels.push("none");
    }
    if id.contains("gpt-5") {
        levels.push("minimal");
    }
    levels.extend(["low", "medium", "high"]);
    if release_date >= "2025-12-04" {
        levels.push("xhigh");
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::{adaptive, claude_version, gpt_levels, openai_levels};

    #[test]
    fn claude_versions_are_read_from_ids() {
        let check = |rest: &str, expected: Option<(u32, u32)>| {
            assert_eq!(claude_version(rest), expected, "{rest}")
        };
        check("opus-4-5-20251101", Some((4, 5)));
        check("sonnet-4.6", Some((4, 6)));
        check("sonnet-4-20250514", Some((4, 0)));
        check("3-5-haiku-20241022", Some((3, 5)));
        check("opus-4-7@default", Some((4, 7)));
        check("mythos", None);
    }

    #[test]
    fn late_claudes_think_adaptively() {
        let check = |id: &str, expected: Option<(usize, bool)>| {
            assert_eq!(
                adaptive(id).map(|adaptive| (adaptive.levels.len(), adaptive.summarized)),
                expected,
                "{id}"
            );
        };
        check("claude-opus-4-6", Some((4, false)));
        check("anthropic/claude-sonnet-4.6", Some((4, false)));
        check("claude-haiku-4-6", None);
        check("claude-opus-4-7", Some((5, true)));
        check("claude-fable-5.1", Some((5, true)));
        check("claude-opus-4-5", None);
        check("gpt-5", None);
    }

    #[test]
    fn gpt_levels_follow_the_id() {
        let check =
            |id: &str, expected: Option<&[&str]>| assert_eq!(gpt_levels(id), expected, "{id}");
        check("gpt-5-chat-latest", Some(&[]));
        check("gpt-5.2-chat-latest", Some(&["medium"]));
        check("gpt-5-pro", Some(&["high"]));
        check("gpt-5.4-pro", Some(&["medium", "high", "xhigh"]));
        check("gpt-5.1-codex-max", Some(&["low", "medium", "high", "xhigh"]));
        check("gpt-5-codex", Some(&["low", "medium", "high"]));
        check("gpt-5.3-codex", Some(&["none", "low", "medium", "high", "xhigh"]));
        check("gpt-5.1", Some(&["none", "low", "medium", "high"]));
        check("openai/gpt-5.4", Some(&["none", "low", "medium", "high", "xhigh"]));
        check("gpt-5", None);
        check("o3", None);
        assert_eq!(openai_levels("gpt-5", "2025-08-07"), ["minimal", "low", "medium", "high"]);
        assert_eq!(openai_levels("o4-mini", "2025-04-16"), ["low", "medium", "high"]);
        assert_eq!(openai_levels("o4-mini-deep-research", "2024-06-26"), ["medium"]);
        assert_eq!(openai_levels("o9", "2026-01-01"), ["none", "low", "medium", "high", "xhigh"]);
    }
}
