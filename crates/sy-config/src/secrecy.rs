//! Which keys hold secrets, and how what they hold is shown.
//!
//! Asked by the reference resolver, the checker and the view. It deliberately errs on the side of masking.

use sy_types::Secret;

use crate::key_path::KeyPath;
use crate::node::{Kind, Node, Text};
use crate::report::Report;
use crate::section::{Config, Headers, is_secret_header};

/// Returns true when the text at this path must not be shown: the API key, secret headers, and body options whose name
/// sounds like a secret.
pub(crate) fn is_secret(path: &KeyPath) -> bool {
    match path.parts().as_slice() {
        ["provider", _, "options", "headers", name]
        | ["provider", _, "models", _, "headers", name] => is_secret_header(name),
        ["provider", _, "options", names @ ..]
        | ["provider", _, "models", _, "options", names @ ..]
        | ["provider", _, "models", _, "variants", _, names @ ..] => {
            names.iter().any(|name| sounds_secret(name))
        }
        _ => false,
    }
}

/// Returns true when the text at this path is an address in which the catalog fills `${NAME}`.
pub(crate) fn is_address(path: &KeyPath) -> bool {
    matches!(
        path.parts().as_slice(),
        ["provider", _, "options", "baseURL"]
            | ["provider", _, "api"]
            | ["provider", _, "models", _, "provider", "api"]
    )
}

/// Returns a text as it may be shown, whatever its key is called: keys within addresses and words that have the form of a
/// key are masked. A reference stays, as it gives nothing away.
pub(crate) fn concealed(text: &str) -> String {
    let in_address = match text.split_once("://") {
        Some((scheme, rest)) if !scheme.contains(char::is_whitespace) => {
            format!("{scheme}://{}", conceal_address(rest))
        }
        _ => text.to_owned(),
    };
    in_address
        .split_inclusive(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '"' | '\''))
        .map(|piece| {
            let word = piece.trim_end_matches(|c: char| {
                c.is_whitespace() || matches!(c, ',' | ';' | '"' | '\'')
            });
            let end = piece.get(word.len()..).unwrap_or_default();
            // Of an address, each part was looked at above.
            if !word.contains("://") && looks_like_key(word) {
                format!("{}{end}", Secret::new(word).masked())
            } else {
                piece.to_owned()
            }
        })
        .collect()
}

/// Masks user name and password, key-like parts of the path, and secrets of the query, in what follows `://`.
fn conceal_address(rest: &str) -> String {
    let (place, query) = match rest.split_once(['?', '#']) {
        Some((place, query)) => (place, Some((rest.get(place.len()..=place.len()), query))),
        None => (rest, None),
    };
    let (host, path) = place.split_at(place.find('/').unwrap_or(place.len()));
    let host = match host.rsplit_once('@') {
        Some((_, host)) => format!("…@{host}"),
        None => host.to_owned(),
    };
    let path: Vec<String> = path.split('/').map(masked_key).collect();
    let mut shown = host + &path.join("/");

    if let Some((mark, query)) = query {
        let pair = |pair: &str| match pair.split_once('=') {
            Some((name, value)) if sounds_secret(name) && !value.is_empty() => {
                format!("{name}={}", Secret::new(value).masked())
            }
            Some((name, value)) => format!("{name}={}", masked_key(value)),
            None => masked_key(pair),
        };
        shown.push_str(mark.unwrap_or("?"));
        shown.push_str(&query.split('&').map(pair).collect::<Vec<_>>().join("&"));
    }
    shown
}

fn masked_key(word: &str) -> String {
    if looks_like_key(word) { Secret::new(word).masked() } else { word.to_owned() }
}

/// Returns true for a word that has the form of a key: one of the usual beginnings, or a long run of letters and digits in
/// which nobody could read anything. Names of models and hosts are made of shorter runs.
fn looks_like_key(word: &str) -> bool {
    const BEGINNINGS: [&str; 16] = [
        "sk-",
        "sk_",
        "pk-",
        "pk_",
        "rk_",
        "gsk_",
        "xai-",
        "AIza",
        "ghp_",
        "gho_",
        "github_pat_",
        "glpat-",
        "hf_",
        "AKIA",
        "ya29.",
        "eyJ",
    ];
    const LONG: usize = 12;
    const UNREADABLE: usize = 24;
    if word.len() >= LONG && BEGINNINGS.iter().any(|beginning| word.starts_with(beginning)) {
        return true;
    }
    word.split(|c: char| !c.is_ascii_alphanumeric()).any(|run| {
        run.len() >= UNREADABLE
            && run.contains(|c: char| c.is_ascii_digit())
            && run.contains(|c: char| c.is_ascii_alphabetic())
    })
}

