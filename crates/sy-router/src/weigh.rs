//! Estimates the tokens of a body by walking over its texts, without building anything of it.
//!
//! Called by `count` for requests that were relayed: a body of many small values would cost a
//! hundred times its size to build. It knows the names that protocols give to what is no prompt,
//! and counts everything else that is a text.

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::count::{PER_IMAGE, PER_MESSAGE, PER_TOOL, of_length};

/// Fields that only say what something is or belongs to.
const LABELS: [&str; 18] = [
    "model",
    "type",
    "id",
    "call_id",
    "tool_call_id",
    "tool_use_id",
    "object",
    "status",
    "detail",
    "media_type",
    "mime_type",
    "mimeType",
    "cache_control",
    "signature",
    "encrypted_content",
    "metadata",
    "user",
    "prompt_cache_key",
];
/// A text of at least this length that has no white space at its beginning is no prose but a file.
const FILE_LENGTH: usize = 4096;
/// How much of it is looked at.
const FILE_SAMPLE: usize = 512;

/// Estimates the prompt tokens of a body; `None` where it cannot be walked.
pub(crate) fn weigh(body: &[u8]) -> Option<u64> {
    let mut tokens = 0;
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    Scale { tokens: &mut tokens, is_declaration: false }.deserialize(&mut deserializer).ok()?;
    Some(tokens)
}

/// Adds up what a value weighs.
struct Scale<'a> {
    tokens: &'a mut u64,
    /// Within declared tools names count as well: they are shown to the model.
    is_declaration: bool,
}

impl Scale<'_> {
    fn add(&mut self, tokens: u64) {
        *self.tokens = self.tokens.saturating_add(tokens);
    }
}

impl<'de> DeserializeSeed<'de> for Scale<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Scale<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E>(mut self, text: &str) -> Result<(), E> {
        let sample = text.as_bytes().get(..FILE_SAMPLE).unwrap_or(text.as_bytes());
        let is_file = text.starts_with("data:")
            || (text.len() >= FILE_LENGTH && !sample.iter().any(u8::is_ascii_whitespace));
        self.add(if is_file { PER_IMAGE } else { of_length(text.len()) });
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self { tokens, is_declaration } = self;
        while items.next_element_seed(Scale { tokens: &mut *tokens, is_declaration })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<(), A::Error> {
        while let Some(name) = fields.next_key_seed(Name)? {
            let mut is_declaration = self.is_declaration;
            match name {
                Field::Role => self.add(PER_MESSAGE),
                Field::Tools => {
                    is_declaration = true;
                    self.add(PER_TOOL);
                }
                Field::Other(length) if is_declaration => self.add(of_length(length)),
                Field::Other(_) | Field::Label => {}
            }
            if matches!(name, Field::Role | Field::Label) && !self.is_declaration {
                fields.next_value::<IgnoredAny>()?;
            } else {
                fields.next_value_seed(Scale { tokens: &mut *self.tokens, is_declaration })?;
            }
        }
        Ok(())
    }
}

/// What a field is for.
#[derive(Clone, Copy)]
enum Field {
    Role,
    Label,
    Tools,
    Other(usize),
}

struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Field;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Field, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Field;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E>(self, name: &str) -> Result<Field, E> {
        Ok(match name {
            "role" => Field::Role,
            "tools" => Field::Tools,
            name if LABELS.contains(&name) => Field::Label,
            name => Field::Other(name.len()),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::weigh;

    #[track_caller]
    fn check(body: &Value, expected: u64) {
        assert_eq!(weigh(body.to_string().as_bytes()), Some(expected), "{body}");
    }

    #[test]
    fn texts_count_and_labels_do_not() {
        let messages = json!([{"role": "user", "content": "x".repeat(400).replace("xx", "x ")}]);
        check(&json!({"model": "a/b", "stream": true, "messages": messages}), 104);
        let image = format!("data:image/png;base64,{}", "A".repeat(9000));
        let parts = json!([{"type": "image_url", "image_url": {"url": image, "detail": "low"}}]);
        check(&json!({"messages": [{"role": "user", "content": parts}]}), 1004);
        let source = json!({"type": "base64", "media_type": "image/png", "data": "A".repeat(9000)});
        check(&json!({"content": [{"type": "image", "source": source}]}), 1000);
        check(&json!({"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}), 6);
    }

    #[test]
    fn declared_tools_count_with_their_names() {
        let tool = json!({"name": "read", "input_schema": {"type": "object"}});
        // Eight for the tools; the names of three fields and two texts.
        check(&json!({"tools": [tool]}), 8 + 1 + 1 + 3 + 2);
    }

    #[test]
    fn what_is_no_json_is_not_weighed() {
        assert_eq!(weigh(b"{\"a\":"), None);
    }
}
