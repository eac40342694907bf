//! Opening a log: what was acknowledged before a crash goes under a checkpoint before anything new is taken.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use testudo_ledger::entry::{self, Entry, RecorderAction};
use testudo_ledger::tile::{TileLevel, bundle};
use testudo_ledger::{Hash, SignedCheckpoint, Tile};
use testudo_types::UnixMillis;
use tokio::sync::{mpsc, watch};

use crate::draft::AppendError;
use crate::files;
use crate::folder::{Folder, OwnCheckpointError};
use crate::integrate::{Integrator, Task, Tree, TreeError};
use crate::observer;
use crate::reading::LogFolder;
use crate::recorder::{Options, Recorder};
use crate::shared::Shared;
use crate::wal::{self, ReplayError, Replayed, Wal};
use crate::witnessing::{self, Witnessing};
use crate::writer::{Writer, internal};

/// Far above any checkpoint with its signatures.
const NOTE_BYTES_MAX: usize = 1 << 20;

/// Why a log cannot be opened for writing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    #[error("cannot read or write `{}`", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("there are tiles or write-ahead segments in `{}` and no checkpoint; restore it from a backup", path.display())]
    CheckpointMissing { path: PathBuf },
    #[error("`{}` is not a checkpoint of this log; restore it from a backup", path.display())]
    Checkpoint {
        path: PathBuf,
        #[source]
        source: OwnCheckpointError,
    },
    #[error(
        "`{}` has {witnessed} entries and `checkpoint` has {size}: the log was put back, or has forked; restore the \
         newer state from a backup, for another entry {size} must not be signed", path.display()
    )]
    PutBack { path: PathBuf, witnessed: u64, size: u64 },
    #[error("the log's tree is damaged")]
    Tree(#[source] TreeError),
    #[error("the write-ahead log is damaged")]
    Replay(#[source] ReplayError),
    #[error("what the write-ahead log holds could not be brought into the tree")]
    Integrate(#[source] io::Error),
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    #[error("the first entry could not be written")]
    Start(#[source] AppendError),
}

/// Recovers and starts; see [`Recorder::open`].
pub(crate) async fn open(folder: Folder, options: Options) -> Result<Recorder, OpenError> {
    let folder = Arc::new(folder);
    let shared = Arc::new(Shared::new(Arc::clone(&options.clock), options.limits.queue_bytes));
    let recovered = recover(&folder, options.limits.segment_bytes)?;
    shared.set_durable(recovered.tree.size());
    shared.set_checkpoint(recovered.tree.size());
    let (items, items_taken) = mpsc::channel(options.limits.queue_entries.max(1));
    let (control, control_taken) = mpsc::unbounded_channel();
    let (tasks, tasks_taken) = mpsc::unbounded_channel();
    let (alive, ended) = watch::channel(());
    let alive = Arc::new(alive);
    let witnesses = start_witnesses(options.witnessing, &tasks, &alive)?;
    let (size, integrated) = watch::channel(recovered.tree.size());
    let integrator = Integrator {
        tree: recovered.tree,
        limits: options.limits,
        shared: Arc::clone(&shared),
        tasks: tasks_taken,
        size,
        witnesses,
        pending: Vec::new(),
        waiters: Vec::new(),
        unwitnessed: Vec::new(),
        due: None,
        failure: None,
    };
    let first_size = recovered.wal.next();
    let writer = Writer {
        files: Arc::clone(folder.files()),
        folder: Arc::clone(&folder),
        limits: options.limits,
        shared: Arc::clone(&shared),
        sealer: options.sealer,
        wal: recovered.wal,
        version: options.version.clone(),
        last_at: recovered.last_at,
        items: items_taken,
        control: control_taken,
        integrator: tasks,
        integrated: integrated.clone(),
        failure: None,
        retry_at: tokio::time::Instant::now(),
    };
    if let Some(observer) = options.observer {
        let log = LogFolder::with(folder.root(), Arc::clone(folder.files()));
        let following = observer::follow(observer, log, integrated.clone());
        start_thread("ledger-index", &alive, following).map_err(OpenError::Thread)?;
    }
    start_thread("ledger-integrator", &alive, integrator.run()).map_err(OpenError::Thread)?;
    start_thread("ledger-writer", &alive, writer.run()).map_err(OpenError::Thread)?;
    let recorder = Recorder::new(items, control, shared, ended);
    let start = entry::Recorder {
        action: RecorderAction::Start,
        size: first_size,
        version: options.version,
    };
    let draft = internal(start).draft;
    let started = recorder.append(draft, crate::draft::Level::Durable).await;
    started.map_err(OpenError::Start)?;
    Ok(recorder)
}

/// The newest checkpoint goes in here for the witnesses.
type Witnesses = watch::Sender<Option<SignedCheckpoint>>;

fn start_witnesses(
    witnessing: Option<Arc<dyn Witnessing>>,
    tasks: &mpsc::UnboundedSender<Task>,
    alive: &Alive,
) -> Result<Option<Witnesses>, OpenError> {
    let Some(witnessing) = witnessing else { return Ok(None) };
    let (offered, newest) = watch::channel(None);
    let asking = witnessing::ask(witnessing, newest, tasks.downgrade());
    start_thread("ledger-witnesses", alive, asking).map_err(OpenError::Thread)?;
    Ok(Some(offered))
}

/// A log in order, with an empty write-ahead log.
struct Recovered {
    tree: Tree,
    wal: Wal,
    last_at: UnixMillis,
}

fn recover(folder: &Arc<Folder>, segment_bytes_max: u64) -> Result<Recovered, OpenError> {
    let files = Arc::clone(folder.files());
    let at = |path: PathBuf| move |source| OpenError::File { path, source };
    // What a dead process renamed may not be durable yet, and the write-ahead log is removed on the strength of it.
    files.sync_folder(folder.root()).map_err(at(folder.root().to_owned()))?;
    let checkpoint = checkpoint(folder)?;
    check_witnessed(folder, &checkpoint)?;
    let mut tree = Tree::load(Arc::clone(&files), Arc::clone(folder), checkpoint).map_err(OpenError::Tree)?;
    let wal_folder = folder.wal();
    files.create_folder(&wal_folder).map_err(at(wal_folder.clone()))?;
    files.sync_folder(folder.root()).map_err(at(folder.root().to_owned()))?;
    let replayed = wal::replay(&*files, &wal_folder, folder.origin(), tree.size()).map_err(OpenError::Replay)?;
    tell(&replayed);
    let Replayed { leaves, segments, .. } = replayed;
    if !leaves.is_empty() {
        tree.integrate(&leaves).map_err(OpenError::Integrate)?;
    }
    tree.sweep().map_err(OpenError::Integrate)?;
    // The oldest first, each durably: an older one without the last would end before the checkpoint.
    for segment in segments {
        files.remove(&segment).map_err(at(segment))?;
        files.sync_folder(&wal_folder).map_err(at(wal_folder.clone()))?;
    }
    let last_at = last_at(folder, tree.size())?;
    let size = tree.size();
    let wal = Wal::create(files, wal_folder.clone(), folder.origin(), size, segment_bytes_max);
    let wal = wal.map_err(at(wal_folder))?;
    Ok(Recovered { tree, wal, last_at })
}

/// Says what the last run left behind.
fn tell(replayed: &Replayed) {
    let bytes = replayed.torn_bytes;
    if replayed.torn_is_whole {
        tracing::warn!(
            bytes,
            "the last frame of the write-ahead log has its full length and a wrong checksum, and is cut off; if the \
             machine did not lose power, the disk has damaged entries that were acknowledged"
        );
    } else if bytes > 0 {
        tracing::warn!(
            bytes,
            "the last frame of the write-ahead log was not written to its end, and is cut off"
        );
    }
    if !replayed.leaves.is_empty() || bytes > 0 {
        let entries = replayed.leaves.len();
        tracing::info!(entries, "the last run did not end by itself; its entries are recovered");
    }
}

/// The checkpoint; a new log gets its first, over nothing.
fn checkpoint(folder: &Folder) -> Result<SignedCheckpoint, OpenError> {
    let files = folder.files();
    let path = folder.root().join("checkpoint");
    let failed = |source| OpenError::File {
        path: path.clone(),
        source,
    };
    if let Some(bytes) = files.read(&path, NOTE_BYTES_MAX).map_err(failed)? {
        let verified = folder.verify(&bytes);
        return verified.map_err(|source| OpenError::Checkpoint { path, source });
    }
    let tiles = files.list(&folder.root().join("tile")).map_err(failed)?;
    let segments = files.list(&folder.wal()).map_err(failed)?;
    if !tiles.is_empty() || !segments.is_empty() {
        return Err(OpenError::CheckpointMissing {
            path: folder.root().to_owned(),
        });
    }
    let first = folder.sign(0, Hash::EMPTY);
    let first = first.map_err(|source| OpenError::Checkpoint {
        path: path.clone(),
        source,
    })?;
    files::replace(&**files, folder.root(), "checkpoint", first.to_string().as_bytes()).map_err(failed)?;
    Ok(first)
}

/// Refuses a log that was put back behind what witnesses have signed: they would be shown a fork.
fn check_witnessed(folder: &Folder, checkpoint: &SignedCheckpoint) -> Result<(), OpenError> {
    let path = folder.root().join("witnessed");
    let found = folder.files().read(&path, NOTE_BYTES_MAX);
    let found = found.map_err(|source| OpenError::File {
        path: path.clone(),
        source,
    })?;
    let Some(bytes) = found else { return Ok(()) };
    let witnessed = folder.verify(&bytes).map_err(|source| OpenError::Checkpoint {
        path: path.clone(),
        source,
    })?;
    let (then, now) = (witnessed.checkpoint(), checkpoint.checkpoint());
    if then.size() > now.size() || (then.size() == now.size() && then.root() != now.root()) {
        return Err(OpenError::PutBack {
            path,
            witnessed: then.size(),
            size: now.size(),
        });
    }
    Ok(())
}

/// The time of the last entry, which the next one must not be before.
fn last_at(folder: &Folder, size: u64) -> Result<UnixMillis, OpenError> {
    let Some(last) = size.checked_sub(1) else {
        return Ok(UnixMillis(0));
    };
    let Some(tile) = Tile::of_tree(TileLevel::Entries, last / 256, size) else {
        return Ok(UnixMillis(0));
    };
    let path = folder.root().join(tile.path());
    let read = folder.files().read(&path, bundle::BUNDLE_BYTES_MAX);
    let bytes = read.map_err(|source| OpenError::File {
        path: path.clone(),
        source,
    })?;
    let entries = bytes
        .as_deref()
        .and_then(|bytes| bundle::decode(bytes, tile.width()).ok());
    let Some(last) = entries.and_then(|entries| entries.last().map(|it| it.to_vec())) else {
        return Err(OpenError::Tree(TreeError::Tile { path: tile.path() }));
    };
    // An entry of a version unknown here still stands; only its time is not known.
    Ok(Entry::decode(&last).map_or(UnixMillis(0), |entry| UnixMillis(entry.at)))
}

/// Held by every thread until it has let go of everything.
type Alive = Arc<watch::Sender<()>>;

/// Runs one of the recorder's threads on a small runtime of its own.
fn start_thread(name: &str, alive: &Alive, work: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let thread = std::thread::Builder::new().name(name.to_owned());
    let alive = Arc::clone(alive);
    let _detached = thread.spawn(move || {
        runtime.block_on(work);
        drop(runtime);
        drop(alive);
    })?;
    Ok(())
}
