//! Which of the known names a misspelt one was meant to be.

/// Longer names are not compared.
const NAME_CHARS_MAX: usize = 64;

/// `did you mean …?` with the nearest name, or the list of all when none is near.
pub(crate) fn did_you_mean<'a>(found: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(nearest) = nearest(found, known.clone()) {
        return format!("did you mean `{nearest}`?");
    }
    let mut all: Vec<String> = known.into_iter().map(|name| format!("`{name}`")).collect();
    all.sort();
    all.dedup();
    match all.split_last() {
        None => "nothing may stand here".to_owned(),
        Some((only, [])) => format!("known is {only}"),
        Some((last, rest)) => format!("known are {} and {last}", rest.join(", ")),
    }
}

/// The known name with the fewest edits, if a typing mistake explains the difference.
fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if found.chars().count() > NAME_CHARS_MAX {
        return None;
    }
    let folded = |name: &str| name.to_lowercase().replace('-', "_");
    let (edits, name) = known
        .into_iter()
        .map(|name| (edits(&folded(found), &folded(name)), name))
        .min()?;
    let allowed = name.chars().count().div_ceil(3).min(4);
    (edits <= allowed).then_some(name)
}

/// Insertions, deletions, replacements and swaps of neighbours that make one name the other.
fn edits(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    let mut last = None;
    for (line, c) in one.chars().enumerate() {
        let mut next = vec![line.saturating_add(1)];
        for (column, d) in other.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX);
            let after = column.saturating_add(1);
            let replaced = at(&row, column).saturating_add(usize::from(c != *d));
            let inserted = at(&next, column).saturating_add(1);
            let deleted = at(&row, after).saturating_add(1);
            let mut cost = replaced.min(inserted).min(deleted);
            let left = column.checked_sub(1);
            let swapped = last == Some(*d) && left.and_then(|left| other.get(left)) == Some(&c);
            if let (true, Some(left)) = (swapped, left) {
                cost = cost.min(at(&before, left).saturating_add(1));
            }
            next.push(cost);
        }
        last = Some(c);
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn typing_mistakes_are_recognised() {
        let known = ["upstreams", "routes", "profiles", "data_dir"];
        let said = |found| did_you_mean(found, known);
        assert_eq!(said("uptsreams"), "did you mean `upstreams`?");
        assert_eq!(said("rotues"), "did you mean `routes`?");
        assert_eq!(said("route"), "did you mean `routes`?");
        assert_eq!(said("Data-Dir"), "did you mean `data_dir`?");
        assert_eq!(
            said("zzzzzz"),
            "known are `data_dir`, `profiles`, `routes` and `upstreams`"
        );
        assert_eq!(did_you_mean("x", []), "nothing may stand here");
    }

    #[test]
    fn a_swap_is_one_edit() {
        assert_eq!(edits("secert", "secret"), 1);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("kitten", "sitting"), 3);
    }

    proptest! {
        #[test]
        fn edits_are_a_distance(a in "[a-c]{0,6}", b in "[a-c]{0,6}") {
            prop_assert_eq!(edits(&a, &b), edits(&b, &a));
            prop_assert_eq!(edits(&a, &b) == 0, a == b);
            prop_assert!(edits(&a, &b) <= a.len().max(b.len()));
        }
    }
}
