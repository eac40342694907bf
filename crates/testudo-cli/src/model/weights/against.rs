//! How far two models are apart, layer by layer.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Value, json};
use testudo_formats::weights::{self, Comparison, Difference, Unreadable};

use super::collection::{Collection, Item, by_name};
use super::shown::{number, unread};
use super::{Watch, hex, in_parallel, opened, shape, tell_unread};
use crate::arguments::Format;
use crate::arguments::model::weights::Weights;
use crate::exit::Exit;
use crate::output::{counted, printable, size};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    Same,
    /// Values of the same type and shape.
    Changed,
    /// The type is another.
    Retyped,
    Reshaped,
    /// The same bytes, type and shape under another name.
    Renamed,
    Added,
    Removed,
}

impl Change {
    fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Changed => "changed",
            Self::Retyped => "retyped",
            Self::Reshaped => "reshaped",
            Self::Renamed => "renamed",
            Self::Added => "added",
            Self::Removed => "removed",
        }
    }
}

/// The tensors of one name, of which one may be missing.
struct Pair<'c> {
    old: Option<&'c Item>,
    new: Option<&'c Item>,
}

/// What came of a pair.
struct Judged<'c> {
    old: Option<(&'c Item, [u8; 32])>,
    new: Option<(&'c Item, [u8; 32])>,
    change: Change,
    difference: Option<Difference>,
}

impl<'c> Judged<'c> {
    fn item(&self) -> Option<&'c Item> {
        self.new.or(self.old).map(|(item, _)| item)
    }
}

pub(super) fn run(
    arguments: &Weights,
    old: &Collection,
    new: &Collection,
    watch: &Watch,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let pairs = pairs(old, new);
    let results = in_parallel(arguments.jobs, &pairs, |pair| read(pair, watch));
    watch.clear();
    let mut judged = Vec::new();
    let mut failed = Collection::default();
    for (pair, result) in pairs.iter().zip(results) {
        match result {
            Ok(one) => judged.push(one),
            Err(error) => {
                let item = pair.new.or(pair.old);
                let name = item.map_or_else(String::new, Item::shown_name);
                failed.unread.push((name, error.to_string()));
            }
        }
    }
    for collection in [old, new] {
        failed.unread.extend(collection.unread.iter().cloned());
    }
    let judged = renamed(judged);
    match arguments.format {
        Format::Table => table(&judged, &failed, watch, out)?,
        Format::Json => objects(&judged, &failed, watch, out)?,
    }
    tell_unread(&failed)?;
    Ok(if judged.iter().any(|one| one.change != Change::Same) {
        Exit::Found
    } else if failed.unread.is_empty() {
        Exit::Done
    } else {
        Exit::Inconclusive
    })
}

fn pairs<'c>(old: &'c Collection, new: &'c Collection) -> Vec<Pair<'c>> {
    let mut all: BTreeMap<&str, Pair<'c>> = BTreeMap::new();
    let none = || Pair { old: None, new: None };
    for item in &old.items {
        all.entry(&item.name).or_insert_with(none).old = Some(item);
    }
    for item in &new.items {
        all.entry(&item.name).or_insert_with(none).new = Some(item);
    }
    let mut pairs: Vec<(&str, Pair<'c>)> = all.into_iter().collect();
    pairs.sort_by(|(a, _), (b, _)| by_name(a, b));
    pairs.into_iter().map(|(_, pair)| pair).collect()
}

fn read<'c>(pair: &Pair<'c>, watch: &Watch) -> Result<Judged<'c>, Unreadable> {
    let mut heard = |bytes| watch.read(bytes);
    match (pair.old, pair.new) {
        (Some(old), Some(new)) => {
            let (a, b) = (opened(old)?, opened(new)?);
            let compared = weights::compare((&a, &old.tensor), (&b, &new.tensor), &mut heard)?;
            Ok(both(old, new, compared))
        }
        (old, new) => {
            // To know it again under another name.
            let digest = |item: &Item, heard: &mut dyn FnMut(u64)| {
                let source = opened(item)?;
                weights::digest(&source, &item.tensor, heard)
            };
            let mut side = |item: Option<&'c Item>| {
                item.map(|item| Ok::<_, Unreadable>((item, digest(item, &mut heard)?)))
                    .transpose()
            };
            Ok(Judged {
                old: side(old)?,
                new: side(new)?,
                change: if new.is_some() { Change::Added } else { Change::Removed },
                difference: None,
            })
        }
    }
}

