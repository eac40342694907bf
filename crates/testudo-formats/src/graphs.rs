//! ONNX models and TensorFlow graphs: what their operators read, write and run.

use std::collections::BTreeSet;

use crate::judge;
use crate::protobuf::{Field, Fields, text};
use crate::scan::{Place, Scan};
use crate::source::{Source, Window};
use crate::verdict::{Verdict, shown};

/// Graphs within each other.
const DEPTH_MAX: u32 = 32;
/// Operators of domains that runtimes bring with them.
const DOMAINS: [&str; 7] = [
    "",
    "ai.onnx",
    "ai.onnx.ml",
    "ai.onnx.training",
    "ai.onnx.preview",
    "ai.onnx.preview.training",
    "com.microsoft",
];

/// Whether bytes are an ONNX model: a version, then fields of a model with a graph, to the end.
pub(crate) fn is_onnx(source: &dyn Source, head: &[u8]) -> bool {
    if !matches!(head, [0x08, 1..=63, ..]) {
        return false;
    }
    let (mut graph, mut opset) = (false, false);
    let mut fields = Fields::new(source);
    for (number, field) in fields.by_ref() {
        match (number, field) {
            (7, Field::Bytes(_)) => graph = true,
            (8, Field::Bytes(_)) => opset = true,
            (1..=26, _) => {}
            _ => return false,
        }
    }
    graph && opset && !fields.broken
}

#[derive(Default)]
struct Seen {
    locations: BTreeSet<String>,
    /// (domain, operator)
    operators: BTreeSet<(String, String)>,
    functions: BTreeSet<String>,
    too_deep: bool,
    broken: bool,
}

/// Reads the graphs and functions of an ONNX model.
pub(crate) fn onnx(scan: &mut Scan<'_>, source: &dyn Source, place: &Place) {
    scan.part(place, "onnx", source.size());
    let mut seen = Seen::default();
    let mut fields = Fields::new(source);
    for (number, field) in fields.by_ref() {
        let Field::Bytes(inner) = field else { continue };
        match number {
            2 => scan.fact(place, "producer", &text(&inner)),
            7 => graph(&inner, &mut seen, DEPTH_MAX),
            // Training: two graphs.
            20 => within(&inner, &mut seen, |number| matches!(number, 1 | 2)),
            25 => function(&inner, &mut seen),
            _ => {}
        }
    }
    if fields.broken || seen.broken {
        scan.find(
            place,
            "onnx.message",
            Verdict::Unknown,
            "it is damaged, and was read up to there",
            None,
        );
    }
    if seen.too_deep {
        scan.find(
            place,
            "onnx.message",
            Verdict::Unknown,
            "graphs lie too deep in each other",
            None,
        );
    }
    for location in &seen.locations {
        if judge::leads_outside(location) || location.contains("://") {
            let reason = format!("weights are read from `{}`, outside its folder", shown(location));
            scan.find(place, "onnx.external", Verdict::Malicious, reason, None);
        } else {
            scan.fact(place, "external", location);
        }
    }
    for (domain, operator) in &seen.operators {
        if matches!(operator.as_str(), "PyOp" | "PythonOp" | "PythonOpGrad") {
            let reason = format!("operator `{}` runs Python", shown(operator));
            scan.find(place, "onnx.operator", Verdict::Malicious, reason, None);
        } else if !DOMAINS.contains(&domain.as_str()) && !seen.functions.contains(domain) {
            let reason = format!(
                "operator `{}` of `{}` needs a native library",
                shown(operator),
                shown(domain)
            );
            scan.find(place, "onnx.operator", Verdict::Suspicious, reason, None);
        }
    }
}

fn within(message: &Window<'_>, seen: &mut Seen, is_graph: impl Fn(u64) -> bool) {
    for (number, field) in Fields::new(message) {
        if let Field::Bytes(inner) = field
            && is_graph(number)
        {
            graph(&inner, seen, DEPTH_MAX);
        }
    }
}

fn function(message: &Window<'_>, seen: &mut Seen) {
    for (number, field) in Fields::new(message) {
        match (number, field) {
            (10, Field::Bytes(domain)) => {
                seen.functions.insert(text(&domain));
            }
            (7, Field::Bytes(inner)) => node(&inner, seen, DEPTH_MAX),
            _ => {}
        }
    }
}

fn graph(message: &Window<'_>, seen: &mut Seen, depth: u32) {
    let Some(depth) = depth.checked_sub(1) else {
        seen.too_deep = true;
        return;
    };
    let mut fields = Fields::new(message);
    for (number, field) in fields.by_ref() {
        match (number, field) {
            (1, Field::Bytes(inner)) => node(&inner, seen, depth),
            (5, Field::Bytes(inner)) => tensor(&inner, seen),
            (15, Field::Bytes(inner)) => {
                for (number, field) in Fields::new(&inner) {
                    if let (1 | 2, Field::Bytes(inner)) = (number, field) {
                        tensor(&inner, seen);
                    }
                }
            }
            _ => {}
        }
    }
    seen.broken |= fields.broken;
}

