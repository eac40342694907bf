//! Programs of PyTorch beside its pickles: TorchScript's code and bytecode, the graphs of torch.export, packages.
//!
//! TorchScript is no Python: what it can reach is operators and the classes of libraries. Both are named exactly, so that
//! an exact list of the operators that calculate ([`operators`]) says what it does.

mod operators;

use self::operators::operator;
use crate::documents;
use crate::pickle;
use crate::scan::{Place, Scan};
use crate::source::{Source, read_up_to};
use crate::verdict::{Verdict, shown};

/// Longest file of code that is read whole.
const CODE_BYTES_MAX: usize = 64 << 20;

/// Libraries of classes that come with PyTorch.
const CLASSES: [&str; 6] = ["quantized", "rnn", "sparse", "xnnpack", "mkldnn", "profiler"];

fn found(scan: &mut Scan<'_>, place: &Place, found: Option<(Verdict, String)>, at: Option<u64>) {
    if let Some((verdict, reason)) = found {
        scan.find(place, "torch.operator", verdict, reason, at);
    }
}

/// Members of a PyTorch zip that hold code; whether this was one.
pub(crate) fn member(scan: &mut Scan<'_>, source: &dyn Source, names: &[String], place: &Place) -> bool {
    let is_script = names.iter().any(|name| is_named(name, "data.pkl"));
    let in_code = place.name.contains("code/") && place.name.ends_with(".py");
    if is_script && in_code {
        code(scan, source, place);
        return true;
    }
    if is_script && place.file_name() == "bytecode.pkl" {
        bytecode(scan, source, place);
        return false;
    }
    let runs = [
        ("/.data/extern_modules", "a package of PyTorch"),
        ("MAR-INF/MANIFEST.json", "an archive of TorchServe"),
    ];
    let what = runs
        .iter()
        .find(|(file, _)| names.iter().any(|name| name.ends_with(file)))
        .map(|(_, what)| *what);
    if let Some(what) = what.filter(|_| place.name.ends_with(".py")) {
        let reason = format!("it is Python in {what}, which runs when that is loaded");
        scan.find(place, "torch.python", Verdict::Unknown, reason, None);
    }
    false
}

fn is_named(member: &str, name: &str) -> bool {
    member.rsplit('/').next() == Some(name)
}

/// TorchScript's code: every name of an operator or of a library's class in it, called or not.
fn code(scan: &mut Scan<'_>, source: &dyn Source, place: &Place) {
    scan.part(place, "torchscript code", source.size());
    let bytes = read_up_to(source, 0, CODE_BYTES_MAX).unwrap_or_default();
    let Ok(text) = std::str::from_utf8(&bytes) else {
        let reason = "it is no text, and was not read";
        return scan.find(place, "torch.code", Verdict::Unknown, reason, None);
    };
    if u64::try_from(bytes.len()) != Ok(source.size()) {
        let reason = "it is longer than the limit, and was read up to there";
        scan.find(place, "torch.code", Verdict::Unknown, reason, None);
    }
    let tokens = tokens(text);
    for (index, (at, token)) in tokens.iter().enumerate() {
        let at = u64::try_from(*at).ok();
        let before = index
            .checked_sub(1)
            .and_then(|before| tokens.get(before))
            .map(|(_, token)| *token);
        // `.NAME` as often as it follows.
        let step = |nth: usize| {
            let dot = index.saturating_add(nth.saturating_mul(2)).saturating_sub(1);
            let is_dot = tokens.get(dot).is_some_and(|(_, token)| *token == ".");
            tokens
                .get(dot.saturating_add(1))
                .filter(|_| is_dot)
                .map(|(_, token)| *token)
        };
        match *token {
            "torch" | "ops" if before != Some(".") => {
                let named = match (*token, step(1), step(2)) {
                    ("torch", Some(name), _) => operator("aten", name),
                    ("ops", Some(space), Some(name)) => operator(space, name),
                    _ => Some((
                        Verdict::Unknown,
                        format!("gives `{token}` another name, so that what is reached by it is not known"),
                    )),
                };
                found(scan, place, named, at);
            }
            "classes" if before == Some(".") => {
                if let Some(library) = step(1).filter(|library| !CLASSES.contains(library)) {
                    let reason = format!("a class of the library `{}`, which has to be loaded", shown(library));
                    let verdict = if operators::reaches_out(library) {
                        Verdict::Unknown
                    } else {
                        Verdict::Suspicious
                    };
                    scan.find(place, "torch.class", verdict, reason, at);
                }
            }
            "^" => {
                let reason = "a function of Python, which TorchScript calls by its name";
                scan.find(place, "torch.operator", Verdict::Malicious, reason, at);
            }
            _ => {}
        }
    }
}

