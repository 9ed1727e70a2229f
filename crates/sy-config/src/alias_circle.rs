//! Finds aliases that stand for themselves in the end.
//!
//! Asked once by the check of the merged configuration. It takes time by the number of names, not by its square, and tells
//! a few circles only: a file may hold thousands of names in one.

use std::collections::{HashMap, HashSet, VecDeque};

use indexmap::IndexMap;

use crate::section::Alias;

/// The most circles that are told.
const MOST_TOLD: usize = 10;
/// The most names of a circle that are told.
const MOST_NAMES: usize = 8;

/// Returns aliases that lead back to themselves, each with the way: `a → b → a`.
pub(crate) fn circles(aliases: &IndexMap<String, Alias>) -> Vec<(&str, String)> {
    let open = unfinished(aliases);
    let starts = aliases.keys().map(String::as_str).filter(|name| open.contains(name));
    // A name that only leads into a circle has no way back. Looking for one costs a walk, so not all are tried.
    starts
        .take(MOST_TOLD * MOST_TOLD)
        .filter_map(|start| Some((start, way_back(aliases, &open, start)?)))
        .take(MOST_TOLD)
        .map(|(start, way)| (start, shown(&way)))
        .collect()
}

/// Returns the aliases that are in a circle or lead into one: what is left when those that lead to models only are taken
/// away, again and again.
fn unfinished(aliases: &IndexMap<String, Alias>) -> HashSet<&str> {
    let mut above: HashMap<&str, Vec<&str>> = HashMap::new();
    let mut count: HashMap<&str, usize> = HashMap::new();
    for (name, alias) in aliases {
        let targets = alias.names().iter().filter(|target| aliases.contains_key(target.as_str()));
        for target in targets.clone() {
            above.entry(target).or_default().push(name);
        }
        count.insert(name, targets.count());
    }

    let mut done: Vec<&str> =
        count.iter().filter(|(_, open)| **open == 0).map(|(name, _)| *name).collect();
    while let Some(name) = done.pop() {
        count.remove(name);
        for upper in above.get(name).into_iter().flatten() {
            let Some(open) = count.get_mut(upper) else { continue };
            *open = open.saturating_sub(1);
            if *open == 0 {
                done.push(upper);
            }
        }
    }
    count.into_keys().collect()
}

/// Returns the shortest way from an alias back to itself.
fn way_back<'a>(
    aliases: &'a IndexMap<String, Alias>,
    open: &HashSet<&str>,
    start: &'a str,
) -> Option<Vec<&'a str>> {
    let mut from: HashMap<&str, &str> = HashMap::new();
    let mut next = VecDeque::from([start]);
    while let Some(name) = next.pop_front() {
        for target in aliases.get(name)?.names().iter().map(String::as_str) {
            if target == start {
                return Some(way(&from, start, name));
            }
            if open.contains(target) && !from.contains_key(target) {
                from.insert(target, name);
                next.push_back(target);
            }
        }
    }
    None
}

fn way<'a>(from: &HashMap<&'a str, &'a str>, start: &'a str, last: &'a str) -> Vec<&'a str> {
    let mut way = vec![start];
    let mut name = last;
    while name != start {
        way.push(name);
        let Some(before) = from.get(name) else { break };
        name = before;
    }
    way.push(start);
    way.reverse();
    way
}

fn shown(way: &[&str]) -> String {
    let cut = |name: &&str| name.chars().take(40).collect::<String>();
    if way.len() <= MOST_NAMES {
        return way.iter().map(cut).collect::<Vec<_>>().join(" → ");
    }
    let first: Vec<String> = way.iter().take(MOST_NAMES - 2).map(cut).collect();
    let more = way.len() - first.len() - 1;
    let last = way.last().map(cut).unwrap_or_default();
    format!("{} → … ({more} more) → {last}", first.join(" → "))
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;

    use super::circles;
    use crate::section::Alias;

    fn of(pairs: impl IntoIterator<Item = (String, String)>) -> IndexMap<String, Alias> {
        pairs.into_iter().map(|(name, target)| (name, Alias::One(target))).collect()
    }

    #[test]
    fn a_circle_of_thousands_is_told_in_brief_and_soon() {
        let many = 20_000;
        let name = |number: usize| format!("a{}", number % many);
        let aliases = of((0..many).map(|number| (name(number), name(number + 1))));
        let found = circles(&aliases);
        assert_eq!(found.len(), 10);
        assert!(found.iter().all(|(_, way)| way.len() < 200), "{found:?}");
    }

    #[test]
    fn what_leads_into_a_circle_is_none_itself() {
        let aliases = of([("c", "a"), ("a", "b"), ("b", "a"), ("d", "p/m")]
            .map(|(name, target)| (name.to_owned(), target.to_owned())));
        let found = circles(&aliases);
        assert_eq!(found, [("a", "a → b → a".to_owned()), ("b", "b → a → b".to_owned())]);
    }
}
