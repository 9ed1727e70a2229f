//! Which keys hold secrets.
//!
//! Asked by the reference resolver, the checker and the view. It deliberately errs on the side of masking.

use crate::key_path::KeyPath;
use crate::section::is_secret_header;

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

#[cfg(test)]
mod tests {
    use super::is_secret;
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
}
