//! Documents beside and inside models: configurations, tokenizers, templates, Keras architectures, skops schemas.

mod keras;
mod patterns;
mod settings;
mod spelling;

use testudo_bounded::json::{Document, Limits as JsonLimits, Node};

pub(crate) use self::keras::classes;
use crate::index;
use crate::pickle;
use crate::scan::{Place, Scan};
use crate::source::{Source, read_up_to};
use crate::template;
use crate::torch;
use crate::verdict::{Verdict, shown};

/// A longer document is searched, not parsed.
const PARSED_BYTES_MAX: u64 = 64 << 20;
/// A text file of templates or settings.
const TEXT_BYTES_MAX: usize = 4 << 20;
/// Overlap of pieces that are searched one after the other.
const OVERLAP: u64 = 4096;
const PIECE: u64 = 1 << 20;

/// Whether it begins like JSON, in any of the encodings in which Python takes it.
pub(crate) fn is_json(head: &[u8]) -> bool {
    let begins = |head: &[u8]| matches!(head.trim_ascii_start().first(), Some(b'{' | b'['));
    match spelling::wide(head) {
        // Much begins with a small number; what follows tells.
        Some(text) => {
            let mut signs = text.chars().filter(|sign| !sign.is_whitespace());
            begins(text.as_bytes()) && signs.nth(1).is_some_and(|sign| "\"{}[]-tfn0123456789".contains(sign))
        }
        None => begins(head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head)),
    }
}

/// Reads a JSON document.
pub(crate) fn json(scan: &mut Scan<'_>, source: &dyn Source, place: &Place) {
    let bytes = match usize::try_from(source.size()) {
        Ok(size) if source.size() <= PARSED_BYTES_MAX => read_up_to(source, 0, size).unwrap_or_default(),
        _ => Vec::new(),
    };
    match spelling::wide(&bytes) {
        Some(text) => read(scan, &text.as_bytes(), text.as_bytes(), place),
        None => read(scan, source, &bytes, place),
    }
}

/// Reads a document whose bytes are these, if it is not too long.
fn read(scan: &mut Scan<'_>, source: &dyn Source, bytes: &[u8], place: &Place) {
    let limits = JsonLimits {
        bytes_max: bytes.len(),
        depth_max: 512,
        nodes_max: 8_000_000,
    };
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let bytes = spelling::without_words(bytes);
    let document = match Document::parse(&bytes, &limits) {
        Ok(document) => document,
        // Too long, no JSON, or spelled in a way that readers understand differently: it is searched.
        Err(error) => {
            scan.part(place, "text", source.size());
            if let Some((verdict, reason)) = spelling::odd(source, &bytes, &error) {
                scan.find(place, "json.spelling", verdict, reason, None);
            }
            classes(scan, source, place);
            return texts(scan, source, place);
        }
    };
    scan.part(place, "json", source.size());
    if index::is_one(place.file_name()) {
        index::judge(scan, &document, place);
    }
    let is_skops = place.file_name() == "schema.json" && document.root().get("__module__").is_some();
    for node in std::iter::once(document.root()).chain(document.root().descendants().skip(1)) {
        value(scan, node, place);
        if is_skops {
            skops(scan, node, place);
        } else {
            keras::object(scan, node, place);
        }
    }
}

/// What any value of a document may ask a loader to do.
fn value(scan: &mut Scan<'_>, node: Node<'_>, place: &Place) {
    let key = node.key_text();
    let at = u64::try_from(node.range().start).ok();
    match key.as_deref() {
        // Adapters import this module and take the class from it.
        Some("auto_mapping") if node.get("parent_library").is_some() => {
            let text = |key: &str| {
                node.get(key)
                    .and_then(|value| value.as_str())
                    .unwrap_or_default()
                    .into_owned()
            };
            let (module, class) = (text("parent_library"), text("base_model_class"));
            let is_usual = module == "transformers" || module.starts_with("transformers.");
            let verdict = if is_usual {
                Verdict::Suspicious
            } else {
                imported(&module, &class)
            };
            let reason = format!(
                "`auto_mapping` has adapters import {}",
                shown(&format!("{module}.{class}"))
            );
            scan.find(place, "config.import", verdict, reason, at);
        }
        Some("auto_map" | "custom_pipelines" | "custom_pipeline" | "auto_mapping") if !node.is_null() => {
            let name = key.as_deref().unwrap_or_default();
            let reason = format!("`{name}` has loaders run code that lies beside the model, if they trust it");
            scan.find(place, "config.code", Verdict::Suspicious, reason, at);
        }
        Some("guards_code") => {
            for text in node.items().filter_map(|item| item.as_str()) {
                torch::exported(scan, "guards_code", &text, at, place);
            }
        }
        Some("trust_remote_code") if node.as_bool() == Some(true) => {
            let reason = "`trust_remote_code` is set";
            scan.find(place, "config.code", Verdict::Suspicious, reason, at);
        }
        _ => {}
    }
    settings::value(scan, node, key.as_deref(), place);
    let Some(text) = node.as_str() else { return };
    if key.as_deref() == Some("Regex") && patterns::explodes(&text) {
        let reason = format!("the pattern `{}` may take longer than anybody waits", shown(&text));
        scan.find(place, "tokenizer.pattern", Verdict::Suspicious, reason, at);
    }
    if template::is_template(&text)
        && let Some((verdict, reason)) = template::judge(&text)
    {
        scan.find(place, "template", verdict, reason, at);
    }
    if let Some(key) = key.as_deref() {
        torch::exported(scan, key, &text, at, place);
    }
    if key.as_deref() == Some("megatron_core") && text != "megatron.core" {
        let verdict = imported(&text, "");
        let reason = format!("`megatron_core` has adapters import {}", shown(&text));
        scan.find(place, "config.import", verdict, reason, at);
    }
    let fact = match key.as_deref() {
        Some("model_type") => "model type",
        Some("peft_type") => "adapter",
        Some("base_model_name_or_path") => "base model",
        _ => return,
    };
    scan.fact(place, fact, &text);
}

