//! The OpenAPI document says what there is.

use std::collections::BTreeSet;
use std::path::Path;

use http::Method;

use crate::world::Plot;

/// Reads the routes out of the surfaces' own source: `.route("/path", get(handler))`, and the rows `("/path", get(handler))` of
/// tables, which are described under their versions.
fn routes() -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http")).unwrap()
    {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap();
        let versions: &[&str] = match () {
            () if text.contains("served(&MODEL_BASES") => &["/v1", "/v1beta"],
            () if text.contains("served(&BASES") => &["/v1"],
            () => &[""],
        };
        for row in text.split("(\"/").skip(1) {
            let Some((path, rest)) = row.split_once("\", ") else { continue };
            let path = format!("/{}", path.replace("{*", "{"));
            let path = if path == "/" { "/" } else { path.trim_end_matches('/') };
            for method in ["get", "post", "put", "delete", "patch"] {
                if rest.starts_with(&format!("{method}(")) {
                    found.extend(
                        versions.iter().map(|version| (format!("{version}{path}"), method.into())),
                    );
                }
            }
        }
    }
    found
}

#[tokio::test]
async fn the_document_lists_every_route_and_no_other() {
    let server = Plot::new().start();
    let document = server.get("/openapi.json").without_token().send().await.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    let mut listed = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            listed.insert((path.clone(), method.clone()));
            let answers = operation["responses"].as_object().unwrap();
            assert!(
                !answers.is_empty() && operation["summary"].is_string(),
                "{method} {path}: {operation}"
            );
            for name in path.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()) {
                let parameters = operation["parameters"].as_array().unwrap();
                assert!(
                    parameters.iter().any(|one| one["name"] == name),
                    "{method} {path} names no {name}"
                );
            }
        }
    }
    let routes = routes();
    assert!(routes.len() > 15, "{routes:?}");
    assert_eq!(listed, routes);
    let ids: Vec<String> = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|item| item.as_object().unwrap().values())
        .map(|operation| operation["operationId"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        ids.iter().collect::<BTreeSet<_>>().len(),
        ids.len(),
        "each operation has an id of its own: {ids:?}"
    );
    for (path, method) in listed {
        let method: Method = method.to_uppercase().parse().unwrap();
        let path = path.replace("{id}", "x");
        let answer = server.ask(method.clone(), &path).send().await;
        let is_route = !answer.text().contains("there is no route") && answer.status != 405;
        assert!(is_route, "{method} {path}: {answer:?}");
        let open =
            document["paths"][path.replace("/x", "/{id}")][method.as_str().to_lowercase()]["security"].is_array();
        let status = server.ask(method.clone(), &path).without_token().send().await.status;
        assert_eq!(status == 401, !open, "{method} {path}: the document says who may call");
    }
}

#[tokio::test]
async fn what_the_document_refers_to_is_in_it() {
    let server = Plot::new().start();
    let document = server.get("/openapi.json").send().await.json();
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap())
    {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
    assert!(document.pointer("/components/securitySchemes/token").is_some());
}
