//! A small ledger folder that grows the way the writer lets it grow.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use testudo_ledger::tile::{bundle, growth};
use testudo_ledger::{
    Checkpoint, Frontier, Hash, KeyKind, KeyName, Signature, SignedCheckpoint, SigningKey, Tile, TileLevel,
    VerifierKey, payload,
};
use zeroize::Zeroizing;

pub(crate) struct Log {
    pub(crate) folder: tempfile::TempDir,
    key: SigningKey,
    entries: Vec<Vec<u8>>,
    frontier: Frontier,
    levels: Vec<Vec<Hash>>,
    partial: BTreeSet<Tile>,
}

impl Log {
    pub(crate) fn new(seed: u8) -> Self {
        let name = KeyName::parse("testudo/test").unwrap();
        Self {
            folder: tempfile::tempdir().unwrap(),
            key: SigningKey::from_seed(name, KeyKind::Ed25519, Zeroizing::new([seed; 32])).unwrap(),
            entries: Vec::new(),
            frontier: Frontier::new(),
            levels: vec![Vec::new(); 8],
            partial: BTreeSet::new(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn verifier(&self) -> VerifierKey {
        self.key.verifier().clone()
    }

    pub(crate) fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Appends entries that say `word`, each with a payload, and signs.
    pub(crate) fn grow(&mut self, count: u64, word: &str) {
        let old = self.size();
        for index in old..old + count {
            let entry = format!("{word} {index}").into_bytes();
            let levels = &mut self.levels;
            self.frontier.push_each(Hash::leaf(&entry), |level, index, hash| {
                if level % 8 == 0 {
                    let hashes = &mut levels[usize::from(level / 8)];
                    assert_eq!(hashes.len() as u64, index);
                    hashes.push(hash);
                }
            });
            self.entries.push(entry);
        }
        for window in old / 256..self.size().div_ceil(256) {
            let end = self.size().min((window + 1) * 256);
            self.write_payload(window, &(window * 256..end).collect::<Vec<_>>());
        }
        self.write_tiles(old);
        self.sign(0);
    }

    fn write_tiles(&mut self, old: u64) {
        let size = self.size();
        let mut partial = BTreeSet::new();
        let levels = std::iter::once(TileLevel::Entries).chain((0..8).map(TileLevel::Hashes));
        for tile in levels.flat_map(|level| growth(level, old, size)) {
            let first = usize::try_from(tile.index() * 256).unwrap();
            let items = first..first + usize::from(tile.width());
            let bytes = match tile.level() {
                TileLevel::Entries => bundle::encode(&self.entries[items]).unwrap(),
                TileLevel::Hashes(level) => {
                    let hashes = &self.levels[usize::from(level)][items];
                    hashes.iter().flat_map(|it| *it.as_bytes()).collect()
                }
            };
            write(&self.path().join(tile.path()), &bytes);
            if !tile.is_full() {
                partial.insert(tile);
            }
        }
        let current = |tile: &Tile| Tile::of_tree(tile.level(), tile.index(), size).as_ref() == Some(tile);
        for old in self.partial.iter().filter(|tile| !current(tile)) {
            fs::remove_file(self.path().join(old.path())).unwrap();
        }
        self.partial.retain(current);
        self.partial.extend(partial);
    }

    /// The present tree, signed.
    pub(crate) fn signed(&self) -> SignedCheckpoint {
        let checkpoint = Checkpoint::new("testudo/test", self.size(), self.frontier.root()).unwrap();
        SignedCheckpoint::sign(checkpoint, &self.key, 0).unwrap()
    }

    /// Writes the checkpoint of the present tree, cosigned at a time that is not 0.
    pub(crate) fn sign(&self, cosigned_s: u64) {
        let mut signed = self.signed();
        if cosigned_s > 0 {
            let name = KeyName::parse("witness").unwrap();
            let witness = SigningKey::from_seed(name, KeyKind::Cosignature, Zeroizing::new([9; 32])).unwrap();
            let text = signed.note().text().to_owned();
            signed.add(Signature::new(&witness, &text, cosigned_s)).unwrap();
        }
        write(&self.path().join("checkpoint"), signed.to_string().as_bytes());
    }

    /// The payload file of a window with the records of these entries.
    pub(crate) fn write_payload(&self, window: u64, indexes: &[u64]) {
        let path = self.path().join(payload::path(window));
        let mut bytes = Vec::new();
        for index in indexes {
            bytes.extend(record(*index));
        }
        if bytes.is_empty() {
            fs::remove_file(path).unwrap();
            return;
        }
        let temporary = path.with_extension("tmp");
        write(&temporary, &bytes);
        fs::rename(temporary, path).unwrap();
    }
}

/// What stands in a payload file for an entry; only its head and length matter here.
pub(crate) fn record(index: u64) -> Vec<u8> {
    let body = [
        b"TSP1".as_slice(),
        &index.to_be_bytes(),
        format!("secret of {index}").as_bytes(),
        &[0; 70],
    ]
    .concat();
    [&u32::try_from(body.len()).unwrap().to_be_bytes(), body.as_slice()].concat()
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Recomputes the tree of a downloaded folder from its entries, and compares every file with it; its size.
pub(crate) fn verify(folder: &Path) -> u64 {
    let note = testudo_bounded::read_file(folder.join("checkpoint"), 1 << 20).unwrap();
    let signed = SignedCheckpoint::parse(&note).unwrap();
    let size = signed.checkpoint().size();
    let mut copy = Log::new(0);
    let read = |tile: &Tile| testudo_bounded::read_file(folder.join(tile.path()), 1 << 24).unwrap();
    for tile in growth(TileLevel::Entries, 0, size) {
        let bytes = read(&tile);
        for entry in bundle::decode(&bytes, tile.width()).unwrap() {
            let levels = &mut copy.levels;
            copy.frontier.push_each(Hash::leaf(entry), |level, _, hash| {
                if level % 8 == 0 {
                    levels[usize::from(level / 8)].push(hash);
                }
            });
        }
    }
    assert_eq!(copy.frontier.root(), *signed.checkpoint().root());
    for tile in (0..8).flat_map(|level| growth(TileLevel::Hashes(level), 0, size)) {
        let TileLevel::Hashes(level) = tile.level() else {
            continue;
        };
        let first = usize::try_from(tile.index() * 256).unwrap();
        let hashes = &copy.levels[usize::from(level)][first..first + usize::from(tile.width())];
        let expected: Vec<u8> = hashes.iter().flat_map(|it| *it.as_bytes()).collect();
        assert_eq!(read(&tile), expected, "{}", tile.path());
    }
    size
}
