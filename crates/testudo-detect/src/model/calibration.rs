//! What a logit means: scores fixed to shares of harmless texts that pass them, for each channel apart.

use serde::{Deserialize, Serialize};
use testudo_types::{Origin, Score};

use super::chance::Length;

pub(super) static BUILTIN: &str = include_str!("../../weights/calibration.toml");

/// How a text reaches the model; each way has its own ordinary texts and its own thresholds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// Somebody asks or instructs.
    User,
    /// A tool returned it.
    ToolResult,
    /// Retrieved or attached.
    Document,
    /// The description of a tool.
    ToolDescription,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Self; 4] = [Self::User, Self::ToolResult, Self::Document, Self::ToolDescription];

    /// The channel of an origin; what is unknown counts as a tool's result.
    #[must_use]
    pub fn of(origin: &Origin) -> Self {
        match origin {
            Origin::System | Origin::User | Origin::Assistant | Origin::Model => Self::User,
            Origin::ToolResult { .. } | Origin::Unknown => Self::ToolResult,
            Origin::Document => Self::Document,
            Origin::ToolDefinition => Self::ToolDescription,
        }
    }

    /// The name in files and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::ToolResult => "tool_result",
            Self::Document => "document",
            Self::ToolDescription => "tool_description",
        }
    }
}

/// The thresholds of one channel, in logits, rising. The share is that of harmless texts that reach them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// Half of the texts. Score 20.
    pub half: f32,
    /// 5 %. Score 50.
    pub five_percent: f32,
    /// 1 %. Score 70.
    pub one_percent: f32,
    /// 0.1 %. Score 85.
    pub one_permille: f32,
    /// Score 100.
    pub certain: f32,
    /// Windows from here on get a second opinion.
    pub unsure_from: f32,
    /// What the length of a text takes off its logits; without it, nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<Length>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    user: Thresholds,
    tool_result: Thresholds,
    document: Thresholds,
    tool_description: Thresholds,
}

/// Why a calibration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CalibrationProblem {
    /// Not a calibration file.
    #[error("the calibration cannot be read: {0}")]
    Malformed(String),
    /// A higher score at a lower logit.
    #[error("the thresholds of `{0}` do not rise")]
    Order(&'static str),
    /// Lengths count from no window on, or take off less than nothing or too much.
    #[error("what the length of a text takes off in `{0}` is out of range")]
    Length(&'static str),
}

/// Turns logits into scores.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    file: File,
}

impl Calibration {
    /// Scores from here to [`Calibration::ABSTAIN_BELOW`] are neither clean nor found.
    pub const ABSTAIN_FROM: u8 = 50;
    /// From here on the model commits itself.
    pub const ABSTAIN_BELOW: u8 = 70;

    /// The calibration of the shipped n-gram model.
    ///
    /// # Errors
    /// The file in the program is damaged.
    pub fn builtin() -> Result<Self, CalibrationProblem> {
        Self::from_toml(BUILTIN)
    }

    /// Reads what [`Calibration::to_toml`] wrote.
    ///
    /// # Errors
    /// Not such a file, or thresholds that do not rise.
    pub fn from_toml(text: &str) -> Result<Self, CalibrationProblem> {
        let file = toml::from_str(text).map_err(|it| CalibrationProblem::Malformed(it.to_string()))?;
        Self::checked(file)
    }

    /// A calibration from the thresholds of each channel, in the order of [`Channel::ALL`].
    ///
    /// # Errors
    /// Thresholds that do not rise.
    pub fn new(thresholds: [Thresholds; 4]) -> Result<Self, CalibrationProblem> {
        let [user, tool_result, document, tool_description] = thresholds;
        Self::checked(File {
            user,
            tool_result,
            document,
            tool_description,
        })
    }

    /// The text of a calibration file.
    ///
    /// # Errors
    /// A number that TOML cannot hold.
    pub fn to_toml(&self) -> Result<String, CalibrationProblem> {
        toml::to_string(&self.file).map_err(|it| CalibrationProblem::Malformed(it.to_string()))
    }

    fn checked(file: File) -> Result<Self, CalibrationProblem> {
        let calibration = Self { file };
        for channel in Channel::ALL {
            let knots = calibration.knots(channel);
            // A comparison with a number that is none is false, and refused.
            let rises = knots.iter().is_sorted_by(|left, right| left.0 < right.0);
            let finite = knots.iter().all(|it| it.0.is_finite());
            if !rises || !finite || calibration.unsure_from(channel).is_nan() {
                return Err(CalibrationProblem::Order(channel.as_str()));
            }
            if calibration.thresholds(channel).length.is_some_and(|it| !it.is_sound()) {
                return Err(CalibrationProblem::Length(channel.as_str()));
            }
        }
        Ok(calibration)
    }

    /// What a logit means: 50 is reached by 5 % of harmless texts, 70 by 1 %, 85 by 0.1 %; linear between.
    #[must_use]
    pub fn score(&self, channel: Channel, logit: f32) -> Score {
        let mut below: Option<(f32, f32)> = None;
        for (at, score) in self.knots(channel) {
            if logit < at {
                return rounded(match below {
                    // Just below a threshold the sum may round up to its score.
                    Some((from, low)) => (low + (score - low) * (logit - from) / (at - from)).min(score.next_down()),
                    // Below half of the texts; falls by 10 with each unit.
                    None => score - 10.0 * (at - logit),
                });
            }
            below = Some((at, score));
        }
        // A number that is none lies below nothing; it was not made by text.
        if logit.is_nan() { Score::MIN } else { Score::MAX }
    }

