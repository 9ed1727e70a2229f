//! Changes a few top-level fields of a JSON body and shares the rest of its bytes.
//!
//! Used where a client's protocol is also the provider's: the body is relayed, not rebuilt, so unknown fields, field order and
//! number formats survive, and a large prompt is not copied. It deliberately cannot reach below the top level.

use std::ops::Range;

use bytes::Bytes;
use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use sy_types::{CallBody, Failure};

/// How often fields may be repeated: each repetition is remembered, and more than a few are no mistake.
const MOST_REPEATED: usize = 64;

/// Where the top-level fields of a body are.
#[derive(Clone, Debug)]
pub struct Spans {
    fields: Vec<(String, Range<usize>)>,
    /// Just behind the opening brace.
    start: usize,
}

impl Spans {
    /// Finds the values of the named top-level fields and checks that the whole body is one JSON object.
    ///
    /// A field that occurs twice is found twice. Strings are not checked for lone surrogates: the body is only relayed.
    ///
    /// # Errors
    /// `Invalid` when the body is not a JSON object, with the position.
    pub fn find(body: &[u8], names: &[&str]) -> Result<Self, Failure> {
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        let found = deserializer
            .deserialize_map(Finder { body, names })
            .and_then(|fields| deserializer.end().map(|()| fields))
            .map_err(|error| not_an_object(&error))?;
        let start = memchr::memchr(b'{', body).map_or(0, |at| at + 1);
        Ok(Self { fields: found, start })
    }

    /// Returns the bytes of a field's value; of the last one where it occurs twice, as JSON parsers do.
    pub fn get<'a>(&self, body: &'a [u8], name: &str) -> Option<&'a [u8]> {
        let (_, range) = self.fields.iter().rev().find(|(known, _)| known == name)?;
        body.get(range.clone())
    }

    /// Returns the body with the given fields set: a field that is there is replaced where it stands, others are added in front.
    /// Only fields that were asked for in [`Spans::find`] can be replaced.
    pub fn apply(&self, body: &Bytes, edits: &[(&str, Value)]) -> CallBody {
        self.edit(body, edits, &[])
    }

    /// Does the same and takes the `removed` fields out, with the comma that belongs to them. Fields that were not asked for in
    /// [`Spans::find`] stay; one whose name is written with escapes is set to `null` instead. At least one field must remain.
    pub fn edit(&self, body: &Bytes, edits: &[(&str, Value)], removed: &[&str]) -> CallBody {
        let mut changes: Vec<(Range<usize>, Vec<u8>)> = Vec::new();
        let mut added = Vec::new();
        for (name, value) in edits {
            let json = crate::json::write(value);
            let mut places = self.fields.iter().filter(|(known, _)| known == name).peekable();
            if places.peek().is_none() {
                added.extend_from_slice(&crate::json::write(name));
                added.push(b':');
                added.extend_from_slice(&json);
                added.push(b',');
            }
            changes.extend(places.map(|(_, range)| (range.clone(), json.clone())));
        }
        if !added.is_empty() {
            let is_empty = body.get(self.start..).and_then(|rest| rest.trim_ascii_start().first())
                == Some(&b'}');
            if is_empty {
                added.pop();
            }
            changes.push((self.start..self.start, added));
        }
        changes.extend(self.removals(body, removed));
        changes.sort_by_key(|(range, _)| range.start);
        splice(body, changes)
    }

    fn removals(&self, body: &[u8], removed: &[&str]) -> Vec<(Range<usize>, Vec<u8>)> {
        let mut changes: Vec<(Range<usize>, Vec<u8>)> = Vec::new();
        for (name, value) in self.fields.iter().filter(|(name, _)| removed.contains(&name.as_str()))
        {
            let Some(mut start) = key_start(body, name, value.start) else {
                changes.push((value.clone(), b"null".to_vec()));
                continue;
            };
            let mut end = value.end;
            let behind = body.get(end..).unwrap_or_default();
            let blanks = behind.len() - behind.trim_ascii_start().len();
            if behind.get(blanks) == Some(&b',') {
                end += blanks + 1;
            } else {
                // The last field: the comma before it goes, which may lie before fields that go as well.
                let front = |start: usize| body.get(..start).unwrap_or_default().trim_ascii_end();
                while let Some((range, _)) =
                    changes.last().filter(|(range, _)| front(start).len() <= range.end)
                {
                    start = range.start;
                    changes.pop();
                }
                if front(start).ends_with(b",") {
                    start = front(start).len() - 1;
                }
            }
            changes.push((start..end, Vec::new()));
        }
        changes
    }
}

/// Finds the opening quote of a key before its value.
fn key_start(body: &[u8], name: &str, value_start: usize) -> Option<usize> {
    let before = body.get(..value_start)?.trim_ascii_end().strip_suffix(b":")?.trim_ascii_end();
    let before = before.strip_suffix(b"\"")?.strip_suffix(name.as_bytes())?.strip_suffix(b"\"")?;
    Some(before.len())
}

fn splice(body: &Bytes, changes: Vec<(Range<usize>, Vec<u8>)>) -> CallBody {
    let mut pieces = Vec::with_capacity(changes.len() * 2 + 1);
    let mut copied = 0;
    for (range, json) in changes {
        pieces.push(body.slice(copied..range.start));
        copied = range.end;
        pieces.push(Bytes::from(json));
    }
    pieces.push(body.slice(copied..));
    CallBody::from_pieces(pieces)
}

