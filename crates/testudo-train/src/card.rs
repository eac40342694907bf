//! Writes the model card: what the model is, what it was made from, what it can and cannot do, with the tables of a run.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;

const TEXT_BYTES_MAX: usize = 4 << 20;

/// The card, from the attribution of the corpora and the tables of a run.
pub(crate) fn card(data: &Path, out: &Path, seconds: &str) -> anyhow::Result<String> {
    let read = |path: &Path| {
        testudo_bounded::read_text(path, TEXT_BYTES_MAX).with_context(|| format!("`{}` cannot be read", path.display()))
    };
    let attribution = read(&data.join("ATTRIBUTION.md"))?;
    let tables = read(&out.join("tables.md"))?;
    let mut card = String::new();
    card.push_str(WHAT);
    writeln!(
        card,
        "\n## Training\n\n`cargo xtask train` makes the rows, fits the shipped model and, for the tables, one more for each of {} groups of sources, with fixed seeds: {seconds} s on the machine of this run, two threads. {TRAINING}",
        crate::source::FOLDS
    )?;
    card.push_str(LIMITS);
    card.push('\n');
    card.push_str(&tables);
    let licences = attribution
        .split_once("| source |")
        .map_or(attribution.as_str(), |(_, rest)| rest);
    write!(
        card,
        "\n## Sources and licences\n\nNo row of these is in the repository or in the weights' file; the weights are sums over them. Rows count parts: a composed row counts for each source it uses. The rows under `training/` are this project's, Apache-2.0.\n\n| source |{licences}"
    )?;
    Ok(card)
}

const WHAT: &str = "\
# Model card: the n-gram injection model

Written by `testudo-train card`; change it there.

## What it is

A linear model over hashed n-grams: words, pairs and triples of words, 3 to 5 letters within a word, lower case, numbers cut to three alike digits. 2^20 buckets, one signed byte each, for each of two questions:

* **asked**, for users' turns, who may give orders: does the text turn the model against its operator (jailbreak, extraction of the prompt, override)?
* **read**, for tool results, documents and tool descriptions: does the text give the model orders at all?

Weights: 2 MiB, `crates/testudo-detect/weights/ngram.bin`; thresholds: `calibration.toml` beside it.

A text is cut into windows (stretches of 600 bytes with a third of overlap; sentences, lines, values of JSON and nodes of HTML alone and in pairs), nothing is left out, and the highest window counts. A score of 50 is reached by 5 % of the ordinary texts of the channel, 70 by 1 %, 85 by 0.1 %; from 50 to 69 the model abstains. Windows of which it is not sure, and windows in a language or code that the training knows little of, go to the encoder if there is one.
";

const TRAINING: &str = "Logistic loss on the highest window of each row, Adagrad with decay, large sources weighted down, both classes alike. A window of a planted attack is an attack if it shows most of it, harmless if it shows none of it, and not used otherwise.

Thresholds come from harmless rows scored by a model that saw nothing of their source, except texts that quote attacks and the orders of operators (`persona_prompts`, `policy`, `user_scenario`), which are shown in the table of harmless rows. The 0.1 % threshold rests on few rows where a channel has fewer than ten thousand.
";

const LIMITS: &str = "
## Limits

* It knows words, not meaning. Recall on a source of attacks that it never saw is far below that on known ones (first table); the second tier is for that.
* Plain tasks planted in a document (the `bipia` and `stray` rows) read like ordinary prose, and most of them pass the first tier.
* Languages: English first; phrases of 78 others are in the training. A language that is in none of the data is not covered by n-grams beyond shared words (table of languages); such windows are marked foreign and left to the encoder.
* Texts that quote attacks (security articles, bug reports) score higher than other prose.
* Encoded and disguised texts are scored through the views of the normaliser; the model itself decodes nothing.
* The generated rows share their templates: figures on `generated/` families that were not left out would be flattering, and none are given.
";
