//! Models in several files, and what their index says about them.

use std::collections::BTreeMap;
use std::io;

use testudo_formats::{Folder, Options, Report, Source, Verdict, scan_in};

use super::check;

struct Files(BTreeMap<String, Vec<u8>>);

impl Folder for Files {
    fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Source + '_>> {
        let bytes = self.0.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(bytes.as_slice()))
    }
}

fn shard(tensors: &[&str]) -> Vec<u8> {
    let all: Vec<String> = tensors
        .iter()
        .map(|name| format!("\"{name}\":{{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}"))
        .collect();
    let header = format!("{{{}}}", all.join(","));
    let length = u64::try_from(header.len()).unwrap_or_default().to_le_bytes();
    [&length, header.as_bytes()].concat()
}

fn judged(map: &str, files: &[(&str, Vec<u8>)]) -> Report {
    let files = Files(
        files
            .iter()
            .map(|(name, bytes)| ((*name).to_owned(), bytes.clone()))
            .collect(),
    );
    let index = format!("{{\"metadata\":{{}},\"weight_map\":{{{map}}}}}");
    scan_in(
        &index.as_bytes(),
        "x/model.safetensors.index.json",
        &Options::default(),
        &files,
    )
}

#[test]
fn an_index_is_held_against_its_shards() {
    let (one, two) = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors");
    let map = format!("\"a\":\"{one}\",\"b\":\"{two}\"");
    let whole = [
        (one, shard(&["a"])),
        (two, shard(&["b"])),
        ("config.json", b"{}".to_vec()),
    ];
    assert_eq!(judged(&map, &whole).verdict, Verdict::Allowed);
    let odd: [&[(&str, Vec<u8>)]; 5] = [
        // A shard is missing, a tensor is, one is too much, one is twice, a shard is not named.
        &[(one, shard(&["a"]))],
        &[(one, shard(&["a"])), (two, shard(&[]))],
        &[(one, shard(&["a"])), (two, shard(&["b", "c"]))],
        &[(one, shard(&["a"])), (two, shard(&["b", "a"]))],
        &[
            (one, shard(&["a"])),
            (two, shard(&["b"])),
            ("model-00003-of-00002.safetensors", shard(&["z"])),
        ],
    ];
    for files in odd {
        assert_eq!(
            judged(&map, files).verdict,
            Verdict::Suspicious,
            "{:#?}",
            judged(&map, files)
        );
    }
    let unread = [(one, shard(&["a"])), (two, b"PK\x03\x04".to_vec())];
    assert_eq!(judged(&map, &unread).verdict, Verdict::Unknown);
}

#[test]
fn an_index_leads_to_its_own_folder() {
    for (shard, verdict) in [
        ("a.safetensors", Verdict::Allowed),
        ("b/a.safetensors", Verdict::Suspicious),
        ("../a.safetensors", Verdict::Malicious),
        ("/a.safetensors", Verdict::Malicious),
        ("C:\\\\a.safetensors", Verdict::Malicious),
        ("https://host/a.safetensors", Verdict::Malicious),
    ] {
        let index = format!("{{\"weight_map\":{{\"t\":\"{shard}\"}}}}");
        check("model.safetensors.index.json", index.as_bytes(), verdict);
    }
    check("x.index.json", b"{\"weight_map\":{\"t\":1}}", Verdict::Unknown);
}

#[test]
fn adapters_import_what_is_usual() {
    for (members, verdict) in [
        (
            "\"auto_mapping\": null, \"megatron_core\": \"megatron.core\"",
            Verdict::Allowed,
        ),
        (
            "\"auto_mapping\": {\"base_model_class\": \"BertModel\", \"parent_library\": \"transformers.models.bert\"}",
            Verdict::Suspicious,
        ),
        (
            "\"auto_mapping\": {\"base_model_class\": \"Net\", \"parent_library\": \"mine\"}",
            Verdict::Unknown,
        ),
        (
            "\"auto_mapping\": {\"base_model_class\": \"system\", \"parent_library\": \"os\"}",
            Verdict::Malicious,
        ),
        ("\"megatron_core\": \"mine\"", Verdict::Unknown),
        ("\"megatron_core\": \"os\"", Verdict::Malicious),
    ] {
        let config = format!("{{\"peft_type\": \"LORA\", {members}}}");
        check("adapter_config.json", config.as_bytes(), verdict);
    }
}
