//! A file system in memory that can lose power, tear writes, fail and run full, as badly as a real one may.
//!
//! What was not synced may be there, partly there, or not there: each block of a file and each change of a
//! folder on its own. A rename, a new name or a removal lasts only once its folder is synced.

#![expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Append, Files};

/// What a crash spares of what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crash {
    /// Only the process died: everything is there, and still not synced.
    Process,
    /// The power failed: chance decides.
    Power,
}

/// Small and predictable; good enough to choose faults.
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end.max(1)
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }
}

/// Handles to one faulty file system.
#[derive(Debug, Clone)]
pub(crate) struct FaultyFiles(Arc<Mutex<State>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thing {
    Folder,
    File(u64),
}

#[derive(Debug, Clone, Default)]
struct Node {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// Up to here a failed sync has forgotten what it should write; only writing it again helps.
    forgotten: usize,
}

#[derive(Debug, Clone)]
enum Change {
    Set(PathBuf, Thing),
    Unset(PathBuf),
    Rename(PathBuf, PathBuf, Thing),
}

#[derive(Debug)]
struct State {
    nodes: BTreeMap<u64, Node>,
    live: BTreeMap<PathBuf, Thing>,
    durable: BTreeMap<PathBuf, Thing>,
    /// Changes of folders that are not synced, in order.
    pending: Vec<Change>,
    next_node: u64,
    operations: u64,
    kill_at: Option<u64>,
    fail_at: BTreeSet<u64>,
    is_dead: bool,
    space: Option<usize>,
    chance: Chance,
    widest: usize,
}

/// What happens to one operation.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Done,
    /// It fails, and a part of it may have happened.
    Half,
}

impl FaultyFiles {
    /// With one folder, which is there for good.
    pub(crate) fn new(root: &Path, seed: u64) -> Self {
        let names = BTreeMap::from([(root.to_owned(), Thing::Folder)]);
        Self(Arc::new(Mutex::new(State {
            nodes: BTreeMap::new(),
            live: names.clone(),
            durable: names,
            pending: Vec::new(),
            next_node: 0,
            operations: 0,
            kill_at: None,
            fail_at: BTreeSet::new(),
            is_dead: false,
            space: None,
            chance: Chance::new(seed),
            widest: 0,
        })))
    }

    /// The most bytes of a file that one call read or wrote since this was asked.
    pub(crate) fn widest(&self) -> usize {
        std::mem::take(&mut self.state().widest)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The power fails within the operation with this number, counted on from those before.
    pub(crate) fn kill_after(&self, operations: u64) {
        let mut state = self.state();
        state.kill_at = Some(state.operations + operations);
    }

    /// The operations with these numbers, counted on from those before, fail.
    pub(crate) fn fail_after(&self, operations: impl IntoIterator<Item = u64>) {
        let mut state = self.state();
        let now = state.operations;
        state.fail_at = operations.into_iter().map(|it| now + it).collect();
    }

    /// Bytes that can still be written; nothing is no limit.
    pub(crate) fn set_space(&self, bytes: Option<usize>) {
        self.state().space = bytes;
    }

    /// Changes files behind everybody's back, durably.
    pub(crate) fn edit(&self, mut change: impl FnMut(&Path, &mut Vec<u8>)) {
        let mut state = self.state();
        let state = &mut *state;
        for (path, thing) in &state.live {
            if let Thing::File(node) = thing {
                let node = state.nodes.get_mut(node).unwrap();
                change(path, &mut node.live);
                node.durable.clone_from(&node.live);
            }
        }
    }

    /// Removes a file behind everybody's back, durably.
    pub(crate) fn lose(&self, path: &Path) {
        let mut state = self.state();
        state.live.remove(path);
        state.durable.remove(path);
    }

    /// Every file with its live content.
    pub(crate) fn snapshot(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let state = self.state();
        let files = state.live.iter().filter_map(|(path, thing)| match thing {
            Thing::File(node) => Some((path.clone(), state.nodes[node].live.clone())),
            Thing::Folder => None,
        });
        files.collect()
    }

    /// What the next process finds.
    pub(crate) fn crash(&self, crash: Crash, seed: u64) -> Self {
        let mut state = self.state();
        state.is_dead = true;
        let mut chance = Chance::new(seed);
        let mut next = State {
            nodes: state.nodes.clone(),
            live: state.live.clone(),
            durable: state.durable.clone(),
            pending: state.pending.clone(),
            next_node: state.next_node,
            operations: 0,
            kill_at: None,
            fail_at: BTreeSet::new(),
            is_dead: false,
            space: None,
            chance: chance.clone(),
            widest: 0,
        };
        if crash == Crash::Power {
            for change in std::mem::take(&mut next.pending) {
                if chance.coin() {
                    apply(&mut next.durable, change);
                }
            }
            for node in next.nodes.values_mut() {
                node.durable = torn(&node.durable, &node.live, &mut chance);
                node.live.clone_from(&node.durable);
                node.forgotten = 0;
            }
            drop_orphans(&mut next.durable);
            next.live.clone_from(&next.durable);
        }
        Self(Arc::new(Mutex::new(next)))
    }
}

impl State {
    /// Counts an operation and says what becomes of it.
    fn step(&mut self) -> io::Result<Fate> {
        if self.is_dead {
            return Err(io::Error::other("the power is off"));
        }
        self.operations += 1;
        if self.kill_at.is_some_and(|at| self.operations >= at) {
            self.is_dead = true;
            return Ok(Fate::Half);
        }
        if self.fail_at.remove(&self.operations) {
            return Ok(Fate::Half);
        }
        Ok(Fate::Done)
    }

