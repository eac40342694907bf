//! The trained models over whole texts: what they made of a text is remembered, and the slow one is rationed.
//!
//! A history is sent anew with each turn, so a verdict is kept by the hash of
//! its text and of whose text it is. Verdicts that are not complete (a limit
//! was reached, the encoder failed) are not kept.

mod reading;
mod work;

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;
use moka::sync::Cache;
use testudo_detect::model::{CalibrationProblem, InjectionModel, Logits, NgramProblem, shipped};
use testudo_detect::views::{Views, normalise};
use testudo_detect::{Budget, Hit};
use testudo_types::{Clock, Origin, Score};

use crate::settings::{InjectionModels, ModelSettings};

pub use self::work::ModelWork;

/// Letters that a text must have to be judged, where one beyond ASCII counts twice. A stop sequence or an
/// identifier says too little; the rules read it all the same.
const LETTERS_MIN: usize = 12;

/// Why the models cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelProblem {
    #[error("the n-gram model that ships is damaged; please report this")]
    Ngram(#[from] NgramProblem),
    #[error("the calibration that ships is damaged; please report this")]
    Calibration(#[from] CalibrationProblem),
    #[cfg(feature = "encoder")]
    #[error("the encoder that ships is damaged; please report this")]
    Encoder(#[from] testudo_encoder::LoadProblem),
    #[cfg(not(feature = "encoder"))]
    #[error(
        "this program was built without the encoder; build it without `--no-default-features` or set models.injection = \"ngram\""
    )]
    NoEncoder,
}

/// The trained models with the memory of their verdicts; one for a configuration, shared by its exchanges and by
/// `testudo inspect`.
pub struct Models {
    model: InjectionModel,
    settings: ModelSettings,
    clock: Arc<dyn Clock>,
    /// By the hash of the settings and weights, of whose text it is, and of the text.
    verdicts: Cache<Key, Arc<ModelScan>>,
    /// What the encoder said, by the same of a window.
    logits: Cache<Key, Logits>,
    weights: Key,
    digest: Key,
}

type Key = [u8; 32];

/// What the models found in one text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelScan {
    /// At most one for each stretch of the text, in order.
    pub hits: Vec<Hit>,
    /// Of the most certain window, 0 to 100, also where that makes no hit.
    pub score: u8,
    /// One line that says what carried the score; empty without hits. It quotes the text: never for logs.
    pub explanation: String,
    /// Windows that the encoder should have read and did not: too many for one exchange.
    pub limited: bool,
    /// The encoder failed.
    pub failed: bool,
    /// The budget ran out before all was read.
    pub exhausted: bool,
    /// A window was certain enough for whoever asked, so that the encoder left others unread.
    pub cut_short: bool,
}

impl ModelScan {
    fn is_complete(&self) -> bool {
        !(self.limited || self.failed || self.exhausted)
    }
}

impl Models {
    /// The models that `settings` ask for, with the weights that ship; `None` when they ask for none.
    ///
    /// # Errors
    /// When the weights are damaged, which a test excludes, or this program was built without them.
    pub fn load(settings: ModelSettings, clock: &Arc<dyn Clock>) -> Result<Option<Arc<Self>>, ModelProblem> {
        let (model, weights) = match settings.injection {
            InjectionModels::Off => return Ok(None),
            InjectionModels::Ngram => (InjectionModel::builtin()?, hash(&shipped())),
            InjectionModels::Both => with_encoder(InjectionModel::builtin()?)?,
        };
        Ok(Some(Arc::new(Self::new(model, weights, settings, Arc::clone(clock)))))
    }

    /// Given models; `weights` is the digest of what they were made from.
    #[must_use]
    pub fn new(model: InjectionModel, weights: [u8; 32], settings: ModelSettings, clock: Arc<dyn Clock>) -> Self {
        let entries = u64::try_from(settings.cache_entries).unwrap_or(u64::MAX);
        Self {
            digest: hash(&[
                format!("{settings:?} {}", env!("CARGO_PKG_VERSION")).as_bytes(),
                &weights,
            ]),
            weights,
            verdicts: Cache::new(entries),
            logits: Cache::new(entries),
            model,
            settings,
            clock,
        }
    }

    /// The same models under other settings, when no weights have to be loaded for them.
    pub(crate) fn serves(&self, settings: ModelSettings) -> bool {
        self.settings == settings
    }