fn both<'c>(old: &'c Item, new: &'c Item, compared: Comparison) -> Judged<'c> {
    let [a, b] = compared.sha256;
    let change = if old.tensor.shape != new.tensor.shape {
        Change::Reshaped
    } else if old.tensor.dtype != new.tensor.dtype {
        Change::Retyped
    } else if a != b {
        Change::Changed
    } else {
        Change::Same
    };
    Judged {
        old: Some((old, a)),
        new: Some((new, b)),
        change,
        difference: compared.difference.filter(|_| change != Change::Same),
    }
}

/// What two tensors have in common that are one under two names.
fn content(item: &Item, digest: &[u8; 32]) -> String {
    format!("{} {} {}", hex(digest), item.tensor.dtype, shape(&item.tensor.shape))
}

/// Makes one of what was removed and what was added with the same content.
fn renamed(judged: Vec<Judged<'_>>) -> Vec<Judged<'_>> {
    let mut gone: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, one) in judged.iter().enumerate() {
        if let (Change::Removed, Some((item, digest))) = (one.change, one.old) {
            gone.entry(content(item, &digest)).or_default().push(index);
        }
    }
    let mut taken = BTreeMap::new();
    for (index, one) in judged.iter().enumerate() {
        if let (Change::Added, Some((item, digest))) = (one.change, one.new)
            && let Some(from) = gone.get_mut(&content(item, &digest)).and_then(Vec::pop)
        {
            taken.insert(index, from);
        }
    }
    let olds: Vec<_> = judged.iter().map(|one| one.old).collect();
    let used: std::collections::BTreeSet<usize> = taken.values().copied().collect();
    judged
        .into_iter()
        .enumerate()
        .filter(|(index, _)| !used.contains(index))
        .map(|(index, mut one)| {
            if let Some(from) = taken.get(&index) {
                one.old = olds.get(*from).copied().flatten();
                one.change = Change::Renamed;
            }
            one
        })
        .collect()
}

/// Sums over the tensors of one layer.
#[derive(Default)]
struct Layer {
    counts: BTreeMap<Change, usize>,
    distance: f64,
    old: f64,
    max_abs: f64,
}

impl Layer {
    fn add(&mut self, one: &Judged<'_>) {
        let count = self.counts.entry(one.change).or_default();
        *count = count.saturating_add(1);
        if let Some(difference) = one.difference {
            self.distance += difference.l2 * difference.l2;
            self.old += difference.old_l2 * difference.old_l2;
            self.max_abs = self.max_abs.max(difference.max_abs);
        }
    }

    /// Over those of its tensors that changed.
    fn relative_l2(&self) -> Option<f64> {
        (self.old > 0.0).then(|| (self.distance / self.old).sqrt())
    }

    fn is_same(&self) -> bool {
        self.counts.keys().all(|change| *change == Change::Same)
    }

    fn words(&self) -> String {
        let counts: Vec<String> = self
            .counts
            .iter()
            .map(|(change, count)| format!("{count} {}", change.word()))
            .collect();
        let mut words = counts.join(", ");
        if let Some(relative) = self.relative_l2() {
            let (relative, largest) = (number(relative), number(self.max_abs));
            words.push_str(&format!(": relative L2 {relative}, largest change {largest}"));
        }
        words
    }
}

fn layers<'c>(judged: &[Judged<'c>]) -> Vec<(&'c str, Layer)> {
    let mut layers: Vec<(&str, Layer)> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for one in judged {
        let Some(item) = one.item() else { continue };
        let at = *places.entry(item.layer()).or_insert_with(|| {
            layers.push((item.layer(), Layer::default()));
            layers.len().saturating_sub(1)
        });
        if let Some((_, layer)) = layers.get_mut(at) {
            layer.add(one);
        }
    }
    layers
}