    /// Whether a score says neither that a text is clean nor that it is an attack.
    #[must_use]
    pub fn abstains(&self, score: Score) -> bool {
        (Self::ABSTAIN_FROM..Self::ABSTAIN_BELOW).contains(&score.percent())
    }

    /// From which logit on windows of a channel get a second opinion, however certain the first is.
    #[must_use]
    pub fn unsure_from(&self, channel: Channel) -> f32 {
        self.thresholds(channel).unsure_from
    }

    /// What to take off the logits of a text with so many windows.
    #[must_use]
    pub fn by_chance(&self, channel: Channel, windows: usize) -> f32 {
        let length = self.thresholds(channel).length;
        length.map_or(0.0, |it| it.by_chance(windows))
    }

    /// The thresholds of a channel.
    #[must_use]
    pub fn thresholds(&self, channel: Channel) -> &Thresholds {
        match channel {
            Channel::User => &self.file.user,
            Channel::ToolResult => &self.file.tool_result,
            Channel::Document => &self.file.document,
            Channel::ToolDescription => &self.file.tool_description,
        }
    }

    fn knots(&self, channel: Channel) -> [(f32, f32); 5] {
        let it = self.thresholds(channel);
        [
            (it.half, 20.0),
            (it.five_percent, 50.0),
            (it.one_percent, 70.0),
            (it.one_permille, 85.0),
            (it.certain, 100.0),
        ]
    }
}

/// Rounded down, so that a score is reached only at its threshold.
fn rounded(score: f32) -> Score {
    let mut percent = 0_u8;
    // At most 100 steps, and no cast that cuts.
    while percent < 100 && f32::from(percent.saturating_add(1)) <= score {
        percent = percent.saturating_add(1);
    }
    Score::new(percent).unwrap_or(Score::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{Calibration, CalibrationProblem, Channel, Length, Thresholds};

    fn thresholds() -> Thresholds {
        Thresholds {
            half: -4.0,
            five_percent: -1.0,
            one_percent: 0.0,
            one_permille: 1.0,
            certain: 3.0,
            unsure_from: -1.5,
            length: Some(Length {
                from_windows: 20,
                per_fold: 0.4,
            }),
        }
    }

    fn calibration() -> Calibration {
        Calibration::new([thresholds(); 4]).unwrap()
    }

    fn percent(logit: f32) -> u8 {
        calibration().score(Channel::User, logit).percent()
    }

    #[test]
    fn shipped_calibration_loads() {
        Calibration::builtin().unwrap();
    }

    #[test]
    fn thresholds_have_their_scores() {
        for (logit, score) in [
            (-4.0, 20),
            (-1.0, 50),
            (0.0, 70),
            (1.0, 85),
            (3.0, 100),
            (9.0, 100),
            (-99.0, 0),
        ] {
            assert_eq!(percent(logit), score, "{logit}");
        }
        assert_eq!(percent(-1.001), 49);
        for (threshold, below) in [(-1.0_f32, 49), (1.0, 84), (3.0, 99)] {
            assert_eq!(percent(threshold.next_down()), below, "{threshold}");
        }
        assert_eq!(percent(f32::NAN), 0);
        assert_eq!(percent(f32::INFINITY), 100);
    }

    #[test]
    fn abstains_between_five_and_one_percent() {
        let calibration = calibration();
        for (logit, expected) in [(-1.1, false), (-1.0, true), (-0.1, true), (0.0, false), (5.0, false)] {
            let score = calibration.score(Channel::Document, logit);
            assert_eq!(calibration.abstains(score), expected, "{logit}");
        }
    }

    #[test]
    fn falling_thresholds_are_refused() {
        let wrong: [fn(&mut Thresholds); 5] = [
            |it| it.half = 0.0,
            |it| it.one_percent = -1.0,
            |it| it.one_permille = f32::NAN,
            |it| it.certain = f32::INFINITY,
            |it| it.unsure_from = f32::NAN,
        ];
        for change in wrong {
            let mut changed = thresholds();
            change(&mut changed);
            let problem = Calibration::new([thresholds(), thresholds(), changed, thresholds()]).unwrap_err();
            assert_eq!(problem, CalibrationProblem::Order("document"));
        }
        for text in ["", "user = 1", "[user]\nhalf = 1.0"] {
            Calibration::from_toml(text).unwrap_err();
        }
    }

    #[test]
    fn lengths_out_of_range_are_refused_and_need_not_be_there() {
        for (from_windows, per_fold) in [(0, 0.4), (20, -0.4), (20, 7.0), (20, f32::NAN)] {
            let mut changed = thresholds();
            changed.length = Some(Length { from_windows, per_fold });
            let problem = Calibration::new([thresholds(), changed, thresholds(), thresholds()]).unwrap_err();
            assert_eq!(problem, CalibrationProblem::Length("tool_result"));
        }
        let mut plain = thresholds();
        plain.length = None;
        let calibration = Calibration::new([plain; 4]).unwrap();
        assert_eq!(
            Calibration::from_toml(&calibration.to_toml().unwrap()).unwrap(),
            calibration
        );
        assert!(calibration.by_chance(Channel::User, 10_000).abs() < f32::EPSILON);
    }

    #[test]
    fn written_and_read_again() {
        let text = calibration().to_toml().unwrap();
        assert_eq!(Calibration::from_toml(&text).unwrap(), calibration());
    }

    proptest! {
        #[test]
        fn scores_never_fall(left in any::<f32>(), right in any::<f32>()) {
            if left <= right {
                assert!(percent(left) <= percent(right));
            }
        }
    }
}
