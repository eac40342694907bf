//! Which source a row comes from, which rows are left out together, and how its text reaches a model.

use testudo_detect::model::Channel;

use crate::random::stable_hash;
use crate::row::Row;

/// Sources that are left out of a training together, because one was made from the other.
pub(crate) const FOLDS: usize = 8;

/// The source that a row counts for: whose attack it is, or whose harmless text.
pub(crate) fn source(row: &Row) -> String {
    let family = row.meta("family").unwrap_or("unknown");
    let family = match family {
        "planted" => row.meta("subtype").unwrap_or(family),
        other => other,
    };
    match family {
        "spikee_instr" | "spikee_fp" => "spikee".to_owned(),
        "pyrit" | "pyrit_wild" | "dan" | "autodan" | "gptfuzz" | "oai_guardrails" | "inthewild" => {
            "jailbreaks".to_owned()
        }
        "garak" | "giskard" => "garak".to_owned(),
        other if other.starts_with("garak") => "garak".to_owned(),
        other => other.to_owned(),
    }
}

/// The fold of a row: no row of its source, or of a source made from it, is trained on in that fold.
pub(crate) fn fold(row: &Row) -> usize {
    let source = source(row);
    // The contexts of `bipia` are in its attacks too, and stay together.
    if !row.is_attack() && !source.starts_with("generated/") && source != "bipia_ctx" {
        // The only two collections of records, of which each training must keep one.
        return match source.as_str() {
            "tool_json" if row.source.contains("airline") => 3,
            "tool_json" => 4,
            _ => usize::try_from(stable_hash(&origin(row)) % 8).unwrap_or(0),
        };
    }
    match source.as_str() {
        "bipia" | "bipia_ctx" | "banking77" => 0,
        "cyberseceval" | "mitre_frr" | "code_snippet" | "code_request" => 1,
        "spikee" | "p3" | "speeches" => 2,
        "deepset" | "garak" | "alpaca_eval" | "self_instruct" | "kb_docs" | "udhr" => 3,
        "jailbreaks" | "persona_prompts" | "tool_json" | "writingbench" => 4,
        "docs" | "threat_intel" | "atlas" | "user_scenario" | "policy" => 7,
        other if other.starts_with("generated/lang_") => language_fold(row.meta("lang").unwrap_or("")),
        "generated/stray" => 5,
        other if other.starts_with("generated/planted") || other.starts_with("generated/tool") => 5,
        other if other.starts_with("generated/twin") || other.starts_with("generated/quote") => 5,
        other if other.starts_with("generated/result") => 5,
        other if other.starts_with("generated/framed") || other == "generated/suffixed" => 7,
        other if other.starts_with("generated/") => 6,
        "chat_multilingual" => 6,
        other => usize::try_from(stable_hash(other) % 8).unwrap_or(0),
    }
}

/// Where a harmless row was taken from: a repository, or a file of a package of many collections.
fn origin(row: &Row) -> String {
    let family = row.meta("family").unwrap_or("");
    let place = match family {
        "docs" => row.source.split(':').next().unwrap_or(""),
        // A composed row names several places.
        _ => row.source.split(" + ").next().unwrap_or(""),
    };
    format!(
        "{family} {} {place}",
        row.meta("lang").or_else(|| row.meta("subtype")).unwrap_or("")
    )
}

/// Relatives are split on purpose: each half shows what is carried over to a language that was not seen.
fn language_fold(language: &str) -> usize {
    const FIRST: &str = "de es pt sv cs ru el ar hi ta th id ja sw hu he ur ms \
        ca is cy lt hr mk sq az kk te gu mr si km am ht ha mg ku tg jv";
    if FIRST.split(' ').any(|it| it == language) {
        5
    } else {
        6
    }
}

/// How a text of this row would reach a model.
pub(crate) fn channel(row: &Row) -> Channel {
    let family = row.meta("family").unwrap_or("");
    let host = row.meta("host").unwrap_or("");
    match family {
        "planted" => match host {
            "tool_json" | "bipia_ctx" => Channel::ToolResult,
            _ => Channel::Document,
        },
        "bipia" | "bipia_ctx" | "tool_json" => Channel::ToolResult,
        "docs" | "kb_docs" | "speeches" | "code_snippet" | "udhr" | "atlas" | "threat_intel" => Channel::Document,
        "generated/tool_poisoning"
        | "generated/twin_tool"
        | "generated/tool_secret"
        | "generated/twin_secret"
        | "generated/tool_described"
        | "generated/twin_described"
        | "generated/tool_written"
        | "generated/twin_written" => Channel::ToolDescription,
        "generated/twin_record" => Channel::ToolResult,
        _ if family.starts_with("generated/result") => Channel::ToolResult,
        _ if host.contains("result") => Channel::ToolResult,
        _ if host == "tool" => Channel::ToolDescription,
        "generated/stray" if row.text.trim_start().starts_with(['{', '[', '|']) => Channel::ToolResult,
        "generated/stray" => Channel::Document,
        _ if host.starts_with("json") || host.starts_with("line") => Channel::ToolResult,
        _ if host.starts_with("text") || host.starts_with("html") => Channel::Document,
        _ => Channel::User,
    }
}

/// Whether harmless rows of a family count as ordinary text: not those written to be mistaken, nor the orders of
/// operators, which are no user's.
pub(crate) fn is_ordinary(family: &str) -> bool {
    !matches!(
        family,
        "generated/twin_quote"
            | "generated/quote_alone"
            | "persona_prompts"
            | "user_scenario"
            | "policy"
            | "generated/policy"
    )
}

/// Whether a row says something about the question of users' turns: does it turn the model against its operator?
pub(crate) fn is_asked(row: &Row) -> bool {
    if !row.is_attack() {
        return true;
    }
    // Plain tasks are an attack only in what a model reads.
    !matches!(
        source(row).as_str(),
        "bipia"
            | "generated/stray"
            | "generated/planted_plain"
            | "generated/planted_field"
            | "generated/planted_errand"
            | "generated/planted_voice"
            | "generated/planted_scene"
            | "generated/planted_output"
            | "generated/lang_planted"
            | "generated/planted_trigger"
    )
}

/// Whether a row says something about the question of what a model reads: does it give the model orders?
pub(crate) fn is_read(row: &Row) -> bool {
    row.is_attack()
        || !matches!(
            row.meta("family").unwrap_or(""),
            "alpaca_eval"
                | "self_instruct"
                | "code_request"
                | "p3"
                | "writingbench"
                | "persona_prompts"
                | "generated/request"
                | "generated/roleplay"
                | "generated/persona_fine"
                | "generated/coaxed_fine"
                | "generated/turn_fine"
                | "generated/policy"
                | "policy"
                | "user_scenario"
                | "mitre_frr"
                | "generated/framed"
                | "oai_guardrails"
        ) && !row.meta("family").unwrap_or("").starts_with("generated/framed")
}
