//! The other side's facts, judged here.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use testudo_ledger::tree::{check_consistency, check_inclusion, consistency, inclusion, root};
use testudo_ledger::{Checkpoint, Hash, Note, Policy, Proof, SigningKey, Tile, VerifierKey, tile};

use crate::grown::{Grown, bundle};
use crate::{Outcome, TREE_SIZE};

/// Reads facts, judges each anew, writes how many of each kind there were, and fails when one is judged differently.
pub(crate) fn check(facts: impl BufRead, out: &mut impl Write) -> Outcome<()> {
    let grown = Grown::new(TREE_SIZE);
    let mut counts: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut differing: u64 = 0;
    for line in facts.lines() {
        let line = line?;
        let fields: Vec<&str> = line.split('\t').collect();
        let (seen, stricter) = counts
            .entry(fields.first().copied().unwrap_or("").to_owned())
            .or_default();
        *seen = seen.saturating_add(1);
        match judge(&grown, &fields).map_err(|error| format!("{error}: {line}"))? {
            Judged::Same => {}
            Judged::Stricter => *stricter = stricter.saturating_add(1),
            Judged::Differs => {
                differing = differing.saturating_add(1);
                if differing <= 10 {
                    writeln!(std::io::stderr(), "DIFFERS: {line}")?;
                }
            }
        }
    }
    for (kind, (seen, stricter)) in counts {
        writeln!(out, "{kind}\t{seen}\t{stricter}")?;
    }
    match differing {
        0 => Ok(()),
        _ => Err(format!("{differing} facts are judged differently").into()),
    }
}

enum Judged {
    Same,
    /// We refuse what the other side takes, because it is a second way to write the same bytes.
    Stricter,
    Differs,
}

impl Judged {
    fn same(same: bool) -> Self {
        if same { Self::Same } else { Self::Differs }
    }

    fn verdict(good: bool, verdict: &str) -> Self {
        Self::same(good == (verdict == "ok"))
    }
}

fn judge(grown: &Grown, fact: &[&str]) -> Outcome<Judged> {
    Ok(match *fact {
        ["key", skey, vkey] => {
            let key = SigningKey::parse(skey)?;
            Judged::same(key.verifier().to_string() == vkey && *key.to_text() == skey)
        }
        ["vkey", verdict, vkey] => match (VerifierKey::parse(vkey).is_ok(), verdict) {
            (false, "ok") if VerifierKey::parse(&canonical_key(vkey)).is_ok() => Judged::Stricter,
            (good, verdict) => Judged::verdict(good, verdict),
        },
        ["note", verdict, vkeys, names, bytes] => note(verdict, vkeys, names, &decode(bytes)?)?,
        ["checkpoint", size, tree_root, text] => {
            let text = String::from_utf8(decode(text)?)?;
            let made = Checkpoint::new("go.sum database tree", size.parse()?, Hash::parse(tree_root)?)?;
            Judged::same(Checkpoint::parse(&text)? == made && made.to_string() == text)
        }
        ["root", size, text] => Judged::same(root(size.parse()?, grown)?.to_string() == text),
        ["inclusion", verdict, index, size, tree_root, leaf, proof] => {
            let (index, size) = (index.parse()?, size.parse()?);
            let (tree_root, proof) = (Hash::parse(tree_root)?, hashes(proof)?);
            let good = check_inclusion(&Hash::parse(leaf)?, index, size, &proof, &tree_root).is_ok();
            // A proof for the tree that we have too must be the one that we make.
            let ours = !good || root(size, grown)? != tree_root || inclusion(index, size, grown)? == proof;
            Judged::verdict(good && ours, verdict)
        }
        ["consistency", verdict, old, old_root, new, new_root, proof] => {
            let (old, new) = (old.parse()?, new.parse()?);
            let (old_root, new_root, proof) = (Hash::parse(old_root)?, Hash::parse(new_root)?, hashes(proof)?);
            let good = check_consistency(old, &old_root, new, &new_root, &proof).is_ok();
            let ours = !good || root(new, grown)? != new_root || consistency(old, new, grown)? == proof;
            Judged::verdict(good && ours, verdict)
        }
        ["growth", old, new, paths] => {
            let mut grown: Vec<String> = tile::for_growth(old.parse()?, new.parse()?)
                .iter()
                .map(Tile::path)
                .collect();
            grown.sort();
            Judged::same(grown.join(" ") == paths)
        }
        ["tile", _, path, bytes] => Judged::same(STANDARD.encode(grown.tile(&Tile::parse(path)?)?) == bytes),
        ["bundle", path, bytes] => {
            let (tile, bytes) = (Tile::parse(path)?, decode(bytes)?);
            let read = tile::bundle::decode(&bytes, tile.width())?;
            Judged::same(tile::bundle::encode(read)? == bytes && bundle(&tile)? == bytes)
        }
        ["path", verdict, path] => Judged::verdict(Tile::parse(path).is_ok_and(|it| it.path() == path), verdict),
        ["proof", verdict, vkey, leaf, bytes] => {
            let policy = Policy::parse(format!("log {vkey}\nquorum none\n").as_bytes())?;
            let leaf = Hash::parse(leaf)?;
            let good = Proof::parse(&decode(bytes)?).is_ok_and(|it| it.verify(&leaf, &policy).is_ok());
            Judged::verdict(good, verdict)
        }
        _ => return Err("an unknown kind of fact".into()),
    })
}

