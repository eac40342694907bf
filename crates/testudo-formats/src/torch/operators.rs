//! What an operator of PyTorch does, by its exact name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use crate::verdict::{Verdict, shown};

/// Namespaces of PyTorch's own operators, and the names in them that calculate.
const OPERATORS: &str = include_str!("../../rules/operators.txt");
/// Namespaces of PyTorch in which nothing does anything else, for processors and phones that few have.
const CALCULATES: [&str; 15] = [
    "quantization",
    "sparse",
    "mkldnn",
    "mkldnn_prepacked",
    "mkl",
    "onednn",
    "xnnpack",
    "prepacked",
    "profiler",
    "static_runtime",
    "rngprims",
    "inductor_prims",
    "export",
    "vulkan",
    "metal",
];
/// Namespaces whose operators speak to other machines or to other memory.
const REACHES_OUT: [&str; 9] = [
    "c10d",
    "_c10d_functional",
    "_c10d_functional_autograd",
    "c10d_functional",
    "symm_mem",
    "dist_rpc",
    "debugprims",
    "fsdp",
    "rpc",
];
/// Operators that do more than calculate, and what.
const HARMFUL: [(&str, &str, &str); 9] = [
    ("aten", "save", "writes files"),
    ("aten", "from_file", "reads and makes files"),
    ("aten", "load", "reads files"),
    ("prim", "PythonOp", "runs Python"),
    ("prim", "IgnoredPythonOp", "runs Python"),
    ("prim", "rpc_sync", "has other machines run code"),
    ("prim", "rpc_async", "has other machines run code"),
    ("prim", "rpc_remote", "has other machines run code"),
    ("prim", "load", "reads files"),
];
fn listed() -> &'static BTreeMap<&'static str, BTreeSet<&'static str>> {
    static LISTED: OnceLock<BTreeMap<&'static str, BTreeSet<&'static str>>> = OnceLock::new();
    LISTED.get_or_init(|| {
        let mut listed: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for line in OPERATORS.lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split(' ');
            if let Some(namespace) = words.next().filter(|it| !it.is_empty()) {
                listed.entry(namespace).or_default().extend(words);
            }
        }
        listed
    })
}

/// Namespaces that are looked for where names of operators are texts among others.
pub(super) fn judged() -> impl Iterator<Item = &'static str> {
    ["aten", "prim"].into_iter().chain(REACHES_OUT)
}

/// Whether the operators or classes of a library reach other machines or other memory.
pub(super) fn reaches_out(namespace: &str) -> bool {
    REACHES_OUT.contains(&namespace)
}

/// What a namespace and the name of an operator in it come to; `None` if it calculates.
pub(super) fn operator(namespace: &str, name: &str) -> Option<(Verdict, String)> {
    let path = shown(&format!("{namespace}::{name}"));
    let known = HARMFUL
        .iter()
        .find(|(space, named, _)| *space == namespace && *named == name);
    if let Some((_, _, what)) = known {
        return Some((Verdict::Malicious, format!("operator `{path}` {what}")));
    }
    if reaches_out(namespace) {
        let reason = format!("operator `{path}` reaches out of the process");
        return Some((Verdict::Unknown, reason));
    }
    if let Some(names) = listed().get(namespace) {
        let reason = format!("operator `{path}` is on no list of PyTorch's that calculate");
        return (!names.contains(name)).then_some((Verdict::Unknown, reason));
    }
    let reason = format!("operator `{path}` needs a library of its own");
    (!CALCULATES.contains(&namespace)).then_some((Verdict::Suspicious, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(path: &str) -> Option<Verdict> {
        let (namespace, name) = path.split_once("::").unwrap();
        operator(namespace, name).map(|(verdict, _)| verdict)
    }

    #[test]
    fn operators_are_judged_by_their_exact_names() {
        for (path, expected) in [
            ("aten::add", None),
            ("aten::__derive_index", None),
            ("aten::symeig", None),
            ("prim::NumToTensor", None),
            ("quantized::linear_dynamic", None),
            ("higher_order::cond", None),
            ("mkldnn::data_ptr", None),
            ("aten::save", Some(Verdict::Malicious)),
            ("aten::from_file", Some(Verdict::Malicious)),
            ("prim::PythonOp", Some(Verdict::Malicious)),
            ("aten::Add", Some(Verdict::Unknown)),
            ("aten::add2", Some(Verdict::Unknown)),
            ("aten::", Some(Verdict::Unknown)),
            ("aten::to_here", Some(Verdict::Unknown)),
            ("aten::_test_string_default", Some(Verdict::Unknown)),
            ("prim::Add", Some(Verdict::Unknown)),
            ("higher_order::call_torchbind", Some(Verdict::Unknown)),
            ("higher_order::invoke_leaf_function", Some(Verdict::Unknown)),
            ("c10d::send", Some(Verdict::Unknown)),
            ("torchvision::nms", Some(Verdict::Suspicious)),
            ("Aten::add", Some(Verdict::Suspicious)),
        ] {
            assert_eq!(verdict(path), expected, "{path}");
        }
    }

    #[test]
    fn nothing_listed_is_known_to_do_more() {
        for (namespace, name, _) in HARMFUL {
            assert!(!listed().get(namespace).unwrap().contains(name), "{namespace}::{name}");
        }
        assert!(listed().keys().all(|namespace| !reaches_out(namespace)));
        assert!(listed().values().flatten().all(|name| !name.is_empty()));
    }
}
