//! temporary
fn main() {
    std::fs::write("docs/reference/config.schema.json", sy_config::schema_text()).unwrap();
    std::fs::write("docs/reference/config.md", sy_config::reference_page()).unwrap();
}
