//! Whole files, as they are, damaged, and made to deceive.

mod asked;
mod delivery;
mod hdf5;
mod headers;
mod hostile;
mod index;
mod narrow;
mod pickles;
mod savers;
mod sevenz;
mod states;
mod torch;
mod walks;

use testudo_formats::{Options, Report, Verdict, scan};

fn judged(name: &str, bytes: &[u8]) -> Report {
    scan(&bytes, name, &Options::default())
}

#[track_caller]
fn check(name: &str, bytes: &[u8], verdict: Verdict) -> Report {
    let report = judged(name, bytes);
    assert_eq!(report.verdict, verdict, "{name}: {report:#?}");
    report
}
