//! What a model says about itself: in its card, its configuration, and the headers of its weights.
//!
//! Nothing here is believed, and nothing decides anything: it is what a bill of materials repeats. Every source says its
//! part once; what an earlier one has said stays. Files nearer to the top of the model should be read first.

mod card;
mod config;
mod weights;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Source, read_up_to};

/// The largest card that is read.
const CARD_BYTES_MAX: u64 = 2 << 20;
/// The largest configuration that is read.
const CONFIG_BYTES_MAX: u64 = 4 << 20;
/// Names of tensors that are kept, so that none counts twice.
const NAMES_MAX: usize = 1 << 20;
/// Longest text that is repeated, in characters.
const TEXT_CHARS_MAX: usize = 4_000;
/// Values of one kind.
const VALUES_MAX: usize = 1_000;

/// A result that a card claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// Such as `accuracy`.
    pub metric: String,
    pub value: String,
    /// On which data set.
    pub on: Option<String>,
}

/// Everything that was found.
#[derive(Debug, Clone, Default)]
pub struct About {
    pub name: Option<String>,
    pub description: Option<String>,
    /// As the card spells it; lower-case ids of a model hub, mostly.
    pub licenses: Vec<String>,
    pub license_name: Option<String>,
    pub license_link: Option<String>,
    /// Such as `text-generation`.
    pub task: Option<String>,
    pub library: Option<String>,
    pub languages: Vec<String>,
    pub tags: Vec<String>,
    /// What it was made from, as `owner/name` or a path.
    pub base_models: Vec<String>,
    /// Such as `finetune` or `adapter`.
    pub base_relation: Option<String>,
    pub datasets: Vec<String>,
    pub results: Vec<Claimed>,
    pub use_cases: Option<String>,
    pub limitations: Option<String>,
    pub ethics: Option<String>,
    /// Such as `bert` or `llama`.
    pub family: Option<String>,
    /// The class that loads it, such as `LlamaForCausalLM`.
    pub architecture: Option<String>,
    /// Sizes in its configuration, such as `hidden_size`.
    pub sizes: BTreeMap<&'static str, String>,
    /// Of the weights whose headers were read; a tensor of one name counts once.
    pub parameters: u64,
    /// How many of them are of which type.
    pub precisions: BTreeMap<String, u64>,
    pub quantization: Option<String>,
    /// Names, types and shapes of what a graph takes and gives.
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
    /// What could not be read, and why.
    pub unread: Vec<String>,
    tensors: BTreeSet<String>,
}

impl About {
    /// Reads a file of a model, if it is one that says something. `name` is its path below the model.
    pub fn read(&mut self, name: &str, source: &dyn Source) {
        let file = name.rsplit('/').next().unwrap_or(name);
        match file {
            "README.md" | "MODEL_CARD.md" | "model_card.md" => self.document(name, source, CARD_BYTES_MAX, card::read),
            "config.json" | "adapter_config.json" | "generation_config.json" | "quantize_config.json" => {
                self.document(name, source, CONFIG_BYTES_MAX, config::read);
            }
            _ => weights::read(self, name, source),
        }
    }

    /// What goes in and comes out, as the task has it: `text`, `image`, `audio`, `video`, `embedding` or `other`.
    #[must_use]
    pub fn modalities(&self) -> Option<(&'static [&'static str], &'static [&'static str])> {
        Some(match self.task.as_deref()? {
            "text-generation"
            | "text2text-generation"
            | "translation"
            | "summarization"
            | "question-answering"
            | "fill-mask" => (&["text"], &["text"]),
            "feature-extraction" | "sentence-similarity" => (&["text"], &["embedding"]),
            "text-classification" | "token-classification" | "zero-shot-classification" | "text-ranking" => {
                (&["text"], &["other"])
            }
            "image-classification"
            | "object-detection"
            | "image-segmentation"
            | "depth-estimation"
            | "zero-shot-image-classification" => (&["image"], &["other"]),
            "image-feature-extraction" => (&["image"], &["embedding"]),
            "image-to-text" => (&["image"], &["text"]),
            "image-text-to-text" | "visual-question-answering" | "document-question-answering" => {
                (&["image", "text"], &["text"])
            }
            "text-to-image" => (&["text"], &["image"]),
            "image-to-image" => (&["image"], &["image"]),
            "text-to-video" => (&["text"], &["video"]),
            "video-classification" => (&["video"], &["other"]),
            "automatic-speech-recognition" => (&["audio"], &["text"]),
            "text-to-speech" | "text-to-audio" => (&["text"], &["audio"]),
            "audio-classification" | "voice-activity-detection" => (&["audio"], &["other"]),
            "audio-to-audio" => (&["audio"], &["audio"]),
            "tabular-classification" | "tabular-regression" | "time-series-forecasting" => (&["other"], &["other"]),
            _ => return None,
        })
    }

    fn document(
        &mut self,
        name: &str,
        source: &dyn Source,
        bytes_max: u64,
        read: impl FnOnce(&mut Self, &str, &str) -> Result<(), String>,
    ) {
        let size = source.size();
        let bytes = usize::try_from(size)
            .ok()
            .filter(|_| size <= bytes_max)
            .and_then(|size| read_up_to(source, 0, size).ok());
        let outcome = match bytes.map(String::from_utf8) {
            Some(Ok(text)) => read(self, name, text.trim_start_matches('\u{feff}')),
            Some(Err(_)) => Err("it is not UTF-8".to_owned()),
            None => Err("it is too large".to_owned()),
        };
        if let Err(why) = outcome
            && self.unread.len() < VALUES_MAX
        {
            self.unread.push(format!("{name}: {why}"));
        }
    }

    /// Counts a tensor; `false` when one of that name was counted, or there are too many.
    fn count(&mut self, name: &str, precision: &str, weights: u64) -> bool {
        if self.tensors.len() >= NAMES_MAX || !self.tensors.insert(name.to_owned()) {
            return false;
        }
        self.parameters = self.parameters.saturating_add(weights);
        let of = self.precisions.entry(precision.to_owned()).or_default();
        *of = of.saturating_add(weights);
        true
    }
}

