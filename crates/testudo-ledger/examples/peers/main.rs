//! Our side of `cargo xtask ledger-peers`: facts about notes, trees and tiles for a second implementation to judge,
//! and its facts judged.
//!
//! `peers make` writes facts, `peers check` reads them, `peers log FOLDER` writes a log's folder. A fact is a line of
//! fields separated by tabs; the first says its kind.

mod check;
mod grown;
mod make;

use std::error::Error;
use std::fs;
use std::io::{BufWriter, Write as _, stdin, stdout};
use std::path::Path;

use testudo_ledger::{Checkpoint, KeyKind, KeyName, SignedCheckpoint, SigningKey, TileLevel, tile, tree};

use crate::grown::Grown;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// As many as give tiles at three levels.
const TREE_SIZE: u64 = 66_000;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["make"] => {
            let mut out = BufWriter::new(stdout());
            make::make(&mut out)?;
            Ok(out.flush()?)
        }
        ["check"] => check::check(stdin().lock(), &mut stdout()),
        ["log", folder] => log(Path::new(folder)),
        _ => Err("usage: peers make | peers check | peers log FOLDER".into()),
    }
}

/// Writes a log of numbered records, as large as the tree of the facts.
fn log(folder: &Path) -> Outcome<()> {
    let grown = Grown::new(TREE_SIZE);
    let write = |path: &str, bytes: &[u8]| -> Outcome<()> {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        Ok(fs::write(path, bytes)?)
    };
    for tile in tile::for_growth(0, TREE_SIZE) {
        write(&tile.path(), &grown.tile(&tile)?)?;
    }
    for tile in tile::growth(TileLevel::Entries, 0, TREE_SIZE) {
        write(&tile.path(), &grown::bundle(&tile)?)?;
    }
    let seed = grown::random(&mut 0);
    let key = SigningKey::from_seed(KeyName::parse("example.com/log")?, KeyKind::Ed25519, seed.into())?;
    let checkpoint = Checkpoint::new("example.com/log", TREE_SIZE, tree::root(TREE_SIZE, &grown)?)?;
    let signed = SignedCheckpoint::sign(checkpoint, &key, 0)?;
    write("checkpoint", signed.to_string().as_bytes())?;
    write("policy", format!("log {}\nquorum none\n", key.verifier()).as_bytes())
}
