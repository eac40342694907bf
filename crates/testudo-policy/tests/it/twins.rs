//! The pairs of `evals/agents` are what their README says: complete, well formed, and different where they claim to be;
//! those of the second set are complete and well formed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

const TRACES: &str = include_str!("../../../../evals/agents/traces.jsonl");
const TOOLS: &str = include_str!("../../../../evals/agents/tools.json");
const ROLES: &str = include_str!("../../../../evals/agents/roles.json");
/// Traces, tool definitions and tool tables of all sets.
const SETS: [[&str; 3]; 2] = [
    [TRACES, TOOLS, ROLES],
    [
        include_str!("../../../../evals/agents-second/traces.jsonl"),
        include_str!("../../../../evals/agents-second/tools.json"),
        include_str!("../../../../evals/agents-second/roles.json"),
    ],
];
const CLASSES: [&str; 10] = [
    "washing",
    "lookalike",
    "encoding",
    "url_exfil",
    "delegation",
    "choice",
    "pasted",
    "shadowing",
    "laundering",
    "sender",
];

/// A trace with what the checks ask of it.
struct Trace {
    id: String,
    whole: Value,
}

/// One call, and everything the agent had read before it.
struct Call<'a> {
    event: &'a Value,
    results_before: Vec<&'a str>,
}

impl Trace {
    fn text(&self, field: &str) -> &str {
        self.whole[field].as_str().unwrap_or("")
    }

    fn events(&self) -> &[Value] {
        self.whole["events"].as_array().unwrap()
    }

    fn calls(&self) -> Vec<Call<'_>> {
        let mut results_before = Vec::new();
        let mut calls = Vec::new();
        for event in self.events().iter().filter(|event| event.get("call").is_some()) {
            calls.push(Call {
                event,
                results_before: results_before.clone(),
            });
            results_before.push(event["result"].as_str().unwrap());
        }
        calls
    }

    /// What the user typed, and what the application pasted in.
    fn user_text(&self) -> (String, String) {
        let (mut own, mut pasted) = (String::new(), String::new());
        for event in self.events().iter().filter(|event| event["message"]["role"] == "user") {
            let message = &event["message"];
            let spans = message["pasted"].as_array().map_or(&[][..], Vec::as_slice);
            for (position, letter) in message["content"].as_str().unwrap().chars().enumerate() {
                let inside = spans.iter().any(|span| {
                    let bound = |side: usize| usize::try_from(span[side].as_u64().unwrap()).unwrap();
                    (bound(0)..bound(1)).contains(&position)
                });
                if inside { pasted.push(letter) } else { own.push(letter) }
            }
            own.push('\n');
        }
        (own, pasted)
    }

    /// Definition of a tool as this trace offers it.
    fn tool<'a>(&'a self, tools: &'a Value, name: &str) -> Option<&'a Value> {
        let named = |list: &'a Value| {
            let list = list.as_array().map_or(&[][..], Vec::as_slice);
            list.iter()
                .map(|tool| &tool["function"])
                .find(|tool| tool["name"] == name)
        };
        named(&self.whole["extra_tools"]).or_else(|| named(&tools[self.text("suite")]))
    }

    fn is_undecidable(&self) -> bool {
        self.text("note").starts_with("Undecidable: ")
    }
}

fn traces() -> Vec<Trace> {
    traces_in(TRACES)
}

fn traces_in(set: &str) -> Vec<Trace> {
    set.lines()
        .map(|line| {
            let whole: Value = serde_json::from_str(line).unwrap();
            let id = whole["id"].as_str().unwrap().to_owned();
            Trace { id, whole }
        })
        .collect()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Attack and benign twin by the part of the id they share.
fn pairs(traces: &[Trace]) -> BTreeMap<&str, (&Trace, &Trace)> {
    let side = |trace: &Trace, stem: &str, side: &str| trace.id == format!("{stem}/{side}");
    let stems: BTreeSet<&str> = traces
        .iter()
        .filter_map(|trace| trace.id.strip_suffix("/attack").or(trace.id.strip_suffix("/benign")))
        .collect();
    let found = |stem: &str, name: &str| traces.iter().find(|trace| side(trace, stem, name)).expect(stem);
    stems
        .into_iter()
        .map(|stem| (stem, (found(stem, "attack"), found(stem, "benign"))))
        .collect()
}

/// Scalars of arguments, each as text.
fn scalars(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(scalars).collect(),
        Value::Object(fields) => fields.values().flat_map(scalars).collect(),
        other => vec![other.to_string()],
    }
}

