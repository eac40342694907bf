//! Runs the network: weights once at load, then windows of pieces in, scores out.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use rten::{DataType, Model, ModelOptions, NodeId, RunOptions, ThreadPool, Value, ValueOrView, ValueType};
use testudo_detect::model::{Encoder, EncoderProblem, Logits};

use crate::tokenizer::{Scratch, pieces};
use crate::vocabulary::{PieceId, Vocabulary};
use crate::windows::windows;

/// The longest text that is scored; a longer one is an error, so that a call is bounded.
pub const TEXT_BYTES_MAX: usize = 64 << 10;

const PIECES: &str = "input_ids";
const MASK: &str = "attention_mask";
const SCORES: &str = "logits";
/// The name by which the graph refers to the file with its tensors.
const TENSORS: &str = "weights.data";

/// What a network is made from.
#[derive(Clone, Copy)]
pub struct Weights {
    /// The graph in ONNX, without its tensors.
    pub graph: &'static [u8],
    /// The tensors that the graph refers to, at an address that is a multiple of 64; read where they lie.
    pub tensors: &'static [u8],
    /// `piece⇥score` lines.
    pub pieces: &'static str,
}

impl Weights {
    /// Those that ship with the program.
    #[cfg(feature = "weights")]
    #[must_use]
    pub fn shipped() -> Self {
        Self {
            graph: include_bytes!("../weights/graph.onnx"),
            tensors: &SHIPPED_TENSORS.0,
            pieces: include_str!("../weights/pieces.tsv"),
        }
    }
}

/// What the logits of the weights that ship mean, as `testudo_detect::model::Calibration` reads it.
#[cfg(feature = "weights")]
pub const CALIBRATION: &str = include_str!("../weights/calibration.toml");

/// Bytes at an address from which vectors can be read.
#[cfg(feature = "weights")]
#[repr(C, align(64))]
struct Aligned<T: ?Sized>(T);

#[cfg(feature = "weights")]
static SHIPPED_TENSORS: &Aligned<[u8]> = &Aligned(*include_bytes!("../weights/weights.data"));

impl fmt::Debug for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Weights({} bytes)", self.tensors.len())
    }
}

/// Why weights cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadProblem {
    #[error("the encoder's graph cannot be read; make the weights again")]
    Graph(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the encoder's graph has no `{name}` of the right type; make the weights again")]
    Node { name: &'static str },
    #[error("line {line} of the encoder's pieces is not a new piece and its score; make the weights again")]
    Piece { line: PieceId },
    #[error("the encoder's pieces do not begin with the special ones; make the weights again")]
    Special,
}

/// A loaded network; shared by all threads.
pub struct Transformer {
    model: Model,
    vocabulary: Vocabulary,
    pieces: NodeId,
    mask: NodeId,
    mask_is_float: bool,
    scores: NodeId,
    /// Each is one thread, so that a call takes one core.
    threads: Vec<Mutex<Arc<ThreadPool>>>,
    /// Who waits next when all are busy.
    next: AtomicUsize,
}

impl fmt::Debug for Transformer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transformer")
            .field("pieces", &self.vocabulary.len())
            .field("threads", &self.threads.len())
            .finish_non_exhaustive()
    }
}

impl Transformer {
    /// Loads weights; at most `threads` calls run at a time, others wait.
    ///
    /// # Errors
    /// When the weights are not sound, which a test excludes for those that ship.
    pub fn new(weights: Weights, threads: NonZeroUsize) -> Result<Self, LoadProblem> {
        let vocabulary = Vocabulary::read(weights.pieces)?;
        let model = ModelOptions::with_all_ops()
            .prepack_weights(true)
            .external_data_static(TENSORS, weights.tensors)
            .load_static_slice(weights.graph)
            .map_err(|error| LoadProblem::Graph(Box::new(error)))?;
        let (pieces, kind) = node(&model, PIECES)?;
        if kind != Some(ValueType::Tensor(DataType::Int32)) {
            return Err(LoadProblem::Node { name: PIECES });
        }
        let (mask, kind) = node(&model, MASK)?;
        let mask_is_float = match kind {
            Some(ValueType::Tensor(DataType::Float)) => true,
            Some(ValueType::Tensor(DataType::Int32)) => false,
            _ => return Err(LoadProblem::Node { name: MASK }),
        };
        let (scores, _) = node(&model, SCORES)?;
        let thread = || Mutex::new(Arc::new(ThreadPool::with_num_threads(1)));
        Ok(Self {
            model,
            vocabulary,
            pieces,
            mask,
            mask_is_float,
            scores,
            threads: (0..threads.get()).map(|_| thread()).collect(),
            next: AtomicUsize::new(0),
        })
    }

