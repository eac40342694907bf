//! What an exchange supports and what it does not.

use testudo_types::Origin;

use crate::output::{Context, Review, review};
use crate::{Budget, RuleIndex};

fn context() -> Context {
    let mut context = Context::for_review();
    context.add(&Origin::System, "Answer from the documents.");
    context.add(
        &Origin::Document,
        "[1] Annual report. Revenue was 1,234.50 million euros in 2025, said Marie Duval of Acme Works. \
         See https://acme.example/report. \"We have never grown so fast in our history\", she wrote.",
    );
    context.add(
        &Origin::ToolResult { tool: None },
        "[doc:a7] Staff: 12 845 people, up 4.5 % on the year.",
    );
    context.add(&Origin::User, "How did Acme Works do? Compare it with 1999.");
    context
}

fn unsupported(answer: &str) -> Vec<(RuleIndex, String)> {
    let what = Review {
        grounding: true,
        language: false,
    };
    let scan = review(answer, &context(), what, &mut Budget::unlimited());
    assert!(!scan.exhausted);
    scan.hits
        .iter()
        .map(|hit| (hit.rule, answer[hit.start..hit.end].to_owned()))
        .collect()
}

#[test]
fn what_the_exchange_says_is_supported() {
    for answer in [
        "Revenue was 1234.5 million euros in 2025 [1].",
        "Der Umsatz lag bei 1.234,50 Mio. [doc:a7].",
        "It has 12,845 people, 4.5% more, says Marie Duval [2].",
        "As she wrote, “we have never grown so fast in our history”.",
        "1. First\n2. Second\n3. Third",
        "See https://acme.example/report for all of it.",
        "Use `x[7]` or:\n```\nlet a = 98765;\n```\n",
        "Yes.",
        "Der Bericht nennt auch die Deutsche Bahn und ihre Zahlen für das Jahr.",
        "It did well. The team at Acme Works grew, compared with 1999.",
        "The [link](https://acme.example/report) says so.",
    ] {
        assert_eq!(unsupported(answer), [], "{answer}");
    }
}

#[test]
fn what_nobody_said_is_not() {
    for (answer, rule, part) in [
        ("Revenue was 1,334.50 million.", RuleIndex::NUMBER, "1,334.50"),
        ("In 2024 it was less.", RuleIndex::NUMBER, "2024"),
        ("Profit rose by 7%.", RuleIndex::NUMBER, "7"),
        ("It grew fast [9].", RuleIndex::CITATION, "[9]"),
        ("It grew fast [doc:zz].", RuleIndex::CITATION, "[doc:zz]"),
        ("It grew fast 【8†report】.", RuleIndex::CITATION, "【8†report】"),
        (
            "See https://acme.example/other.",
            RuleIndex::CITATION,
            "https://acme.example/other",
        ),
        (
            "She wrote, “we were lucky to survive the winter at all”.",
            RuleIndex::QUOTATION,
            "we were lucky to survive the winter at all",
        ),
        (
            "The report that they gave to us quotes Ada Lovelace too.",
            RuleIndex::NAME,
            "Ada Lovelace",
        ),
    ] {
        assert_eq!(unsupported(answer), [(rule, part.to_owned())], "{answer}");
    }
}

#[test]
fn the_score_grows_with_the_share_of_inventions() {
    let score = |answer: &str| {
        let what = Review {
            grounding: true,
            language: false,
        };
        review(answer, &context(), what, &mut Budget::unlimited()).hits[0]
            .score
            .percent()
    };
    assert!(score("In 2024.") > score("In 2025, 1999 and 2024, of 12,845."));
}

#[test]
fn an_answer_in_another_language_is_noted_unless_it_was_asked_for() {
    let noted = |system: &str, user: &str, answer: &str| {
        let mut context = Context::for_review();
        context.add(&Origin::System, system);
        context.add(&Origin::User, user);
        let what = Review {
            language: true,
            grounding: false,
        };
        !review(answer, &context, what, &mut Budget::unlimited()).hits.is_empty()
    };
    let german = "Kannst du mir bitte sagen, wann der nächste Zug nach Hamburg fährt und was er kostet?";
    let english = "The next train to Hamburg leaves at nine and the ticket is about forty euros, if you book it now.";
    assert!(noted("Be brief.", german, english));
    assert!(!noted("Be brief.", english, english));
    assert!(!noted("Always answer in English.", german, english));
    assert!(!noted(
        "Be brief.",
        "Übersetze das ins Englische, bitte: der Zug fährt um neun und er kostet nicht viel.",
        english
    ));
    assert!(!noted("Be brief.", german, "OK."));
    assert!(!noted("Be brief.", "Wann?", english));
    assert!(!noted(
        "Be brief.",
        german,
        "```\nfor i in range(10):\n    print(i)\n```"
    ));
}

#[test]
fn a_longer_answer_than_can_be_reviewed_says_so() {
    let what = Review {
        grounding: true,
        language: false,
    };
    assert!(
        review(
            &"a".repeat(what.bytes_max() + 1),
            &context(),
            what,
            &mut Budget::unlimited()
        )
        .exhausted
    );
    assert!(review("In 2024.", &context(), what, &mut Budget::new(4)).exhausted);
    assert!(!review("In 2024.", &context(), Review::default(), &mut Budget::new(4)).exhausted);
}