    /// The digest of the weights and calibrations of all tiers.
    #[must_use]
    pub fn weights(&self) -> &[u8; 32] {
        &self.weights
    }

    /// What one exchange may ask of them.
    #[must_use]
    pub fn work(&self) -> ModelWork {
        ModelWork::new(self.settings.encoder_windows_max)
    }

    /// Whether texts of this origin are scored: what the operator wrote and what the model said are not.
    #[must_use]
    pub fn reads(origin: &Origin) -> bool {
        match origin {
            Origin::User | Origin::ToolResult { .. } | Origin::Document | Origin::ToolDefinition | Origin::Unknown => {
                true
            }
            Origin::System | Origin::Assistant | Origin::Model => false,
        }
    }

    /// Scores a whole text, or remembers what it scored; without `views`, they are derived here.
    ///
    /// A complete verdict does not depend on what is remembered; what is remembered takes nothing
    /// from `work`, so that more fits under its limit. `enough` says whether a window of such a score settles what happens
    /// to the text, whatever else is in it: then the encoder reads no more of it.
    #[must_use]
    pub fn scan(
        &self,
        text: &str,
        views: Option<&Views>,
        origin: &Origin,
        (work, budget): (&mut ModelWork, &mut Budget),
        mut enough: impl FnMut(Score) -> bool,
    ) -> Arc<ModelScan> {
        if !Self::reads(origin) {
            return Arc::default();
        }
        let mut derived = None;
        let has_words = says_enough(text);
        let views = match views {
            None if !has_words => Some(&*derived.insert(normalise(text, budget))),
            given => given,
        };
        if !has_words && !views.is_some_and(say_enough) {
            return Arc::default();
        }
        work.texts = work.texts.saturating_add(1);
        let key = self.key(origin.as_str(), text);
        let known = self.verdicts.get(&key);
        if let Some(known) = known.filter(|it| !it.cut_short || Score::new(it.score).is_some_and(&mut enough)) {
            work.texts_remembered = work.texts_remembered.saturating_add(1);
            return known;
        }
        let scan = Arc::new(self.read((text, views), origin, (work, budget), enough));
        if scan.is_complete() {
            self.verdicts.insert(key, Arc::clone(&scan));
        }
        scan
    }

    fn key(&self, whose: &str, text: &str) -> Key {
        hash(&[&self.digest, whose.as_bytes(), text.as_bytes()])
    }
}

impl fmt::Debug for Models {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Models")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// SHA-256 of parts with their lengths, so that no two lists of parts have the same.
fn hash(parts: &[&[u8]]) -> Key {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(part);
    }
    context.finish().as_ref().try_into().unwrap_or_default()
}

#[cfg(feature = "encoder")]
fn with_encoder(model: InjectionModel) -> Result<(InjectionModel, Key), ModelProblem> {
    use testudo_detect::model::{CalibratedEncoder, Calibration};

    // Each text that is read takes one core.
    let threads = std::thread::available_parallelism().unwrap_or(std::num::NonZeroUsize::MIN);
    let encoder = testudo_encoder::Transformer::shipped(threads)?;
    let calibration = Calibration::from_toml(testudo_encoder::CALIBRATION)?;
    let model = model.with_encoder(CalibratedEncoder {
        encoder: Arc::new(encoder),
        calibration,
    });
    let [ngram, ngram_calibration] = shipped();
    let files = testudo_encoder::Weights::shipped();
    let weights = hash(&[
        ngram,
        ngram_calibration,
        files.graph,
        files.tensors,
        files.pieces.as_bytes(),
        testudo_encoder::CALIBRATION.as_bytes(),
    ]);
    Ok((model, weights))
}

#[cfg(not(feature = "encoder"))]
fn with_encoder(_model: InjectionModel) -> Result<(InjectionModel, Key), ModelProblem> {
    Err(ModelProblem::NoEncoder)
}

/// The same of what a text says in tags, signs, codes and the like, which are no letters themselves.
fn say_enough(views: &Views) -> bool {
    views.views.iter().any(|view| says_enough(&view.text))
}

/// Whether a text has words enough to be judged.
fn says_enough(text: &str) -> bool {
    let mut letters = 0_usize;
    text.chars().any(|letter| {
        if letter.is_alphabetic() {
            letters = letters.saturating_add(if letter.is_ascii() { 1 } else { 2 });
        }
        letters >= LETTERS_MIN
    })
}
