//! What a version must have shown before it is taken in or promoted, and what it has shown.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::signers::Signer;

/// Verdicts of a scan, the best first.
pub const VERDICTS: [&str; 4] = ["allowed", "suspicious", "unknown", "malicious"];

/// What was shown about a version when it was pushed; part of its record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan: Option<Scanned>,
    /// SHA-256 of the bill of materials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bill: Option<String>,
    /// Every licence that the bill and the model card name, as they spell it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub licences: BTreeSet<String>,
    /// SHA-256 of the evaluation report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
    /// What the report measured.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, Number>,
}

/// What a scan of all files came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scanned {
    /// The worst of all files.
    pub verdict: String,
    /// SHA-256 of the verdicts and findings of all files.
    pub sha256: String,
}

/// What is asked of a version.
#[derive(Debug, Clone, Default)]
pub struct Gates {
    /// The worst verdict that is let in.
    pub scan: Option<String>,
    /// One of whom must have signed.
    pub signed_by: Vec<Signer>,
    pub bill: bool,
    /// The licences that may be named; at least one has to be.
    pub licences: BTreeSet<String>,
    /// The least that the report must have measured.
    pub metrics: BTreeMap<String, f64>,
}

impl Gates {
    /// Everything that is asked and was not shown; nothing when the version may pass.
    /// `signed` says whether one of those who have to has signed it.
    #[must_use]
    pub fn refusals(&self, evidence: &Evidence, signed: bool) -> Vec<String> {
        let mut refusals = Vec::new();
        if let Some(worst) = &self.scan {
            let rank = |verdict: &str| VERDICTS.iter().position(|it| *it == verdict).unwrap_or(VERDICTS.len());
            match &evidence.scan {
                None => refusals.push("it was not scanned".to_owned()),
                Some(scan) if rank(&scan.verdict) > rank(worst) => {
                    refusals.push(format!(
                        "its scan says `{}`, and at most `{worst}` passes",
                        scan.verdict
                    ));
                }
                Some(_) => {}
            }
        }
        if !self.signed_by.is_empty() && !signed {
            refusals.push("it is signed by none of those who have to".to_owned());
        }
        if self.bill && evidence.bill.is_none() {
            refusals.push("it has no bill of materials".to_owned());
        }
        if !self.licences.is_empty() {
            let allowed = |licence: &String| self.licences.iter().any(|it| it.eq_ignore_ascii_case(licence));
            if evidence.licences.is_empty() {
                refusals.push("nothing says under which licence it is".to_owned());
            }
            for licence in evidence.licences.iter().filter(|it| !allowed(it)) {
                refusals.push(format!("the licence `{licence}` is not allowed"));
            }
        }
        for (metric, least) in &self.metrics {
            match evidence.metrics.get(metric).and_then(Number::as_f64) {
                None => refusals.push(format!("no report measured `{metric}`")),
                Some(found) if found < *least => {
                    refusals.push(format!("`{metric}` is {found}, and at least {least} passes"));
                }
                Some(_) => {}
            }
        }
        refusals
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::Trust;
    use crate::vault::tests::rig::key;

    fn strict() -> Gates {
        Gates {
            scan: Some("suspicious".to_owned()),
            signed_by: vec![Signer {
                trust: Trust::Key(key().public().clone()),
                subject: None,
                stamps: None,
            }],
            bill: true,
            licences: BTreeSet::from(["Apache-2.0".to_owned(), "mit".to_owned()]),
            metrics: BTreeMap::from([("accuracy".to_owned(), 0.9)]),
        }
    }

    fn good() -> Evidence {
        Evidence {
            scan: Some(Scanned {
                verdict: "allowed".to_owned(),
                sha256: String::new(),
            }),
            bill: Some(String::new()),
            licences: BTreeSet::from(["apache-2.0".to_owned(), "MIT".to_owned()]),
            report: Some(String::new()),
            metrics: BTreeMap::from([("accuracy".to_owned(), Number::from_f64(0.9).unwrap())]),
        }
    }

    #[test]
    fn what_is_asked_is_refused_unless_it_is_shown() {
        assert_eq!(strict().refusals(&good(), true), Vec::<String>::new());
        assert_eq!(
            Gates::default().refusals(&Evidence::default(), false),
            Vec::<String>::new()
        );
        assert_eq!(strict().refusals(&Evidence::default(), false).len(), 5);
        assert_eq!(strict().refusals(&good(), false).len(), 1);
        let says = |change: fn(&mut Evidence), says: &str| {
            let mut evidence = good();
            change(&mut evidence);
            let refusals = strict().refusals(&evidence, true);
            assert!(
                refusals.len() == 1 && refusals[0].contains(says),
                "{says}: {refusals:?}"
            );
        };
        let other = "at most `suspicious`";
        says(|it| it.scan.as_mut().unwrap().verdict = "unknown".to_owned(), other);
        says(|it| it.scan.as_mut().unwrap().verdict = "fine".to_owned(), other);
        says(|it| it.bill = None, "bill");
        says(|it| it.licences.clear(), "under which licence");
        says(
            |it| it.licences = BTreeSet::from(["MIT OR GPL-3.0".to_owned()]),
            "`MIT OR GPL-3.0`",
        );
        says(|it| it.metrics.clear(), "no report measured `accuracy`");
        says(
            |it| it.metrics = BTreeMap::from([("accuracy".to_owned(), Number::from_f64(0.8999).unwrap())]),
            "0.8999",
        );
    }
}