fn note(verdict: &str, vkeys: &str, names: &str, bytes: &[u8]) -> Outcome<Judged> {
    let keys: Result<Vec<VerifierKey>, _> = vkeys.split(' ').map(VerifierKey::parse).collect();
    let keys = keys?;
    Ok(match (open(bytes, &keys), verdict) {
        (Some(ours), "ok") => Judged::same(ours == names),
        (None, "ok") if open(canonical(std::str::from_utf8(bytes)?).as_bytes(), &keys).is_some() => Judged::Stricter,
        (ours, verdict) => Judged::verdict(ours.is_some(), verdict),
    })
}

/// Judges a note; the names of the known keys that signed, in the note's order.
pub(crate) fn open<'a>(bytes: &[u8], keys: impl IntoIterator<Item = &'a VerifierKey>) -> Option<String> {
    let verified = Note::parse(bytes).ok()?.verify(keys).ok()?;
    let names: Vec<&str> = verified.iter().map(|it| it.key.name().as_str()).collect();
    Some(names.join(" "))
}

fn decode(text: &str) -> Outcome<Vec<u8>> {
    Ok(STANDARD.decode(text).map_err(|error| error.to_string())?)
}

fn hashes(words: &str) -> Outcome<Vec<Hash>> {
    words.split_whitespace().map(|it| Ok(Hash::parse(it)?)).collect()
}

/// Takes bits behind the last byte, as Go's decoder does.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

fn encode_again(text: &str) -> String {
    LENIENT
        .decode(text)
        .map_or_else(|_| text.to_owned(), |it| STANDARD.encode(it))
}

/// A note whose signatures are in the one form that we read.
fn canonical(note: &str) -> String {
    let (text, signatures) = note.rsplit_once("\n\n").unwrap_or((note, ""));
    let lines = signatures.lines().map(|line| match line.rsplit_once(' ') {
        Some((front, encoded)) => format!("{front} {}\n", encode_again(encoded)),
        None => format!("{line}\n"),
    });
    format!("{text}\n\n{}", lines.collect::<String>())
}

/// A key in the one form that we read.
fn canonical_key(vkey: &str) -> String {
    match vkey.splitn(3, '+').collect::<Vec<_>>().as_slice() {
        [name, hash, key] => format!("{name}+{}+{}", hash.to_lowercase(), encode_again(key)),
        _ => vkey.to_owned(),
    }
}