fn table(judged: &[Judged<'_>], failed: &Collection, watch: &Watch, out: &mut impl Write) -> anyhow::Result<()> {
    let layers = layers(judged);
    for (name, layer) in layers.iter().filter(|(_, layer)| !layer.is_same()) {
        writeln!(out, "{}: {}", printable(name), layer.words())?;
        let own = judged.iter().filter(|one| one.change != Change::Same);
        for one in own.filter(|one| one.item().is_some_and(|item| item.layer() == *name)) {
            let shown = one.item().map_or_else(String::new, |item| printable(&item.name));
            writeln!(out, "  {:<8}  {shown}  {}", one.change.word(), described(one))?;
        }
    }
    let same = layers.iter().filter(|(_, layer)| layer.is_same()).count();
    let all = judged.iter().fold(Layer::default(), |mut all, one| {
        all.add(one);
        all
    });
    let speed = watch.speed();
    writeln!(
        out,
        "{same} of {} the same; {} ({} of both): {}; {} not read; {}",
        counted(layers.len(), "layer"),
        counted(judged.len(), "tensor"),
        size(speed.bytes),
        all.words(),
        failed.unread.len(),
        speed.words(),
    )?;
    Ok(())
}

fn described(one: &Judged<'_>) -> String {
    let kind = |item: &Item| format!("{} {}", item.tensor.dtype, shape(&item.tensor.shape));
    let mut text = match (one.old, one.new) {
        (Some((old, _)), Some((new, _))) if one.change == Change::Renamed => {
            format!("{}, was {}", kind(new), printable(&old.name))
        }
        (Some((old, _)), Some((new, _))) if kind(old) != kind(new) => format!("{} → {}", kind(old), kind(new)),
        (old, new) => new.or(old).map_or_else(String::new, |(item, _)| kind(item)),
    };
    if let Some(it) = one.difference {
        let or_none = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.6}"));
        text.push_str(&format!(
            ": {} of {} values, relative L2 {}, cosine {}, largest change {}",
            it.changed,
            it.count,
            it.relative_l2.map_or("-".to_owned(), number),
            or_none(it.cosine),
            number(it.max_abs),
        ));
        if let Some(at) = it.max_abs_at {
            text.push_str(&format!(" at value {at}"));
        }
        if it.not_finite > 0 {
            text.push_str(&format!(", {} pairs are not finite", it.not_finite));
        }
    }
    text
}

fn objects(judged: &[Judged<'_>], failed: &Collection, watch: &Watch, out: &mut impl Write) -> anyhow::Result<()> {
    for one in judged {
        writeln!(out, "{}", object(one))?;
    }
    for (name, layer) in layers(judged) {
        let summed = json!({"layer": name, "tensors": counts(&layer), "relative_l2": layer.relative_l2(),
            "max_abs": layer.max_abs});
        writeln!(out, "{summed}")?;
    }
    let all = judged.iter().fold(Layer::default(), |mut all, one| {
        all.add(one);
        all
    });
    let speed = watch.speed();
    let end = json!({"summary": {"tensors": counts(&all), "relative_l2": all.relative_l2(), "max_abs": all.max_abs,
        "unread": unread(failed), "bytes": speed.bytes, "ms": speed.ms}});
    writeln!(out, "{end}")?;
    Ok(())
}

fn counts(layer: &Layer) -> Value {
    let counts = layer.counts.iter();
    Value::Object(
        counts
            .map(|(change, count)| (change.word().to_owned(), json!(count)))
            .collect(),
    )
}

fn object(one: &Judged<'_>) -> Value {
    let side = |side: Option<(&Item, [u8; 32])>| {
        side.map(|(item, digest)| {
            json!({"tensor": item.name, "file": item.file, "dtype": item.tensor.dtype, "shape": item.tensor.shape,
                "sha256": hex(&digest)})
        })
    };
    let difference = one.difference.map(|it| {
        json!({
            "count": it.count, "changed": it.changed, "changed_share": it.changed_share(), "not_finite": it.not_finite,
            "l2": it.l2, "old_l2": it.old_l2, "relative_l2": it.relative_l2, "cosine": it.cosine,
            "max_abs": it.max_abs, "max_abs_at": it.max_abs_at,
        })
    });
    json!({
        "tensor": one.item().map(|item| &item.name), "in_layer": one.item().map(Item::layer),
        "change": one.change.word(), "old": side(one.old), "new": side(one.new), "difference": difference,
    })
}
