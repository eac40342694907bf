//! The integrator: brings durable leaves into bundles, tiles and payload files, and signs.
//!
//! The order is what makes a crash harmless. Everything that a checkpoint stands on is durable before the
//! checkpoint is; write-ahead segments and superseded partial tiles go only after it. Nothing that a
//! checkpoint stands on is ever written again.

mod edge;
mod integrator;
pub(crate) mod payloads;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use testudo_ledger::tile::{self, TileLevel, Tiles, bundle};
use testudo_ledger::{Frontier, Hash, Signature, SignedCheckpoint};

use self::edge::{Edge, Growth};
pub(crate) use self::integrator::{Integrator, Task, Waiter};
use crate::files::{self, Files};
use crate::folder::Folder;
use crate::wal::Leaf;

/// Folders whose existence is remembered.
const KNOWN_FOLDERS_MAX: usize = 4096;

/// The tree on the disk, open for growing.
#[derive(Debug)]
pub(crate) struct Tree {
    files: Arc<dyn Files>,
    folder: Arc<Folder>,
    edge: Edge,
    /// The newest checkpoint, as this log signed it.
    checkpoint: SignedCheckpoint,
    /// Folders that exist, durably.
    known: BTreeSet<PathBuf>,
    /// Whether the open payload file may be longer than the edge says.
    payload_untidy: bool,
    /// The size before the newest checkpoint, while that is not durable yet or its predecessors' tiles are there.
    unsettled: Option<u64>,
}