    fn error(&self) -> io::Error {
        io::Error::other(if self.is_dead {
            "the power failed"
        } else {
            "the disk failed"
        })
    }

    fn change(&mut self, change: Change) {
        apply(&mut self.live, change.clone());
        self.pending.push(change);
    }

    /// A change of a folder: done, or failed and perhaps done all the same.
    fn change_step(&mut self, change: Change) -> io::Result<()> {
        match self.step()? {
            Fate::Done => {
                self.change(change);
                Ok(())
            }
            Fate::Half => {
                if self.chance.coin() {
                    self.change(change);
                }
                Err(self.error())
            }
        }
    }

    fn file(&self, path: &Path) -> io::Result<u64> {
        match self.live.get(path) {
            Some(Thing::File(node)) => Ok(*node),
            Some(Thing::Folder) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn create(&mut self, path: &Path) -> io::Result<u64> {
        if let Ok(node) = self.file(path) {
            return Ok(node);
        }
        let parent = path.parent().and_then(|it| self.live.get(it));
        if parent != Some(&Thing::Folder) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.next_node += 1;
        let node = self.next_node;
        self.nodes.insert(node, Node::default());
        self.change_step(Change::Set(path.to_owned(), Thing::File(node)))?;
        Ok(node)
    }

    fn append(&mut self, node: u64, bytes: &[u8]) -> io::Result<()> {
        self.widest = self.widest.max(bytes.len());
        let fate = self.step()?;
        let room = self.space.unwrap_or(usize::MAX).min(bytes.len());
        let mut written = room;
        if fate == Fate::Half {
            written = usize::try_from(self.chance.below(room as u64 + 1)).unwrap();
        }
        self.nodes.get_mut(&node).unwrap().live.extend(&bytes[..written]);
        if let Some(space) = &mut self.space {
            *space -= written;
        }
        if fate == Fate::Half {
            return Err(self.error());
        }
        if room < bytes.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn sync(&mut self, node: u64) -> io::Result<()> {
        let fate = self.step()?;
        let node = self.nodes.get_mut(&node).unwrap();
        if fate == Fate::Half {
            // Which pages reached the disk before the failure is anybody's guess.
            node.durable = torn(&node.durable, &node.live, &mut self.chance);
            node.forgotten = node.live.len();
            return Err(self.error());
        }
        let mut synced = node.live.clone();
        for (offset, byte) in synced.iter_mut().enumerate().take(node.forgotten) {
            *byte = node.durable.get(offset).copied().unwrap_or(0);
        }
        node.durable = synced;
        Ok(())
    }
}

fn apply(names: &mut BTreeMap<PathBuf, Thing>, change: Change) {
    match change {
        Change::Set(path, thing) => {
            names.insert(path, thing);
        }
        Change::Unset(path) => {
            names.remove(&path);
        }
        Change::Rename(from, to, thing) => {
            names.remove(&from);
            names.insert(to, thing);
        }
    }
}

/// A file whose folder did not survive is gone too.
fn drop_orphans(names: &mut BTreeMap<PathBuf, Thing>) {
    let all = names.clone();
    let root = all.keys().next().cloned().unwrap();
    names.retain(|path, _| {
        *path == root
            || path
                .ancestors()
                .skip(1)
                .take_while(|it| it.starts_with(&root))
                .all(|it| all.get(it) == Some(&Thing::Folder))
    });
}

/// Block by block the old content or the new.
fn torn(durable: &[u8], live: &[u8], chance: &mut Chance) -> Vec<u8> {
    if durable == live {
        return live.to_vec();
    }
    let (short, long) = (durable.len().min(live.len()), durable.len().max(live.len()));
    let len = match chance.below(4) {
        0 => short,
        1 => long,
        _ => short + usize::try_from(chance.below((long - short) as u64 + 1)).unwrap(),
    };
    let block_bytes = [1, 64, 512, 4096][usize::try_from(chance.below(4)).unwrap()];
    let mut content = vec![0; len];
    for (number, block) in content.chunks_mut(block_bytes).enumerate() {
        let from = if chance.coin() { live } else { durable };
        let start = number * block_bytes;
        for (offset, byte) in block.iter_mut().enumerate() {
            *byte = from.get(start + offset).copied().unwrap_or(0);
        }
    }
    content
}

impl Files for FaultyFiles {
    fn read(&self, path: &Path, limit: usize) -> io::Result<Option<Vec<u8>>> {
        let state = self.state();
        let Ok(node) = state.file(path) else { return Ok(None) };
        let content = &state.nodes[&node].live;
        if content.len() > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(Some(content.clone()))
    }

    fn read_range(&self, path: &Path, offset: u64, len: usize) -> io::Result<Option<Vec<u8>>> {
        let mut state = self.state();
        let Ok(node) = state.file(path) else { return Ok(None) };
        let content = &state.nodes[&node].live;
        let rest = content.iter().skip(usize::try_from(offset).unwrap());
        let part: Vec<u8> = rest.take(len).copied().collect();
        state.widest = state.widest.max(part.len());
        Ok(Some(part))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        let inside = state.live.keys().filter(|path| path.parent() == Some(folder));
        Ok(inside
            .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
            .collect())
    }

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.state();
        if state.live.get(folder) == Some(&Thing::Folder) {
            return Ok(());
        }
        state.change_step(Change::Set(folder.to_owned(), Thing::Folder))
    }

    fn open_append(&self, path: &Path) -> io::Result<Box<dyn Append>> {
        let node = self.state().create(path)?;
        Ok(Box::new(FaultyFile(self.clone(), node)))
    }

    fn write(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let node = state.create(path)?;
        if state.step()? == Fate::Half {
            return Err(state.error());
        }
        let open = state.nodes.get_mut(&node).unwrap();
        open.live.clear();
        open.forgotten = 0;
        state.append(node, content)?;
        state.sync(node)
    }

    fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        let mut state = self.state();
        let node = state.file(path)?;
        if state.step()? == Fate::Half {
            return Err(state.error());
        }
        let len = usize::try_from(len).unwrap();
        let open = state.nodes.get_mut(&node).unwrap();
        open.live.resize(len, 0);
        open.forgotten = open.forgotten.min(len);
        state.sync(node)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        let node = state.file(from)?;
        state.change_step(Change::Rename(from.to_owned(), to.to_owned(), Thing::File(node)))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        if !state.live.contains_key(path) {
            return Ok(());
        }
        state.change_step(Change::Unset(path.to_owned()))
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.state();
        if state.live.keys().any(|path| path.parent() == Some(folder)) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        if !state.live.contains_key(folder) {
            return Ok(());
        }
        state.change_step(Change::Unset(folder.to_owned()))
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.state();
        if state.step()? == Fate::Half {
            return Err(state.error());
        }
        let pending = std::mem::take(&mut state.pending);
        for change in pending {
            let path = match &change {
                Change::Set(path, _) | Change::Unset(path) | Change::Rename(path, ..) => path,
            };
            if path.parent() == Some(folder) {
                apply(&mut state.durable, change);
            } else {
                state.pending.push(change);
            }
        }
        Ok(())
    }
}

#[derive(Debug)]
struct FaultyFile(FaultyFiles, u64);

impl Append for FaultyFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.state().append(self.1, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.state().sync(self.1)
    }
}
