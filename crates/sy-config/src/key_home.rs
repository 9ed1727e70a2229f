//! Where a key belongs that stands under the wrong parent.
//!
//! Asked by the checker about unknown keys. The places come from the schema, so every section is covered.

use serde_json::Value;

use crate::check::nearest;
use crate::edit::unplaced;
use crate::key_path::KeyPath;
use crate::problem::Problem;
use crate::schema::properties;
use crate::schema_words::branches;

/// A step of a place in the schema: a name, or any name (`provider.<id>`).
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Named(String),
    Any(&'static str),
}

/// Returns the path where a key of this name is known, when it stands at another: `provider.x.options.apiKey` for
/// `provider.x.apiKey`. Names that many places know are no hint, so the place must be the only one near.
pub(crate) fn home_of(schema: &Value, path: &KeyPath) -> Option<String> {
    let parts = path.parts();
    let (name, parents) = parts.split_last()?;
    let mut homes = Vec::new();
    collect(schema, schema, &mut Vec::new(), name, &mut homes);

    // The home with the most in common with where the key stands, and of those the shortest; two such are no help.
    let shared = |home: &[Step]| {
        let fits = |(step, part): &(&Step, &&str)| match step {
            Step::Named(name) => name == **part,
            Step::Any(_) => true,
        };
        home.iter().zip(parents).take_while(fits).count()
    };
    let nearest = homes.iter().map(|home| shared(home)).max()?;
    let near: Vec<&Vec<Step>> = homes.iter().filter(|home| shared(home) == nearest).collect();
    let shortest = near.iter().map(|home| home.len()).min()?;
    let mut homes = near.into_iter().filter(|home| home.len() == shortest);
    let (Some(home), None) = (homes.next(), homes.next()) else { return None };
    // Away from the root, a home in another section has nothing to do with this key.
    (nearest > 0 || parents.is_empty()).then(|| shown(home, parents, nearest))
}

/// Checks that the schema knows a key.
///
/// # Errors
/// When it does not, with the nearest key that it knows.
pub(crate) fn known_key(root: &Value, key: &KeyPath) -> Result<(), Problem> {
    let mut schema = root;
    let mut path = KeyPath::default();
    for name in key.names() {
        path = path.child(name);
        let sections = branches(root, schema);
        let known = sections.iter().find_map(|branch| branch.get("properties")?.get(name));
        if let Some(next) = known {
            schema = next;
            continue;
        }
        match sections.iter().find_map(|branch| branch.get("additionalProperties")) {
            Some(next) if next.is_object() => schema = next,
            // Whatever a free section holds is known.
            Some(Value::Bool(true)) => return Ok(()),
            _ => return Err(unknown_key(root, schema, &path, name)),
        }
    }
    Ok(())
}

fn unknown_key(root: &Value, schema: &Value, path: &KeyPath, name: &str) -> Problem {
    let known: Vec<&str> =
        properties(root, schema).into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    let above = path.names().split_last().map(|(_, above)| above).unwrap_or_default();
    let above = above.iter().fold(KeyPath::default(), |path, name| path.child(name));
    let near = nearest(&known, name).map(|near| above.child(near).to_string());
    let help = match near.or_else(|| home_of(root, path)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known keys here: {}", known.join(", ")),
    };
    Problem { help: Some(help), ..unplaced(format!("unknown key `{path}`")) }
}

fn collect(
    root: &Value,
    schema: &Value,
    above: &mut Vec<Step>,
    name: &str,
    homes: &mut Vec<Vec<Step>>,
) {
    for (known, property) in properties(root, schema).into_iter().flatten() {
        if property.get("deprecated").is_some() {
            continue;
        }
        above.push(Step::Named(known.clone()));
        if known == name && above.len() > 1 {
            homes.push(above.clone());
        }
        collect(root, property, above, name, homes);

        // A map of sections: its entries have names of the user's own.
        let entry = branches(root, property)
            .into_iter()
            .filter(|branch| branch.get("properties").is_none())
            .find_map(|branch| branch.get("additionalProperties"));
        if let Some(entry) = entry.filter(|entry| entry.is_object()) {
            above.push(Step::Any(if known == "models" { "<model>" } else { "<id>" }));
            collect(root, entry, above, name, homes);
            above.pop();
        }
        above.pop();
    }
}

/// Writes a home with the names that the key's own path gives.
fn shown(home: &[Step], parents: &[&str], shared: usize) -> String {
    let mut path = String::new();
    for (index, step) in home.iter().enumerate() {
        if index > 0 {
            path.push('.');
        }
        match (step, parents.get(index).filter(|_| index < shared)) {
            (Step::Any(_), Some(part)) => {
                path.push_str(&KeyPath::default().child(part).to_string());
            }
            (Step::Any(word), None) => path.push_str(word),
            (Step::Named(name), _) => path.push_str(name),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::home_of;
    use crate::key_path::KeyPath;
    use crate::schema::schema;

    #[track_caller]
    fn check(path: &str, expected: Option<&str>) {
        let path = KeyPath::parse(path).expect("a path");
        assert_eq!(home_of(&schema(), &path).as_deref(), expected, "{path}");
    }

    #[test]
    fn keys_under_the_wrong_parent_have_a_home() {
        check("provider.x.apiKey", Some("provider.x.options.apiKey"));
        check("provider.x.baseURL", Some("provider.x.options.baseURL"));
        check("provider.x.timeout", Some("provider.x.options.timeout"));
        check("provider.x.headers", Some("provider.x.options.headers"));
        check("port", Some("server.port"));
        check("maxRetries", Some("retry.maxRetries"));
        check("apiKey", Some("provider.<id>.options.apiKey"));
        check("server.maxRetries", None);
        check("nonsense", None);
    }
}