fn sounds_secret(name: &str) -> bool {
    const MARKS: [&str; 10] = [
        "apikey",
        "secret",
        "password",
        "passphrase",
        "credential",
        "privatekey",
        "accesskey",
        "authorization",
        "cookie",
        "bearer",
    ];
    let name: String =
        name.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    name.ends_with("token") || name == "key" || MARKS.iter().any(|mark| name.contains(mark))
}

/// Returns a text as it may be shown: a reference as it was written, a secret masked.
pub(crate) fn show(path: &KeyPath, text: &Text) -> String {
    if text.is_reference() {
        text.written.clone()
    } else if is_secret(path) {
        Secret::new(text.written.clone()).masked()
    } else {
        concealed(&text.written)
    }
}

/// Turns header values that came from the environment or a file into secrets, whatever the header is called.
pub(crate) fn conceal_referred_headers(config: &mut Config, merged: &Node) {
    let conceal = |headers: &mut Headers, names: &[&str]| {
        let Some(node) = merged.get(names) else { return };
        for (name, text) in headers {
            let is_referred = matches!(node.get(&[name]).map(|node| &node.kind), Some(Kind::Text(text)) if text.resolved.is_some());
            if is_referred {
                text.conceal();
            }
        }
    };
    for (id, provider) in &mut config.provider {
        conceal(&mut provider.options.headers, &["provider", id, "options", "headers"]);
        for (name, model) in &mut provider.models {
            conceal(&mut model.headers, &["provider", id, "models", name, "headers"]);
        }
    }
}

/// Remarks on secrets that stand in a file as they are.
pub(crate) fn notice_literal_secrets(node: &Node, path: &KeyPath, report: &mut Report) {
    match &node.kind {
        Kind::Object(members) => {
            members.iter().for_each(|member| {
                notice_literal_secrets(&member.value, &path.child(&member.name), report)
            });
        }
        Kind::Array(items) => {
            items.iter().for_each(|item| notice_literal_secrets(item, path, report));
        }
        Kind::Text(text) if text.has_reference() || text.written.is_empty() => {}
        Kind::Text(text) if is_secret(path) => {
            let message =
                format!("`{path}` is plain text; use {{env:NAME}} or {{file:path}} instead");
            report.notice(node.place, message);
        }
        Kind::Text(text) if concealed(&text.written) != text.written => {
            let message = format!(
                "`{path}` has a key in it as plain text; use {{env:NAME}} or {{file:path}} for it"
            );
            report.notice(node.place, message);
        }
        Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{concealed, is_secret};
    use crate::key_path::KeyPath;

    #[track_caller]
    fn check(path: &str, expected: bool) {
        assert_eq!(is_secret(&KeyPath::parse(path).expect("a path")), expected, "{path}");
    }

    #[test]
    fn secrets_are_known_by_their_path() {
        check("provider.a.options.apiKey", true);
        check("provider.a.options.headers.Authorization", true);
        check("provider.a.options.headers.X-Title", false);
        check("provider.a.models.m.headers.x-api-key", true);
        check("provider.a.options.secretAccessKey", true);
        check("provider.a.options.auth.access_token", true);
        check("provider.a.models.m.variants.high.max_tokens", false);
        check("provider.a.options.baseURL", false);
        check("server.host", false);
    }

    #[track_caller]
    fn check_shown(text: &str, hidden: &str) {
        let shown = concealed(text);
        assert!(!shown.contains(hidden) && shown.contains('…'), "{text}: {shown}");
    }

    #[test]
    fn keys_are_masked_wherever_they_stand() {
        check_shown("https://me:canary-0123@example.com/v1", "canary");
        check_shown("https://canary-0123@example.com/v1", "canary");
        check_shown("https://example.com/v1?a=b&api_key=canary-0123", "canary-0");
        check_shown("https://example.com/v1#token=canary-0123", "canary-0");
        check_shown("https://example.com/a1b2c3d4e5f6a7b8c9d0e1f2/v1", "a1b2c3d4");
        check_shown("Bearer sk-canary-0123456789", "canary-0");
        check_shown("x,gsk_canary0123456789", "canary0");
    }

    #[test]
    fn what_is_no_key_is_shown_as_it_is() {
        for text in [
            "https://example.com:8080/v1?api-version=2024-05-01",
            "https://${ACCOUNT}.example.com/{env:PATH}/v1",
            "us.anthropic.claude-3-5-sonnet-20241022-v2:0",
            "meta-llama/Llama-3.3-70B-Instruct-Turbo",
            "some words, and more; \"quoted\"",
            "{file:~/.keys/groq}",
            "info,sy_router=debug",
        ] {
            assert_eq!(concealed(text), text);
        }
    }
}