/// Identifiers and signs, without texts, comments and blanks.
fn tokens(text: &str) -> Vec<(usize, &str)> {
    let mut out = Vec::new();
    let mut rest = text.char_indices().peekable();
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    while let Some((at, character)) = rest.next() {
        match character {
            '#' => while rest.next_if(|(_, next)| *next != '\n').is_some() {},
            '"' | '\'' => {
                while let Some((_, next)) = rest.next() {
                    match next {
                        '\\' => drop(rest.next()),
                        _ if next == character => break,
                        _ => {}
                    }
                }
            }
            _ if is_word(character) => {
                let mut end = at.saturating_add(character.len_utf8());
                while let Some((next_at, next)) = rest.next_if(|(_, next)| is_word(*next)) {
                    end = next_at.saturating_add(next.len_utf8());
                }
                out.extend(text.get(at..end).map(|token| (at, token)));
            }
            _ if character.is_whitespace() || character == '\\' => {}
            _ => out.extend(
                text.get(at..at.saturating_add(character.len_utf8()))
                    .map(|token| (at, token)),
            ),
        }
    }
    out
}

/// Bytecode for small devices names operators as texts in a pickle.
fn bytecode(scan: &mut Scan<'_>, source: &dyn Source, place: &Place) {
    for namespace in operators::judged() {
        let start = format!("{namespace}::");
        let mut all = Vec::new();
        documents::search(source, start.as_bytes(), |at, text| {
            // Its length stands before a text, in four bytes or in one; else it ends with its line.
            let before = read_up_to(source, at.saturating_sub(4), 4).unwrap_or_default();
            let bytes = before
                .iter()
                .rev()
                .find(|byte| **byte != 0)
                .map_or(0, |byte| usize::from(*byte));
            let line = text.find(|next: char| !next.is_alphanumeric() && !"_:.".contains(next));
            let ends = [bytes, line.unwrap_or(text.len())].into_iter();
            let names: Vec<String> = ends
                .filter_map(|end| text.get(start.len()..end))
                .map(str::to_owned)
                .collect();
            all.push((at, names));
        });
        for (at, names) in all {
            let mut judged: Vec<_> = names.iter().map(|name| operator(namespace, name)).collect();
            // One of both is its name; what is harmful under either is told, and what is plain under one is plain.
            judged.sort_by_key(|found| std::cmp::Reverse(found.as_ref().map(|(verdict, _)| *verdict)));
            let is_plain = judged.last().is_none_or(Option::is_none);
            let worst = judged.into_iter().next().flatten();
            let told = worst.filter(|(verdict, _)| *verdict == Verdict::Malicious || !is_plain);
            found(scan, place, told, Some(at));
        }
    }
}

/// A text of a graph of torch.export, under its key: an operator, a function of Python, or an expression to evaluate.
pub(crate) fn exported(scan: &mut Scan<'_>, key: &str, text: &str, at: Option<u64>, place: &Place) {
    match key {
        "target" => found(scan, place, target(text), at),
        "expr_str" if !is_size(text) => {
            let reason = format!("the size `{}` is evaluated and is no arithmetic", shown(text));
            scan.find(place, "torch.expression", Verdict::Unknown, reason, at);
        }
        "guards_code" if !is_condition(text) => {
            let reason = format!("the condition `{}` is run and is no comparison", shown(text));
            scan.find(place, "torch.expression", Verdict::Unknown, reason, at);
        }
        _ => {}
    }
}

