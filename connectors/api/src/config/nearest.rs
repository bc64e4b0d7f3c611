//! Sans-I/O: "did you mean".

/// The known name nearest to a misspelt one, when it is near enough to be meant: a typing error or two, more in a long
/// name, and never all of a short one.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let length = lower.chars().count();
    let edits = |candidate: &'a str| (distance(&lower, &candidate.to_lowercase()), candidate);
    known
        .into_iter()
        .map(edits)
        .filter(|(edits, candidate)| *edits < length && *edits <= 2.max(candidate.len() / 4))
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's.
fn distance(one: &str, two: &str) -> usize {
    let two: Vec<char> = two.chars().collect();
    let mut row: Vec<usize> = (0..=two.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in two.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[two.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_typing_error_is_near() {
        assert_eq!(distance("slot.name", "slot.name"), 0);
        assert_eq!(distance("slot.nmae", "slot.name"), 2);
        assert_eq!(distance("", "ab"), 2);
        let names = ["slot.name", "topic.prefix", "id"];
        assert_eq!(nearest("Slot.nmae", names), Some("slot.name"));
        assert_eq!(nearest("snapshot.mode", names), None);
        assert_eq!(nearest("v", names), None);
    }
}
