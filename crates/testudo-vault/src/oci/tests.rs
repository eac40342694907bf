//! What is written is read again; blobs, names and archives that lie are refused.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use super::archive::{Archive, ArchiveFault};
use super::*;
use crate::signing::ResourceName;

const CONFIG: &str = r#"{"descriptor":{"name":"m"},"config":{},"modelfs":{"type":"layers","diffIds":DIFF}}"#;

fn write(to: &Path, files: &[(&str, &[u8])]) -> Written {
    let mut writer = LayoutWriter::create(to).unwrap();
    for (name, content) in files {
        let mut rest = *content;
        let name = ResourceName::parse(name).unwrap();
        writer
            .file(&name, LayerKind::Weight, &mut |into| {
                let count = rest.len().min(into.len());
                into[..count].copy_from_slice(&rest[..count]);
                rest = &rest[count..];
                Ok(count)
            })
            .unwrap();
    }
    let ids = serde_json::to_string(&writer.diff_ids()).unwrap();
    writer.vouch(BUNDLE_TYPE, b"{\"signature\":1}").unwrap();
    writer.vouch(BILL_TYPE, b"{\"bill\":1}").unwrap();
    writer.finish(CONFIG.replace("DIFF", &ids).as_bytes(), "prod").unwrap()
}

fn unpack(layout: &Path, folder: &Path) -> Result<Vec<ResourceName>, OciError> {
    fs::create_dir_all(folder).unwrap();
    Layout::open(layout)?.model(None)?.unpack(folder, Budget::default())
}

#[test]
fn what_is_written_is_read_again() {
    let temp = tempfile::tempdir().unwrap();
    let (at, to) = (temp.path().join("layout"), temp.path().join("out"));
    let files: [(&str, &[u8]); 3] = [("a/b.bin", b"weights"), ("config.json", b"{}"), ("empty", b"")];
    let written = write(&at, &files);
    assert_eq!((written.layers, written.referrers), (3, 2));
    let names = unpack(&at, &to).unwrap();
    assert_eq!(names.len(), 3);
    for (name, content) in files {
        assert_eq!(testudo_bounded::read_file(to.join(name), 100).unwrap(), content);
    }
    let layout = Layout::open(&at).unwrap();
    let model = layout.model(Some("prod")).unwrap();
    assert_eq!(model.digest(), written.digest);
    let referrers = model.referrers().unwrap();
    assert_eq!(referrers[0].artifact_type, BUNDLE_TYPE);
    assert_eq!(referrers[0].content, b"{\"signature\":1}");
    assert!(matches!(layout.model(Some("other")), Err(OciError::NoModel(_))));
    assert!(matches!(LayoutWriter::create(&at), Err(OciError::Exists { .. })));
    let again = temp.path().join("again");
    assert_eq!(write(&again, &files), written, "the same model is the same layout");
}

#[test]
fn a_changed_blob_is_refused_wherever_it_is() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path().join("layout");
    write(&at, &[("a.bin", b"weights"), ("config.json", b"{}!")]);
    let blobs: Vec<_> = fs::read_dir(at.join("blobs/sha256"))
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    // Two layers, configuration, manifest, two vouchers, their manifests, and the empty configuration of those.
    assert_eq!(blobs.len(), 9);
    for (number, path) in blobs.iter().enumerate() {
        let sound = testudo_bounded::read_file(path, 1 << 20).unwrap();
        let refused = |what: &str| {
            let to = temp.path().join(format!("out-{number}-{what}"));
            let read = unpack(&at, &to).and_then(|_| Layout::open(&at)?.model(None)?.referrers().map(drop));
            assert!(read.is_err() || sound == b"{}", "{what} of {}", path.display());
        };
        let mut changed = sound.clone();
        changed[0] ^= 1;
        fs::write(path, &changed).unwrap();
        refused("change");
        fs::write(path, &sound[..sound.len() - 1]).unwrap();
        refused("cut");
        fs::write(path, [sound.as_slice(), b"x"].concat()).unwrap();
        refused("more");
        fs::remove_file(path).unwrap();
        refused("gone");
        fs::write(temp.path().join("elsewhere"), &sound).unwrap();
        std::os::unix::fs::symlink(temp.path().join("elsewhere"), path).unwrap();
        refused("link");
        fs::remove_file(path).unwrap();
        fs::write(path, &sound).unwrap();
    }
    unpack(&at, &temp.path().join("fine")).unwrap();
}

/// A member of a tar archive.
fn member(name: &[u8], kind: u8, content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    header[..name.len()].copy_from_slice(name);
    header[100..107].copy_from_slice(b"0000644");
    header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    header[156] = kind;
    header[257..263].copy_from_slice(b"ustar\0");
    header[148..156].fill(b' ');
    let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let mut member = header.to_vec();
    member.extend_from_slice(content);
    member.resize(member.len().next_multiple_of(512), 0);
    member
}

