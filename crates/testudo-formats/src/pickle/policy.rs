//! Which names a pickle may name, and what it may do with each: an exact list, from what real savers write.
//!
//! `rules/allow.txt` decides. `rules/deny.txt` never allows or forbids anything: it says why some of the names that are
//! not allowed are known to be dangerous, and makes them `malicious` instead of `unknown`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

const ALLOW: &str = include_str!("../../rules/allow.txt");
const DENY: &str = include_str!("../../rules/deny.txt");
const RENAMED: &str = include_str!("../../rules/renamed.txt");

/// What may be done with an allowed name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// A class: called, made without being called, given a state.
    Type,
    /// A class that is made without being called, and given a state.
    Object,
    /// The same, with the state that `states.rs` asks of its class; the class itself is given to nothing else.
    Stated,
    /// Named only, never called.
    Value,
    /// A function that is harmless with whatever else this list allows.
    Call,
    /// The same, and what it makes is given a state.
    CallBuild,
    /// A function that is harmless with constants.
    Plain,
    /// `_codecs.encode(text, 'latin1')`.
    Latin1,
    /// `collections.OrderedDict()` and its like: nothing, constants, or a list of pairs.
    Ordered,
    /// `torch._utils._rebuild_…`: a storage, numbers, tuples, and dictionaries without content.
    Tensor,
    /// `torch._tensor._rebuild_from_type_v2(FUNCTION, TYPE, ARGUMENTS, STATE)`, with one of the functions above.
    Rebuild,
    /// `torch.storage._load_from_bytes(BYTES)`: an old PyTorch file of one storage that calls nothing (decision 0010).
    Nested,
    /// `copyreg._reconstructor(TYPE, object, None)`, in protocols 0 and 1 (decision 0010).
    Reconstructor,
    /// `bytes(…)`, `bytearray(…)`: of text or bytes, not of a size.
    Buffer,
    /// `_reconstruct(TYPE, …)` of numpy: the first argument is an allowed class, the others are that or constants.
    OfType,
}

/// What is known about a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    Allowed(Use),
    /// Known to be dangerous, and why.
    Denied(&'static str),
    Unlisted,
}

struct Lists {
    allowed: BTreeMap<(&'static str, &'static str), Use>,
    /// Module and what is said about names in it; the name `*` stands for all, in submodules, too.
    denied: BTreeMap<&'static str, Vec<(&'static str, &'static str)>>,
    /// Modules by their earlier names.
    renamed: BTreeMap<&'static str, &'static str>,
}

fn lists() -> &'static Lists {
    static LISTS: OnceLock<Lists> = OnceLock::new();
    LISTS.get_or_init(|| Lists {
        allowed: rows(ALLOW).filter_map(allowed_row).collect(),
        denied: denied(),
        renamed: rows(RENAMED).filter_map(|line| line.split_once(' ')).collect(),
    })
}

fn rows(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn allowed_row(line: &'static str) -> Option<((&'static str, &'static str), Use)> {
    let mut words = line.split(' ');
    let (module, name, word) = (words.next()?, words.next()?, words.next()?);
    let used = match word {
        "type" => Use::Type,
        "object" => Use::Object,
        "stated" => Use::Stated,
        "value" => Use::Value,
        "call" => Use::Call,
        "call+build" => Use::CallBuild,
        "plain" => Use::Plain,
        "latin1" => Use::Latin1,
        "ordered" => Use::Ordered,
        "tensor" => Use::Tensor,
        "rebuild" => Use::Rebuild,
        "nested" => Use::Nested,
        "reconstructor" => Use::Reconstructor,
        "buffer" => Use::Buffer,
        "of-type" => Use::OfType,
        _ => return None,
    };
    Some(((module, name), used))
}

fn denied() -> BTreeMap<&'static str, Vec<(&'static str, &'static str)>> {
    let mut out: BTreeMap<&'static str, Vec<(&'static str, &'static str)>> = BTreeMap::new();
    for line in rows(DENY) {
        let mut words = line.splitn(3, ' ');
        if let (Some(module), Some(name), Some(reason)) = (words.next(), words.next(), words.next()) {
            out.entry(module).or_default().push((name, reason));
        }
    }
    out
}

/// What is known about a name, or about one of those that the caller allows beside the list.
pub(super) fn standing(module: &str, name: &str, also: &[(String, String)]) -> Standing {
    let (module, name) = renamed(module, name);
    let is_vouched = || also.iter().any(|(m, n)| m == module && n == name);
    match lists().allowed.get(&(module, name)) {
        // Whoever vouches for the class vouches for any state.
        Some(Use::Stated) if is_vouched() => return Standing::Allowed(Use::Object),
        Some(used) => return Standing::Allowed(*used),
        None => {}
    }
    // Classes of TorchScript, which are defined beside the pickle; Python has no module of this name.
    if module == "__torch__" || module.starts_with("__torch__.") {
        return Standing::Allowed(Use::Object);
    }
    if let Some(reason) = reason_against(module, name) {
        return Standing::Denied(reason);
    }
    if is_vouched() {
        return Standing::Allowed(Use::Type);
    }
    Standing::Unlisted
}

