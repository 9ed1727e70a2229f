//! The path of a key, in the two forms people and tools use.
//!
//! Dotted for people (`provider.zai.models."glm-4.7".name`), JSON pointer for provenance. It does not know which keys exist.

use std::borrow::Cow;

/// The most characters of a name that are shown.
const LONGEST_SHOWN: usize = 80;

/// The names from the root to a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyPath {
    names: Vec<String>,
}

impl KeyPath {
    pub(crate) fn child(&self, name: &str) -> Self {
        let mut names = self.names.clone();
        names.push(name.to_owned());
        Self { names }
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns the names as patterns can match them.
    pub(crate) fn parts(&self) -> Vec<&str> {
        self.names.iter().map(String::as_str).collect()
    }

    pub(crate) fn pointer(&self) -> String {
        self.names
            .iter()
            .map(|name| format!("/{}", name.replace('~', "~0").replace('/', "~1")))
            .collect()
    }

    /// Reads the dotted form. A name with other characters than letters, digits, `_`, `-` and `$` stands in double or
    /// single quotes; inside them a backslash takes the next character as it is.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut names = Vec::new();
        let mut rest = text;
        loop {
            let (name, after) = match rest.chars().next() {
                Some(quote @ ('"' | '\'')) => quoted_name(rest, quote)?,
                _ => bare_name(rest),
            };
            if name.is_empty() {
                return Err(format!(
                    "expected names separated by dots, got an empty name in `{text}`"
                ));
            }
            names.push(name);
            match after.strip_prefix('.') {
                Some(next) => rest = next,
                None if after.is_empty() => return Ok(Self { names }),
                None => return Err(format!("expected a dot after a quoted name in `{text}`")),
            }
        }
    }
}

impl std::fmt::Display for KeyPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, name) in self.names.iter().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            let is_bare = !name.is_empty()
                && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '$'));
            let shown = shortened(name);
            if is_bare { f.write_str(&shown)? } else { write!(f, "{shown:?}")? }
        }
        Ok(())
    }
}

/// Cuts a name that is too long to be shown: a file may hold one of megabytes.
fn shortened(name: &str) -> Cow<'_, str> {
    match name.char_indices().nth(LONGEST_SHOWN) {
        Some((end, _)) => Cow::Owned(format!("{}…", name.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(name),
    }
}

fn bare_name(text: &str) -> (String, &str) {
    let end = text.find('.').unwrap_or(text.len());
    let (name, after) = text.split_at(end);
    (name.to_owned(), after)
}

fn quoted_name(text: &str, quote: char) -> Result<(String, &str), String> {
    let mut name = String::new();
    let mut chars = text.chars();
    chars.next();
    loop {
        match chars.next() {
            Some('\\') => name.extend(chars.next()),
            Some(c) if c == quote => return Ok((name, chars.as_str())),
            Some(c) => name.push(c),
            None => return Err(format!("expected a closing {quote} in `{text}`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::KeyPath;

    #[track_caller]
    fn check(text: &str, names: &[&str], pointer: &str) {
        let path = KeyPath::parse(text).expect("a path");
        assert_eq!((path.parts().as_slice(), path.pointer().as_str()), (names, pointer));
    }

    #[test]
    fn dotted_paths_take_quoted_names() {
        check("server.port", &["server", "port"], "/server/port");
        check(
            r#"provider.zai.models."glm-4.7".name"#,
            &["provider", "zai", "models", "glm-4.7", "name"],
            "/provider/zai/models/glm-4.7/name",
        );
        check(
            "provider.or.models.'a/b'",
            &["provider", "or", "models", "a/b"],
            "/provider/or/models/a~1b",
        );
        check(r#""a\"b""#, &["a\"b"], "/a\"b");
    }

    #[test]
    fn bad_paths_are_refused() {
        for text in ["", "a..b", ".a", "a.", "\"open", "\"a\"b"] {
            KeyPath::parse(text).expect_err(text);
        }
    }

    #[test]
    fn names_with_dots_are_shown_in_quotes() {
        let path = KeyPath::default().child("models").child("glm-4.7").child("name");
        assert_eq!(path.to_string(), "models.\"glm-4.7\".name");
    }
}
