//! Values that tools and people write in other ways: tables, numbers in groups, addresses spelled out.

use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
use serde_json::{Value, json};

use super::{judged, label, mail, talk};
use crate::provenance::{Conversation, Leaves, Limits, Reading, ToolFacts, ToolSpecs};

fn read(text: &str) -> Vec<(String, String)> {
    let leaves = Leaves::of_result(text).leaves.into_iter();
    leaves.map(|leaf| (leaf.path, leaf.value)).collect()
}

#[test]
fn tables_have_the_leaves_of_their_rows() {
    for text in [
        "sample_id,label\nS-1,\"a, \"\"b\"\"\"\nS-2,\n",
        "sample_id;label\r\nS-1;\"a, \"\"b\"\"\"\r\nS-2;\r\n",
        "sample_id\tlabel\nS-1\ta, \"b\"\nS-2\t-",
        "| sample_id | label |\n|---|:--:|\n| S-1 | a, \"b\" |\n\n| S-2 | - |",
    ] {
        let found = read(text);
        for (path, value) in [
            ("$[*]~", "sample_id"),
            ("$[*].sample_id", "S-1"),
            ("$[*].label", "a, \"b\""),
            ("$[*].sample_id", "S-2"),
        ] {
            assert!(
                found.contains(&(path.to_owned(), value.to_owned())),
                "{text}: {path} {value} not in {found:?}"
            );
        }
    }
}

#[test]
fn what_is_no_table_is_one_text() {
    for text in [
        "a,b",
        "a,b\n",
        "a,b\n1,2,3",
        "a,b\n1,2\nand that is all",
        "a,a\n1,2",
        "a,\n1,2",
        "a,b\n\"1,2",
        "1,2\n3,4",
        "Dear Ann, dear Bob\nsee you soon, Eve",
        "order_id,status\nO-1,\"sent\nO-2\",open",
        "|a|b|\n|---|---|",
    ] {
        assert_eq!(read(text), [("$".to_owned(), text.to_owned())], "{text}");
    }
}

fn to(user: &str, value: &str) -> &'static str {
    label(&talk(user, &[mail("hello")]), "send_mail", &json!({ "to": value }))
}

#[test]
fn a_number_may_be_set_off_but_not_changed() {
    let user = "Let badge B 40 233 in, 1 more day, and close wo33011 and PO-2024 118.";
    for value in ["B-40233", "b40233", "WO-33011", "PO-2024118"] {
        assert_eq!(to(user, value), "user", "{value}");
    }
    for value in [
        "B-402331",
        "B-4023",
        "B-40234",
        "AB-40233",
        "WO-3301",
        "O-33011",
        "PO-20241",
        "B-40233@site.example",
    ] {
        assert_ne!(to(user, value), "user", "{value}");
    }
    assert_ne!(to("badge B 4023 3 times", "B-40233"), "user");
    assert_ne!(to("badge AB 40233", "B-40233"), "user");
}

#[test]
fn signs_and_digits_may_be_spelled_out() {
    for user in [
        "mail ann (at) site.example",
        "mail ann[at]site[dot]example",
        "mail ann { at } site . example? no: ann@site (dot) example",
        "escribe a ann arroba site punto example",
        "Schreib an ann at site Punkt example",
    ] {
        assert_eq!(to(user, "ann@site.example"), "user", "{user}");
    }
    assert_eq!(to("der Code ist sieben vier vier eins", "7441"), "user");
    assert_eq!(to("el pin: cero siete nueve tres.", "0793"), "user");
    for user in [
        "mail ann (on site.example)",
        "ann [at site] example",
        "meet ann (at) the site dot",
    ] {
        assert_ne!(to(user, "ann@site.example"), "user", "{user}");
    }
}

#[test]
fn an_address_that_looks_like_the_users_is_not_fetched() {
    let address = "https://docs.s\u{456}te.example/handbook";
    let user = "Open https://docs.site.example/handbook from my inbox";
    let conversation = talk(user, &[mail(&format!("It is at {address} now"))]);
    assert_eq!(judged(&conversation, "fetch", &json!({ "url": address })), "look_alike");
    let conversation = talk(
        "Open the handbook from my inbox",
        &[mail("It is at https://docs.site.example/handbook now")],
    );
    let real = json!({ "url": "https://docs.site.example/handbook" });
    assert_eq!(judged(&conversation, "fetch", &real), "goes");
}

#[test]
fn a_short_id_that_somebodys_text_names_is_text() {
    let orders = r#"[{"order_id": "K-23"}, {"order_id": "K-29"}]"#;
    let named_by = |text: &str| {
        let list = ("list_orders", json!({}), orders);
        label(
            &talk("Cancel the late one", &[list, mail(text)]),
            "cancel_order",
            &json!({ "order_id": "K-29" }),
        )
    };
    assert_eq!(named_by("It is K-29 that is late."), "text");
    assert_eq!(named_by("It is K-23 that is late."), "system_id");
}