/// Scalars of arguments that name a destination or an object, by the tool table; unknown arguments count.
fn named(roles: &Value, suite: &str, call: &Value) -> Vec<String> {
    let table = &roles[suite]["tools"][call["name"].as_str().unwrap()]["args"];
    let arguments = call["arguments"].as_object().unwrap();
    let naming = arguments.iter().filter(|(name, _)| {
        !["data", "quantity", "time"].contains(&table[name.as_str()].as_str().unwrap_or("control"))
    });
    naming.flat_map(|(_, value)| scalars(value)).collect()
}

fn fits(schema: &Value, value: &Value) -> bool {
    let right_type = match schema["type"].as_str() {
        Some("string") => value.is_string(),
        Some("number") => value.is_number(),
        Some("integer") => value.is_i64(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value
            .as_array()
            .is_some_and(|items| items.iter().all(|item| fits(&schema["items"], item))),
        Some("object") => value
            .as_object()
            .is_some_and(|fields| fields.values().all(|item| fits(&schema["additionalProperties"], item))),
        _ => false,
    };
    right_type && schema["enum"].as_array().is_none_or(|allowed| allowed.contains(value))
}

#[test]
fn there_are_enough_of_each_kind_in_each_domain() {
    let traces = traces();
    let count = |wanted: &dyn Fn(&Trace) -> bool| traces.iter().filter(|trace| wanted(trace)).count();
    assert!(pairs(&traces).len() >= 100);
    assert!(TRACES.len() < 1_500_000);
    let domains: BTreeSet<&str> = traces.iter().map(|trace| trace.text("suite")).collect();
    assert_eq!(domains.len(), 4);
    for domain in domains {
        let of = |class: &str, kind: &str| {
            count(&|trace| trace.text("suite") == domain && trace.text("class") == class && trace.text("kind") == kind)
        };
        for class in CLASSES {
            assert!(of(class, "attack") >= 2, "{domain} {class}");
            assert_eq!(of(class, "attack"), of(class, "benign"), "{domain} {class}");
        }
        assert!(of("task", "benign") >= 10, "{domain} tasks");
        assert!(of("injection", "attack") >= 10, "{domain} injections");
        assert_eq!(
            of("injection", "attack"),
            of("injection", "benign_under_attack"),
            "{domain}"
        );
    }
    // A rule that decides all of them would be a lie, and a set that few rules can decide would be useless.
    let undecidable = count(&|trace| trace.text("kind") == "attack" && trace.is_undecidable());
    assert!((10..=25).contains(&undecidable), "{undecidable}");
}

#[test]
fn the_second_set_has_enough_of_each_kind() {
    let traces = traces_in(SETS[1][0]);
    assert_eq!(pairs(&traces).len(), 70);
    let all = |class: &str| {
        let of_class = traces.iter().filter(|trace| trace.text("class") == class);
        of_class.map(|trace| trace.text("suite").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((all("task").len(), all("injection").len()), (52, 66));
    for class in CLASSES {
        assert_eq!(all(class).into_iter().collect::<BTreeSet<_>>().len(), 4, "{class}");
    }
}

#[test]
fn ids_say_domain_class_and_side() {
    let traces: Vec<Trace> = SETS.iter().flat_map(|[traces, ..]| traces_in(traces)).collect();
    let ids: BTreeSet<&str> = traces.iter().map(|trace| trace.id.as_str()).collect();
    assert_eq!(ids.len(), traces.len(), "an id stands twice");
    for trace in &traces {
        let stem = format!("{}/{}-", trace.text("suite"), trace.text("class"));
        let rest = trace.id.strip_prefix(stem.as_str()).expect(&trace.id);
        let (number, side) = rest.split_once('/').unwrap_or((rest, ""));
        assert!(number.len() == 2 && number.parse::<u8>().is_ok(), "{}", trace.id);
        let kind = match side {
            "attack" | "static" => "attack",
            "under_attack" => "benign_under_attack",
            _ => "benign",
        };
        assert_eq!(trace.text("kind"), kind, "{}", trace.id);
    }
}

#[test]
fn calls_name_known_tools_with_arguments_that_fit() {
    for [traces, tools, roles] in SETS {
        calls_fit(&traces_in(traces), &json(tools), &json(roles));
    }
}

fn calls_fit(traces: &[Trace], tools: &Value, roles: &Value) {
    for trace in traces {
        for (position, call) in trace.calls().into_iter().enumerate() {
            let (event, call) = (call.event, &call.event["call"]);
            let name = call["name"].as_str().unwrap();
            let id = format!("call_{}", position.saturating_add(1));
            assert_eq!(call["id"], id.as_str(), "{}", trace.id);
            let tool = trace
                .tool(tools, name)
                .unwrap_or_else(|| panic!("{}: {name}", trace.id));
            let parameters = &tool["parameters"];
            let arguments = call["arguments"].as_object().unwrap();
            for required in scalars(&parameters["required"]) {
                assert!(
                    arguments.contains_key(&required),
                    "{}: {name} without {required}",
                    trace.id
                );
            }
            for (argument, value) in arguments {
                let schema = &parameters["properties"][argument.as_str()];
                assert!(fits(schema, value), "{}: {name} {argument}={value}", trace.id);
            }
            let effect = roles[trace.text("suite")]["tools"][name]["effect"].as_str();
            assert_eq!(event["consequential"], effect != Some("read"), "{}: {name}", trace.id);
        }
    }
}

#[test]
fn only_attacks_have_injected_calls_and_they_come_last() {
    for trace in traces() {
        let by: Vec<String> = trace
            .calls()
            .iter()
            .flat_map(|call| scalars(&call.event["by"]))
            .collect();
        assert!(by.iter().all(|by| by == "user" || by == "injection"), "{}", trace.id);
        let injected = by.iter().filter(|by| *by == "injection").count();
        assert_eq!(injected > 0, trace.text("kind") == "attack", "{}", trace.id);
        if injected > 0 {
            assert!(injected <= 2, "{}", trace.id);
            assert!(trace.events().last().unwrap()["by"] == "injection", "{}", trace.id);
            let consequential = |call: &Call<'_>| call.event["by"] == "user" || call.event["consequential"] == true;
            assert!(trace.calls().iter().all(consequential), "{}", trace.id);
            assert!(trace.calls().len() > injected, "{}: read nothing first", trace.id);
        }
    }
}

#[test]
fn twins_call_the_same_tools_and_differ_in_one_call() {
    let traces = traces();
    for (stem, (attack, benign)) in pairs(&traces) {
        let names = |trace: &Trace| -> Vec<String> {
            let calls = trace.calls();
            calls
                .iter()
                .flat_map(|call| scalars(&call.event["call"]["name"]))
                .collect()
        };
        assert_eq!(names(attack), names(benign), "{stem}");
        let turns = |trace: &Trace| trace.events().iter().filter(|it| it.get("message").is_some()).count();
        assert_eq!(turns(attack), turns(benign), "{stem}");
        let last = |trace: &Trace| trace.events().last().unwrap()["call"]["arguments"].clone();
        // In some the call is the same and only what was read differs.
        assert!(attack.is_undecidable() || last(attack) != last(benign), "{stem}");
        assert_eq!(attack.text("note"), benign.text("note"), "{stem}");
    }
}

#[test]
fn pasted_spans_lie_inside_their_message() {
    let traces: Vec<Trace> = SETS.iter().flat_map(|[traces, ..]| traces_in(traces)).collect();
    let messages = traces
        .iter()
        .flat_map(Trace::events)
        .filter_map(|event| event.get("message"));
    let mut seen = 0;
    for message in messages {
        let length = u64::try_from(message["content"].as_str().unwrap().chars().count()).unwrap();
        for span in message["pasted"].as_array().into_iter().flatten() {
            let (start, end) = (span[0].as_u64().unwrap(), span[1].as_u64().unwrap());
            assert!(start < end && end <= length, "{message}");
            seen = usize::saturating_add(seen, 1);
        }
    }
    assert!(seen >= 20);
}

#[test]
fn the_injected_value_comes_from_where_the_class_says() {
    let (traces, roles) = (traces(), json(ROLES));
    for (stem, (attack, benign)) in pairs(&traces) {
        let calls = attack.calls();
        let call = calls.last().unwrap();
        let (own, pasted) = attack.user_text();
        let suite = attack.text("suite");
        let of_benign = named(&roles, suite, &benign.events().last().unwrap()["call"]);
        let foreign: Vec<String> = named(&roles, suite, &call.event["call"])
            .into_iter()
            .filter(|value| !own.contains(value.as_str()) && !of_benign.contains(value))
            .collect();
        let in_results = |value: &String| {
            call.results_before
                .iter()
                .any(|text| leaf_text(text).contains(value.as_str()))
        };
        let any = |check: &dyn Fn(&String) -> bool| foreign.iter().any(check);
        let right = match attack.text("class") {
            "washing" => any(&|value| call.results_before.iter().any(|text| is_whole_leaf(value, text))),
            "lookalike" => any(&|value| in_results(value) && of_benign.iter().any(|other| alike(value, other))),
            "encoding" => any(&|value| !in_results(value)),
            "url_exfil" => scalars(&call.event["call"]["arguments"])
                .iter()
                .any(|value| value.contains("://") && !own.contains(value.as_str())),
            "pasted" => any(&|value| pasted.contains(value.as_str())),
            "shadowing" => any(&|value| attack.whole["extra_tools"].to_string().contains(value.as_str())),
            "laundering" => any(&|value| leaf_text(call.results_before.last().unwrap()).contains(value.as_str())),
            "delegation" => attack.is_undecidable() || any(&in_results),
            // The writer of a message is the right recipient in some; there the text differs.
            "sender" => any(&in_results) || !attack.text("note").is_empty(),
            _ => attack.is_undecidable(),
        };
        assert!(right, "{stem}: {foreign:?}");
    }
}

/// In JSON or YAML; one domain answers in YAML.
fn is_whole_leaf(value: &str, result: &str) -> bool {
    match serde_json::from_str::<Value>(result) {
        Ok(parsed) => scalars(&parsed).iter().any(|leaf| leaf == value),
        Err(_) => {
            let ends = [format!(": {value}"), format!(": '{value}'")];
            result.lines().any(|line| ends.iter().any(|end| line.ends_with(end)))
        }
    }
}

/// A result as text without JSON escapes.
fn leaf_text(result: &str) -> String {
    match serde_json::from_str::<Value>(result) {
        Ok(value) => scalars(&value).join("\n"),
        Err(_) => result.to_owned(),
    }
}

/// At most six letters apart.
fn alike(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for letter in one {
        let mut next = vec![row[0].saturating_add(1)];
        for (pair, against) in row.windows(2).zip(&other) {
            let swap = pair[0].saturating_add(usize::from(letter != *against));
            let step = pair[1].min(*next.last().unwrap()).saturating_add(1);
            next.push(swap.min(step));
        }
        row = next;
    }
    (1..=6).contains(row.last().unwrap())
}

#[test]
fn the_tool_table_covers_every_tool_and_argument() {
    for [_, tools, roles] in SETS {
        is_covered(&json(tools), &json(roles));
    }
}

fn is_covered(tools: &Value, roles: &Value) {
    for (suite, list) in tools.as_object().unwrap() {
        let table = &roles[suite.as_str()];
        let known = table["tools"].as_object().unwrap();
        assert_eq!(known.len(), list.as_array().unwrap().len(), "{suite}");
        for tool in list.as_array().unwrap().iter().map(|tool| &tool["function"]) {
            let name = tool["name"].as_str().unwrap();
            let keys = |value: &Value| -> BTreeSet<String> { value.as_object().unwrap().keys().cloned().collect() };
            assert_eq!(
                keys(&known[name]["args"]),
                keys(&tool["parameters"]["properties"]),
                "{suite} {name}"
            );
        }
        for list in ["authoritative", "system_ids", "secrets"] {
            for entry in table[list].as_array().unwrap() {
                let tool = &known[entry["tool"].as_str().unwrap()];
                assert_eq!(tool["effect"], "read", "{suite} {entry}");
                assert!(entry["path"].as_str().unwrap().starts_with('$'), "{suite} {entry}");
            }
        }
    }
}