fn not_an_object(error: &serde_json::Error) -> Failure {
    Failure::invalid(format!("the request body must be a JSON object: {error}"))
}

struct Finder<'a> {
    body: &'a [u8],
    names: &'a [&'a str],
}

impl<'de> Visitor<'de> for Finder<'de> {
    type Value = Vec<(String, Range<usize>)>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::with_capacity(self.names.len());
        while let Some(Key(name)) = map.next_key::<Key>()? {
            if self.names.contains(&name.as_ref()) {
                if found.len() == self.names.len() + MOST_REPEATED {
                    let text = format!("the field {name:?} stands in it too often");
                    return Err(serde::de::Error::custom(text));
                }
                let raw: &RawValue = map.next_value()?;
                // The raw value borrows from the body, so the distance of their addresses is its offset.
                let start = raw.get().as_ptr() as usize - self.body.as_ptr() as usize;
                found.push((name.into_owned(), start..start + raw.get().len()));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// An object key, borrowed where it has no escapes. A key with a lone surrogate is taken as an unknown name.
struct Key<'a>(std::borrow::Cow<'a, str>);

impl<'de> serde::Deserialize<'de> for Key<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object key")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Key(text.into()))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Key(text.to_owned().into()))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::Spans;

    #[track_caller]
    fn check(body: &str, edits: &[(&str, serde_json::Value)], expected: &str) {
        let names: Vec<&str> = edits.iter().map(|(name, _)| *name).collect();
        let spans = Spans::find(body.as_bytes(), &names).unwrap();
        let patched = spans.apply(&Bytes::from(body.to_owned()), edits).concat();
        assert_eq!(String::from_utf8(patched).unwrap(), expected);
    }

    #[test]
    fn replaces_where_it_stands_and_keeps_every_other_byte() {
        check(
            r#"{ "x": 1.0e2, "model" : "a/b","messages":[{"model":"no"}] }"#,
            &[("model", json!("c"))],
            r#"{ "x": 1.0e2, "model" : "c","messages":[{"model":"no"}] }"#,
        );
    }

    #[test]
    fn adds_what_is_missing() {
        check(
            r#"{"a":1}"#,
            &[("stream", json!(true)), ("b", json!({"c":2}))],
            r#"{"stream":true,"b":{"c":2},"a":1}"#,
        );
        check(r"{ }", &[("a", json!(1))], r#"{"a":1 }"#);
    }

    #[test]
    fn takes_fields_out_with_their_comma() {
        let check = |body: &str, removed: &[&str], expected: &str| {
            let spans = Spans::find(body.as_bytes(), removed).unwrap();
            let patched = spans.edit(&Bytes::from(body.to_owned()), &[], removed).concat();
            assert_eq!(String::from_utf8(patched).unwrap(), expected, "{body}");
            assert!(serde_json::from_str::<serde_json::Value>(expected).is_ok());
        };
        check(r#"{"a":1, "b" : [2] ,"c":3}"#, &["b"], r#"{"a":1, "c":3}"#);
        check(r#"{"a":1, "b":2 }"#, &["b"], r#"{"a":1 }"#);
        check(r#"{"x":0,"a":1, "b":2}"#, &["a", "b"], r#"{"x":0}"#);
        check(r#"{"a":1,"x":0,"b":2}"#, &["a", "b"], r#"{"x":0}"#);
        check(r#"{"x":0, "a":1,"b":2 , "c":{"a":1}}"#, &["a", "b", "c"], r#"{"x":0}"#);
        check(r#"{"a":1,"b":2}"#, &["a", "b"], r"{}");
        check(r#"{"x":0,"\u0061":1}"#, &["a"], r#"{"x":0,"\u0061":null}"#);
        check(r#"{"x":{"a":1}}"#, &["a"], r#"{"x":{"a":1}}"#);
    }

    #[test]
    fn replaces_every_occurrence_of_a_doubled_field() {
        check(
            r#"{"model":"a","model":"b"}"#,
            &[("model", json!("c"))],
            r#"{"model":"c","model":"c"}"#,
        );
    }

    #[test]
    fn a_field_that_is_repeated_without_end_is_refused() {
        let body = format!("{{{}\"model\":1}}", "\"model\":0,".repeat(1000));
        let failure = Spans::find(body.as_bytes(), &["model"]).unwrap_err();
        assert!(failure.message.contains("too often"), "{}", failure.message);
    }

    #[test]
    fn the_large_parts_are_shared_not_copied() {
        let body = Bytes::from(format!(r#"{{"model":"a","messages":"{}"}}"#, "x".repeat(100_000)));
        let spans = Spans::find(&body, &["model"]).unwrap();
        let patched = spans.apply(&body, &[("model", json!("b"))]);
        let large = patched.pieces().last().unwrap();
        assert!(large.len() > 100_000 && body.as_ptr_range().contains(&large.as_ptr()));
    }

    #[test]
    fn a_lone_surrogate_elsewhere_is_relayed() {
        check(
            r#"{"model":"a","x":"\ud83d"}"#,
            &[("model", json!("b"))],
            r#"{"model":"b","x":"\ud83d"}"#,
        );
    }

    #[test]
    fn refuses_what_is_not_one_object() {
        for body in ["", "[]", "null", "{", r#"{"a":1} x"#, r#"{"a":}"#] {
            assert!(Spans::find(body.as_bytes(), &["model"]).is_err(), "{body}");
        }
    }
}