    /// Loads the weights that ship with the program.
    ///
    /// # Errors
    /// As [`Self::new`].
    #[cfg(feature = "weights")]
    pub fn shipped(threads: NonZeroUsize) -> Result<Self, LoadProblem> {
        Self::new(Weights::shipped(), threads)
    }

    /// How many windows of the network a text is; what scoring it costs, in about 16 ms each.
    #[must_use]
    pub fn windows_of(&self, text: &str) -> usize {
        let pieces = pieces(text, &self.vocabulary, &mut Scratch::default());
        windows(&pieces).count()
    }

    /// The highest logits of any window of a text.
    fn text(&self, text: &str, scratch: &mut Scratch, pool: &Arc<ThreadPool>) -> Result<Logits, EncoderProblem> {
        if text.len() > TEXT_BYTES_MAX {
            let why = format!("a window is {} bytes long, more than {TEXT_BYTES_MAX}", text.len());
            return Err(EncoderProblem::Failed(why));
        }
        let pieces = pieces(text, &self.vocabulary, scratch);
        let mut highest = Logits::LOWEST;
        for window in windows(&pieces) {
            highest = highest.max(self.window(window, pool)?);
        }
        Ok(highest)
    }

    fn window(&self, window: Vec<PieceId>, pool: &Arc<ThreadPool>) -> Result<Logits, EncoderProblem> {
        let failed = |error: &dyn fmt::Display| EncoderProblem::Failed(error.to_string());
        let length = window.len();
        let mask = if self.mask_is_float {
            Value::from_shape([1, length], vec![1.0_f32; length]).map_err(|error| failed(&error))?
        } else {
            Value::from_shape([1, length], vec![1_i32; length]).map_err(|error| failed(&error))?
        };
        let pieces = Value::from_shape([1, length], window).map_err(|error| failed(&error))?;
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(pool)));
        let inputs: Vec<(NodeId, ValueOrView<'_>)> = vec![(self.pieces, pieces.into()), (self.mask, mask.into())];
        let [scores] = self
            .model
            .run_n(inputs, [self.scores], Some(options))
            .map_err(|error| failed(&error))?;
        let (_, scores) = scores.into_shape_vec::<f32, 2>().map_err(|error| failed(&error))?;
        match scores.as_slice() {
            [asked, read, described] if scores.iter().all(|it| it.is_finite()) => Ok(Logits {
                asked: *asked,
                read: *read,
                described: *described,
            }),
            _ => Err(failed(&"the score is not three numbers")),
        }
    }

    /// Runs `work` with a thread of its own, as soon as one is free.
    fn with_thread<T>(&self, work: impl FnOnce(&Arc<ThreadPool>) -> T) -> Option<T> {
        for thread in &self.threads {
            match thread.try_lock() {
                Ok(pool) => return Some(work(&pool)),
                Err(TryLockError::Poisoned(pool)) => return Some(work(&pool.into_inner())),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        let turn = self
            .next
            .fetch_add(1, Ordering::Relaxed)
            .checked_rem(self.threads.len())?;
        let pool = self.threads.get(turn)?.lock().unwrap_or_else(PoisonError::into_inner);
        Some(work(&pool))
    }
}

impl Encoder for Transformer {
    fn score(&self, windows: &[&str]) -> Result<Vec<Logits>, EncoderProblem> {
        let mut scratch = Scratch::default();
        self.with_thread(|pool| windows.iter().map(|text| self.text(text, &mut scratch, pool)).collect())
            .unwrap_or_else(|| Err(EncoderProblem::Failed("there is no thread".to_owned())))
    }
}

/// A named value of the graph and its type.
fn node(model: &Model, name: &'static str) -> Result<(NodeId, Option<ValueType>), LoadProblem> {
    let id = model.find_node(name).ok_or(LoadProblem::Node { name })?;
    Ok((id, model.node_info(id).and_then(|info| info.dtype())))
}
