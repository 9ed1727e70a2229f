//! What is wrong with a client's base URL, told by a path that no route serves.
//!
//! Asked by `fallback`. Clients put a route of their own behind the base URL that they are given; where that already holds a
//! version or a route, or belongs to another program, the path shows it.

/// The routes that clients put behind their base URL, longest first.
const ROUTES: [&str; 8] = [
    "/messages/count_tokens",
    "/responses/input_tokens",
    "/chat/completions",
    "/completions",
    "/embeddings",
    "/responses",
    "/messages",
    "/models",
];
/// The versions that clients add themselves.
const VERSIONS: [&str; 2] = ["/v1", "/v1beta"];

/// Says what is wrong with the base URL of a client that asked for `path`; `None` where it is no known route behind
/// something else. `server` is the address that the client used, without a path.
pub(super) fn fault(path: &str, server: &str) -> Option<String> {
    let path = path.trim_end_matches('/');
    let (base, route) = split(path).filter(|(base, _)| !base.is_empty())?;
    // Between two routes a version may stand, which the second one brought.
    let without_version =
        VERSIONS.into_iter().find_map(|version| base.strip_suffix(version)).unwrap_or(base);
    let doubled = split(base).or_else(|| split(without_version));
    let fault = if let Some((_, inner)) = doubled {
        format!("the base URL ends in {inner:?}, and the client adds {route:?} to it")
    } else if let Some(version) = VERSIONS.into_iter().find(|version| is_double(base, version)) {
        format!("{version:?} is there twice: the base URL has it, and the client adds it")
    } else if base.contains("//") {
        "the base URL ends in a slash, and the client adds one".to_owned()
    } else {
        format!("the base URL has the path {base:?}, which this server does not have")
    };
    Some(format!("{fault}. Set the client's base URL to {server} or {server}/v1"))
}

/// Splits a path into what stands before the client's own route, and the route.
fn split(path: &str) -> Option<(&str, &str)> {
    ROUTES.iter().find_map(|route| {
        // The model and the action follow.
        let is_models = *route == "/models";
        let at = is_models.then(|| path.rfind("/models/")).flatten();
        let (base, rest) = path.split_at_checked(at.or(path.len().checked_sub(route.len()))?)?;
        rest.starts_with(*route).then_some((base, *route))
    })
}

/// Returns whether a base holds a version more than once.
fn is_double(base: &str, version: &str) -> bool {
    base.split('/').filter(|segment| *segment == version.trim_start_matches('/')).count() > 1
}

#[cfg(test)]
mod tests {
    use super::fault;

    #[track_caller]
    fn check(path: &str, expected: &str) {
        let found = fault(path, "http://127.0.0.1:8080").unwrap_or_default();
        assert!(found.contains(expected), "{path}: {found:?}");
        assert!(found.ends_with("http://127.0.0.1:8080 or http://127.0.0.1:8080/v1"), "{found}");
    }

    #[test]
    fn the_path_tells_what_is_wrong() {
        check("/v1/v1/chat/completions", "\"/v1\" is there twice");
        check("/v1/v1/messages", "\"/v1\" is there twice");
        check("/v1/v1/models/", "\"/v1\" is there twice");
        check("/v1beta/v1beta/models/gemini-2.5-pro:generateContent", "\"/v1beta\" is there twice");
        check("/v1/chat/completions/chat/completions", "ends in \"/chat/completions\"");
        check("/v1/messages/v1/messages", "ends in \"/messages\"");
        check("/api/v1/chat/completions", "has the path \"/api/v1\"");
        check("//v1/chat/completions", "ends in a slash");
    }

    #[test]
    fn other_paths_say_nothing_of_a_base_url() {
        for path in ["/", "/nowhere", "/v1/files", "/chat/completions", "/models/a/b"] {
            assert_eq!(fault(path, "http://x"), None, "{path}");
        }
    }
}
