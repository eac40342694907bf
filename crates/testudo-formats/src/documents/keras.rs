//! Architectures of Keras: which classes and functions they make, which files they read.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use testudo_bounded::json::Node;

use super::search;
use crate::judge::leads_outside;
use crate::pickle;
use crate::scan::{Place, Scan};
use crate::source::Source;
use crate::verdict::{Verdict, shown};

const CLASSES: &str = include_str!("../../rules/keras.txt");

/// Whether Keras has a class of this name.
fn is_own(class: &str) -> bool {
    static OWN: OnceLock<BTreeSet<&str>> = OnceLock::new();
    let own = OWN.get_or_init(|| {
        let lines = CLASSES.lines().filter(|line| !line.starts_with('#'));
        lines.flat_map(|line| line.split(' ')).collect()
    });
    own.contains(class)
}

fn text(node: Node<'_>, key: &str) -> Option<String> {
    let value = node.get(key)?;
    value.as_str().map(std::borrow::Cow::into_owned)
}

/// An object that Keras makes into a layer or looks up as a function.
pub(super) fn object(scan: &mut Scan<'_>, node: Node<'_>, place: &Place) {
    let Some(class) = text(node, "class_name") else { return };
    let at = u64::try_from(node.range().start).ok();
    let module = text(node, "module");
    class_named(scan, &class, module.as_deref(), at, place);
    if let ("function", Some(module), Some(name)) = (class.as_str(), module.as_deref(), text(node, "config")) {
        function(scan, module, &name, at, place);
    }
    if let Some(own) = of_ones_own(node, &class, module.is_some()) {
        let reason = format!("needs a class of one's own, `{}`", shown(&own));
        scan.find(place, "keras.class", Verdict::Suspicious, reason, at);
    }
    let Some(config) = node.get("config") else { return };
    let looks_up = ["StringLookup", "IntegerLookup", "IndexLookup", "TextVectorization"].contains(&class.as_str());
    if let Some(file) = text(config, "vocabulary").filter(|_| looks_up) {
        vocabulary(scan, &file, at, place);
    }
    if let Some(name) = text(config, "function").filter(|_| class == "TFOpLambda") {
        operation(scan, &name, at, place);
    }
}

fn function(scan: &mut Scan<'_>, module: &str, name: &str, at: Option<u64>, place: &Place) {
    let path = shown(&format!("{module}.{name}"));
    let (verdict, reason) = match pickle::reason_against(module, name) {
        Some(why) => (Verdict::Malicious, format!("names {path}: {why}")),
        None if module == "keras.utils" || module.starts_with("keras.src.utils") => {
            let reason = format!("names {path}, which downloads and unpacks");
            (Verdict::Malicious, reason)
        }
        // Functions that whoever saved the model defined.
        None if module == "builtins" => {
            let reason = format!("needs a function of one's own, `{}`", shown(name));
            (Verdict::Suspicious, reason)
        }
        None => return,
    };
    scan.find(place, "keras.function", verdict, reason, at);
}

/// A class that Keras has to be given before it can load this, by its name. Files of HDF5 name no modules.
fn of_ones_own(node: Node<'_>, class: &str, has_module: bool) -> Option<String> {
    let registered = text(node, "registered_name");
    let full = registered.as_deref().unwrap_or(class);
    if let Some((package, _)) = full.split_once('>') {
        let is_keras = matches!(package, "keras" | "keras_hub" | "keras_nlp" | "keras_cv");
        return (!is_keras).then(|| full.to_owned());
    }
    let is_object = node
        .get("config")
        .is_some_and(|config| config.entries().next().is_some());
    let is_unknown = !has_module && !class.starts_with("__") && (registered.is_some() || is_object) && !is_own(class);
    (is_unknown && !matches!(class, "Lambda" | "function")).then(|| class.to_owned())
}

/// A vocabulary that is read from a file while the model is loaded; savers write the words themselves.
fn vocabulary(scan: &mut Scan<'_>, file: &str, at: Option<u64>, place: &Place) {
    let (verdict, where_to) = if leads_outside(file) || file.contains("://") {
        (Verdict::Malicious, ", outside its folder")
    } else {
        (Verdict::Unknown, "")
    };
    let reason = format!("reads its vocabulary from the file `{}`{where_to}", shown(file));
    scan.find(place, "keras.file", verdict, reason, at);
}

