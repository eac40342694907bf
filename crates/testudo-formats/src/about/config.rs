//! Configurations in JSON, as transformers and PEFT write them.

use testudo_bounded::json::{Document, Kind, Limits, Node};

use super::{About, add, say};

const LIMITS: Limits = Limits {
    bytes_max: 4 << 20,
    depth_max: 64,
    nodes_max: 500_000,
};
/// Numbers that tell how large a model is; the first of each name that is there.
const SIZES: [&str; 16] = [
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "intermediate_size",
    "max_position_embeddings",
    "vocab_size",
    "num_experts",
    "num_local_experts",
    "n_embd",
    "n_layer",
    "n_head",
    "n_positions",
    "image_size",
    "num_labels",
    "sample_rate",
];

pub(super) fn read(about: &mut About, name: &str, text: &str) -> Result<(), String> {
    let document = Document::parse(text.as_bytes(), &LIMITS).map_err(|error| error.to_string())?;
    let root = document.root();
    if root.kind() != Kind::Object {
        return Err("it is no object".to_owned());
    }
    let text = |key: &str| root.get(key).and_then(|it| it.as_str());
    if let Some(kind) = text("peft_type") {
        say(&mut about.family, &kind);
        if let Some(base) = text("base_model_name_or_path") {
            add(&mut about.base_models, &base);
            say(&mut about.base_relation, "adapter");
        }
    }
    if let Some(kind) = text("model_type") {
        say(&mut about.family, &kind);
    }
    if let Some(class) = root.get("architectures").and_then(|it| it.items().next()?.as_str()) {
        say(&mut about.architecture, &class);
    }
    for key in SIZES {
        if let Some(value) = root.get(key).and_then(|it| it.as_u64()) {
            about.sizes.entry(key).or_insert_with(|| value.to_string());
        }
    }
    if let Some(kind) = text("torch_dtype").or_else(|| text("dtype")) {
        about
            .sizes
            .entry("dtype")
            .or_insert_with(|| kind.chars().take(40).collect());
    }
    let quantized = root.get("quantization_config");
    let quantized = quantized.or_else(|| Some(root).filter(|_| name.ends_with("quantize_config.json")));
    if let Some(method) = quantized.and_then(quantization) {
        say(&mut about.quantization, &method);
    }
    Ok(())
}

fn quantization(node: Node<'_>) -> Option<String> {
    let method = node.get("quant_method").and_then(|it| it.as_str());
    let bits = node.get("bits").and_then(|it| it.as_u64());
    match (method, bits) {
        (Some(method), Some(bits)) => Some(format!("{method}, {bits} bits")),
        (Some(method), None) => Some(method.into_owned()),
        (None, Some(bits)) => Some(format!("{bits} bits")),
        (None, None) => None,
    }
}
