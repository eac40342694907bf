//! Models that verify, and the many ways in which one must not.

mod certified;
mod forged;
mod opened;
mod rig;
mod sigstore;
mod tampered;

use std::fs;
use std::num::NonZeroU64;

use proptest::prelude::*;
use testudo_types::UnixMillis;

use super::hashing::{Digest, Hasher};
use super::keys::Curve;
use super::statement::{self, Names};
use super::*;
use rig::{Rig, key, options, unwatched};

/// After everything that a test writes.
const LATER: UnixMillis = UnixMillis(4_102_444_800_000);

#[test]
fn what_is_signed_verifies_for_every_curve_hash_and_method() {
    let rig = Rig::new();
    for curve in [Curve::P256, Curve::P384, Curve::P521] {
        let key = key(curve);
        for hash in [HashKind::Sha256, HashKind::Blake2b, HashKind::Blake3] {
            for method in [Method::Files, Method::Shards(NonZeroU64::new(4).unwrap())] {
                let mut options = options();
                options.hash = hash;
                options.method = method;
                let signed = sign(&rig.model(), &Signer::Key(key.signing()), &options, &unwatched).unwrap();
                let verified = Bundle::parse(&signed.bundle)
                    .unwrap()
                    .verify(&key.trust(), Legacy::Refuse)
                    .unwrap();
                assert_eq!(*verified.manifest(), signed.manifest);
                let comparison = rig.compare(&verified).unwrap();
                assert!(comparison.is_same(), "{curve:?} {hash:?} {method:?} {comparison:?}");
            }
        }
    }
}

#[test]
fn digests_and_root_are_those_of_the_published_vector() {
    let rig = Rig::empty();
    rig.write("signme-1", b"signme-1\n");
    let mut manifest = digest(&rig.model(), &options(), &unwatched).unwrap().manifest;
    assert_eq!(
        manifest.resources[0].digest.to_hex(),
        "bc9a717db6064a32cbe9eae6fc40651dd6d36ef1757183f590eff2b1765d7ebc"
    );
    let second = "32dcb1f8e1ae52d5963e56a6ba06ab58b424c15ed2a6b70d2feca1d089370028";
    manifest.resources.push(Resource {
        place: Place::File(ResourceName::parse("signme-2").unwrap()),
        digest: Digest::from_hex(HashKind::Sha256, second).unwrap(),
    });
    assert_eq!(
        manifest.root_hex(),
        "92745110b1ab4368471cbe31664e10174e954b113a3df333db860317b2c6dec4"
    );
}

#[test]
fn a_key_is_named_by_its_pem_text_whatever_stands_around_it() {
    let key = key(Curve::P384);
    let plain = key.signing().public().clone();
    let framed = format!("some text before\n{}and after\n", plain.to_pem());
    assert_eq!(VerifyingKey::from_pem(framed.as_bytes()).unwrap(), plain);
    assert!(plain.to_pem().lines().all(|line| line.len() <= 64));
    assert_eq!(plain.hint().len(), 64);
}

#[test]
fn a_single_file_is_called_by_its_own_name() {
    let rig = Rig::empty();
    rig.write("weights.bin", b"abc");
    let model = Model::open(&rig.path().join("weights.bin"), Links::Refuse).unwrap();
    let signed = digest(&model, &options(), &unwatched).unwrap();
    assert_eq!(signed.manifest.name, "weights.bin");
    assert_eq!(signed.manifest.resources[0].place.to_name(), "weights.bin");
}

#[test]
fn a_single_file_may_have_no_name_as_the_reference_implementation_has_it() {
    let rig = Rig::empty();
    rig.write("weights.bin", b"0123456789");
    let model = |name: &str| Model::open(&rig.path().join(name), Links::Refuse).unwrap();
    let key = key(Curve::P256);
    for method in [Method::Files, Method::Shards(NonZeroU64::new(4).unwrap())] {
        let mut options = options();
        options.reference_names = true;
        options.method = method;
        let signer = Signer::Key(key.signing());
        let signed = sign(&model("weights.bin"), &signer, &options, &unwatched).unwrap();
        let verified = key.verify(&signed.bundle).unwrap();
        assert!(verified.manifest().is_nameless);
        let compare = |name: &str| verified.compare(&model(name), &rig::lookup(), &unwatched);
        assert!(compare("weights.bin").unwrap().is_same());
        rig.write("renamed.bin", b"0123456789");
        assert!(compare("renamed.bin").unwrap().is_same());
        rig.write("renamed.bin", b"0123456780");
        assert!(!compare("renamed.bin").unwrap().is_same());
        assert!(matches!(compare("."), Err(CompareError::Single)));
    }
}

#[test]
fn odd_names_are_signed_as_they_are() {
    let rig = Rig::empty();
    for name in ["a:0:5", "b c", "ä\n\u{202e}", "q\"\\", "-rf", "a.d/x", "a/y", "a-z"] {
        rig.write(name, b"12345");
    }
    for method in [Method::Files, Method::Shards(NonZeroU64::new(3).unwrap())] {
        let mut options = options();
        options.method = method;
        let key = key(Curve::P256);
        let signed = sign(&rig.model(), &Signer::Key(key.signing()), &options, &unwatched).unwrap();
        let names: Vec<_> = signed.manifest.resources.iter().map(|it| it.place.to_name()).collect();
        assert!(names.is_sorted(), "{names:?}");
        let verified = key.verify(&signed.bundle).unwrap();
        assert!(rig.compare(&verified).unwrap().is_same());
    }
}

