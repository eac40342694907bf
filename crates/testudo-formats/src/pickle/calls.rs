//! What is said about names, calls and states: the call-site rules.

use super::machine::Machine;
use super::policy::{Standing, Use};
use super::states;
use super::values::{Named, Value, Values};
use crate::verdict::Verdict;

/// The wrapper after whose state the bytes of an array follow in a joblib file.
const WRAPPERS: [(&str, &str); 2] = [
    ("joblib.numpy_pickle", "NumpyArrayWrapper"),
    ("sklearn.externals.joblib.numpy_pickle", "NumpyArrayWrapper"),
];

impl Machine<'_, '_> {
    /// A name was named: importing it runs its module already.
    pub(super) fn name(&mut self, module: &str, name: &str) -> Value {
        let value = self.values.global(module, name, self.bounds.also);
        let Some(named) = self.values.named(value) else {
            self.note("pickle.name", Verdict::Unknown, "names more things than the limit");
            return value;
        };
        let path = named.path();
        match named.standing {
            Standing::Allowed(_) => {}
            Standing::Denied(why) => self.note("pickle.name", Verdict::Malicious, format!("names {path}: {why}")),
            Standing::Unlisted => self.note(
                "pickle.name",
                Verdict::Unknown,
                format!("names {path}, which is on no list of what savers write"),
            ),
        }
        value
    }

    /// A call, whatever becomes of its result. `is_new` makes an object of a class without calling the class.
    pub(super) fn call(&mut self, callable: Value, args: Value, is_new: bool) -> Value {
        self.calls = self.calls.saturating_add(1);
        let callable = self.values.module_class(callable).unwrap_or(callable);
        self.judge_loose_classes();
        let Some(named) = self.values.named(callable) else {
            let (what, with) = (self.values.describe(callable), self.values.describe(args));
            self.note("pickle.call", Verdict::Unknown, format!("calls {what} with {with}"));
            return self.object(callable, args, false);
        };
        let path = named.path();
        let (broken, takes_state) = match &named.standing {
            Standing::Denied(why) => {
                let reason = format!("calls {path}{}: {why}", self.values.describe(args));
                self.note("pickle.call", Verdict::Malicious, reason);
                return self.object(callable, args, false);
            }
            Standing::Unlisted => (Some("which is on no list of what savers write"), false),
            // From protocol 2 on, objects are made by opcodes of their own.
            Standing::Allowed(Use::Reconstructor) if self.version >= 2 => {
                (Some("which savers call in protocols 0 and 1 only"), false)
            }
            Standing::Allowed(used) => (breaks(*used, &self.values, args, is_new), takes_state(*used)),
        };
        if named.standing == Standing::Allowed(Use::Nested)
            && let Some([bytes]) = self.values.items(args)
        {
            self.loads.push((self.at, *bytes));
        }
        if let Some(why) = broken {
            let reason = format!("calls {path}{}, {why}", self.values.describe(args));
            self.note("pickle.call", Verdict::Unknown, reason);
        }
        let is_reconstructed = named_use(&self.values, callable) == Some(Use::Reconstructor);
        if self.values.holds_stated(args) && !is_reconstructed {
            self.values.has_loose_class = true;
            self.judge_loose_classes();
        }
        self.object(callable, args, takes_state && broken.is_none())
    }

    /// What has a class whose states are judged, and makes objects of it, gives them states that are not.
    fn judge_loose_classes(&mut self) {
        if std::mem::take(&mut self.values.has_loose_class) {
            let reason = "keeps a class whose states are judged where others can make objects of it";
            self.note("pickle.name", Verdict::Unknown, reason);
        }
    }

    /// BUILD: gives `on` a state.
    pub(super) fn build(&mut self, on: Value, state: Value) {
        self.values.loosen(&[state]);
        self.judge_loose_classes();
        match on {
            Value::Object(_) if self.values.made(on).is_some_and(|object| object.takes_state) => {
                let class = self
                    .values
                    .class_of(on)
                    .filter(|class| self.values.holds_stated(*class));
                if let Some(class) = class {
                    if let Some(why) = states::wrong(&self.values, class, state) {
                        let path = self.values.named(class).map_or_else(String::new, Named::path);
                        let reason = format!("gives a {path} a state {why}");
                        self.note("pickle.state", Verdict::Unknown, reason);
                    }
                } else if self.values.sets_dunder(state) {
                    let reason = "sets an attribute whose name begins with two underscores";
                    self.note("pickle.state", Verdict::Unknown, reason);
                }
                self.values.give_state(on, state);
                if self.is_wrapper(on) {
                    self.array = Some(on);
                }
            }
            Value::Global(_) => {
                let path = self.values.named(on).map_or_else(String::new, Named::path);
                let reason = format!("changes the attributes of {path} itself");
                self.note("pickle.state", Verdict::Malicious, reason);
            }
            _ => {
                let what = self.values.describe(on);
                let reason = format!("gives a state to {what}, which is no object of an allowed class");
                self.note("pickle.state", Verdict::Unknown, reason);
            }
        }
    }

