//! Where outside libraries, the environment and opened secrets may appear.

use super::{none, sources};

/// A text and the only places (path prefixes) where it may stand in product code.
struct Fence {
    text: &'static str,
    places: &'static [&'static str],
}

const FENCES: &[Fence] = &[
    Fence { text: "axum::", places: &["crates/sy-server/"] },
    Fence { text: "hyper_util::server", places: &["crates/sy-server/"] },
    Fence {
        text: "reqwest::",
        places: &[
            "crates/sy-router/src/upstream",
            "crates/sy-catalog/src/fetch",
            "crates/sy-catalog/src/probe",
            "crates/switchyard/src/client",
            "xtask/",
        ],
    },
    Fence {
        text: "std::env",
        places: &["crates/sy-config/src/env.rs", "crates/switchyard/src/main.rs", "xtask/"],
    },
    Fence { text: "clap::", places: &["crates/switchyard/", "xtask/"] },
    Fence { text: "tokio::spawn", places: &[] },
    Fence { text: "std::process::exit", places: &[] },
    Fence {
        text: ".expose()",
        places: &[
            "crates/sy-types/src/secret.rs",
            "crates/sy-access/src/",
            // Configured secret headers become header values there, marked as sensitive.
            "crates/sy-catalog/src/target.rs",
            "crates/sy-config/src/",
            "crates/sy-credentials/src/",
        ],
    },
];

#[test]
fn libraries_and_secrets_stay_behind_their_fences() {
    let mut findings = Vec::new();
    for source in sources(&["crates", "xtask/src"]) {
        if source.is_test()
            || source.path.starts_with("crates/sy-testkit")
            || source.path.contains("/tidy/")
        {
            continue;
        }
        for (line, text) in source.code().filter(|(_, text)| !text.trim_start().starts_with("//")) {
            for fence in FENCES {
                if text.contains(fence.text)
                    && !fence.places.iter().any(|place| source.path.starts_with(place))
                {
                    findings.push(format!("{}:{line}: {}", source.path, fence.text));
                }
            }
        }
    }
    none(&findings, "used outside its fence:");
}

#[test]
fn no_vendor_is_named_outside_the_catalog() {
    // A vendor is a row of data. Names that are also protocols (openai, anthropic, gemini, ollama, zai) are the protocol
    // folders' own.
    const VENDORS: [&str; 8] =
        ["openrouter", "moonshot", "mistral", "deepseek", "nvidia", "groq", "xiaomi", "copilot"];
    let mut findings = Vec::new();
    for source in sources(&[
        "crates/sy-router/src",
        "crates/sy-server/src",
        "crates/sy-access/src",
        "crates/sy-credentials/src",
    ]) {
        // The one exception is a table of key prefixes, which must be known before the catalog is asked.
        if source.is_test() || source.path == "crates/sy-credentials/src/hygiene.rs" {
            continue;
        }
        for (line, text) in source.code().filter(|(_, text)| !text.trim_start().starts_with("//")) {
            if let Some(vendor) =
                VENDORS.iter().find(|vendor| text.to_lowercase().contains(*vendor))
            {
                findings.push(format!("{}:{line}: {vendor}", source.path));
            }
        }
    }
    none(&findings, "a vendor is named outside sy-catalog:");
}
