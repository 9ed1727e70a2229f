//! Which providers can be called at all, and what is said of those that cannot.

use serde_json::{Value, json};
use sy_catalog::{Lack, NotCallable};

use crate::catalog_with;

fn reason(own: Value, variables: &[(&str, &str)], provider: &str) -> Option<NotCallable> {
    let provider = catalog_with(own, variables).provider(provider).expect("the provider");
    provider.callable().err().cloned()
}

#[track_caller]
fn check_missing(provider: &str, variables: &[&str], help: &str) {
    let reason = reason(json!({}), &[], provider).expect("a reason");
    let expected = variables.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(reason.lack, Lack::Settings(expected), "{reason}");
    assert!(reason.help.as_ref().is_some_and(|text| text.contains(help)), "{reason}");
}

#[test]
fn what_an_address_lacks_is_named_with_its_fix() {
    let set = "`switchyard config set provider.azure.options.resourceName VALUE`";
    check_missing("azure", &["AZURE_RESOURCE_NAME"], set);
    check_missing("cloudflare-workers-ai", &["CLOUDFLARE_ACCOUNT_ID"], "options.accountId");
    let both = ["CLOUDFLARE_ACCOUNT_ID", "CLOUDFLARE_GATEWAY_ID"];
    check_missing("cloudflare-ai-gateway", &both, "options.gatewayId");
    check_missing("databricks", &["DATABRICKS_HOST"], "set DATABRICKS_HOST");
}

#[test]
fn a_setting_makes_a_provider_callable() {
    assert_eq!(reason(json!({}), &[("AZURE_RESOURCE_NAME", "mine")], "azure"), None);
    let own = json!({"provider": {"azure": {"options": {"resourceName": "mine"}}}});
    assert_eq!(reason(own, &[], "azure"), None);
    assert_eq!(reason(json!({}), &[], "openai"), None, "a key is not a setting");
}

#[test]
fn protocols_that_are_not_supported_say_so() {
    for provider in ["sap-ai-core", "google-vertex", "gitlab"] {
        let reason = reason(json!({}), &[], provider).expect("a reason");
        assert_eq!((reason.lack.clone(), reason.help.clone()), (Lack::Protocol, None), "{reason}");
        assert!(reason.fault.contains("supported yet"), "{reason}");
    }
}

#[test]
fn a_provider_without_an_address_says_where_it_goes() {
    let reason = reason(json!({"provider": {"mine": {}}}), &[], "mine").expect("a reason");
    assert_eq!(reason.to_string(), "its address is not known: set provider.mine.options.baseURL");
    assert_eq!(reason.lack, Lack::Address);
}