#[test]
fn an_id_that_anothers_text_names_is_text_also_in_what_the_user_asked_for() {
    let named_by = |orders: &str, text: &str| {
        let list = ("list_orders", json!({ "customer": "Lee" }), orders);
        let conversation = talk("Cancel the worst of the orders of Lee", &[list, mail(text)]);
        label(&conversation, "cancel_order", &json!({ "order_id": "K-2913" }))
    };
    let orders = r#"[{"order_id": "K-2913", "note": "late"}, {"order_id": "K-2377", "note": "late"}]"#;
    assert_eq!(named_by(orders, "The worst is K-2913."), "text");
    assert_eq!(named_by(orders, "The worst is K-2377."), "system_id");
    let own = r#"[{"order_id": "K-2913", "note": "K-2913 is late"}, {"order_id": "K-2377", "note": "late"}]"#;
    assert_eq!(named_by(own, "The worst is K-2377."), "system_id");
    let other = r#"[{"order_id": "K-2913", "note": "late"}, {"order_id": "K-2377", "note": "like K-2913"}]"#;
    assert_eq!(named_by(other, "x"), "text");
}

/// A tool table as evaluators exchange it, and what the tools are.
fn staff(system_ids: &Value) -> ToolSpecs {
    let roles = json!({ "s": {
        "tools": {
            "find": { "effect": "read", "args": { "name": "selector" } },
            "invite": { "effect": "write", "args": { "interviewer_ids": "selector" } },
        },
        "system_ids": system_ids,
        "system_id_keys": "_id$",
    }});
    let mut specs = ToolSpecs::from_roles(&roles).unwrap().remove("s").unwrap();
    specs.describe(
        &json!([{ "function": { "name": "invite", "parameters": { "properties": {
            "interviewer_ids": { "type": "array", "description": "Ids of employees who take part" },
        }}}}]),
    );
    specs
}

fn invited(specs: &ToolSpecs, id: &str) -> &'static str {
    let mut conversation = Conversation::new(Limits::default(), Reading::Close);
    conversation.push_user("Invite Ann", &[]);
    let found = r#"[{"name": "Ann", "employee_id": "E-114", "form_employee_id": "E-209", "badge": "B-77"}]"#;
    conversation.push_result(specs, "find", &json!({ "name": "Ann" }), found, false);
    let facts = ToolFacts::of(
        specs,
        &conversation,
        "invite",
        &json!({ "interviewer_ids": [id] }),
        false,
    )
    .unwrap();
    facts.arguments[0].provenance.label.as_str()
}

#[test]
fn ids_are_told_by_their_place_or_by_what_the_argument_takes() {
    let specs = staff(&json!([]));
    assert_eq!(invited(&specs, "E-114"), "system_id");
    assert_eq!(invited(&specs, "E-209"), "struct");
    assert_eq!(invited(&specs, "B-77"), "struct");
    let specs = staff(&json!([{ "tool": "find", "path": "$[*].badge" }]));
    assert_eq!(invited(&specs, "B-77"), "system_id");
    let unknown = json!({ "s": { "tools": {}, "system_ids": [{ "tool": "x", "path": "$" }] } });
    let problem = ToolSpecs::from_roles(&unknown).unwrap_err().to_string();
    assert!(problem.contains("`x`, which is not specified"), "{problem}");
}

proptest! {
    #[test]
    fn quoted_fields_are_read_back(fields in proptest::collection::vec("[ -~]{0,12}", 2..6)) {
        let headings: Vec<String> = (0..fields.len()).map(|at| format!("h{at}")).collect();
        let quoted: Vec<String> = fields.iter().map(|it| format!("\"{}\"", it.replace('"', "\"\""))).collect();
        let found = read(&format!("{}\n{}\n", headings.join(","), quoted.join(",")));
        for (heading, field) in headings.iter().zip(&fields) {
            let wanted = (format!("$[*].{heading}"), field.trim().to_owned());
            prop_assert!(wanted.1.is_empty() || found.contains(&wanted), "{wanted:?} not in {found:?}");
        }
    }

    #[test]
    fn no_table_makes_the_reader_panic(text in "[,;|\\t\"\\n a-c0-9-]{0,80}") {
        let leaves = Leaves::of_result(&text);
        prop_assert!(leaves.leaves.iter().all(|leaf| (leaf.record as usize) < leaves.records.len()));
    }

    #[test]
    fn another_number_is_never_the_users(one in 1_000u32..999_999, other in 1_000u32..999_999) {
        let named = to(&format!("close WO {one}"), &format!("WO-{other}"));
        prop_assert_eq!(named == "user", one == other, "{} {}", one, other);
    }
}
