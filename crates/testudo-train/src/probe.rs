//! Shows what a fitted model thinks of single lines, to see where it is wrong.

use std::path::Path;

use anyhow::Context as _;
use testudo_detect::Budget;
use testudo_detect::model::{Calibration, InjectionModel, NgramModel};
use testudo_types::Origin;

const FILE_BYTES_MAX: usize = 8 << 20;

/// One line for each line of `lines`, as if it came from `origin`.
pub(crate) fn probe(out: &Path, origin: &str, lines: &Path) -> anyhow::Result<String> {
    let (ngram, calibration) = fitted(out)?;
    let model = InjectionModel::new(ngram, calibration);
    let origin = Origin::from_name(origin).context("an origin as `user` or `tool_result`")?;
    let text = testudo_bounded::read_text(lines, FILE_BYTES_MAX)?;
    let mut shown = String::new();
    for line in text.lines().filter(|it| !it.is_empty()) {
        let line = line.replace("\\n", "\n");
        let verdict = model.judge(&[&line], &origin, &mut Budget::unlimited());
        let logit = verdict.windows.first().map_or(0.0, |it| it.logit);
        let (known, count) = model.ngram().known(
            testudo_detect::model::Head::of(testudo_detect::model::Channel::of(&origin)),
            &line,
        );
        let known = known.saturating_mul(100).checked_div(count).unwrap_or(0);
        let head: String = line.chars().take(90).collect();
        shown.push_str(&format!(
            "{:3} {logit:6.2} known {known} {head}\n            {}\n",
            verdict.score.percent(),
            verdict.explanation
        ));
    }
    Ok(shown)
}

/// What a run wrote into a folder.
pub(crate) fn fitted(out: &Path) -> anyhow::Result<(NgramModel, Calibration)> {
    let weights = testudo_bounded::read_file(out.join("ngram.bin"), FILE_BYTES_MAX)?;
    let thresholds = testudo_bounded::read_text(out.join("calibration.toml"), FILE_BYTES_MAX)?;
    Ok((NgramModel::from_bytes(&weights)?, Calibration::from_toml(&thresholds)?))
}
