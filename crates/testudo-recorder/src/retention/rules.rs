//! From what is configured to how long each class is kept: the longest minimum wins.

use std::collections::{BTreeMap, BTreeSet};

use testudo_types::UnixMillis;

use super::{Floor, RecordClass, Regime};

const DAY_MS: u64 = 86_400_000;
/// A hundred years.
const DAYS_MAX: u32 = 36_525;

/// What is configured.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Regimes that this operator is under.
    pub regimes: BTreeSet<Regime>,
    /// How long to keep a class, in days; its default when there is none.
    pub days: BTreeMap<RecordClass, u32>,
    /// The longest time that the operator has declared for a class (GDPR, storage limitation), in days.
    pub maximum_days: BTreeMap<RecordClass, u32>,
}

/// How long one class is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// Payloads are deleted when they are this old.
    pub days: u32,
    /// Until then they are not only in an archive.
    pub at_hand_days: u32,
    /// Regimes whose floor the period is above or at, and `gdpr` when it is at a declared maximum.
    pub reasons: Vec<&'static str>,
}

/// How long each class is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules(BTreeMap<RecordClass, Period>);

/// Why a configuration cannot be a set of rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    #[error(
        "records of class `{}` are to be kept for {days} days, and {} ({clause}) asks for {floor_days} at least; \
         raise the period to that, or take `{}` off the regimes",
        class.as_str(), regime.title(), regime.as_str()
    )]
    BelowFloor {
        class: RecordClass,
        days: u32,
        regime: Regime,
        clause: &'static str,
        floor_days: u32,
    },
    #[error(
        "records of class `{}` are to be kept for {days} days, above the declared maximum of {maximum_days} \
         (GDPR Article 5(1)(e)); lower the period, or declare a longer maximum",
        class.as_str()
    )]
    AboveMaximum {
        class: RecordClass,
        days: u32,
        maximum_days: u32,
    },
    #[error("{days} days for class `{}` are no period; allowed are 1 to {DAYS_MAX}", class.as_str())]
    Days { class: RecordClass, days: u32 },
}

/// What an operator should know about rules that are in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "records of class `{}` are kept for {floor_days} days because of {} ({clause}), above the declared maximum of \
     {maximum_days}; a legal obligation goes before it (GDPR Article 17(3)(b)), so say so in the declaration",
    class.as_str(), regime.title()
)]
pub struct RuleWarning {
    pub class: RecordClass,
    pub regime: Regime,
    pub clause: &'static str,
    pub floor_days: u32,
    pub maximum_days: u32,
}

impl Rules {
    /// Settles what is configured.
    ///
    /// A class without a period has its default, raised to the longest floor and lowered to the
    /// declared maximum, if the floors leave room. Between a floor and a maximum the floor wins,
    /// with a warning.
    ///
    /// # Errors
    /// When a period is below a floor, above a declared maximum, or not 1 to 36525 days.
    pub fn settle(wanted: &Wanted) -> Result<(Self, Vec<RuleWarning>), RuleError> {
        let mut periods = BTreeMap::new();
        let mut warnings = Vec::new();
        for class in RecordClass::ALL {
            let (period, warning) = settle_class(class, wanted)?;
            periods.insert(class, period);
            warnings.extend(warning);
        }
        Ok((Self(periods), warnings))
    }

    /// How long a class is kept.
    #[must_use]
    pub fn period(&self, class: RecordClass) -> Option<&Period> {
        self.0.get(&class)
    }

    /// Payloads of a class from this time or before it are due; `None` when none can be.
    #[must_use]
    pub fn due_at(&self, class: RecordClass, now: UnixMillis) -> Option<UnixMillis> {
        let kept_ms = u64::from(self.0.get(&class)?.days).saturating_mul(DAY_MS);
        now.0.checked_sub(kept_ms).map(UnixMillis)
    }
}

impl Default for Rules {
    /// Every class at its default, under no regime.
    fn default() -> Self {
        let period = |class| Period {
            days: default_days(class),
            at_hand_days: 0,
            reasons: Vec::new(),
        };
        Self(
            RecordClass::ALL
                .into_iter()
                .map(|class| (class, period(class)))
                .collect(),
        )
    }
}

fn default_days(class: RecordClass) -> u32 {
    match class {
        RecordClass::Exchange => 184,
        RecordClass::Decision | RecordClass::Configuration | RecordClass::Artifact => 366,
        RecordClass::Incident => 1_096,
    }
}

fn settle_class(class: RecordClass, wanted: &Wanted) -> Result<(Period, Option<RuleWarning>), RuleError> {
    let maximum = sound(class, wanted.maximum_days.get(&class))?;
    let floors: Vec<&'static Floor> = wanted
        .regimes
        .iter()
        .flat_map(|regime| regime.floors())
        .filter(|floor| floor.classes.contains(&class))
        .collect();
    let floor = floors.iter().max_by_key(|floor| floor.days).copied();
    let floor_days = floor.map_or(0, |floor| floor.days);
    let days = match sound(class, wanted.days.get(&class))? {
        Some(days) => {
            check(class, days, floor, maximum)?;
            days
        }
        None => default_days(class).min(maximum.unwrap_or(DAYS_MAX)).max(floor_days),
    };
    let mut reasons: Vec<&'static str> = floors.iter().map(|floor| floor.regime.as_str()).collect();
    if maximum == Some(days) {
        reasons.push("gdpr");
    }
    let warning = floor.zip(maximum).filter(|(floor, maximum)| floor.days > *maximum);
    let warning = warning.map(|(floor, maximum_days)| RuleWarning {
        class,
        regime: floor.regime,
        clause: floor.clause,
        floor_days: floor.days,
        maximum_days,
    });
    let at_hand_days = floors.iter().map(|floor| floor.at_hand_days).max().unwrap_or(0);
    let period = Period {
        days,
        at_hand_days,
        reasons,
    };
    Ok((period, warning))
}

/// Checks a configured period against the longest floor and the declared maximum.
fn check(class: RecordClass, days: u32, floor: Option<&Floor>, maximum: Option<u32>) -> Result<(), RuleError> {
    if let Some(floor) = floor.filter(|floor| days < floor.days) {
        return Err(RuleError::BelowFloor {
            class,
            days,
            regime: floor.regime,
            clause: floor.clause,
            floor_days: floor.days,
        });
    }
    // A floor above the maximum takes its place.
    let ceiling = maximum.map(|maximum| maximum.max(floor.map_or(0, |floor| floor.days)));
    match ceiling.filter(|ceiling| days > *ceiling) {
        Some(maximum_days) => Err(RuleError::AboveMaximum {
            class,
            days,
            maximum_days,
        }),
        None => Ok(()),
    }
}

fn sound(class: RecordClass, days: Option<&u32>) -> Result<Option<u32>, RuleError> {
    match days {
        Some(&days) if !(1..=DAYS_MAX).contains(&days) => Err(RuleError::Days { class, days }),
        days => Ok(days.copied()),
    }
}