/// What other formats have to know about a name that they import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    Allowed,
    Dangerous(&'static str),
    Unlisted,
}

/// The same judgement for formats that name classes as pickles do.
pub(crate) fn known(module: &str, name: &str, also: &[(String, String)]) -> Known {
    match standing(module, name, also) {
        // How these formats give states is not judged.
        Standing::Allowed(Use::Stated) | Standing::Unlisted => Known::Unlisted,
        Standing::Allowed(_) => Known::Allowed,
        Standing::Denied(why) => Known::Dangerous(why),
    }
}

/// Why a name is known to be dangerous.
pub(crate) fn reason_against(module: &str, name: &str) -> Option<&'static str> {
    let lists = lists();
    let mut at = Some(module);
    while let Some(here) = at {
        let is_exact = here == module;
        for (listed, reason) in lists.denied.get(here).into_iter().flatten() {
            let named = *listed == name || name.strip_prefix(listed).is_some_and(|rest| rest.starts_with('.'));
            if *listed == "*" || (is_exact && named) {
                return Some(reason);
            }
        }
        at = here.rsplit_once('.').map(|(parent, _)| parent);
    }
    let mut steps = module.split('.').chain(name.split('.'));
    if name.contains('.') && steps.any(|step| DOORS.contains(&step)) {
        return Some("walks through attributes to other modules");
    }
    if name
        .split('.')
        .any(|step| step.starts_with("__") && step.ends_with("__"))
    {
        return Some("reaches into Python's own machinery");
    }
    None
}

/// Attributes that many modules have because they import something, and that lead elsewhere.
const DOORS: [&str; 9] = [
    "os",
    "sys",
    "subprocess",
    "builtins",
    "modules",
    "importlib",
    "ctypes",
    "shutil",
    "socket",
];

/// Python 2's names by their names in Python 3, as the unpickler maps them for protocols below 3, and modules of libraries
/// that have other names today.
fn renamed<'n>(module: &'n str, name: &'n str) -> (&'n str, &'n str) {
    match (module, name) {
        ("__builtin__", "xrange") => ("builtins", "range"),
        ("__builtin__", "reduce") => ("functools", "reduce"),
        ("__builtin__", "unicode") => ("builtins", "str"),
        ("__builtin__", "long") => ("builtins", "int"),
        ("__builtin__", "intern") => ("sys", "intern"),
        ("__builtin__", "unichr") => ("builtins", "chr"),
        ("itertools", "izip") => ("builtins", "zip"),
        ("itertools", "imap") => ("builtins", "map"),
        ("itertools", "ifilter") => ("builtins", "filter"),
        ("UserDict", "UserDict" | "IterableUserDict") => ("collections", "UserDict"),
        ("__builtin__" | "exceptions", _) => ("builtins", name),
        ("copy_reg", _) => ("copyreg", name),
        ("cPickle", _) => ("pickle", name),
        ("Queue", _) => ("queue", name),
        ("commands", _) => ("subprocess", name),
        ("urllib2" | "urllib", _) => ("urllib.request", name),
        _ => (lists().renamed.get(module).copied().unwrap_or(module), name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_lists_is_read() {
        assert_eq!(lists().allowed.len(), rows(ALLOW).count());
        let denied: usize = lists().denied.values().map(Vec::len).sum();
        assert_eq!(denied, rows(DENY).count());
        assert_eq!(lists().renamed.len(), rows(RENAMED).count());
        for module in lists().renamed.values() {
            assert!(lists().allowed.keys().any(|(listed, _)| listed == module), "{module}");
        }
    }

    #[test]
    fn nothing_is_allowed_that_is_known_to_be_dangerous() {
        for (module, name) in lists().allowed.keys() {
            assert_eq!(reason_against(module, name), None, "{module} {name}");
        }
    }

    #[test]
    fn names_are_exact() {
        let check = |module: &str, name: &str| standing(module, name, &[]);
        assert_eq!(check("collections", "OrderedDict"), Standing::Allowed(Use::Ordered));
        for (module, name) in [
            ("collections", "OrderedDict.x"),
            ("collections.OrderedDict", "x"),
            ("collections ", "OrderedDict"),
            ("Collections", "OrderedDict"),
            ("numpy", "ndarrayx"),
        ] {
            assert_eq!(check(module, name), Standing::Unlisted, "{module} {name}");
        }
        for (module, name) in [
            ("os", "system"),
            ("posix", "x"),
            ("__builtin__", "eval"),
            ("builtins", "getattr"),
            ("asyncio.unix_events", "_UnixSubprocessTransport._start"),
            ("numpy", "__builtins__"),
            ("numpy", "size.__dict__"),
            ("functools", "os.system"),
            ("copy_reg", "add_extension"),
            ("commands", "getoutput"),
        ] {
            assert!(matches!(check(module, name), Standing::Denied(_)), "{module} {name}");
        }
    }
}
