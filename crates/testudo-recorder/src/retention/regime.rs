//! What laws and standards ask for, as a table.

use super::RecordClass;

/// A law or standard that asks for records to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Regime {
    /// Regulation (EU) 2024/1689.
    EuAiAct,
    /// PCI DSS 4.
    PciDss,
    /// 45 CFR part 164.
    Hipaa,
}

/// The shortest time that a regime asks for, for some record classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor {
    pub regime: Regime,
    /// Where it says so.
    pub clause: &'static str,
    pub classes: &'static [RecordClass],
    pub days: u32,
    /// How many of these days the records must be at hand, not only in an archive.
    pub at_hand_days: u32,
}

/// Six months, when they are longest.
const SIX_MONTHS_DAYS: u32 = 184;
const THREE_MONTHS_DAYS: u32 = 92;
const TWELVE_MONTHS_DAYS: u32 = 366;
/// With two leap days.
const SIX_YEARS_DAYS: u32 = 2_192;

/// Logs "automatically generated" by the system: what it did, what was decided, who changed it.
const EVENTS: &[RecordClass] = &[
    RecordClass::Exchange,
    RecordClass::Decision,
    RecordClass::Configuration,
    RecordClass::Incident,
];

const FLOORS: &[Floor] = &[
    Floor {
        regime: Regime::EuAiAct,
        clause: "Articles 19(1) and 26(6)",
        classes: EVENTS,
        days: SIX_MONTHS_DAYS,
        at_hand_days: 0,
    },
    Floor {
        regime: Regime::PciDss,
        clause: "requirement 10.5.1",
        classes: &RecordClass::ALL,
        days: TWELVE_MONTHS_DAYS,
        at_hand_days: THREE_MONTHS_DAYS,
    },
    // "Action, activity, or assessment" that must be documented; read so that no class is too short.
    Floor {
        regime: Regime::Hipaa,
        clause: "45 CFR 164.316(b)(2)(i)",
        classes: &RecordClass::ALL,
        days: SIX_YEARS_DAYS,
        at_hand_days: 0,
    },
];

impl Regime {
    /// Every regime.
    pub const ALL: [Self; 3] = [Self::EuAiAct, Self::PciDss, Self::Hipaa];

    /// The name used in configuration and entries.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EuAiAct => "eu_ai_act",
            Self::PciDss => "pci_dss",
            Self::Hipaa => "hipaa",
        }
    }

    /// What people call it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::EuAiAct => "EU AI Act",
            Self::PciDss => "PCI DSS",
            Self::Hipaa => "HIPAA",
        }
    }

    /// The regime that a name stands for.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|regime| regime.as_str() == name)
    }

    /// What it asks for.
    pub fn floors(self) -> impl Iterator<Item = &'static Floor> {
        FLOORS.iter().filter(move |floor| floor.regime == self)
    }
}
