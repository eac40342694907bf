//! What the length of a text takes off its logits: slopes that were chosen by hand, and go into the calibration of either tier.

use testudo_detect::model::{Channel, Length};

/// For texts of a channel. Fitted to ordinary pages, manuals and licences of up to 60 KB, which the corpora do not have, with the
/// logits of both tiers together; those of the n-grams alone rise as fast. Windows of a tool's result are smaller and more. Descriptions of
/// tools are short. Other weights may want other slopes.
pub(crate) fn length(channel: Channel) -> Option<Length> {
    match channel {
        Channel::User | Channel::Document => Some(Length {
            from_windows: 20,
            per_fold: 0.4,
        }),
        Channel::ToolResult => Some(Length {
            from_windows: 150,
            per_fold: 0.8,
        }),
        Channel::ToolDescription => None,
    }
}
