//! Scores every row with a model that saw nothing of its source, and fits the thresholds to those scores.

use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;
use testudo_detect::model::metrics::{Labelled, threshold};
use testudo_detect::model::{Calibration, Channel, Head, Thresholds};

use crate::fit::{Fit, Prepared};
use crate::lengths::length;
use crate::say;
use crate::source::{self, FOLDS};

/// A row's highest logit from a model that saw nothing of its source.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Scored {
    pub(crate) source: String,
    pub(crate) family: String,
    pub(crate) kind: String,
    pub(crate) language: String,
    pub(crate) channel: Channel,
    pub(crate) is_attack: bool,
    /// Kept apart from all fitting, in every fold.
    pub(crate) is_dev: bool,
    /// The question of this row's channel.
    pub(crate) logit: f32,
    /// The logits of its windows, for harmless rows.
    #[serde(skip)]
    pub(crate) windows: Vec<f32>,
    #[serde(skip)]
    pub(crate) score: u8,
    pub(crate) text: String,
    /// The model that gave the logit.
    pub(crate) fold: usize,
    /// A harmless row kept apart, of a source that this model knows; only to compare attacks with.
    pub(crate) is_reference: bool,
}

/// Both heads, fitted on the rows of `train` outside of a fold; two threads.
pub(crate) fn fit_both(train: &[Prepared<'_>], left_out: Option<usize>) -> anyhow::Result<(Fit, Fit)> {
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| Fit::run(train, Head::Asked, left_out, 1));
        let read = Fit::run(train, Head::Read, left_out, 2);
        let asked = asked.join().ok().context("the fitting thread failed")?;
        Ok((asked, read))
    })
}

/// Every row of both sets, scored by the model of its fold; and the harmless rows of `dev` by every model.
pub(crate) fn cross_fitted(
    train: &[Prepared<'_>],
    dev: &[Prepared<'_>],
    folds: std::ops::Range<usize>,
) -> anyhow::Result<Vec<Scored>> {
    let mut all = Vec::new();
    for fold in folds {
        let (asked, read) = fit_both(train, Some(fold))?;
        for (rows, is_dev) in [(train, false), (dev, true)] {
            for it in rows.iter().filter(|it| it.fold == fold) {
                all.push(scored(it, is_dev, (&asked, &read)));
            }
        }
        for it in dev.iter().filter(|it| !it.row.is_attack() && it.fold != fold) {
            let mut reference = scored(it, true, (&asked, &read));
            reference.fold = fold;
            reference.is_reference = true;
            reference.windows = Vec::new();
            all.push(reference);
        }
        say(&format!("fold {} of {FOLDS} scored\n", fold.saturating_add(1)));
    }
    Ok(all)
}

fn scored(it: &Prepared<'_>, is_dev: bool, (asked, read): (&Fit, &Fit)) -> Scored {
    let channel = source::channel(it.row);
    let fit = match Head::of(channel) {
        Head::Asked => asked,
        Head::Read => read,
    };
    let mut windows: Vec<f32> = (0..it.windows.len()).map(|at| fit.logit(it.grams(at))).collect();
    let by_chance = length(channel).map_or(0.0, |it| it.by_chance(windows.len()));
    let highest = windows.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let logit = (highest - by_chance).max(-30.0);
    if it.row.is_attack() {
        windows.clear();
    }
    Scored {
        source: it.source.clone(),
        family: it.row.meta("family").unwrap_or("").to_owned(),
        kind: it.row.kind.clone(),
        language: it.row.meta("lang").unwrap_or("").to_owned(),
        channel,
        is_attack: it.row.is_attack(),
        is_dev,
        logit,
        windows,
        score: 0,
        text: it.row.text.chars().take(240).collect(),
        fold: it.fold,
        is_reference: false,
    }
}

/// Whether a harmless row counts as ordinary text of its channel.
pub(crate) fn is_ordinary(it: &Scored) -> bool {
    !it.is_attack && !it.is_reference && source::is_ordinary(&it.family)
}

/// Thresholds at 5, 1 and 0.1 % of the ordinary rows of each channel.
pub(crate) fn calibration(scored: &[Scored]) -> anyhow::Result<Calibration> {
    let mut thresholds = Vec::new();
    for channel in Channel::ALL {
        thresholds.push(fitted(scored, channel).with_context(|| format!("no rows for `{}`", channel.as_str()))?);
    }
    let thresholds: [Thresholds; 4] = thresholds.try_into().ok().context("four channels")?;
    Ok(Calibration::new(thresholds)?)
}

fn fitted(scored: &[Scored], channel: Channel) -> Option<Thresholds> {
    let ordinary = || scored.iter().filter(|it| it.channel == channel && is_ordinary(it));
    let rows: Vec<Labelled> = ordinary()
        .map(|it| Labelled {
            score: it.logit,
            is_attack: false,
        })
        .collect();
    let windows: Vec<Labelled> = ordinary()
        .flat_map(|it| it.windows.iter())
        .map(|logit| Labelled {
            score: *logit,
            is_attack: false,
        })
        .collect();
    let half = threshold(&rows, 0.5)?;
    let five_percent = threshold(&rows, 0.05)?.max(half + 0.01);
    let one_percent = threshold(&rows, 0.01)?.max(five_percent + 0.01);
    let one_permille = threshold(&rows, 0.001)?.max(one_percent + 0.01);
    let certain = one_permille + (one_permille - five_percent).max(1.0);
    let unsure_from = threshold(&windows, 0.05)?;
    Some(Thresholds {
        half,
        five_percent,
        one_percent,
        one_permille,
        certain,
        unsure_from,
        length: length(channel),
    })
}

/// Fills in what the logits mean.
pub(crate) fn apply(calibration: &Calibration, scored: &mut [Scored]) {
    for it in scored {
        it.score = calibration.score(it.channel, it.logit).percent();
    }
}

/// One line for each row, for a look at what is missed.
pub(crate) fn write(path: &Path, scored: &[Scored]) -> anyhow::Result<()> {
    use std::io::Write as _;
    let file = std::fs::File::create(path).with_context(|| format!("`{}` cannot be written", path.display()))?;
    let mut out = std::io::BufWriter::new(file);
    for it in scored {
        serde_json::to_writer(&mut out, it)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}
