//! Base URLs with `${NAME}` in them.
//!
//! Called when a target is made. It does not know which provider it works for; the message about a missing variable is
//! finished here because only here the name is known.

use url::Url;

use sy_types::{ErrorKind, Failure, Side};

/// Returns the names of the placeholders.
pub(crate) fn placeholders(template: &str) -> impl Iterator<Item = &str> {
    template.split("${").skip(1).filter_map(|behind| behind.split_once('}').map(|(name, _)| name))
}

/// Fills each `${NAME}` with what `value_of` returns for it.
///
/// # Errors
/// `Unsupported` with the name of a variable that has no value.
pub(crate) fn fill<'v>(
    template: &str,
    value_of: impl Fn(&str) -> Option<&'v str>,
) -> Result<String, Failure> {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once("${") {
        filled.push_str(before);
        let Some((name, after)) = behind.split_once('}') else {
            return Err(unusable(format!(
                "expected `}}` behind `${{` in the address `{template}`"
            )));
        };
        let Some(value) = value_of(name) else {
            return Err(unusable(format!(
                "the address `{template}` needs the environment variable {name}, which is not set"
            )));
        };
        filled.push_str(value);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Reads a base URL. Its path stays as it is, without a slash at the end and without the path of a chat completions call,
/// which some catalogs give.
///
/// # Errors
/// `Unsupported` when it is no http or https address.
pub(crate) fn parse(text: &str) -> Result<Url, Failure> {
    let text = text.trim();
    let mut url = Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| {
            unusable(
                "expected a base URL such as `https://api.example.com/v1`, got something else"
                    .to_owned(),
            )
        })?;
    let path = url.path().trim_end_matches('/');
    let path = path.strip_suffix("/chat/completions").unwrap_or(path).to_owned();
    url.set_path(&path);
    Ok(url)
}

/// Returns true when the whole host of a template comes from a variable: the operator chose it.
pub(crate) fn host_is_variable(template: &str) -> bool {
    let rest = template.split_once("://").map_or(template, |(_, rest)| rest);
    let behind =
        rest.strip_prefix("${").and_then(|rest| rest.split_once('}')).map(|(_, behind)| behind);
    behind.is_some_and(|behind| behind.is_empty() || behind.starts_with(['/', ':']))
}

/// Returns true for an address on this machine or in a private network, as far as the text tells.
pub(crate) fn is_near(template: &str) -> bool {
    let Some(url) = Url::parse(template).ok().filter(|_| !template.contains("${")) else {
        return false;
    };
    match url.host() {
        Some(url::Host::Ipv4(ip)) => {
            ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified()
        }
        Some(url::Host::Ipv6(ip)) => {
            ip.is_loopback() || ip.is_unique_local() || ip.is_unspecified()
        }
        Some(url::Host::Domain(name)) => {
            let is_local = name == "localhost" || !name.contains('.');
            is_local
                || [".localhost", ".local", ".internal", ".lan"]
                    .iter()
                    .any(|ending| name.ends_with(ending))
        }
        None => false,
    }
}

fn unusable(message: String) -> Failure {
    Failure::new(ErrorKind::Unsupported, Side::Gateway, message)
}

#[cfg(test)]
mod tests {
    use super::{fill, host_is_variable, is_near, parse};

    fn value_of(name: &str) -> Option<&'static str> {
        (name == "HOST").then_some("h.test")
    }

    #[test]
    fn variables_are_filled_in() {
        let check = |template: &str, expected: &str| {
            assert_eq!(fill(template, value_of).unwrap(), expected)
        };
        check("https://${HOST}/v1", "https://h.test/v1");
        check("${HOST}${HOST}", "h.testh.test");
        check("https://a.test/v1", "https://a.test/v1");
        let message = fill("https://${NOT_SET}/v1", value_of).unwrap_err().message;
        assert!(message.contains("NOT_SET"), "{message}");
        assert!(fill("https://${HOST", value_of).is_err());
    }

    #[test]
    fn paths_stay_as_they_are() {
        let check =
            |text: &str, expected: &str| assert_eq!(parse(text).unwrap().as_str(), expected);
        check(
            "https://a.test/api/gateway/v1/endpoints/x/claude-code-proxy",
            "https://a.test/api/gateway/v1/endpoints/x/claude-code-proxy",
        );
        check("https://a.test/v1/", "https://a.test/v1");
        check("https://a.test/llm/v1/chat/completions", "https://a.test/llm/v1");
        check("https://a.test/v1?api-version=v1", "https://a.test/v1?api-version=v1");
        for text in ["", "a.test/v1", "ftp://a.test", "file:///etc/passwd"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn near_addresses_are_told_from_far_ones() {
        for near in [
            "http://localhost:11434",
            "http://127.0.0.1:1234/v1",
            "http://10.1.2.3/v1",
            "http://gpu:8000/v1",
            "http://[::1]:1/",
        ] {
            assert!(is_near(near), "{near}");
        }
        for far in ["https://api.openai.com/v1", "http://8.8.8.8/", "https://${HOST}/v1", ""] {
            assert!(!is_near(far), "{far}");
        }
        assert!(
            host_is_variable("${BASE}/v1")
                && host_is_variable("https://${HOST}/v1")
                && host_is_variable("${BASE}")
        );
        assert!(
            !host_is_variable("https://a.test/${ACCOUNT}")
                && !host_is_variable("https://${NAME}.vendor.test/v1")
        );
    }
}
