//! Headers that lie, graphs that reach outside, documents that ask for code.

#![expect(clippy::unwrap_used, reason = "a test that fails says so")]

use testudo_formats::Verdict;

use super::check;

fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    let length = u64::try_from(header.len()).unwrap().to_le_bytes();
    [&length, header.as_bytes(), data].concat()
}

fn gguf(tensors: u64, keys: u64, rest: &[u8]) -> Vec<u8> {
    let counts = [tensors.to_le_bytes(), keys.to_le_bytes()].concat();
    [b"GGUF\x03\x00\x00\x00", counts.as_slice(), rest].concat()
}

/// A field of a protocol buffer that holds bytes.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap();
    assert!(length < 128);
    [&[(number << 3) | 2, length], content].concat()
}

fn text(value: &str) -> Vec<u8> {
    let length = u64::try_from(value.len()).unwrap().to_le_bytes();
    [&length, value.as_bytes()].concat()
}

#[test]
fn tensors_fill_a_safetensors_file() {
    let one = |offsets: &str, data: &[u8]| {
        safetensors(
            &format!("{{\"a\":{{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":{offsets}}}}}"),
            data,
        )
    };
    check("x", &one("[0,4]", b"1234"), Verdict::Allowed);
    check("x", &one("[0,4]", b"12345"), Verdict::Suspicious);
    check("x", &one("[0,4]", b"123"), Verdict::Suspicious);
    check(
        "x",
        &one("[0,4]", b"1234\x80\x04\x8c\x02os\x8c\x06system\x93N\x85R."),
        Verdict::Malicious,
    );
    for wrong in [
        "[1,5]",
        "[0,3]",
        "[4,0]",
        "[0]",
        "[0,18446744073709551616]",
        "[0,4,4]",
        "\"x\"",
    ] {
        check("x", &one(wrong, b"1234"), Verdict::Unknown);
    }
    for header in [
        "{\"a\":1}",
        "{\"a\":{},\"a\":{}}",
        "{\"a\":{\"dtype\":\"F9\",\"shape\":[],\"data_offsets\":[0,0]}}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}",
        "{broken",
    ] {
        check("x.safetensors", &safetensors(header, b""), Verdict::Unknown);
    }
    for (key, value, verdict) in [
        ("a", "__import__('os')", Verdict::Suspicious),
        ("callback_url", "http://a.example/b", Verdict::Suspicious),
        ("Download-URL", "https://a.example/b", Verdict::Suspicious),
        ("modelspec.license", "https://a.example/b", Verdict::Allowed),
        ("downloads", "12", Verdict::Allowed),
    ] {
        let header = format!("{{\"__metadata__\":{{\"{key}\":\"{value}\"}}}}");
        check("x", &safetensors(&header, b""), verdict);
    }
}

#[test]
fn gguf_headers_fit_their_file() {
    check("x", &gguf(0, 0, b""), Verdict::Allowed);
    for lie in [
        gguf(u64::MAX, 0, b""),
        gguf(0, u64::MAX, b""),
        gguf(0, 1, b""),
        gguf(0, 1, &u64::MAX.to_le_bytes()),
        // An array of 2^60 texts, and one within arrays.
        gguf(
            0,
            1,
            &[
                text("k"),
                vec![9, 0, 0, 0, 8, 0, 0, 0],
                (1_u64 << 60).to_le_bytes().to_vec(),
            ]
            .concat(),
        ),
        gguf(0, 1, &[text("k"), [9_u8, 0, 0, 0].repeat(40)].concat()),
        gguf(
            0,
            1,
            &[text("general.alignment"), vec![4, 0, 0, 0, 7, 0, 0, 0]].concat(),
        ),
        // A tensor that is longer than the file.
        gguf(
            1,
            0,
            &[text("t"), vec![1, 0, 0, 0], vec![0xff; 8], vec![0; 12]].concat(),
        ),
        gguf(1, 0, &[text("t"), vec![5, 0, 0, 0]].concat()),
        b"GGUF\x09\x00\x00\x00".to_vec(),
    ] {
        check("x", &lie, Verdict::Unknown);
    }
    let template = |value: &str| {
        gguf(
            0,
            1,
            &[text("tokenizer.chat_template"), vec![8, 0, 0, 0], text(value)].concat(),
        )
    };
    check("x", &template("{{ messages[0]['content'] }}"), Verdict::Allowed);
    check("x", &template("{{ ''.__class__ }}"), Verdict::Malicious);
}