/// What it comes to that a configuration has a module imported that is not the usual one.
fn imported(module: &str, name: &str) -> Verdict {
    match pickle::reason_against(module, name) {
        Some(_) => Verdict::Malicious,
        None => Verdict::Unknown,
    }
}

/// A node of a skops schema: a class or function that it imports.
fn skops(scan: &mut Scan<'_>, node: Node<'_>, place: &Place) {
    let text = |key: &str| {
        node.get(key)
            .and_then(|value| value.as_str().map(std::borrow::Cow::into_owned))
    };
    let (Some(module), Some(class)) = (text("__module__"), text("__class__")) else {
        return;
    };
    let at = u64::try_from(node.range().start).ok();
    let loader = text("__loader__").unwrap_or_default();
    if matches!(loader.as_str(), "OperatorFuncNode" | "MethodNode") {
        let reason = format!("`{loader}` reaches methods and operators, and has run code");
        scan.find(place, "skops.node", Verdict::Unknown, reason, at);
    }
    let path = shown(&format!("{module}.{class}"));
    let also = &scan.options.also_allowed;
    match pickle::known(&module, &class, also) {
        pickle::Known::Allowed => {}
        pickle::Known::Dangerous(why) => {
            scan.find(
                place,
                "skops.node",
                Verdict::Malicious,
                format!("names {path}: {why}"),
                at,
            );
        }
        pickle::Known::Unlisted => {
            let reason = format!("names {path}, which is on no list of what savers write");
            scan.find(place, "skops.node", Verdict::Unknown, reason, at);
        }
    }
}

/// Settings and templates in a text that is no document.
pub(crate) fn texts(scan: &mut Scan<'_>, source: &dyn Source, place: &Place) {
    search(source, b"\"auto_map\"", |at, _| {
        let reason = "`auto_map` has loaders run code that lies beside the model, if they trust it";
        scan.find(place, "config.code", Verdict::Suspicious, reason, Some(at));
    });
    settings::text(scan, source, place);
    let text = read_up_to(source, 0, TEXT_BYTES_MAX).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let holds_templates = place.ends_with(&[".json", ".jinja", ".jinja2", ".j2", ".template", ".yaml", ".yml"]);
    if holds_templates
        && template::is_template(&text)
        && let Some((verdict, reason)) = template::judge(&text)
    {
        scan.find(place, "template", verdict, reason, None);
    }
}

/// Calls back for each place of a needle with what follows it.
pub(crate) fn search(source: &dyn Source, needle: &[u8], mut found: impl FnMut(u64, &str)) {
    let mut at = 0_u64;
    while at < source.size() {
        let wanted = usize::try_from(PIECE.saturating_add(OVERLAP)).unwrap_or(usize::MAX);
        let Ok(piece) = read_up_to(source, at, wanted) else {
            return;
        };
        let own = usize::try_from(PIECE).unwrap_or(usize::MAX);
        let first = needle.first().copied().unwrap_or(0);
        for (start, _) in piece.iter().enumerate().take(own).filter(|(_, byte)| **byte == first) {
            let rest = piece.get(start..).unwrap_or_default();
            if rest.starts_with(needle) {
                let near = rest.get(..rest.len().min(4096)).unwrap_or_default();
                let here = at.saturating_add(u64::try_from(start).unwrap_or(u64::MAX));
                found(here, &String::from_utf8_lossy(near));
            }
        }
        at = at.saturating_add(PIECE);
    }
}
