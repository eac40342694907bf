//! Loaders that take what no saver writes: further frames, old packings, settings that name what is called.

use testudo_formats::Verdict;

use super::check;

const CALL: &[u8] = b"cos\nsystem\n(S'marker'\ntR.";

/// A name, a text and what it comes to.
const SETTINGS: &[(&str, &str, Verdict)] = &[
    ("c.yaml", "model:\n  _target_: os.system\n", Verdict::Malicious),
    (
        "c.yaml",
        "model:\n  \"_target_\": 'builtins.eval'\n",
        Verdict::Malicious,
    ),
    ("c.yml", "model: {_target_: mine.Net}\n", Verdict::Suspicious),
    (
        "c.json",
        "{\"a\": {\"_target_\": \"subprocess.run\"}}",
        Verdict::Malicious,
    ),
    ("c.yaml", "a: !!python/object/apply:os.system [x]\n", Verdict::Malicious),
    ("c.yaml", "a: !!%70ython/object/new:os.system [x]\n", Verdict::Malicious),
    (
        "c.yaml",
        "%TAG !p! tag:yaml.org,2002:\n---\na: !p!python/name:os.system\n",
        Verdict::Malicious,
    ),
    ("c.yaml", "a: !!python/tuple [1, 2]\n", Verdict::Suspicious),
    ("c.yaml", "a: [1, 2]\nb: 10%\n", Verdict::Allowed),
    (
        "m/MLmodel",
        "flavors:\n  python_function:\n    loader_module: mine\n",
        Verdict::Suspicious,
    ),
    (
        "m/MLmodel",
        "flavors:\n  python_function:\n    loader_module: os\n",
        Verdict::Malicious,
    ),
    (
        "m/MLmodel",
        "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n",
        Verdict::Allowed,
    ),
    ("modules.json", "[{\"type\": \"mine.Thing\"}]", Verdict::Suspicious),
    (
        "modules.json",
        "[{\"type\": \"sentence_transformers.models.Pooling\"}]",
        Verdict::Allowed,
    ),
    (
        "model_index.json",
        "{\"unet\": [\"mine\", \"Thing\"]}",
        Verdict::Suspicious,
    ),
    (
        "model_index.json",
        "{\"unet\": [\"subprocess\", \"Popen\"]}",
        Verdict::Malicious,
    ),
    (
        "model_index.json",
        "{\"unet\": [\"diffusers\", \"UNet2DModel\"], \"x\": [null, null]}",
        Verdict::Allowed,
    ),
    ("saved_model.pbtxt", "node { op: \"Py\" 'Func' }", Verdict::Malicious),
    ("saved_model.pbtxt", "node { op: \"Relu\" }", Verdict::Allowed),
    (
        "tokenizer.json",
        "{\"pattern\": {\"Regex\": \"(a+)+$\"}}",
        Verdict::Suspicious,
    ),
    (
        "tokenizer.json",
        "{\"pattern\": {\"Regex\": \" ?\\\\p{L}+|\\\\s+(?!\\\\S)\"}}",
        Verdict::Allowed,
    ),
];

#[test]
fn settings_are_judged_by_what_they_name() {
    for (name, text, verdict) in SETTINGS {
        check(name, text.as_bytes(), *verdict);
    }
}