fn node(message: &Window<'_>, seen: &mut Seen, depth: u32) {
    let (mut operator, mut domain) = (String::new(), String::new());
    for (number, field) in Fields::new(message) {
        match (number, field) {
            (4, Field::Bytes(inner)) => operator = text(&inner),
            (7, Field::Bytes(inner)) => domain = text(&inner),
            (5, Field::Bytes(attribute)) => {
                for (number, field) in Fields::new(&attribute) {
                    match (number, field) {
                        (5 | 10, Field::Bytes(inner)) => tensor(&inner, seen),
                        (6 | 11, Field::Bytes(inner)) => graph(&inner, seen, depth),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    if seen.operators.len() < 10_000 {
        seen.operators.insert((domain, operator));
    }
}

fn tensor(message: &Window<'_>, seen: &mut Seen) {
    for (number, field) in Fields::new(message) {
        let (13, Field::Bytes(entry)) = (number, field) else {
            continue;
        };
        let (mut key, mut value) = (String::new(), String::new());
        for (number, field) in Fields::new(&entry) {
            match (number, field) {
                (1, Field::Bytes(inner)) => key = text(&inner),
                (2, Field::Bytes(inner)) => value = text(&inner),
                _ => {}
            }
        }
        if key == "location" && seen.locations.len() < 10_000 {
            seen.locations.insert(value);
        }
    }
}

/// Reads a TensorFlow SavedModel, or a bare graph. `false` if it is neither.
pub(crate) fn tensorflow(scan: &mut Scan<'_>, source: &dyn Source, place: &Place) -> bool {
    let mut operators = BTreeSet::new();
    let mut fields = Fields::new(source);
    let mut saved = false;
    for (number, field) in fields.by_ref() {
        match (number, field) {
            // SavedModel: schema version, meta graphs.
            (1, Field::Number) => saved = true,
            (2, Field::Bytes(meta)) => {
                for (number, field) in Fields::new(&meta) {
                    if let (2, Field::Bytes(graph)) = (number, field) {
                        graph_def(&graph, &mut operators);
                    }
                }
                saved |= !operators.is_empty();
            }
            _ => {}
        }
    }
    let broken = fields.broken;
    // The numbers of a bare graph's fields are the same; what is read in either way counts.
    graph_def(source, &mut operators);
    if operators.is_empty() {
        return false;
    }
    scan.part(place, if saved { "savedmodel" } else { "graphdef" }, source.size());
    if broken {
        scan.find(
            place,
            "tensorflow.message",
            Verdict::Unknown,
            "it is damaged, and was read up to there",
            None,
        );
    }
    for operator in &operators {
        self::operator(scan, operator, place);
    }
    true
}

/// What an operator of TensorFlow does beside calculating.
pub(crate) fn operator(scan: &mut Scan<'_>, operator: &str, place: &Place) {
    let (verdict, what) = match operator {
        "PyFunc" | "PyFuncStateless" | "EagerPyFunc" => (Verdict::Malicious, "runs Python"),
        "WriteFile" | "WriteImageSummary" | "DebugIdentityV3" => (Verdict::Malicious, "writes files"),
        "ShellExecute" | "LoadLibrary" => (Verdict::Malicious, "runs native code"),
        "ReadFile"
        | "WholeFileReader"
        | "WholeFileReaderV2"
        | "MatchingFiles"
        | "TFRecordDataset"
        | "TFRecordDatasetV2"
        | "TextLineDataset"
        | "FixedLengthRecordDataset"
        | "FixedLengthRecordDatasetV2" => (Verdict::Unknown, "reads files"),
        "PrintV2"
        | "DebugIdentity"
        | "DebugIdentityV2"
        | "DebugNanCount"
        | "DebugNumericSummary"
        | "DebugNumericSummaryV2"
        | "CreateSummaryFileWriter"
        | "CreateSummaryDbWriter" => (Verdict::Unknown, "may write files"),
        "RpcCall" | "RpcClient" | "DataServiceDataset" | "DataServiceDatasetV2" => {
            (Verdict::Unknown, "speaks to other machines")
        }
        _ => return,
    };
    let reason = format!("operator `{}` {what}", shown(operator));
    scan.find(place, "tensorflow.operator", verdict, reason, None);
}

fn graph_def(source: &dyn Source, operators: &mut BTreeSet<String>) {
    for (number, field) in Fields::new(source) {
        match (number, field) {
            (1, Field::Bytes(node)) => node_def(&node, operators),
            (2, Field::Bytes(library)) => {
                for (number, field) in Fields::new(&library) {
                    let (1, Field::Bytes(function)) = (number, field) else {
                        continue;
                    };
                    for (number, field) in Fields::new(&function) {
                        if let (3, Field::Bytes(node)) = (number, field) {
                            node_def(&node, operators);
                        }
                    }
                }
            }
            _ => {}
        }
    }
}

fn node_def(message: &Window<'_>, operators: &mut BTreeSet<String>) {
    for (number, field) in Fields::new(message) {
        if let (2, Field::Bytes(inner)) = (number, field) {
            let operator = text(&inner);
            if operators.len() < 100_000
                && operator
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_>./".contains(&byte))
            {
                operators.insert(operator);
            }
        }
    }
}
