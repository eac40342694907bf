//! The tables of the model card: recall of sources that were left out, false positives, languages, reliability.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use testudo_detect::model::metrics::{Labelled, area_under_curve, recall, recall_at, reliability};
use testudo_detect::model::{Calibration, Channel, Head, NgramModel};

use crate::fit::Prepared;
use crate::folds::{Scored, is_ordinary};
use crate::source;

/// All tables, as Markdown.
pub(crate) fn tables(scored: &[Scored], calibration: &Calibration) -> anyhow::Result<String> {
    let mut out = String::new();
    attacks(&mut out, scored, calibration)?;
    harmless(&mut out, scored)?;
    languages(&mut out, scored)?;
    thresholds(&mut out, scored, calibration)?;
    bins(&mut out, scored)?;
    Ok(out)
}

pub(crate) fn attacks(out: &mut String, scored: &[Scored], calibration: &Calibration) -> anyhow::Result<()> {
    writeln!(out, "## Attacks of sources that were left out\n")?;
    writeln!(
        out,
        "Each source's rows are scored by a model that saw none of them. Recall is at the threshold that a share of the harmless rows of `dev.jsonl` in the same channel reaches with that model; the last three columns are at the shipped thresholds.\n"
    )?;
    writeln!(
        out,
        "| source | channel | rows | AUC | recall at 0.1 % | at 1 % | at 5 % | score >= 50 | score >= 70 | a window for the encoder |"
    )?;
    writeln!(
        out,
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    )?;
    for is_dev in [true, false] {
        let mut groups: BTreeMap<(&str, Channel), Vec<&Scored>> = BTreeMap::new();
        for it in scored.iter().filter(|it| it.is_attack && it.is_dev == is_dev) {
            groups.entry((&it.source, it.channel)).or_default().push(it);
        }
        for ((source, channel), rows) in groups {
            let folds: Vec<usize> = rows.iter().map(|it| it.fold).collect();
            let mut labelled = reference(scored, channel, &folds);
            labelled.extend(rows.iter().map(|it| Labelled {
                score: it.logit,
                is_attack: true,
            }));
            let passed = |score: u8| {
                let rows: Vec<Labelled> = rows
                    .iter()
                    .map(|it| Labelled {
                        score: f32::from(it.score),
                        is_attack: true,
                    })
                    .collect();
                recall(&rows, f32::from(score))
            };
            let set = if is_dev { "dev: " } else { "" };
            writeln!(
                out,
                "| {set}{source} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                channel.as_str(),
                rows.len(),
                area_under_curve(&labelled).map_or_else(String::new, |it| format!("{it:.3}")),
                percent(recall_at(&labelled, 0.001)),
                percent(recall_at(&labelled, 0.01)),
                percent(recall_at(&labelled, 0.05)),
                percent(passed(50)),
                percent(passed(70)),
                percent(share_of(&rows, |it| it.logit >= calibration.unsure_from(channel))),
            )?;
        }
    }
    Ok(())
}

/// The harmless rows of the channel that were kept apart, scored by the same models.
fn reference(scored: &[Scored], channel: Channel, folds: &[usize]) -> Vec<Labelled> {
    let rows = scored.iter().filter(|it| {
        it.is_reference && folds.contains(&it.fold) && (it.channel == channel || channel == Channel::ToolDescription)
    });
    rows.map(|it| Labelled {
        score: it.logit,
        is_attack: false,
    })
    .collect()
}

fn harmless(out: &mut String, scored: &[Scored]) -> anyhow::Result<()> {
    writeln!(out, "\n## Harmless rows of sources that were left out\n")?;
    writeln!(
        out,
        "| source | channel | rows | score >= 50 | score >= 70 | score >= 85 |"
    )?;
    writeln!(out, "| --- | --- | ---: | ---: | ---: | ---: |")?;
    let mut groups: BTreeMap<(&str, Channel), Vec<&Scored>> = BTreeMap::new();
    for it in scored.iter().filter(|it| !it.is_attack && !it.is_reference) {
        groups.entry((&it.family, it.channel)).or_default().push(it);
    }
    for ((family, channel), rows) in groups {
        let share = |score: u8| percent(share_of(&rows, |it| it.score >= score));
        writeln!(
            out,
            "| {family} | {} | {} | {} | {} | {} |",
            channel.as_str(),
            rows.len(),
            share(50),
            share(70),
            share(85)
        )?;
    }
    Ok(())
}

fn languages(out: &mut String, scored: &[Scored]) -> anyhow::Result<()> {
    writeln!(out, "\n## Languages\n")?;
    writeln!(
        out,
        "Generated rows of a language, scored by a model that saw no generated row of it.\n"
    )?;
    writeln!(
        out,
        "| language | attacks | direct >= 50 | direct >= 70 | planted >= 50 | planted >= 70 | harmless >= 70 |"
    )?;
    writeln!(out, "| --- | ---: | ---: | ---: | ---: | ---: | ---: |")?;
    let mut groups: BTreeMap<&str, Vec<&Scored>> = BTreeMap::new();
    for it in scored.iter().filter(|it| it.family.starts_with("generated/lang_")) {
        groups.entry(&it.language).or_default().push(it);
    }
    let everything: Vec<&Scored> = groups.values().flatten().copied().collect();
    groups.insert("all", everything);
    for (language, rows) in groups {
        let part = |family: &str| -> Vec<&Scored> {
            rows.iter()
                .copied()
                .filter(|it| it.family == format!("generated/{family}"))
                .collect()
        };
        let (direct, planted) = (part("lang_direct"), part("lang_planted"));
        let harmless: Vec<&Scored> = rows.iter().copied().filter(|it| !it.is_attack).collect();
        let passed = |rows: &[&Scored], score: u8| percent(share_of(rows, |it| it.score >= score));
        writeln!(
            out,
            "| {language} | {} | {} | {} | {} | {} | {} |",
            direct.len().saturating_add(planted.len()),
            passed(&direct, 50),
            passed(&direct, 70),
            passed(&planted, 50),
            passed(&planted, 70),
            passed(&harmless, 70),
        )?;
    }
    Ok(())
}

