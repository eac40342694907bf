//! `testudo model weights`: what weights look like, and how far two models are apart.

mod against;
mod collection;
mod shown;

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};
use testudo_formats::weights::{self, Measured, Unreadable};
use testudo_gateway::system_clock::SystemClock;
use testudo_types::Clock as _;

use self::collection::{Collection, Item};
use super::files::Opened;
use crate::arguments::Format;
use crate::arguments::model::weights::Weights;
use crate::exit::Exit;
use crate::output::{printable, size};
use crate::progress::Progress;

pub(crate) fn run(arguments: &Weights, out: &mut impl Write) -> anyhow::Result<Exit> {
    let collect = |path: &std::path::Path| match Collection::of(path) {
        Ok(collection) if collection.items.is_empty() && collection.unread.is_empty() => {
            anyhow::bail!("there are no weights in `{}`", path.display())
        }
        other => other,
    };
    let both = collect(&arguments.model).and_then(|new| {
        let old = arguments.against.as_deref().map(collect).transpose()?;
        Ok((new, old))
    });
    let (new, old) = match both {
        Ok(both) => both,
        Err(error) => return super::complain(&error, Exit::BadInput),
    };
    let watch = Watch::new(new.bytes().saturating_add(old.as_ref().map_or(0, Collection::bytes)));
    match old {
        Some(old) => against::run(arguments, &old, &new, &watch, out),
        None => measure(arguments, new, &watch, out),
    }
}

fn measure(
    arguments: &Weights,
    mut collection: Collection,
    watch: &Watch,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let options = weights::Options {
        outlier_score_min: arguments.outlier_score,
        ..weights::Options::DEFAULT
    };
    let measured = in_parallel(arguments.jobs, &collection.items, |item| {
        let source = opened(item)?;
        weights::measure(&source, &item.tensor, &options, &mut |bytes| watch.read(bytes))
    });
    watch.clear();
    let mut known: Vec<(Item, Measured)> = Vec::new();
    for (item, measured) in std::mem::take(&mut collection.items).into_iter().zip(measured) {
        match measured {
            Ok(measured) => known.push((item, measured)),
            Err(error) => collection.unread.push((item.shown_name(), error.to_string())),
        }
    }
    let summary = Summary {
        digest: manifest_digest(&known),
        speed: watch.speed(),
    };
    match arguments.format {
        Format::Table => shown::table(&known, &collection, &summary, out)?,
        Format::Json => shown::objects(&known, &collection, &summary, out)?,
    }
    tell_unread(&collection)?;
    Ok(if collection.unread.is_empty() {
        Exit::Done
    } else {
        Exit::Inconclusive
    })
}

struct Summary {
    digest: String,
    speed: Speed,
}

/// How long it took.
struct Speed {
    bytes: u64,
    ms: u64,
}

impl Speed {
    fn words(&self) -> String {
        let each_second = self.bytes.saturating_mul(1000).checked_div(self.ms.max(1)).unwrap_or(0);
        format!("{}.{} s, {}/s", self.ms / 1000, self.ms % 1000 / 100, size(each_second))
    }
}

/// SHA-256 over names, types, shapes and digests of all tensors, in the order of their names.
fn manifest_digest(known: &[(Item, Measured)]) -> String {
    let mut lines: Vec<String> = known
        .iter()
        .map(|(item, measured)| {
            let (name, shape) = (&item.name, shape(&item.tensor.shape));
            let digest = hex(&measured.sha256);
            format!("{name}\0{}\0{shape}\0{digest}\n", item.tensor.dtype)
        })
        .collect();
    lines.sort();
    let mut hash = Sha256::new();
    for line in lines {
        hash.update(line);
    }
    hex(&hash.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn shape(axes: &[u64]) -> String {
    if axes.is_empty() {
        return "()".to_owned();
    }
    axes.iter().map(u64::to_string).collect::<Vec<_>>().join("×")
}

fn opened(item: &Item) -> Result<Opened, Unreadable> {
    Opened::open(&item.path).map_err(Unreadable::Read)
}

fn tell_unread(collection: &Collection) -> io::Result<()> {
    for (what, reason) in &collection.unread {
        writeln!(
            io::stderr(),
            "testudo: not read: {}: {}",
            printable(what),
            printable(reason)
        )?;
    }
    Ok(())
}

/// Does something with each item on several threads; what came of it is in the items' order.
fn in_parallel<I: Sync, T: Send>(
    jobs: Option<NonZeroUsize>,
    items: &[I],
    act: impl Fn(&I) -> Result<T, Unreadable> + Sync,
) -> Vec<Result<T, Unreadable>> {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let jobs = jobs.map_or(cores, NonZeroUsize::get).min(items.len()).max(1);
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { return };
                    let result = act(item);
                    results
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Shows how far the reading has come, and measures it.
struct Watch {
    all: u64,
    clock: SystemClock,
    began: testudo_types::Millis,
    state: Mutex<(u64, Progress)>,
}

impl Watch {
    fn new(all: u64) -> Self {
        let clock = SystemClock::new();
        Self {
            all,
            began: clock.monotonic(),
            clock,
            state: Mutex::new((0, Progress::new("read"))),
        }
    }

    fn read(&self, bytes: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (done, progress) = &mut *state;
        *done = done.saturating_add(bytes);
        let percent = done.saturating_mul(100).checked_div(self.all).unwrap_or(100);
        progress.say(|| format!("{} of {} ({percent} %)", size(*done), size(self.all)));
    }

    fn clear(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1.clear();
    }

    fn speed(&self) -> Speed {
        Speed {
            bytes: self.state.lock().unwrap_or_else(PoisonError::into_inner).0,
            ms: self.clock.monotonic().since(self.began),
        }
    }
}