fn read(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, ArchiveFault> {
    let mut archive = Archive::new(bytes);
    let mut found = Vec::new();
    while let Some((name, size)) = archive.next_file()? {
        let mut content = Vec::new();
        archive.content(size, &mut |part| {
            content.extend_from_slice(part);
            Ok(())
        })?;
        found.push((name.to_string(), content));
    }
    Ok(found)
}

const END: [u8; 1024] = [0; 1024];

#[test]
fn archives_of_plain_files_are_read() {
    let long = "d/".repeat(80) + "file";
    let record = format!(" path={long}\n");
    let record = format!("{}{record}", record.len() + 3);
    let bytes = [
        member(b"./a.bin", b'0', b"one"),
        member(b"sub/", b'5', b""),
        member(b"pax", b'x', record.as_bytes()),
        member(b"short", b'0', b"two"),
        member(b"././@LongLink", b'L', b"sub/long\0"),
        member(b"short", b'0', b""),
        member(b"comment", b'g', b"13 comment=x\n"),
        END.to_vec(),
    ]
    .concat();
    let found = read(&bytes).unwrap();
    let names: Vec<&str> = found.iter().map(|it| it.0.as_str()).collect();
    assert_eq!(names, ["a.bin", long.as_str(), "sub/long"]);
    assert_eq!(found[1].1, b"two");
}

#[test]
fn archives_that_programs_read_differently_are_refused() {
    let file = |name: &[u8]| [member(name, b'0', b"x"), END.to_vec()].concat();
    let mut sum = file(b"a");
    sum[0] = b'b';
    for (what, bytes) in [
        ("nothing", Vec::new()),
        ("no end", member(b"a", b'0', b"x")),
        ("one block of zeros", [member(b"a", b'0', b"x"), vec![0; 512]].concat()),
        ("half a block", [file(b"a"), vec![0; 100]].concat()),
        ("more behind the end", [file(b"a"), member(b"b", b'0', b"x")].concat()),
        ("sum", sum),
        ("up", file(b"../a")),
        ("up within", file(b"a/../../b")),
        ("absolute", file(b"/etc/passwd")),
        ("no name", file(b"")),
        ("folder as file", file(b"a/")),
        ("not UTF-8", file(b"\xff")),
        ("symbolic link", [member(b"a", b'2', b""), END.to_vec()].concat()),
        ("hard link", [member(b"a", b'1', b""), END.to_vec()].concat()),
        ("device", [member(b"a", b'3', b""), END.to_vec()].concat()),
        ("pipe", [member(b"a", b'6', b""), END.to_vec()].concat()),
        ("sparse", [member(b"a", b'S', b""), END.to_vec()].concat()),
        (
            "a name for all",
            [member(b"g", b'g', b"10 path=x\n"), file(b"a")].concat(),
        ),
        ("records", [member(b"x", b'x', b"99 path=x\n"), file(b"a")].concat()),
        (
            "a record twice",
            [member(b"x", b'x', b"10 path=x\n10 path=y\n"), file(b"a")].concat(),
        ),
        (
            "two names",
            [
                member(b"x", b'x', b"10 path=x\n"),
                member(b"l", b'L', b"y\0"),
                file(b"a"),
            ]
            .concat(),
        ),
        (
            "a size beyond",
            [member(b"x", b'x', b"16 size=9999999\n"), file(b"a")].concat(),
        ),
        (
            "a header for nothing",
            [member(b"x", b'x', b"10 path=x\n"), END.to_vec()].concat(),
        ),
    ] {
        assert!(read(&bytes).is_err(), "{what}");
    }
}

/// A layout around one layer, as somebody else packs it.
fn packed(at: &Path, media_type: &str, name: Option<&str>, blob: &[u8], unpacked: &[u8]) {
    let digest = |bytes: &[u8]| {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
        crate::hex::encode(digest.as_ref())
    };
    fs::create_dir_all(at.join("blobs/sha256")).unwrap();
    let put = |bytes: &[u8]| {
        fs::write(at.join("blobs/sha256").join(digest(bytes)), bytes).unwrap();
        format!("\"digest\":\"sha256:{}\",\"size\":{}", digest(bytes), bytes.len())
    };
    let config = put(CONFIG
        .replace("DIFF", &format!("[\"sha256:{}\"]", digest(unpacked)))
        .as_bytes());
    let layer = put(blob);
    let annotations = name.map_or_else(String::new, |name| {
        format!(",\"annotations\":{{\"org.opencontainers.image.title\":{name:?}}}")
    });
    let manifest = put(format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\
             \"artifactType\":\"{ARTIFACT_TYPE}\",\"config\":{{\"mediaType\":\"{CONFIG_TYPE}\",{config}}},\
             \"layers\":[{{\"mediaType\":\"{media_type}\",{layer}{annotations}}}]}}"
    )
    .as_bytes());
    let index = format!(
        "{{\"schemaVersion\":2,\"manifests\":[{{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",{manifest}}}]}}"
    );
    fs::write(at.join("index.json"), index).unwrap();
    fs::write(at.join("oci-layout"), "{\"imageLayoutVersion\": \"1.0.0\"}").unwrap();
}

fn two_files() -> Vec<u8> {
    [
        member(b"a/x.bin", b'0', b"x"),
        member(b"y.bin", b'0', b"y"),
        END.to_vec(),
    ]
    .concat()
}