fn thresholds(out: &mut String, scored: &[Scored], calibration: &Calibration) -> anyhow::Result<()> {
    writeln!(out, "\n## Thresholds\n")?;
    writeln!(
        out,
        "In logits; the share is that of ordinary rows of the channel which reach them.\n"
    )?;
    writeln!(
        out,
        "| channel | ordinary rows | 5 % (score 50) | 1 % (70) | 0.1 % (85) | score 100 | windows for the encoder |"
    )?;
    writeln!(out, "| --- | ---: | ---: | ---: | ---: | ---: | ---: |")?;
    for channel in Channel::ALL {
        let it = calibration.thresholds(channel);
        let rows: Vec<&Scored> = scored
            .iter()
            .filter(|it| it.channel == channel && is_ordinary(it))
            .collect();
        let windows: Vec<f32> = rows.iter().flat_map(|it| it.windows.iter().copied()).collect();
        let inside = windows.iter().filter(|logit| **logit >= it.unsure_from).count();
        writeln!(
            out,
            "| {} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {} |",
            channel.as_str(),
            rows.len(),
            it.five_percent,
            it.one_percent,
            it.one_permille,
            it.certain,
            percent(ratio(inside, windows.len()))
        )?;
    }
    Ok(())
}

/// Which share of ordinary windows goes on to the encoder, with the shipped weights, on rows that were kept apart.
pub(crate) fn second_tier(
    dev: &[Prepared<'_>],
    model: &NgramModel,
    calibration: &Calibration,
) -> anyhow::Result<String> {
    let mut out = String::from("\n## Windows for the encoder\n\n");
    writeln!(
        out,
        "With the shipped weights, on the rows of `dev.jsonl`: windows of which the n-grams are not sure, and windows in a language or code that the model does not know.\n"
    )?;
    writeln!(
        out,
        "| channel | windows of harmless rows | not sure | foreign | either | attacks with such a window |"
    )?;
    writeln!(out, "| --- | ---: | ---: | ---: | ---: | ---: |")?;
    for channel in Channel::ALL {
        let (unsure_from, head) = (calibration.unsure_from(channel), Head::of(channel));
        let (mut all, mut unsure_count, mut foreign, mut either) = (0_usize, 0_usize, 0_usize, 0_usize);
        let (mut attacks, mut reached) = (0_usize, 0_usize);
        for it in dev.iter().filter(|it| source::channel(it.row) == channel) {
            let mut any = false;
            for text in it.windows.iter().filter_map(|range| it.row.text.get(range.clone())) {
                let logit = model.score(head, text);
                let (unsure, is_foreign) = (logit >= unsure_from, model.is_foreign(head, text, logit));
                any |= unsure || is_foreign;
                if !it.row.is_attack() {
                    all = all.saturating_add(1);
                    unsure_count = unsure_count.saturating_add(usize::from(unsure));
                    foreign = foreign.saturating_add(usize::from(is_foreign));
                    either = either.saturating_add(usize::from(unsure || is_foreign));
                }
            }
            if it.row.is_attack() {
                attacks = attacks.saturating_add(1);
                reached = reached.saturating_add(usize::from(any));
            }
        }
        writeln!(
            out,
            "| {} | {all} | {} | {} | {} | {} of {attacks} |",
            channel.as_str(),
            percent(ratio(unsure_count, all)),
            percent(ratio(foreign, all)),
            percent(ratio(either, all)),
            percent(ratio(reached, attacks)),
        )?;
    }
    Ok(out)
}

fn bins(out: &mut String, scored: &[Scored]) -> anyhow::Result<()> {
    writeln!(out, "\n## Reliability\n")?;
    writeln!(
        out,
        "The share of attacks among the rows of a score, in these corpora, where about a third are attacks.\n"
    )?;
    writeln!(out, "| score | rows | attacks |")?;
    writeln!(out, "| ---: | ---: | ---: |")?;
    let rows: Vec<Labelled> = scored
        .iter()
        .filter(|it| !it.is_reference)
        .map(|it| Labelled {
            score: f32::from(it.score),
            is_attack: it.is_attack,
        })
        .collect();
    for bin in reliability(&rows, 10) {
        writeln!(
            out,
            "| {:.0} | {} | {} |",
            bin.from,
            bin.count,
            percent(Some(bin.attack_share))
        )?;
    }
    Ok(())
}

fn share_of(rows: &[&Scored], holds: impl Fn(&Scored) -> bool) -> Option<f64> {
    ratio(rows.iter().filter(|it| holds(it)).count(), rows.len())
}

fn ratio(part: usize, all: usize) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "counts of rows")]
    let ratio = part as f64 / all as f64;
    (all > 0).then_some(ratio)
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(String::new, |it| format!("{:.1} %", it * 100.0))
}