/// Takes a text where there is none yet.
fn say(slot: &mut Option<String>, text: &str) {
    let text = text.trim();
    if slot.is_none() && !text.is_empty() {
        *slot = Some(bounded(text));
    }
}

/// Adds a text that is not there yet.
fn add(list: &mut Vec<String>, text: &str) {
    let text = bounded(text.trim());
    if !text.is_empty() && list.len() < VALUES_MAX && !list.contains(&text) {
        list.push(text);
    }
}

/// As long as is repeated, without characters that are not text.
fn bounded(text: &str) -> String {
    let kept = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t'));
    kept.take(TEXT_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(files: &[(&str, &[u8])]) -> About {
        let mut about = About::default();
        for (name, bytes) in files {
            about.read(name, bytes);
        }
        about
    }

    fn safetensors(header: &str) -> Vec<u8> {
        let mut bytes = u64::try_from(header.len()).unwrap().to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        bytes
    }

    #[test]
    fn a_card_tells_licence_base_data_and_limits() {
        let card = "---\nlicense: apache-2.0\nbase_model: nreimers/MiniLM-L6\ndatasets:\n- s2orc\n- ms_marco\n\
            pipeline_tag: sentence-similarity\nlanguage: en\nmodel-index:\n- name: m\n  results:\n  - dataset:\n      name: STS\n    \
            metrics:\n    - type: spearman\n      value: 0.82\n---\n# all-MiniLM\n\nMaps sentences.\n\n## Intended uses\n\nSearch.\n\n\
            ### Limits of it\n\nmore\n\n## Bias, Risks, and Limitations\n\nShort texts only.\n";
        let about = about(&[("README.md", card.as_bytes())]);
        assert_eq!(about.licenses, ["apache-2.0"]);
        assert_eq!(about.base_models, ["nreimers/MiniLM-L6"]);
        assert_eq!(about.datasets, ["s2orc", "ms_marco"]);
        assert_eq!(about.task.as_deref(), Some("sentence-similarity"));
        assert_eq!(about.results[0].on.as_deref(), Some("STS"));
        assert_eq!(about.results[0].value, "0.82");
        assert!(about.use_cases.unwrap().starts_with("Search."));
        assert_eq!(about.limitations.as_deref(), Some("Short texts only."));
        assert_eq!(about.description.as_deref(), Some("Maps sentences."));
        assert!(about.unread.is_empty());
    }

    #[test]
    fn a_card_that_could_be_read_in_two_ways_is_not_read() {
        let about = about(&[("README.md", b"---\nlicense: mit\nlicense: other\n---\ntext")]);
        assert!(about.licenses.is_empty());
        assert_eq!(about.unread.len(), 1);
    }

    #[test]
    fn configurations_and_weights_tell_sizes() {
        let config = br#"{"architectures":["BertModel"],"model_type":"bert","hidden_size":384,"torch_dtype":"float32",
            "_name_or_path":"nreimers/MiniLM","quantization_config":{"quant_method":"gptq","bits":4}}"#;
        let one = safetensors(
            r#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"F16","shape":[],"data_offsets":[24,26]}}"#,
        );
        let two = safetensors(r#"{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"#);
        let about = about(&[
            ("config.json", config),
            ("model.safetensors", &one),
            ("copy.safetensors", &two),
        ]);
        assert_eq!(about.family.as_deref(), Some("bert"));
        assert_eq!(about.architecture.as_deref(), Some("BertModel"));
        assert_eq!(about.sizes.get("hidden_size").map(String::as_str), Some("384"));
        assert_eq!(about.quantization.as_deref(), Some("gptq, 4 bits"));
        assert_eq!(about.parameters, 7, "a tensor of one name counts once");
        assert_eq!(about.precisions.get("float16"), Some(&1));
        assert!(
            about.base_models.is_empty(),
            "where somebody loaded it from is not its base"
        );
    }

    #[test]
    fn an_adapter_names_its_base() {
        let config =
            br#"{"peft_type":"LORA","base_model_name_or_path":"meta-llama/Llama-3.1-8B","r":16,"revision":"abc"}"#;
        let about = about(&[("adapter_config.json", config)]);
        assert_eq!(about.base_models, ["meta-llama/Llama-3.1-8B"]);
        assert_eq!(about.base_relation.as_deref(), Some("adapter"));
        assert_eq!(about.family.as_deref(), Some("LORA"));
    }

    #[test]
    fn what_is_no_header_says_nothing() {
        for bytes in [
            &b""[..],
            b"GGUF",
            b"\xff\xff\xff\xff\xff\xff\xff\x7f{",
            b"{",
            b"\x08\x07\x3a\x7f",
        ] {
            let about = about(&[("x.safetensors", bytes), ("x.gguf", bytes), ("x.onnx", bytes)]);
            assert_eq!(about.parameters, 0);
        }
        assert_eq!(about(&[("config.json", br#"{"a":1,"a":2}"#)]).unread.len(), 1);
    }

    proptest::proptest! {
        #[test]
        fn anything_is_read_or_not(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
            for name in ["README.md", "config.json", "x.gguf", "x.safetensors", "x.onnx"] {
                let mut about = About::default();
                about.read(name, &bytes.as_slice());
            }
        }
    }
}