#[test]
fn layers_of_others_are_unpacked_or_refused() {
    let temp = tempfile::tempdir().unwrap();
    let tar = two_files();
    let twice = [member(b"a", b'0', b"x"), member(b"a", b'0', b"y"), END.to_vec()].concat();
    let below = [member(b"a", b'0', b"x"), member(b"a/b", b'0', b"y"), END.to_vec()].concat();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar).unwrap();
    let gzip = gzip.finish().unwrap();
    let weight = |packing: &str| format!("application/vnd.cncf.model.weight.v1.{packing}");
    type Case<'c> = (&'c str, String, Option<&'c str>, &'c [u8], &'c [u8], bool);
    let cases: [Case<'_>; 14] = [
        ("raw", weight("raw"), Some("w.bin"), b"w", b"w", true),
        ("tar", weight("tar"), None, &tar, &tar, true),
        ("gzip", weight("tar+gzip"), None, &gzip, &tar, true),
        (
            "configuration",
            "application/vnd.cncf.model.weight.config.v1.raw".to_owned(),
            Some("c"),
            b"w",
            b"w",
            true,
        ),
        ("zstd", weight("tar+zstd"), None, &tar, &tar, false),
        (
            "image",
            "application/vnd.oci.image.layer.v1.tar".to_owned(),
            None,
            &tar,
            &tar,
            false,
        ),
        ("nameless", weight("raw"), None, b"w", b"w", false),
        ("up", weight("raw"), Some("../w"), b"w", b"w", false),
        ("absolute", weight("raw"), Some("/w"), b"w", b"w", false),
        ("twice", weight("tar"), None, &twice, &twice, false),
        ("file and folder", weight("tar"), None, &below, &below, false),
        ("another content", weight("tar+gzip"), None, &gzip, b"other", false),
        (
            "cut gzip",
            weight("tar+gzip"),
            None,
            &gzip[..gzip.len() - 9],
            &tar,
            false,
        ),
        ("no archive", weight("tar"), None, b"x", b"x", false),
    ];
    for (what, media_type, name, blob, unpacked, fine) in cases {
        let at = temp.path().join(what);
        packed(&at, &media_type, name, blob, unpacked);
        let read = unpack(&at, &temp.path().join(format!("{what}-out")));
        assert_eq!(read.is_ok(), fine, "{what}: {read:?}");
        assert!(!temp.path().join("w").exists());
    }
}

#[test]
fn no_more_comes_out_than_is_allowed() {
    let temp = tempfile::tempdir().unwrap();
    let tar = two_files();
    let at = temp.path().join("budget");
    packed(&at, "application/vnd.cncf.model.weight.v1.tar", None, &tar, &tar);
    for budget in [
        Budget {
            bytes_max: 1,
            files_max: 9,
        },
        Budget {
            bytes_max: 9,
            files_max: 1,
        },
    ] {
        let to = temp.path().join(format!("budget-{}", budget.bytes_max));
        fs::create_dir(&to).unwrap();
        let layout = Layout::open(&at).unwrap();
        let read = layout.model(None).unwrap().unpack(&to, budget);
        assert!(matches!(read, Err(OciError::Budget { .. })), "{budget:?}");
    }
}

#[test]
fn unsound_documents_are_refused() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path().join("layout");
    write(&at, &[("a.bin", b"weights")]);
    let index = testudo_bounded::read_text(at.join("index.json"), 1 << 20).unwrap();
    let digest = index.split("sha256:").nth(1).unwrap().get(..64).unwrap().to_owned();
    for (from, to) in [
        ("\"schemaVersion\":2", "\"schemaVersion\":1"),
        ("\"schemaVersion\":2", "\"schemaVersion\":2,\"schemaVersion\":2"),
        ("\"manifests\"", "\"layers\""),
        ("sha256:", "sha512:"),
        (&digest, &digest.to_uppercase()),
        (&digest, digest.get(1..).unwrap()),
        (&digest, "../../../../etc/passwd"),
        ("\"size\":", "\"size\":-"),
        ("\"size\":", "\"urls\":[\"https://example.org\"],\"size\":"),
        ("\"annotations\":{", "\"annotations\":{\"x\":1,"),
        ("image.index.v1", "image.index.v2"),
    ] {
        assert!(index.contains(from), "{from}");
        fs::write(at.join("index.json"), index.replace(from, to)).unwrap();
        let read = unpack(&at, &temp.path().join("out"));
        assert!(read.is_err(), "{from} -> {to}");
    }
    fs::write(at.join("index.json"), &index).unwrap();
    fs::write(at.join("oci-layout"), "{\"imageLayoutVersion\":\"2.0.0\"}").unwrap();
    assert!(matches!(Layout::open(&at), Err(OciError::NotALayout)));
}

proptest::proptest! {
    #[test]
    fn any_archive_is_read_or_refused(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..2000), kind in proptest::prelude::any::<u8>()) {
        let _read = read(&bytes);
        let _framed = read(&[member(b"a", kind, &bytes), END.to_vec()].concat());
    }
}
