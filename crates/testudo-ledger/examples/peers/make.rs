//! Facts with our verdicts.

use std::fmt::Write as _;
use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use testudo_ledger::tree::{check_consistency, check_inclusion, consistency, inclusion, root};
use testudo_ledger::{
    Checkpoint, Hash, KeyKind, KeyName, Note, Policy, Proof, SignedCheckpoint, SigningKey, Tile, TileLevel,
    VerifierKey, tile,
};

use crate::grown::{Grown, below, bundle, flip, random, record};
use crate::{Outcome, TREE_SIZE};

/// Writes facts; the same ones each time.
pub(crate) fn make(out: &mut impl Write) -> Outcome<()> {
    let mut maker = Maker {
        out,
        grown: Grown::new(TREE_SIZE),
        counter: 0,
    };
    maker.notes()?;
    maker.proof_files()?;
    maker.trees()?;
    maker.tiles()?;
    maker.paths()
}

struct Maker<W> {
    out: W,
    grown: Grown,
    counter: u64,
}

impl<W: Write> Maker<W> {
    fn fact(&mut self, fields: &[&str]) -> Outcome<()> {
        Ok(writeln!(self.out, "{}", fields.join("\t"))?)
    }

    fn below(&mut self, end: u64) -> u64 {
        below(&mut self.counter, end)
    }

    fn flip(&mut self, bytes: &[u8]) -> Vec<u8> {
        flip(&mut self.counter, bytes)
    }

    fn size(&mut self) -> u64 {
        self.below(TREE_SIZE).saturating_add(1)
    }

    fn key(&mut self, name: &str, kind: KeyKind) -> Outcome<SigningKey> {
        let seed = random(&mut self.counter);
        Ok(SigningKey::from_seed(KeyName::parse(name)?, kind, seed.into())?)
    }

    fn notes(&mut self) -> Outcome<()> {
        let mut keys = Vec::new();
        for name in ["example.com/log", "second", "naïve.example/ключ"] {
            let key = self.key(name, KeyKind::Ed25519)?;
            let vkey = key.verifier().to_string();
            self.fact(&["key", &key.to_text(), &vkey])?;
            for _ in 0..100 {
                if let Ok(other) = String::from_utf8(self.flip(vkey.as_bytes()))
                    && !other.contains(['\t', '\n', '\r', ' '])
                {
                    self.fact(&["vkey", verdict(VerifierKey::parse(&other).is_ok()), &other])?;
                }
            }
            keys.push(key);
        }
        let witness = self.key("witness", KeyKind::Cosignature)?;
        for round in 0..40_u64 {
            let size = self.size();
            let checkpoint = Checkpoint::new("go.sum database tree", size, root(size, &self.grown)?)?;
            let (size, text) = (size.to_string(), checkpoint.to_string());
            let tree_root = checkpoint.root().to_string();
            self.fact(&["checkpoint", &size, &tree_root, &STANDARD.encode(&text)])?;
            let other_text = format!("some text\n\n{round} é \u{2014} x\n");
            let mut note = Note::new(if round % 2 == 0 { &text } else { &other_text })?;
            let time_s = self.below(1 << 62);
            for key in keys
                .iter()
                .cycle()
                .skip(usize::try_from(round % 3)?)
                .take(2)
                .chain([&witness])
            {
                note.sign(key, time_s);
            }
            let bytes = note.to_string().into_bytes();
            let all: Vec<&VerifierKey> = keys.iter().chain([&witness]).map(SigningKey::verifier).collect();
            for at in 0..8_usize {
                let known: Vec<&VerifierKey> = all.iter().copied().cycle().skip(at % 4).take(2).collect();
                self.note(&bytes, &known)?;
                let flipped = self.flip(&bytes);
                self.note(&flipped, &known)?;
                let flipped = self.flip(&bytes);
                self.note(&flipped, &all)?;
            }
        }
        Ok(())
    }

    fn note(&mut self, bytes: &[u8], known: &[&VerifierKey]) -> Outcome<()> {
        let vkeys: Vec<String> = known.iter().map(ToString::to_string).collect();
        let names = crate::check::open(bytes, known.iter().copied());
        self.fact(&[
            "note",
            verdict(names.is_some()),
            &vkeys.join(" "),
            &names.unwrap_or_default(),
            &STANDARD.encode(bytes),
        ])
    }

    fn proof_files(&mut self) -> Outcome<()> {
        let key = self.key("example.com/log", KeyKind::Ed25519)?;
        let vkey = key.verifier().to_string();
        let policy = Policy::parse(format!("log {vkey}\nquorum none\n").as_bytes())?;
        for round in 0..30 {
            let size = self.size();
            let index = self.below(size);
            let checkpoint = Checkpoint::new("example.com/log", size, root(size, &self.grown)?)?;
            let signed = SignedCheckpoint::sign(checkpoint, &key, 0)?;
            let extra = if round % 2 == 0 { record(index) } else { Vec::new() };
            let file = Proof::new(index, inclusion(index, size, &self.grown)?, signed, extra).to_string();
            let leaf = Hash::leaf(&record(index));
            for at in 0..20 {
                let bytes = if at == 0 {
                    file.clone().into_bytes()
                } else {
                    self.flip(file.as_bytes())
                };
                let good = Proof::parse(&bytes).is_ok_and(|it| it.verify(&leaf, &policy).is_ok());
                self.fact(&[
                    "proof",
                    verdict(good),
                    &vkey,
                    &leaf.to_string(),
                    &STANDARD.encode(bytes),
                ])?;
            }
        }
        Ok(())
    }

