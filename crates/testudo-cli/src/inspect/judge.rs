//! What a profile makes of one input: a text, or a conversation with all its texts.

use testudo_types::{Action, Origin, Score};

use super::input::{Gap, Input};
use crate::scanner::{Found, Scanner};

/// What would become of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    Allow,
    /// Something was found that is observed or masked.
    Flag,
    /// The exchange would be stopped.
    Block,
}

impl Verdict {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Flag => "flag",
            Self::Block => "block",
        }
    }
}

/// All that was found in one input.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    /// Of the most certain finding; 0 when there is none.
    pub(super) score: u8,
    /// By part, then place.
    pub(super) found: Vec<(usize, Found)>,
    /// What was not scanned, and what the profile does about it.
    pub(super) gaps: Vec<(Gap, Action)>,
}

impl Judged {
    /// What was found in one part.
    pub(super) fn of_part(&self, part: usize) -> &[(usize, Found)] {
        let from = self.found.partition_point(|(of, _)| *of < part);
        let to = self.found.partition_point(|(of, _)| *of <= part);
        self.found.get(from..to).unwrap_or_default()
    }
}

/// Scans all parts of an input; `default` is the origin of those that name none.
pub(super) fn judge(scanner: &mut Scanner, input: &Input, default: &Origin) -> Judged {
    let mut allowance = scanner.allowance();
    let mut found = Vec::new();
    let mut gaps: Vec<(Gap, Action)> = input
        .gaps
        .iter()
        .map(|gap| (gap.clone(), scanner.unscannable(default)))
        .collect();
    for (index, part) in input.parts.iter().enumerate() {
        let origin = part.origin.as_ref().unwrap_or(default);
        let scanned = scanner.scan(&part.text, origin, &mut allowance);
        found.extend(scanned.found.into_iter().map(|found| (index, found)));
        if scanned.model_failed {
            gaps.push((Gap::model_failed(index, part.text.len()), scanner.unscannable(origin)));
        }
        if scanned.exhausted {
            gaps.push((Gap::work_limit(index, part.text.len()), scanner.unscannable(origin)));
            break;
        }
    }
    let actions = found.iter().map(|(_, found)| found.action);
    let strictest = actions.chain(gaps.iter().map(|(_, action)| *action)).max();
    let verdict = match strictest {
        None | Some(Action::Pass) => Verdict::Allow,
        Some(Action::Observe | Action::Mask) => Verdict::Flag,
        Some(Action::Hold | Action::Block) => Verdict::Block,
    };
    let score = found.iter().map(|(_, found)| found.hit.score).max();
    Judged {
        verdict,
        score: score.map_or(0, Score::percent),
        found,
        gaps,
    }
}