#[test]
fn pickles_that_nothing_calls_one_are_pickles_all_the_same() {
    for start in [
        &b"C\x01a0"[..],
        b"B\x01\0\0\0a0",
        b"I0x1f\n0",
        b"I1_000\n0",
        b"N.",
        b"K\x01.N.",
        b"Np1_0\n0g10\n0",
    ] {
        check("x.weights", &[start, CALL].concat(), Verdict::Malicious);
    }
    check("x.weights", b"cmy_module\nthing\n.", Verdict::Unknown);
    let long = [b"F".as_slice(), &vec![b'0'; 2 << 20], b"1\n0", CALL].concat();
    check("x.weights", &long, Verdict::Malicious);
    let marks = [vec![b'('; 26 << 20], CALL.to_vec()].concat();
    check("x.weights", &marks, Verdict::Malicious);
    // Words, some of which are opcodes.
    for text in [
        "cat\ndog\n.gitignore\n",
        "N.Y. and L.A.",
        "(in brackets)",
        "Basic things",
        "I0x",
    ] {
        check("words", text.as_bytes(), Verdict::Allowed);
    }
    // BINBYTES goes over 111 letters here; a line follows that is a memo key, a number or a name to an unpickler.
    for opcode in ["p", "g", "I", "F", "P", "c"] {
        let text = format!("Co{}{opcode}{}\n", "x".repeat(111), "and so on ".repeat(200_000));
        check("words", text.as_bytes(), Verdict::Allowed);
    }
}

#[test]
fn old_packings_and_further_frames_are_read() {
    let mut packer = flate2::write::ZlibEncoder::new(b"ZF0x1c               ".to_vec(), flate2::Compression::default());
    std::io::Write::write_all(&mut packer, CALL).unwrap_or_default();
    check("x.z", &packer.finish().unwrap_or_default(), Verdict::Malicious);
    // Frames with one raw block: magic, header (single segment, size), block header, content.
    let frame = |content: &[u8]| {
        let bytes = u8::try_from(content.len()).unwrap_or(u8::MAX);
        [
            &[0x28, 0xb5, 0x2f, 0xfd, 0x20, bytes, bytes << 3 | 1, bytes >> 5, 0][..],
            content,
        ]
        .concat()
    };
    let skipped = b"\x5a\x2a\x4d\x18\x03\0\0\0abc".to_vec();
    check("x.zst", &frame(b"harmless"), Verdict::Allowed);
    for whole in [
        frame(CALL),
        [skipped.clone(), frame(CALL)].concat(),
        [frame(b"N."), frame(CALL)].concat(),
        [frame(&CALL[..9]), skipped.clone(), frame(&CALL[9..])].concat(),
    ] {
        check("x.zst", &whole, Verdict::Malicious);
    }
    check("x.zst", &skipped[..9], Verdict::Unknown);
    check(
        "x.zst",
        &[frame(b"harmless"), b"rest".to_vec()].concat(),
        Verdict::Unknown,
    );
}

#[test]
fn operators_of_small_models_are_named() {
    let model = |name: &str| {
        let text = [
            &u32::try_from(name.len()).unwrap_or(0).to_le_bytes()[..],
            name.as_bytes(),
            &[0; 4],
        ]
        .concat();
        let mut out = b"\x14\0\0\0TFL3\x08\0\x0c\0\x04\0\x08\0\0\0\0\0".to_vec();
        // The model: back to its fields, its version, its operators.
        out.extend(b"\x0c\0\0\0\x03\0\0\0\x04\0\0\0");
        out.extend(b"\x01\0\0\0\x0c\0\0\0");
        // Of an operator: no old code, a name of its own.
        out.extend(b"\x08\0\x08\0\0\0\x04\0\x08\0\0\0\x04\0\0\0");
        out.extend(text);
        out
    };
    check("x.tflite", &model("FlexPyFunc"), Verdict::Malicious);
    check("x.tflite", &model("FlexReadFile"), Verdict::Unknown);
    check("x.tflite", &model("MyOperator"), Verdict::Suspicious);
    check("x.tflite", &model("FlexRelu"), Verdict::Allowed);
    check("x.tflite", &model("TFLite_Detection_PostProcess"), Verdict::Allowed);
    check("x.tflite", &model("MyOperator")[..40], Verdict::Unknown);
    // Labels are kept in a zip behind it, which is read.
    let empty = [b"PK\x05\x06".as_slice(), &[0; 18]].concat();
    check("x.tflite", &[model("FlexRelu"), empty].concat(), Verdict::Allowed);
}
