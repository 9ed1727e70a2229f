//! Web search, which Z.AI runs itself: other protocols' declarations become Z.AI's tool.
//!
//! Called by `fit`. Carries what both sides know (how much to read, which site); the rest of a declaration has no counterpart.

use serde_json::{Map, Value, json};

/// Returns true for the type or name of a web search tool in any protocol: `web_search`, `web_search_preview`,
/// `web_search_20250305`, `openrouter:web_search`, `googleSearch`, `google_search`.
pub(super) fn is_search(name: &str) -> bool {
    let name: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    name.contains("websearch") || name.contains("googlesearch")
}

/// Makes Z.AI's tool of a declaration; one that is Z.AI's already keeps its settings.
pub(super) fn tool(declaration: &Value) -> Value {
    let mut settings = Map::new();
    settings.insert("enable".to_owned(), true.into());
    if let Some(Value::Object(own)) = declaration.get("web_search") {
        settings.extend(own.clone());
        return json!({ "type": "web_search", "web_search": settings });
    }
    settings.insert("search_result".to_owned(), true.into());
    let first = |paths: &[&str]| paths.iter().find_map(|path| declaration.pointer(path)).cloned();
    let size = first(&["/search_context_size", "/parameters/search_context_size"]);
    if let Some(size) = size.as_ref().and_then(Value::as_str) {
        let size = if size == "high" { "high" } else { "medium" };
        settings.insert("content_size".to_owned(), size.into());
    }
    let domains =
        first(&["/allowed_domains", "/filters/allowed_domains", "/parameters/allowed_domains"]);
    if let Some([Value::String(domain)]) =
        domains.as_ref().and_then(Value::as_array).map(Vec::as_slice)
    {
        settings.insert("search_domain_filter".to_owned(), domain.as_str().into());
    }
    json!({ "type": "web_search", "web_search": settings })
}

/// Turns every declaration of a search in the body into Z.AI's and puts it in front: search, retrieval, then the rest.
pub(super) fn place(body: &mut Map<String, Value>) {
    let mut tools = match body.get("tools") {
        Some(Value::Array(tools)) => tools.clone(),
        _ => Vec::new(),
    };
    if let Some(options) = body.remove("web_search_options") {
        tools.push(tool(&options));
    }
    if tools.is_empty() {
        return;
    }
    let kind =
        |tool: &Value| tool.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    for declared in &mut tools {
        if is_search(&kind(declared)) {
            *declared = tool(declared);
        }
    }
    tools.sort_by_key(|tool| match kind(tool).as_str() {
        "web_search" => 0,
        "retrieval" => 1,
        _ => 2,
    });
    body.insert("tools".to_owned(), tools.into());
}
