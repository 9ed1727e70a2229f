//! The subset both ways, and which schemas say more than it can, as tables.

use serde_json::{Value, json};

use super::{as_json_schema, exceeds, from_openapi, narrow};

#[track_caller]
fn narrowed(schema: &Value, expected: &Value) {
    assert_eq!(&narrow(schema), expected, "{schema}");
}

#[track_caller]
fn widened(schema: &Value, expected: &Value) {
    let written = from_openapi(schema.clone());
    assert_eq!(written.to_string(), expected.to_string());
}

#[test]
fn the_subset_becomes_json_schema() {
    widened(
        &json!({"type": "OBJECT", "properties": {"type": {"type": "STRING", "nullable": true}}, "required": ["type"]}),
        &json!({"type": "object", "properties": {"type": {"type": ["string", "null"]}}, "required": ["type"]}),
    );
    widened(
        &json!({"any_of": [{"type": "STRING"}, {"type": "INTEGER", "format": "int32"}], "nullable": true}),
        &json!({"anyOf": [{"type": "string"}, {"type": "integer", "format": "int32"}, {"type": "null"}]}),
    );
    widened(
        &json!({"type": "ARRAY", "items": {"type": "STRING", "format": "enum", "enum": ["A"]}, "min_items": "2"}),
        &json!({"type": "array", "items": {"type": "string", "enum": ["A"]}, "minItems": 2}),
    );
    widened(
        &json!({"type": "OBJECT", "properties": {"b": {"type": "STRING"}, "a": {}}, "propertyOrdering": ["a", "b"]}),
        &json!({"type": "object", "properties": {"a": {}, "b": {"type": "string"}}}),
    );
}

#[test]
fn json_schema_passes_untouched() {
    let schema = json!({"type": "object", "$defs": {"A": {"type": "string"}}, "properties": {"nullable": {"$ref": "#/$defs/A"}, "x": {"type": ["string", "null"], "const": "OBJECT"}}, "additionalProperties": false});
    widened(&schema, &schema);
}

#[test]
fn keywords_beyond_the_subset_are_rewritten_or_left_out() {
    narrowed(
        &json!({"$schema": "x", "type": "object", "properties": {"a": {"type": "integer", "enum": [1, 2]}, "b": {"const": "k"}}, "required": ["a", "gone"], "additionalProperties": false}),
        &json!({"type": "object", "properties": {"a": {"type": "string", "enum": ["1", "2"]}, "b": {"type": "string", "enum": ["k"]}}, "required": ["a"]}),
    );
    narrowed(
        &json!({"type": ["string", "null"], "format": "uri"}),
        &json!({"nullable": true, "type": "string"}),
    );
    narrowed(
        &json!({"type": ["string", "array", "null"]}),
        &json!({"nullable": true, "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
    );
    narrowed(
        &json!({"anyOf": [{"type": "integer"}, {"type": "null"}], "default": null}),
        &json!({"nullable": true, "type": "integer"}),
    );
    narrowed(&json!({"type": "array"}), &json!({"type": "array", "items": {"type": "string"}}));
    narrowed(
        &json!({"type": "array", "prefixItems": [{"type": "number"}, {"type": "string"}]}),
        &json!({"type": "array", "items": {"type": "number"}}),
    );
    narrowed(
        &json!({"type": "string", "properties": {"a": {}}, "required": ["a"]}),
        &json!({"type": "string"}),
    );
}

#[test]
fn references_are_replaced_by_what_they_name() {
    narrowed(
        &json!({"type": "object", "$defs": {"Day": {"type": "string", "enum": ["mon"]}}, "properties": {"day": {"$ref": "#/$defs/Day", "description": "when"}}}),
        &json!({"type": "object", "properties": {"day": {"type": "string", "enum": ["mon"], "description": "when"}}}),
    );
}

#[test]
fn a_schema_that_refers_to_itself_ends() {
    let schema = json!({"$defs": {"N": {"type": "object", "properties": {"a": {"$ref": "#/$defs/N"}, "b": {"$ref": "#/$defs/N"}}}}, "$ref": "#/$defs/N"});
    let text = narrow(&schema).to_string();
    assert!(!text.contains("$ref") && text.len() < 1_000_000, "{}", text.len());
}

#[test]
fn what_all_of_says_is_laid_together() {
    narrowed(
        &json!({"allOf": [{"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}, {"type": "object", "properties": {"b": {"type": "string"}}, "required": ["b"]}]}),
        &json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": ["a", "b"]}),
    );
}

#[test]
fn schemas_that_say_more_are_known() {
    let node = json!({"$defs": {"N": {"properties": {"next": {"$ref": "#/$defs/N"}}}}, "$ref": "#/$defs/N"});
    for schema in [
        node,
        json!({"properties": {"n": {"enum": [1, 2]}}}),
        json!({"additionalProperties": {"type": "string"}}),
        json!({"items": [{"type": "string"}, {"type": "number"}]}),
    ] {
        assert!(exceeds(&schema), "{schema}");
    }
    let twice = json!({"$defs": {"D": {"enum": ["a"]}}, "properties": {"a": {"$ref": "#/$defs/D"}, "b": {"$ref": "#/$defs/D"}}, "additionalProperties": false});
    assert!(!exceeds(&twice), "{twice}");
}

#[test]
fn json_schema_is_written_as_gemini_takes_it() {
    let given = json!({"properties": {"const": {"const": 1}, "r": {"$ref": "#/$defs/D", "description": "d"}}, "$defs": {"D": {"items": [{"const": "x"}]}}});
    let expected = json!({"properties": {"const": {"enum": [1]}, "r": {"$ref": "#/$defs/D"}}, "$defs": {"D": {"prefixItems": [{"enum": ["x"]}]}}});
    assert_eq!(as_json_schema(&given), expected);
}