/// A function of TensorFlow, by its public name, which is called while the model is loaded.
fn operation(scan: &mut Scan<'_>, name: &str, at: Option<u64>, place: &Place) {
    const CALCULATE: [&str; 16] = [
        "__operators__",
        "bitwise",
        "dtypes",
        "image",
        "keras",
        "linalg",
        "math",
        "nn",
        "quantization",
        "ragged",
        "random",
        "sets",
        "signal",
        "sparse",
        "strings",
        "tensor_scatter_nd",
    ];
    const DO_MORE: [&str; 12] = [
        "function",
        "load_library",
        "load_op_library",
        "map_fn",
        "numpy_function",
        "print",
        "py_func",
        "py_function",
        "recompute_grad",
        "vectorized_map",
        "while_loop",
        "case",
    ];
    let bare = name.strip_prefix("compat.v1.").unwrap_or(name);
    let calculates = match bare.split_once('.') {
        Some((space, rest)) => CALCULATE.contains(&space) && !rest.contains("load") && !rest.contains("file"),
        None => !DO_MORE.contains(&bare) && !bare.contains("file") && !bare.contains("save"),
    };
    if !calculates {
        let reason = format!("calls `tf.{}`, which is none that is known to calculate", shown(name));
        scan.find(place, "keras.function", Verdict::Unknown, reason, at);
    }
}

fn class_named(scan: &mut Scan<'_>, class: &str, module: Option<&str>, at: Option<u64>, place: &Place) {
    let found = match class {
        "__lambda__" | "Lambda" => Some("holds code that runs on loading or on use"),
        "TorchModuleWrapper" => Some("loads a pickle of PyTorch"),
        "TFSMLayer" => Some("loads a SavedModel from any place"),
        "JaxLayer" | "FlaxLayer" => Some("runs functions of one's own"),
        _ => None,
    };
    if let Some(what) = found {
        let verdict = match class {
            "TFSMLayer" => Verdict::Unknown,
            "JaxLayer" | "FlaxLayer" => Verdict::Suspicious,
            _ => Verdict::Malicious,
        };
        let reason = format!("`{}` {what}", shown(class));
        return scan.find(place, "keras.class", verdict, reason, at);
    }
    let Some(module) = module else { return };
    let known = [
        "keras",
        "keras_hub",
        "keras_nlp",
        "keras_cv",
        "tensorflow.keras",
        "tf_keras",
    ]
    .iter()
    .any(|root| {
        module
            .strip_prefix(root)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    });
    let is_data = module == "builtins" && matches!(class, "slice" | "dict" | "list" | "tuple" | "function");
    if known || is_data || module.is_empty() {
        return;
    }
    let (verdict, why) = match pickle::reason_against(module, class) {
        Some(why) => (Verdict::Malicious, why),
        None => (Verdict::Unknown, "which is not Keras's own"),
    };
    let reason = format!("imports {}: {why}", shown(&format!("{module}.{class}")));
    scan.find(place, "keras.module", verdict, reason, at);
}

/// Looks for Keras's classes in data that holds their JSON as it is, such as the attributes of an HDF5 file.
pub(crate) fn classes(scan: &mut Scan<'_>, source: &dyn Source, place: &Place) {
    search(source, b"\"class_name\"", |at, text| {
        let Some(class) = quoted_after(text, "\"class_name\"") else {
            return;
        };
        let module = text
            .get(..1024.min(text.len()))
            .and_then(|near| quoted_after(near, "\"module\""));
        // A module belongs to the class only if it stands in the same object; else it says nothing.
        let same = module.filter(|_| {
            text.find("\"module\"")
                .is_some_and(|module| text.find('{').is_none_or(|open| module < open))
        });
        class_named(scan, class, same, Some(at), place);
    });
}

/// The text in quotes that is the value of a key.
fn quoted_after<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let rest = text.get(text.find(key)?.checked_add(key.len())?..)?;
    let rest = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    rest.get(..rest.find('"')?)
}