    fn is_wrapper(&self, value: Value) -> bool {
        self.values.made(value).is_some_and(|object| {
            WRAPPERS
                .iter()
                .any(|(module, name)| self.values.is_named(object.callable, module, name))
        })
    }
}

fn takes_state(used: Use) -> bool {
    match used {
        Use::Type
        | Use::Object
        | Use::Stated
        | Use::CallBuild
        | Use::Ordered
        | Use::Reconstructor
        | Use::OfType
        | Use::Rebuild => true,
        Use::Value | Use::Call | Use::Plain | Use::Latin1 | Use::Tensor | Use::Buffer | Use::Nested => false,
    }
}

/// Why a call is not one that a saver writes.
fn breaks(used: Use, values: &Values, args: Value, is_new: bool) -> Option<&'static str> {
    let items = values.items(args);
    let constants = values.is_plain(args);
    let fine = match used {
        Use::Type => true,
        // What matters is that no constructor runs; `__new__` of these classes takes nothing or constants.
        Use::Object => is_new,
        Use::Stated => is_new && matches!(items, Some([])),
        Use::Value => return Some("which savers name but never call"),
        Use::Call | Use::CallBuild => !is_new,
        Use::Plain => constants,
        // Python 2 gives it its pairs in a list; that is no more than putting them in.
        Use::Ordered => constants || (!is_new && matches!(items, Some([Value::List(_)]))),
        Use::Latin1 => matches!(items, Some([text, encoding])
            if matches!(text, Value::Text(_) | Value::LongText)
                && matches!(values.str(*encoding), Some("latin1" | "latin-1"))),
        Use::Buffer => match items {
            Some([]) => true,
            Some([first, rest @ ..]) => {
                let is_data = matches!(
                    first,
                    Value::Text(_)
                        | Value::LongText
                        | Value::Bytes(_)
                        | Value::LongBytes
                        | Value::Span(_)
                        | Value::List(_)
                        | Value::Object(_)
                ) && values.is_plain(*first);
                is_data && rest.iter().all(|item| matches!(item, Value::Text(_)))
            }
            None => false,
        },
        Use::Reconstructor => matches!(items, Some([class, base, state])
            if is_used_as(values, *class, &[Use::Type, Use::Object, Use::Stated])
                && (values.is_named(*base, "builtins", "object") || values.is_named(*base, "__builtin__", "object"))
                && *state == Value::None),
        Use::OfType => matches!(items, Some([class, rest @ ..])
            if is_class(values, *class)
                && rest.iter().all(|item| values.is_plain(*item) || is_class(values, *item))),
        Use::Nested => matches!(items, Some([Value::Bytes(_) | Value::Span(_)])),
        Use::Rebuild => matches!(items, Some([function, class, _, _])
            if is_class(values, *class) && is_used_as(values, *function, &[Use::Tensor, Use::CallBuild])),
        Use::Tensor => items.is_some_and(|items| items.iter().all(|item| is_tensor_part(values, *item, 4))),
    };
    (!fine).then_some("and not in the way that savers do")
}

fn named_use(values: &Values, value: Value) -> Option<Use> {
    match values.named(value)?.standing {
        Standing::Allowed(used) => Some(used),
        _ => None,
    }
}

fn is_class(values: &Values, value: Value) -> bool {
    is_used_as(values, value, &[Use::Type, Use::Object, Use::Ordered])
}

fn is_used_as(values: &Values, value: Value, uses: &[Use]) -> bool {
    named_use(values, value).is_some_and(|used| uses.contains(&used))
}

/// Storages, numbers, tuples of those, empty dictionaries, names of types, and tensors made of the same.
fn is_tensor_part(values: &Values, value: Value, depth: u32) -> bool {
    let Some(depth) = depth.checked_sub(1) else {
        return false;
    };
    match value {
        Value::Persistent(_) => true,
        Value::Tuple(_) => values
            .items(value)
            .is_some_and(|items| items.iter().all(|item| is_tensor_part(values, *item, depth))),
        Value::Global(_) => matches!(
            values.named(value).map(|named| &named.standing),
            Some(Standing::Allowed(Use::Type | Use::Value | Use::Object))
        ),
        Value::Object(_) => values.made(value).is_some_and(|object| {
            matches!(
                values.named(object.callable).map(|named| &named.standing),
                Some(Standing::Allowed(_))
            )
        }),
        _ => values.is_plain(value),
    }
}