fn target(text: &str) -> Option<(Verdict, String)> {
    if let Some(path) = text.strip_prefix("torch.ops.") {
        let mut steps = path.split('.');
        return operator(steps.next().unwrap_or_default(), steps.next().unwrap_or_default());
    }
    // Attributes of PyTorch itself, and functions of Python's `operator` and `math`, go by their paths.
    let (module, name) = text.rsplit_once('.')?;
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') && !name.starts_with("__");
    match module {
        "torch" if name.starts_with("sym_") => None,
        "math" | "torch.sym" if is_plain => None,
        "operator" | "_operator" if is_plain && !matches!(name, "attrgetter" | "methodcaller" | "call") => None,
        _ if module == "torch" || module.starts_with("torch.") => {
            let why = pickle::reason_against(module, name);
            let verdict = if why.is_some() {
                Verdict::Malicious
            } else {
                Verdict::Unknown
            };
            let why = why.unwrap_or("which is no operator");
            Some((verdict, format!("a step of the graph calls {}, {why}", shown(text))))
        }
        _ => None,
    }
}

/// Names in the sizes that torch.export writes, as SymPy spells them.
const SIZES: [&str; 59] = [
    "Symbol",
    "Integer",
    "Rational",
    "Float",
    "Add",
    "Mul",
    "Pow",
    "Max",
    "Min",
    "Mod",
    "PythonMod",
    "FloorDiv",
    "ModularIndexing",
    "CleanDiv",
    "CeilDiv",
    "CeilToInt",
    "FloorToInt",
    "TruncToInt",
    "TruncToFloat",
    "RoundToInt",
    "RoundDecimal",
    "IntTrueDiv",
    "FloatTrueDiv",
    "PowByNatural",
    "FloatPow",
    "ToFloat",
    "Identity",
    "Where",
    "LShift",
    "RShift",
    "IsNonOverlappingAndDenseIndicator",
    "Eq",
    "Ne",
    "Lt",
    "Le",
    "Gt",
    "Ge",
    "Equality",
    "Unequality",
    "And",
    "Or",
    "Not",
    "Abs",
    "True",
    "False",
    "sqrt",
    "floor",
    "ceiling",
    "oo",
    "int_oo",
    "integer",
    "positive",
    "negative",
    "nonnegative",
    "real",
    "finite",
    "precision",
    "evaluate",
    "StrictLessThan",
];
/// Names in the conditions that torch.export writes, as Python.
const CONDITIONS: [&str; 25] = [
    "L",
    "size",
    "stride",
    "storage_offset",
    "shape",
    "dim",
    "ndim",
    "dtype",
    "device",
    "and",
    "or",
    "not",
    "in",
    "is",
    "None",
    "True",
    "False",
    "max",
    "min",
    "abs",
    "math",
    "torch",
    "sym_float",
    "floor",
    "trunc",
];

/// Whether it is made of numbers, symbols of sizes, signs, texts that are names, and known names.
fn is_size(text: &str) -> bool {
    let is_symbol = |token: &str| {
        let letters = token.trim_end_matches(|last: char| last.is_ascii_digit());
        letters.len() <= 3 && letters.bytes().all(|byte| byte.is_ascii_lowercase())
    };
    let is_sign = |token: &str| "+-*/%(),<>=&|~!.".contains(token);
    let reaches_in = text
        .split('.')
        .skip(1)
        .any(|after| after.starts_with(|next: char| next.is_alphabetic() || next == '_'));
    !reaches_in
        && has_plain_texts(text)
        && tokens(text)
            .iter()
            .all(|(_, token)| is_sign(token) || is_symbol(token) || SIZES.contains(token))
}

/// The same for a condition, which looks into arguments by their names.
fn is_condition(text: &str) -> bool {
    let is_number = |token: &str| token.bytes().all(|byte| byte.is_ascii_digit());
    let is_sign = |token: &str| "+-*/%(),<>=&|~!.[]".contains(token);
    has_plain_texts(text)
        && tokens(text)
            .iter()
            .all(|(_, token)| is_sign(token) || is_number(token) || CONDITIONS.contains(token))
}

/// Whether all that stands in quotes is a name, and nothing is hidden in comments or escapes.
fn has_plain_texts(text: &str) -> bool {
    let quoted = text.split(['"', '\'']).skip(1).step_by(2);
    text.len() <= 4096
        && !text.contains(['#', '\\', ';', '\n', '\r'])
        && quoted.into_iter().all(|quoted| {
            quoted
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'))
        })
}