#[test]
fn graphs_stay_in_their_folder() {
    let model = |graph: &[u8]| [&b"\x08\x08"[..], &field(7, graph), &field(8, b"\x10\x11")].concat();
    let stored = |location: &str| {
        let entry = [field(1, b"location"), field(2, location.as_bytes())].concat();
        model(&field(5, &field(13, &entry)))
    };
    check("x", &model(&field(1, &field(4, b"Relu"))), Verdict::Allowed);
    check("x", &stored("weights/a.bin"), Verdict::Allowed);
    for location in ["../a", "/etc/passwd", "a/../../b", "http://a/b", "C:\\a", "..\\a"] {
        check("x", &stored(location), Verdict::Malicious);
    }
    let operator = |name: &str, domain: &str| {
        model(&field(
            1,
            &[field(4, name.as_bytes()), field(7, domain.as_bytes())].concat(),
        ))
    };
    check("x", &operator("PyOp", "com.microsoft"), Verdict::Malicious);
    check("x", &operator("Mine", "my.domain"), Verdict::Suspicious);
    check("x.onnx", b"\x08\x08\x3a\xff", Verdict::Unknown);
}

#[test]
fn operators_of_tensorflow_are_named() {
    let saved = |operator: &str| {
        let node = [field(1, b"n"), field(2, operator.as_bytes())].concat();
        [&b"\x08\x01"[..], &field(2, &field(2, &field(1, &node)))].concat()
    };
    check("saved_model.pb", &saved("MatMul"), Verdict::Allowed);
    check("saved_model.pb", &saved("ReadFile"), Verdict::Unknown);
    for operator in ["PyFunc", "EagerPyFunc", "WriteFile"] {
        check("saved_model.pb", &saved(operator), Verdict::Malicious);
    }
}

#[test]
fn documents_that_ask_for_code() {
    for (text, verdict) in [
        ("{\"hidden_size\": 3}", Verdict::Allowed),
        ("{\"auto_map\": {\"AutoModel\": \"m.M\"}}", Verdict::Suspicious),
        ("{\"x\": {\"custom_pipelines\": {}}}", Verdict::Suspicious),
        ("{\"chat_template\": \"{{ lipsum.x }}\"}", Verdict::Malicious),
        (
            "{\"class_name\": \"Dense\", \"module\": \"keras.layers\"}",
            Verdict::Allowed,
        ),
        ("{\"class_name\": \"Lambda\"}", Verdict::Malicious),
        ("{\"class_name\": \"system\", \"module\": \"os\"}", Verdict::Malicious),
        ("{\"class_name\": \"Net\", \"module\": \"mine\"}", Verdict::Unknown),
        ("{\"class_name\": \"TFSMLayer\"}", Verdict::Unknown),
        // Two readers could understand two documents; both are searched.
        (
            "{\"class_name\": \"Dense\", \"class_name\": \"Lambda\"}",
            Verdict::Malicious,
        ),
        ("{\"a\": NaN, \"auto_map\": 1}", Verdict::Suspicious),
    ] {
        check("config.json", text.as_bytes(), verdict);
    }
    let function = "{\"class_name\": \"function\", \"module\": \"keras.utils\", \"config\": \"get_file\"}";
    check("config.json", function.as_bytes(), Verdict::Malicious);
    let hdf5 = [
        b"\x89HDF\r\n\x1a\n".as_slice(),
        &[0; 99],
        b"{\"class_name\": \"Lambda\"}",
    ]
    .concat();
    check("x.h5", &hdf5, Verdict::Malicious);
}

