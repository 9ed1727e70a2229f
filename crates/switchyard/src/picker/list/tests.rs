//! What each key does.

use super::{Group, Input, List, Row, Step};

fn row(label: &str, id: &str, group: Group) -> Row {
    let always = id.is_empty();
    Row { label: label.to_owned(), id: id.to_owned(), hint: String::new(), group, always }
}

fn list(window: usize) -> List {
    let mut rows = vec![
        row("Ollama", "ollama", Group::Found),
        row("Anthropic", "anthropic", Group::Popular),
        row("OpenAI", "openai", Group::Popular),
        row("OpenRouter", "openrouter", Group::Popular),
        row("Other (OpenAI-compatible URL)", "", Group::Popular),
        row("302.AI", "302ai", Group::Rest),
        row("Azure OpenAI", "azure", Group::Rest),
        row("Z.AI Coding Plan", "zai-coding-plan", Group::Rest),
    ];
    rows.extend((0..200).map(|n| row(&format!("Vendor {n}"), &format!("vendor{n}"), Group::Rest)));
    List::new(rows, window)
}

fn typed(list: &mut List, text: &str) {
    for letter in text.chars() {
        assert_eq!(list.take(Input::Letter(letter)), Step::Stay);
    }
}

fn labels(list: &List) -> Vec<String> {
    list.visible()
        .map(|(row, is_current)| format!("{}{}", if is_current { ">" } else { "" }, row.label))
        .collect()
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let mut list = list(4);
    typed(&mut list, text);
    assert_eq!(labels(&list), expected, "{text}");
}

#[test]
fn what_is_here_and_what_many_choose_comes_first() {
    check("", &[">Ollama", "Anthropic", "OpenAI", "OpenRouter"]);
}

#[test]
fn the_cursor_is_on_the_best_match_after_each_letter() {
    check("openai", &[">OpenAI", "Other (OpenAI-compatible URL)", "Azure OpenAI"]);
    check("open", &[">OpenAI", "OpenRouter", "Other (OpenAI-compatible URL)", "Azure OpenAI"]);
    check("ZAI", &[">Z.AI Coding Plan", "Other (OpenAI-compatible URL)"]);
    check("azure open", &[">Azure OpenAI", "Other (OpenAI-compatible URL)"]);
    check("vendor 17", &[">Vendor 17", "Vendor 170", "Vendor 171", "Vendor 172"]);
}

#[test]
fn letters_that_are_scattered_over_a_row_do_not_match() {
    check("oai", &["Other (OpenAI-compatible URL)"].map(|_| ">Other (OpenAI-compatible URL)"));
}

#[test]
fn a_misspelt_name_is_found_where_nothing_else_is() {
    check("opneai", &[">OpenAI", "Other (OpenAI-compatible URL)"]);
}

#[test]
fn enter_takes_the_row_under_the_cursor() {
    let mut list = list(4);
    typed(&mut list, "openr");
    assert_eq!(list.take(Input::Enter), Step::Chosen(3));
    list.take(Input::Erase);
    list.take(Input::Down);
    assert_eq!(list.take(Input::Enter), Step::Chosen(3));
}

#[test]
fn the_window_follows_the_cursor() {
    let mut list = list(4);
    for _ in 0..4 {
        list.take(Input::Down);
    }
    assert_eq!(labels(&list).last().map(String::as_str), Some(">Other (OpenAI-compatible URL)"));
    assert_eq!(list.hidden(), (1, 203));
    list.take(Input::PageDown);
    assert_eq!(list.visible().filter(|(_, is_current)| *is_current).count(), 1);
    list.take(Input::Last);
    assert_eq!(labels(&list).last().map(String::as_str), Some(">Vendor 199"));
    list.take(Input::Down);
    assert_eq!(labels(&list).first().map(String::as_str), Some(">Ollama"));
    list.take(Input::Up);
    assert_eq!(labels(&list).last().map(String::as_str), Some(">Vendor 199"));
}

#[test]
fn escape_first_takes_back_what_was_typed() {
    let mut list = list(4);
    typed(&mut list, "xyz");
    assert_eq!(list.take(Input::Escape), Step::Stay);
    assert_eq!(list.query(), "");
    assert_eq!(list.take(Input::Escape), Step::Left);
    assert_eq!(List::new(Vec::new(), 4).take(Input::Enter), Step::Stay);
}
