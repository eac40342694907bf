//! What every target of model files holds: nothing panics, no more than the budget is kept, and no finding is worse
//! than the verdict.

use testudo_formats::{Limits, Options, scan};

/// Judges `input` behind a beginning and under a name, both chosen by its first byte.
pub fn judged(input: &[u8], names: [&str; 4], starts: [&[u8]; 8]) {
    let Some((first, rest)) = input.split_first() else {
        return;
    };
    let at = usize::from(*first);
    let bytes = [starts[at % 8], rest].concat();
    let options = Options {
        limits: Limits {
            unpacked_bytes_max: 4 << 20,
            held_bytes_max: 1 << 16,
            ratio_free_bytes: 1 << 20,
            opcodes_max: 200_000,
            members_max: 200,
            findings_max: 50,
            parts_max: 50,
            ..Limits::DEFAULT
        },
        ..Options::default()
    };
    let report = scan(&bytes.as_slice(), names[(at >> 3) % 4], &options);
    assert!(report.findings.len() <= 50 && report.parts.len() <= 50);
    let worst = report.findings.iter().map(|finding| finding.verdict).max();
    assert!(worst.is_none_or(|worst| worst <= report.verdict));
}
