//! Bytes that lie between and after opcodes: joblib's arrays, PyTorch's storages.

use super::broken::Broken;
use super::machine::Machine;
use super::values::{Value, Values};
use super::{hidden, suppose};
use crate::scan::{Place, Scan};
use crate::verdict::Verdict;

/// Opcodes that are read of an array's bytes, as a plain unpickler would read them.
const TRIED_OPCODES_MAX: u64 = 10_000;

/// Goes over the array that follows its wrapper in a joblib file.
pub(super) fn skip(
    scan: &mut Scan<'_>,
    machine: &mut Machine<'_, '_>,
    wrapper: Value,
    place: &Place,
) -> Result<(), Broken> {
    let Some(array) = described(&machine.values, wrapper) else {
        return Err(Broken::new("an array of joblib does not say how long it is"));
    };
    plain_reading(scan, machine, place);
    if array.has_objects {
        return objects(scan, machine, place);
    }
    if array.is_aligned {
        let padding = machine.cursor.byte()?;
        machine.cursor.skip(u64::from(padding))?;
    }
    machine.cursor.skip(array.bytes)?;
    Ok(())
}

/// An array of objects is another pickle in the place of the bytes.
fn objects(scan: &mut Scan<'_>, machine: &mut Machine<'_, '_>, place: &Place) -> Result<(), Broken> {
    if place.depth >= scan.limits().depth_max {
        return Err(Broken::new("pickles lie too deep in each other"));
    }
    let source = machine.cursor.source();
    let at = machine.cursor.position();
    let mut inner = Machine::new(crate::source::Cursor::new(source, at), super::bounds(scan));
    let deeper = Place {
        depth: place.depth.saturating_add(1),
        ..place.clone()
    };
    let ended = super::run(scan, &mut inner, &deeper);
    scan.opcodes = scan.opcodes.saturating_add(inner.opcodes);
    super::report(scan, &inner, place, "");
    super::loads(scan, source, &inner, place);
    hidden::constants(scan, source, &inner, place);
    match ended.broken {
        Some(broken) => Err(broken),
        None => {
            machine.cursor.seek(ended.at);
            Ok(())
        }
    }
}

/// `pickle.load` does not know of the array and would read its bytes as opcodes.
fn plain_reading(scan: &mut Scan<'_>, machine: &Machine<'_, '_>, place: &Place) {
    let source = machine.cursor.source();
    let Some(tried) = suppose(scan, source, machine.cursor.position(), TRIED_OPCODES_MAX) else {
        return;
    };
    if tried.notes.worst() == Some(Verdict::Malicious) {
        super::report(scan, &tried, place, "the bytes of an array, read as opcodes: ");
    }
}

struct Array {
    bytes: u64,
    has_objects: bool,
    is_aligned: bool,
}

fn described(values: &Values, wrapper: Value) -> Option<Array> {
    let state = values.made(wrapper)?.state?;
    let shape = values.items(values.entry(state, "shape")?)?;
    let mut count = 1_u64;
    for axis in shape {
        let Value::Int(axis) = axis else { return None };
        count = count.checked_mul(u64::try_from(*axis).ok()?)?;
    }
    let is_aligned = match values.entry(state, "numpy_array_alignment_bytes") {
        None | Some(Value::None) => false,
        Some(Value::Int(_)) => true,
        Some(_) => return None,
    };
    let (item_bytes, has_objects) = dtype(values, values.entry(state, "dtype")?)?;
    Some(Array {
        bytes: count.checked_mul(item_bytes)?,
        has_objects,
        is_aligned,
    })
}

/// Size of an item, and whether items are objects.
fn dtype(values: &Values, value: Value) -> Option<(u64, bool)> {
    let object = values.made(value)?;
    let named = values.named(object.callable)?;
    if (named.module.as_str(), named.name.as_str()) != ("numpy", "dtype") {
        return None;
    }
    let code = values.str(*values.items(object.args)?.first()?)?;
    let state = object.state.and_then(|state| values.items(state)).unwrap_or_default();
    let number = |index: usize| match state.get(index) {
        Some(Value::Int(number)) => u64::try_from(*number).ok(),
        _ => None,
    };
    let code = code.trim_start_matches(['<', '>', '|', '=']);
    let kind = code.chars().next()?;
    let digits: u64 = code.get(kind.len_utf8()..)?.parse().ok()?;
    let item_bytes = match kind {
        'U' => digits.checked_mul(4)?,
        'b' | 'i' | 'u' | 'f' | 'c' | 'S' | 'a' | 'M' | 'm' | 'O' => digits,
        'V' => number(5)?,
        _ => return None,
    };
    let has_objects = kind == 'O' || number(7).is_some_and(|flags| flags & 1 == 1);
    Some((item_bytes, has_objects))
}

/// How many bytes the storages that a PyTorch pickle names take in an old file, each once.
pub(super) fn storage_bytes(values: &Values) -> u64 {
    let mut seen = std::collections::BTreeSet::new();
    let mut bytes = 0_u64;
    for id in values.persistent_ids() {
        let Some([kind, class, key, _, count, ..]) = values.items(*id) else {
            continue;
        };
        let (Some("storage"), Some(key), Value::Int(count)) = (values.str(*kind), values.content(*key), count) else {
            continue;
        };
        if !seen.insert(key.to_vec()) {
            continue;
        }
        let item = values.named(*class).map_or(1, |named| element_bytes(&named.name));
        let count = u64::try_from(*count).unwrap_or(0);
        bytes = bytes.saturating_add(count.saturating_mul(item)).saturating_add(8);
    }
    bytes
}

fn element_bytes(class: &str) -> u64 {
    match class {
        "ComplexDoubleStorage" => 16,
        "DoubleStorage" | "LongStorage" | "ComplexFloatStorage" => 8,
        "FloatStorage" | "IntStorage" | "QInt32Storage" => 4,
        "HalfStorage" | "BFloat16Storage" | "ShortStorage" => 2,
        _ => 1,
    }
}

/// The size of an item by its code.
#[cfg(test)]
fn item(code: &str) -> Option<(u64, bool)> {
    let mut values = Values::new(1 << 20);
    let name = values.text(code.as_bytes());
    let args = values.tuple(&[name]);
    let callable = values.global("numpy", "dtype", &[]);
    let object = values.object(super::values::Object {
        callable,
        args,
        takes_state: true,
        state: None,
    });
    dtype(&values, object)
}

#[cfg(test)]
mod tests {
    use super::item;

    #[test]
    fn items_have_the_size_that_numpy_gives_them() {
        for (code, bytes) in [("f8", 8), ("<U12", 48), ("S5", 5), ("c16", 16), ("|b1", 1), ("M8", 8)] {
            assert_eq!(item(code), Some((bytes, false)), "{code}");
        }
        assert_eq!(item("O8"), Some((8, true)));
        for code in ["", "f", "x8", "V8", "f-8", "f99999999999999999999", "é8"] {
            assert_eq!(item(code), None, "{code}");
        }
    }
}