#[test]
fn files_without_content_have_no_pieces_and_are_no_strangers_then() {
    let rig = Rig::empty();
    rig.write("empty", b"");
    rig.write("full", b"12345");
    let mut options = options();
    options.method = Method::Shards(NonZeroU64::new(3).unwrap());
    let key = key(Curve::P256);
    let signed = sign(&rig.model(), &Signer::Key(key.signing()), &options, &unwatched).unwrap();
    assert_eq!(signed.manifest.resources.len(), 2);
    let verified = key.verify(&signed.bundle).unwrap();
    assert!(rig.compare(&verified).unwrap().is_same());
    rig.write("empty", b"no longer");
    assert_eq!(rig.compare(&verified).unwrap().unsigned.len(), 1);
}

#[test]
fn the_signature_may_lie_in_the_model() {
    let rig = Rig::new();
    let key = key(Curve::P256);
    let mut options = options();
    let own = rig.model().name_of(&rig.path().join("model.sig")).unwrap();
    options.scope.leave_out(own);
    let signed = sign(&rig.model(), &Signer::Key(key.signing()), &options, &unwatched).unwrap();
    rig.write("model.sig", &signed.bundle);
    let verified = key.verify(&signed.bundle).unwrap();
    let comparison = rig.compare(&verified).unwrap();
    assert!(comparison.is_same());
    assert_eq!(comparison.excused.len(), 1);
}

#[test]
fn unchanged_files_are_not_read_again_and_changed_ones_are() {
    let rig = Rig::new();
    let key = key(Curve::P256);
    let signer = Signer::Key(key.signing());
    let mut options = options();
    options.now = LATER;
    let first = sign(&rig.model(), &signer, &options, &unwatched).unwrap();
    let verified = key.verify(&first.bundle).unwrap();
    rig.write("README.md", b"edited");
    let remembered = Remembered::parse(&first.remembered.to_bytes().unwrap()).unwrap();
    options.earlier = Some((&verified, &remembered));
    let second = sign(&rig.model(), &signer, &options, &unwatched).unwrap();
    assert_eq!(second.bytes - second.bytes_reused, 6);
    options.earlier = None;
    let whole = digest(&rig.model(), &options, &unwatched).unwrap();
    assert_eq!(second.manifest, whole.manifest);
    // Another signature's memory, and one of files that were touched as it was made.
    let other = key.verify(&second.bundle).unwrap();
    options.earlier = Some((&other, &remembered));
    assert!(digest(&rig.model(), &options, &unwatched).is_err());
    options.now = UnixMillis(0);
    options.earlier = None;
    let early = digest(&rig.model(), &options, &unwatched).unwrap().remembered;
    options.earlier = Some((&other, &early));
    assert_eq!(digest(&rig.model(), &options, &unwatched).unwrap().bytes_reused, 0);
}

#[test]
fn ten_thousand_files_are_signed_and_verified() {
    let rig = Rig::empty();
    for folder in 0..10 {
        fs::create_dir(rig.path().join(folder.to_string())).unwrap();
        for file in 0..1_000 {
            fs::write(rig.path().join(format!("{folder}/{file}")), [b'x']).unwrap();
        }
    }
    let key = key(Curve::P256);
    let signed = sign(&rig.model(), &Signer::Key(key.signing()), &options(), &unwatched).unwrap();
    assert_eq!(signed.manifest.resources.len(), 10_000);
    let verified = key.verify(&signed.bundle).unwrap();
    assert!(rig.compare(&verified).unwrap().is_same());
}

fn names() -> impl Strategy<Value = Vec<String>> {
    prop::collection::btree_set("[a-c:./-]{1,6}", 1..8).prop_map(|set| {
        set.into_iter()
            .filter(|name| ResourceName::parse(name).is_ok())
            .collect()
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(names in names(), shard in 0u64..5, ignored in names()) {
        let method = NonZeroU64::new(shard).map_or(Method::Files, Method::Shards);
        let mut hasher = Hasher::new(HashKind::Sha256);
        hasher.update(b"x");
        let digest: Digest = hasher.finish();
        let resources = names.iter().map(|name| {
            let file = ResourceName::parse(name).unwrap();
            let place = match method {
                Method::Files => Place::File(file),
                Method::Shards(size) => Place::Shard { file, start: 0, end: size.get() },
            };
            Resource { place, digest: digest.clone() }
        });
        let mut manifest = Manifest {
            name: "m".into(), method, hash: HashKind::Sha256, follows_links: false, ignored, is_nameless: false,
            resources: resources.collect(),
        };
        manifest.sort();
        for piece_names in [Names::Specification, Names::Reference] {
            let written = statement::write(&manifest, piece_names).unwrap();
            match statement::read(&written) {
                Ok(read) => prop_assert_eq!(&read, &manifest),
                Err(error) => prop_assert!(manifest.resources.is_empty(), "{}", error),
            }
        }
    }

    #[test]
    fn damaged_bundles_never_verify(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let rig = Rig::new();
        let key = key(Curve::P256);
        let mut bundle = rig.signed(&key);
        let at = at.index(bundle.len());
        bundle[at] ^= 1 << bit;
        if let Ok(verified) = key.verify(&bundle) {
            // What is not signed may change: the name of nobody's key, and letters of no meaning.
            prop_assert!(rig.compare(&verified).unwrap().is_same());
        }
    }

    #[test]
    fn no_bytes_crash_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _parsed = Bundle::parse(&bytes);
        let _read = statement::read(&bytes);
        let _legacy = legacy::read(&bytes);
    }
}