#[test]
fn what_keras_makes_and_reads_is_named() {
    let layer = |module: &str, class: &str, config: &str, registered: &str| {
        format!(
            "{{\"module\": {module}, \"class_name\": \"{class}\", \"config\": {config}, \"registered_name\": {registered}}}"
        )
    };
    let function = |module: &str, name: &str| layer(module, "function", &format!("\"{name}\""), "\"function\"");
    let lookup = |vocabulary: &str| {
        let config = format!("{{\"vocabulary\": {vocabulary}}}");
        layer("\"keras.layers\"", "StringLookup", &config, "null")
    };
    for (text, verdict) in [
        (
            layer("\"keras.layers\"", "Dense", "{\"units\": 2}", "null"),
            Verdict::Allowed,
        ),
        (
            layer("null", "Mine", "{\"name\": \"m\"}", "\"Mine\""),
            Verdict::Suspicious,
        ),
        (
            layer("null", "Mine", "{\"name\": \"m\"}", "\"pkg>Mine\""),
            Verdict::Suspicious,
        ),
        (
            layer("\"keras.layers\"", "FlaxLayer", "{\"a\": 1}", "null"),
            Verdict::Suspicious,
        ),
        (
            layer("\"keras.layers\"", "TFSMLayer", "{\"a\": 1}", "null"),
            Verdict::Unknown,
        ),
        (layer("\"mine\"", "Net", "{\"a\": 1}", "null"), Verdict::Unknown),
        (
            layer("\"subprocess\"", "Popen", "{\"a\": 1}", "null"),
            Verdict::Malicious,
        ),
        // Without modules, as in files of HDF5.
        (
            "{\"class_name\": \"Dense\", \"config\": {\"units\": 2}}".to_owned(),
            Verdict::Allowed,
        ),
        (
            "{\"class_name\": \"Mine\", \"config\": {\"units\": 2}}".to_owned(),
            Verdict::Suspicious,
        ),
        (
            "{\"class_name\": \"pkg>Mine\", \"config\": {}}".to_owned(),
            Verdict::Suspicious,
        ),
        (
            "{\"class_name\": \"__keras_tensor__\", \"config\": {\"shape\": 1}}".to_owned(),
            Verdict::Allowed,
        ),
        (function("\"builtins\"", "named"), Verdict::Suspicious),
        (function("\"builtins\"", "exec"), Verdict::Malicious),
        (
            function("\"keras.src.utils.file_utils\"", "get_file"),
            Verdict::Malicious,
        ),
        (lookup("[\"a\", \"b\"]"), Verdict::Allowed),
        (lookup("\"words.txt\""), Verdict::Unknown),
        (lookup("\"/etc/passwd\""), Verdict::Malicious),
        (lookup("\"https://a.example/x\""), Verdict::Malicious),
    ] {
        check("config.json", text.as_bytes(), verdict);
    }
}

#[test]
fn functions_of_tensorflow_are_named() {
    let calling = |name: &str| format!("{{\"class_name\": \"TFOpLambda\", \"config\": {{\"function\": \"{name}\"}}}}");
    for (text, verdict) in [
        (calling("math.add"), Verdict::Allowed),
        (calling("compat.v1.nn.conv2d"), Verdict::Allowed),
        (calling("reshape"), Verdict::Allowed),
        (calling("io.write_file"), Verdict::Unknown),
        (calling("compat.v1.py_func"), Verdict::Unknown),
        (calling("raw_ops.WriteFile"), Verdict::Unknown),
    ] {
        check("config.json", text.as_bytes(), verdict);
    }
}

#[test]
fn json_is_judged_in_every_spelling() {
    let lambda = "{\"class_name\": \"Lambda\", \"config\": {}}";
    let get_file =
        "{\"a\": 1, \"a\": 2, \"module\": \"keras.utils\", \"class_name\": \"function\", \"config\": \"get_file\"}";
    let halves = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let words = |text: &str| {
        text.chars()
            .flat_map(|unit| u32::from(unit).to_be_bytes())
            .collect::<Vec<u8>>()
    };
    for (bytes, verdict) in [
        (lambda.as_bytes().to_vec(), Verdict::Malicious),
        (halves(lambda), Verdict::Malicious),
        ([&b"\xff\xfe"[..], &halves(lambda)].concat(), Verdict::Malicious),
        (words(lambda), Verdict::Malicious),
        ([&b"\xef\xbb\xbf"[..], lambda.as_bytes()].concat(), Verdict::Malicious),
        (halves("{\"a\": \"b\"}"), Verdict::Allowed),
        (get_file.as_bytes().to_vec(), Verdict::Unknown),
        (
            get_file.replace("class_name", "class\\u005fname").into_bytes(),
            Verdict::Unknown,
        ),
        (b"{\"a\": 1, \"a\": 2}".to_vec(), Verdict::Suspicious),
        (
            b"{\"a\": \"\\ud800\", \"b\": \"\\u007f\\u00e9\"}".to_vec(),
            Verdict::Allowed,
        ),
        (
            b"{\"a\": \"\\ud800\", \"class_name\": \"function\"}".to_vec(),
            Verdict::Unknown,
        ),
        (
            b"{\"a\": NaN, \"b\": [-Infinity, Infinity], \"c\": \"NaN\"}".to_vec(),
            Verdict::Allowed,
        ),
        (
            format!("{{\"a\": NaN, \"b\": {lambda}}}").into_bytes(),
            Verdict::Malicious,
        ),
        // Lines of rows are no document to anybody.
        (
            b"{\"class_name\": \"dog\"}\n{\"class_name\": \"cat\"}\n".to_vec(),
            Verdict::Allowed,
        ),
    ] {
        check("config.json", &bytes, verdict);
    }
}
