//! Values in a call that were laid out as bait.

use testudo_detect::Budget;
use testudo_detect::bait::Sighting;
use testudo_policy::provenance::Leaves;

use super::case::{Case, Read};

/// Work that looking for bait in one call may take.
const BAIT_WORK_MAX: u64 = 256 << 20;

impl Case {
    /// Whether a call carries a value that was laid out as bait, in one argument or in parts in several.
    pub(super) fn bait(&self, read: &Read) -> Sighting {
        if self.baits.is_empty() {
            return Sighting::Nowhere;
        }
        let leaves = read.arguments.as_ref().and_then(Leaves::of_arguments);
        let leaves = leaves.as_ref().map_or(&[][..], |leaves| &leaves.leaves);
        let of = |keys: bool| {
            let some = leaves.iter().filter(move |leaf| leaf.path.ends_with('~') == keys);
            some.map(|leaf| leaf.value.as_str())
        };
        // Names of members stand apart, so that they are not between the parts of a value.
        let mut texts = vec![of(false).collect::<Vec<_>>()];
        texts.push(of(false).rev().collect());
        texts.push(of(true).chain([read.tool.as_str()]).collect());
        if leaves.is_empty() {
            texts.push(vec![&read.written]);
        }
        let texts: Vec<String> = texts.iter().map(|parts| parts.join("\n")).collect();
        let mut budget = Budget::new(BAIT_WORK_MAX);
        let mut seen = texts.iter().map(|text| self.baits.sighted(text, &mut budget));
        if seen.any(|it| it == Sighting::Seen) {
            return Sighting::Seen;
        }
        // Encodings beyond those that are undone are not the same as a text that is too long to look at.
        if budget.is_exhausted() {
            Sighting::Unread
        } else {
            Sighting::Nowhere
        }
    }
}