/// Why the tree on the disk cannot be grown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    #[error("cannot read `{}`", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{path}` is missing or damaged; run `testudo ledger verify`, then restore the folder from a backup")]
    Tile { path: String },
    #[error("the tiles do not have the root that the checkpoint of {size} entries is for; run `testudo ledger verify`")]
    Root { size: u64 },
    #[error(
        "`{}` is damaged at or after byte {offset}, and not by a crash; run `testudo ledger verify`, then restore it \
         from a backup", path.display()
    )]
    PayloadDamaged { path: PathBuf, offset: u64 },
    #[error("`{}` cannot be cut to the payloads that are in the tree", path.display())]
    Payloads {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl Tree {
    /// The tree under a checkpoint whose signature has been checked; reads its right edge and compares the root.
    pub(crate) fn load(
        files: Arc<dyn Files>,
        folder: Arc<Folder>,
        checkpoint: SignedCheckpoint,
    ) -> Result<Self, TreeError> {
        let size = checkpoint.checkpoint().size();
        let damaged = |path: String| TreeError::Tile { path };
        let read = |tile: &tile::Tile| -> Result<Vec<u8>, TreeError> {
            let path = folder.root().join(tile.path());
            let found = files.read(&path, bundle::BUNDLE_BYTES_MAX);
            let found = found.map_err(|source| TreeError::Read { path, source })?;
            found.ok_or_else(|| damaged(tile.path()))
        };
        let frontier = Frontier::load(size, &Tiles::new(size, read)).map_err(|error| match error {
            tile::TilesError::Read { source, .. } => source,
            tile::TilesError::Length { tile } => damaged(tile.path()),
            tile::TilesError::Outside { .. } => TreeError::Root { size },
        })?;
        if frontier.root() != *checkpoint.checkpoint().root() {
            return Err(TreeError::Root { size });
        }
        let mut edge = Edge {
            frontier,
            tiles: vec![Vec::new(); 8],
            ..Edge::default()
        };
        for partial in edge::partial_tiles(size) {
            let bytes = read(&partial)?;
            match partial.level() {
                TileLevel::Entries => edge.bundle = bytes,
                TileLevel::Hashes(level) => {
                    let hashes = tile::hashes(&bytes, partial.width()).ok_or_else(|| damaged(partial.path()))?;
                    if let Some(slot) = edge.tiles.get_mut(usize::from(level)) {
                        *slot = hashes;
                    }
                }
            }
        }
        check_bundle(&edge)?;
        let mut tree = Self {
            files,
            folder,
            edge,
            checkpoint,
            known: BTreeSet::new(),
            payload_untidy: false,
            unsettled: None,
        };
        tree.tidy_payloads()?;
        Ok(tree)
    }

    /// How many entries are under the newest checkpoint.
    pub(crate) fn size(&self) -> u64 {
        self.edge.size()
    }

    /// The newest checkpoint.
    pub(crate) fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }

    /// Puts the leaves, which follow the ones in the tree, under a new checkpoint, and makes that durable.
    ///
    /// After an error the tree either is what it was, or has grown by all the leaves and the checkpoint is not
    /// durable yet: [`Tree::size`] tells. Then the next call settles that first, with whatever leaves follow.
    pub(crate) fn integrate(&mut self, leaves: &[Leaf]) -> io::Result<()> {
        self.settle()?;
        if leaves.is_empty() {
            return Ok(());
        }
        let old_size = self.size();
        let growth = self.edge.grow(leaves);
        let growth = growth.ok_or_else(|| io::Error::other("an entry does not fit into a bundle"))?;
        if let Err(error) = self.write_growth(&growth) {
            // Folders that were made may not be durable.
            self.known.clear();
            return Err(error);
        }
        let checkpoint = self.folder.sign(growth.edge.size(), growth.edge.frontier.root());
        let checkpoint = checkpoint.map_err(io::Error::other)?;
        self.expose(&checkpoint)?;
        self.edge = growth.edge;
        self.checkpoint = checkpoint;
        self.unsettled = Some(old_size);
        self.settle()
    }

    /// Makes everything durable that the next checkpoint stands on.
    fn write_growth(&mut self, growth: &Growth) -> io::Result<()> {
        let mut touched = BTreeSet::new();
        for (tile, content) in &growth.tiles {
            let path = self.folder.root().join(tile.path());
            self.enter_folder(&path, &mut touched)?;
            self.files.write(&path, content)?;
        }
        self.write_payloads(&growth.payloads, &mut touched)?;
        touched.iter().try_for_each(|folder| self.files.sync_folder(folder))
    }

    /// Gives a checkpoint its name. From here on it may be what the next start finds, so that nothing it stands on
    /// may be touched any more, durable or not.
    fn expose(&self, checkpoint: &SignedCheckpoint) -> io::Result<()> {
        let note = checkpoint.to_string();
        let [path, temporary] = ["checkpoint", "checkpoint.tmp"].map(|name| self.folder.root().join(name));
        self.files.write(&temporary, note.as_bytes())?;
        match self.files.rename(&temporary, &path) {
            Ok(()) => Ok(()),
            // A rename that failed may have happened.
            Err(error) => match self.files.read(&path, note.len())? {
                Some(found) if found == note.as_bytes() => Ok(()),
                _ => Err(error),
            },
        }
    }

    /// Makes the newest checkpoint durable, then removes the tiles that it has no use for.
    fn settle(&mut self) -> io::Result<()> {
        let Some(old_size) = self.unsettled else { return Ok(()) };
        self.files.sync_folder(self.folder.root())?;
        self.unsettled = None;
        self.payload_untidy = false;
        // What is left behind is removed at the next start.
        if let Err(error) = self.remove_superseded(old_size) {
            tracing::warn!(%error, "cannot remove superseded tiles");
        }
        Ok(())
    }

    /// Removes what crashes have left: partial tiles at the right edge that the tree does not stand on.
    pub(crate) fn sweep(&self) -> io::Result<()> {
        for last in edge::last_tiles(self.size()) {
            let kept = self.folder.root().join(last.path());
            let full = self.folder.root().join(last.full().path());
            let Some(folder) = full.parent() else { continue };
            for name in self.files.list(folder)? {
                if !name.ends_with(".p") {
                    continue;
                }
                let partials = folder.join(name);
                for name in self.files.list(&partials)? {
                    let found = partials.join(name);
                    if found != kept {
                        self.files.remove(&found)?;
                    }
                }
                if kept.parent() != Some(&*partials) {
                    self.files.remove_folder(&partials)?;
                }
            }
        }
        Ok(())
    }

    /// Adds cosignatures to the checkpoint file, if the checkpoint is still the newest, and keeps the checkpoint as
    /// the newest witnessed one, if there is a quorum.
    pub(crate) fn add_cosignatures(
        &mut self,
        signed: &SignedCheckpoint,
        signatures: &[Signature],
        quorum: bool,
    ) -> io::Result<()> {
        let mut cosigned = signed.clone();
        for signature in signatures {
            cosigned.add(signature.clone()).map_err(io::Error::other)?;
        }
        // What proofs for outsiders are made with while newer checkpoints wait; they ask for a quorum.
        if quorum {
            self.publish("witnessed", &cosigned)?;
        }
        if *signed == self.checkpoint {
            self.publish("checkpoint", &cosigned)?;
            self.checkpoint = cosigned;
        }
        Ok(())
    }

    fn publish(&self, name: &str, checkpoint: &SignedCheckpoint) -> io::Result<()> {
        let note = checkpoint.to_string();
        files::replace(&*self.files, self.folder.root(), name, note.as_bytes())
    }

    /// Makes the folder of a file, and notes which folders must be synced.
    fn enter_folder(&mut self, path: &Path, touched: &mut BTreeSet<PathBuf>) -> io::Result<()> {
        let Some(folder) = path.parent() else { return Ok(()) };
        touched.insert(folder.to_owned());
        if self.known.contains(folder) || folder == self.folder.root() {
            return Ok(());
        }
        self.enter_folder(folder, touched)?;
        self.files.create_folder(folder)?;
        if self.known.len() >= KNOWN_FOLDERS_MAX {
            self.known.clear();
        }
        self.known.insert(folder.to_owned());
        Ok(())
    }

    /// Removes the partial tiles of the tree of `old_size` that a wider or full one stands for now.
    fn remove_superseded(&mut self, old_size: u64) -> io::Result<()> {
        for old in edge::partial_tiles(old_size) {
            let Some(new) = tile::Tile::of_tree(old.level(), old.index(), self.size()) else {
                continue;
            };
            if new == old {
                continue;
            }
            let path = self.folder.root().join(old.path());
            self.files.remove(&path)?;
            if let Some(folder) = path.parent().filter(|_| new.is_full()) {
                self.known.remove(folder);
                self.files.remove_folder(folder)?;
            }
        }
        Ok(())
    }
}

/// Whether the incomplete bundle holds the entries whose hashes stand in the incomplete tile.
fn check_bundle(edge: &Edge) -> Result<(), TreeError> {
    let Some(partial) = edge::partial_tiles(edge.size()).find(|it| it.level() == TileLevel::Entries) else {
        return Ok(());
    };
    let entries = bundle::decode(&edge.bundle, partial.width()).unwrap_or_default();
    let hashes = entries.iter().map(|it| Hash::leaf(it));
    let sound = edge.tiles.first().is_some_and(|tile| hashes.eq(tile.iter().copied()));
    sound
        .then_some(())
        .ok_or_else(|| TreeError::Tile { path: partial.path() })
}
