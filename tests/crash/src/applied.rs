//! Sans-I/O: whether a table that gets the images of its rows one by one got each of them, in order.

use std::collections::BTreeMap;

/// What was applied.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Images, each counted once.
    pub distinct: usize,
    /// Images that came again.
    pub repeated: usize,
    /// Everything that is not as it has to be.
    pub breaches: Vec<String>,
}

/// Checks what a trigger noted: key and image number, which of each key counts from 1. An image that comes is at most one
/// above the image before it, for what is begun again from an earlier record goes through all that follow it. Of a late
/// write by somebody who no longer owns the key, the next write of its owner is a jump forward.
pub fn applied(noted: impl IntoIterator<Item = (i64, u64)>) -> Applied {
    let (mut outcome, mut last, mut highest) = (
        Applied::default(),
        BTreeMap::<i64, u64>::new(),
        BTreeMap::<i64, u64>::new(),
    );
    for (key, image) in noted {
        let before = last.insert(key, image).unwrap_or(0);
        if image > before + 1 {
            outcome
                .breaches
                .push(format!("key {key}: image {image} came right after {before}"));
        }
        let highest = highest.entry(key).or_default();
        if image > *highest {
            *highest = image;
            outcome.distinct += 1;
        } else {
            outcome.repeated += 1;
        }
    }
    for (key, image) in last {
        if image < highest[&key] {
            outcome.breaches.push(format!(
                "key {key}: ended at image {image} after {}",
                highest[&key]
            ));
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_one_key(images: &[u64]) -> Applied {
        applied(images.iter().map(|image| (1, *image)))
    }

    #[test]
    fn what_is_begun_again_is_no_breach_and_is_counted() {
        let outcome = of_one_key(&[1, 2, 3, 2, 3, 4, 4, 5]);
        assert_eq!((outcome.distinct, outcome.repeated), (5, 3));
        assert_eq!(outcome.breaches, [""; 0]);
    }

    #[test]
    fn a_missing_image_is_a_breach() {
        assert_eq!(of_one_key(&[1, 3]).breaches.len(), 1);
        assert_eq!(of_one_key(&[2]).breaches.len(), 1);
    }

    #[test]
    fn a_late_write_of_somebody_else_is_a_breach() {
        assert_eq!(of_one_key(&[1, 2, 3, 2, 4]).breaches.len(), 1);
        assert_eq!(of_one_key(&[1, 2, 3, 2]).breaches.len(), 1);
    }

    #[test]
    fn keys_are_told_apart() {
        let outcome = applied([(1, 1), (2, 1), (1, 2), (2, 2)]);
        assert_eq!((outcome.distinct, outcome.breaches.len()), (4, 0));
    }
}
