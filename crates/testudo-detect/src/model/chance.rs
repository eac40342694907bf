//! What the length of a text takes off its logits: the more windows it has, the higher the highest is by chance.

use super::Channel;

/// How much longer than where its length begins to count a text can be before more makes no difference, so that nothing hides behind
/// ever more text.
const TIMES_MAX: f32 = 20.0;

/// From how many windows on the length of a text counts, and logits for each e-fold of them: fitted to ordinary pages, manuals
/// and licences of up to 60 KB, which the corpora do not have. Windows of a tool's result are smaller and more.
fn slope(channel: Channel) -> Option<(u16, f32)> {
    match channel {
        Channel::User | Channel::Document => Some((20, 0.4)),
        Channel::ToolResult => Some((150, 0.8)),
        Channel::ToolDescription => None,
    }
}

/// What to take off the logits of a text with so many windows.
pub(super) fn by_chance(channel: Channel, windows: usize) -> f32 {
    let Some((from, per_fold)) = slope(channel) else {
        return 0.0;
    };
    let windows = u16::try_from(windows).unwrap_or(u16::MAX);
    let times = f32::from(windows) / f32::from(from);
    per_fold * times.clamp(1.0, TIMES_MAX).ln()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, proptest};

    use super::by_chance;
    use crate::model::Channel;

    #[test]
    fn short_texts_keep_their_logits_and_long_ones_lose_no_more_than_so_much() {
        for (channel, from, per_fold) in [
            (Channel::User, 20, 0.4),
            (Channel::Document, 20, 0.4),
            (Channel::ToolResult, 150, 0.8),
        ] {
            for windows in [0, 1, from] {
                assert!(by_chance(channel, windows).abs() < 1e-6, "{channel:?} {windows}");
            }
            for windows in [from * 20, from * 20 + 1, 70_000, usize::MAX] {
                let most = per_fold * 20_f32.ln();
                assert!(
                    (by_chance(channel, windows) - most).abs() < 1e-5,
                    "{channel:?} {windows}"
                );
            }
        }
        assert!(by_chance(Channel::ToolDescription, 1000).abs() < 1e-6);
    }

    proptest! {
        #[test]
        fn longer_texts_lose_more(windows in any::<u16>(), more in any::<u16>()) {
            let (windows, more) = (usize::from(windows), usize::from(more));
            let (short, long) = (by_chance(Channel::Document, windows), by_chance(Channel::Document, windows.saturating_add(more)));
            prop_assert!(0.0 <= short && short <= long, "{short} {long}");
        }
    }
}