    fn trees(&mut self) -> Outcome<()> {
        for size in 1..=300 {
            self.root(size)?;
        }
        for (size, index) in (1..=20_u64).flat_map(|size| (0..size).map(move |index| (size, index))) {
            self.inclusion(index, size)?;
            self.consistency(index.saturating_add(1), size)?;
        }
        for _ in 0..200 {
            let size = self.size();
            self.root(size)?;
            let index = self.below(size);
            self.inclusion(index, size)?;
            let old = self.below(size).saturating_add(1);
            self.consistency(old, size)?;
            let old = self.below(size.saturating_add(1));
            let mut grown: Vec<String> = tile::for_growth(old, size).iter().map(Tile::path).collect();
            grown.sort();
            self.fact(&["growth", &old.to_string(), &size.to_string(), &grown.join(" ")])?;
        }
        Ok(())
    }

    fn root(&mut self, size: u64) -> Outcome<()> {
        let root = root(size, &self.grown)?.to_string();
        self.fact(&["root", &size.to_string(), &root])
    }

    fn inclusion(&mut self, index: u64, size: u64) -> Outcome<()> {
        let proof = inclusion(index, size, &self.grown)?;
        let (root, leaf) = (root(size, &self.grown)?, Hash::leaf(&record(index)));
        for (proof, index, size) in self.near(&proof, index, size) {
            let good = check_inclusion(&leaf, index, size, &proof, &root).is_ok();
            self.fact(&[
                "inclusion",
                verdict(good),
                &index.to_string(),
                &size.to_string(),
                &root.to_string(),
                &leaf.to_string(),
                &words(&proof),
            ])?;
        }
        Ok(())
    }

    fn consistency(&mut self, old: u64, new: u64) -> Outcome<()> {
        let proof = consistency(old, new, &self.grown)?;
        let (old_root, new_root) = (root(old, &self.grown)?, root(new, &self.grown)?);
        for (proof, old, new) in self.near(&proof, old, new) {
            let good = check_consistency(old, &old_root, new, &new_root, &proof).is_ok();
            self.fact(&[
                "consistency",
                verdict(good),
                &old.to_string(),
                &old_root.to_string(),
                &new.to_string(),
                &new_root.to_string(),
                &words(&proof),
            ])?;
        }
        Ok(())
    }

    /// A proof, and what is near it.
    fn near(&mut self, proof: &[Hash], a: u64, b: u64) -> Vec<(Vec<Hash>, u64, u64)> {
        let (more_a, more_b) = (a.saturating_add(1), b.saturating_add(1));
        let mut all: Vec<_> = [(a, b), (more_a, b), (a, more_b), (more_a, more_b)]
            .map(|(a, b)| (proof.to_vec(), a, b))
            .into();
        if a > 1 {
            let less_a = a.saturating_sub(1);
            all.extend([b, b.saturating_sub(1)].map(|b| (proof.to_vec(), less_a, b)));
        }
        all.push(([proof, &[Hash::EMPTY]].concat(), a, b));
        if let ([_, rest @ ..], [but_last @ .., last]) = (proof, proof) {
            let other = self
                .flip(last.as_bytes())
                .try_into()
                .map_or(Hash::EMPTY, Hash::from_bytes);
            all.push((rest.to_vec(), a, b));
            all.push((but_last.to_vec(), a, b));
            all.push(([but_last, &[other]].concat(), a, b));
        }
        all
    }

    fn tiles(&mut self) -> Outcome<()> {
        for tile in tile::for_growth(0, TREE_SIZE) {
            let bytes = STANDARD.encode(self.grown.tile(&tile)?);
            self.fact(&["tile", &TREE_SIZE.to_string(), &tile.path(), &bytes])?;
        }
        for index in 0..10 {
            let width = u16::try_from(self.below(256).saturating_add(1))?;
            let tile = Tile::new(TileLevel::Entries, index, width).ok_or("a width")?;
            self.fact(&["bundle", &tile.path(), &STANDARD.encode(bundle(&tile)?)])?;
        }
        Ok(())
    }

    fn paths(&mut self) -> Outcome<()> {
        for _ in 0..500 {
            let level = match u8::try_from(self.below(65))? {
                64 => TileLevel::Entries,
                level => TileLevel::Hashes(level),
            };
            // Six groups at most: the other side counts in 63 bits.
            let end = 2_u64.saturating_pow(u32::try_from(self.below(59))?.saturating_add(1));
            let (index, width) = (self.below(end), u16::try_from(self.below(256).saturating_add(1))?);
            let path = Tile::new(level, index, width).ok_or("a tile")?.path();
            self.fact(&["path", "ok", &path])?;
            for _ in 0..4 {
                // The other side has no limit to levels.
                if let Ok(other) = String::from_utf8(self.flip(path.as_bytes()))
                    && !other.contains(['\t', '\n', '\r'])
                    && Tile::parse(&other) != Err(tile::PathError::Level)
                {
                    self.fact(&["path", verdict(Tile::parse(&other).is_ok()), &other])?;
                }
            }
        }
        Ok(())
    }
}

fn verdict(good: bool) -> &'static str {
    if good { "ok" } else { "bad" }
}

fn words(hashes: &[Hash]) -> String {
    let mut words = String::new();
    for hash in hashes {
        let space = if words.is_empty() { "" } else { " " };
        let _written = write!(words, "{space}{hash}");
    }
    words
}
