//! Model cards: settings between two lines of dashes, then a text with headings.

use super::yaml::{self, Yaml};
use super::{About, Claimed, VALUES_MAX, add, bounded, say};

pub(super) fn read(about: &mut About, _name: &str, text: &str) -> Result<(), String> {
    let (head, body) = split(text);
    if let Some(head) = head {
        let yaml = yaml::parse(head).map_err(|error| format!("the settings of the card are not read: {error}"))?;
        settings(about, &yaml);
    }
    sections(about, body);
    Ok(())
}

fn split(text: &str) -> (Option<&str>, &str) {
    let rest = text.strip_prefix("---").map(|rest| rest.trim_start_matches('\r'));
    let Some(rest) = rest.and_then(|rest| rest.strip_prefix('\n')) else {
        return (None, text);
    };
    match rest.split_once("\n---") {
        Some((head, body)) => (Some(head), body.trim_start_matches('-')),
        None => (None, text),
    }
}

fn settings(about: &mut About, yaml: &Yaml) {
    let text = |key: &str| yaml.get(key).and_then(Yaml::text);
    let texts = |key: &str| {
        let items = yaml.get(key).map(Yaml::items).unwrap_or_default();
        items.iter().filter_map(Yaml::text)
    };
    for (slot, key) in [
        (&mut about.license_name, "license_name"),
        (&mut about.license_link, "license_link"),
        (&mut about.task, "pipeline_tag"),
        (&mut about.library, "library_name"),
        (&mut about.base_relation, "base_model_relation"),
        (&mut about.name, "model_name"),
    ] {
        if let Some(text) = text(key) {
            say(slot, text);
        }
    }
    for (list, key) in [
        (&mut about.licenses, "license"),
        (&mut about.languages, "language"),
        (&mut about.tags, "tags"),
        (&mut about.base_models, "base_model"),
        (&mut about.datasets, "datasets"),
    ] {
        for text in texts(key) {
            add(list, text);
        }
    }
    for model in yaml.get("model-index").map(Yaml::items).unwrap_or_default() {
        for result in model.get("results").map(Yaml::items).unwrap_or_default() {
            claims(about, result);
        }
    }
}

fn claims(about: &mut About, result: &Yaml) {
    let dataset = result.get("dataset");
    let on = dataset.and_then(|it| it.get("name").or_else(|| it.get("type")));
    let on = on.and_then(Yaml::text).map(bounded);
    for metric in result.get("metrics").map(Yaml::items).unwrap_or_default() {
        let kind = metric.get("type").or_else(|| metric.get("name")).and_then(Yaml::text);
        let value = metric.get("value").and_then(Yaml::text);
        if let (Some(kind), Some(value)) = (kind, value)
            && about.results.len() < VALUES_MAX
        {
            about.results.push(Claimed {
                metric: bounded(kind),
                value: bounded(value),
                on: on.clone(),
            });
        }
    }
}

/// The text below the headings that say what it is for and what it is not good at.
fn sections(about: &mut About, body: &str) {
    let mut section: Option<(usize, String, String)> = None;
    let mut intro = String::new();
    let mut fenced = false;
    for line in body.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        let level = line.chars().take_while(|c| *c == '#').count();
        let is_heading = !fenced && (1..=6).contains(&level) && line.chars().nth(level) == Some(' ');
        // A heading of a lower level belongs to the section that it is in.
        let ends = is_heading && section.as_ref().is_none_or(|(above, ..)| level <= *above);
        let known = is_heading && subject(line).is_some();
        if ends || known {
            finish(about, section.take());
            section = Some((level, line.to_owned(), String::new()));
        } else if let Some((_, heading, text)) = &mut section {
            text.push_str(line);
            text.push('\n');
            if about.description.is_none() && heading.starts_with("# ") && line.trim().is_empty() {
                say(&mut about.description, text);
            }
        } else {
            intro.push_str(line);
            intro.push('\n');
        }
    }
    finish(about, section);
    say(&mut about.description, intro.split("\n\n").next().unwrap_or_default());
}

#[derive(Clone, Copy)]
enum Subject {
    Use,
    Limits,
    Ethics,
}

fn subject(heading: &str) -> Option<Subject> {
    let heading = heading.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| heading.contains(word));
    if has(&["out-of-scope", "limitation", "known issue"]) && !has(&["intended use"]) {
        Some(Subject::Limits)
    } else if has(&["intended use", "direct use", "use cases", "primary use"]) {
        Some(Subject::Use)
    } else if has(&["ethic", "bias", "fairness"]) {
        Some(Subject::Ethics)
    } else {
        None
    }
}

fn finish(about: &mut About, section: Option<(usize, String, String)>) {
    let Some((_, heading, text)) = section else { return };
    match subject(&heading) {
        Some(Subject::Use) => say(&mut about.use_cases, &text),
        Some(Subject::Limits) => say(&mut about.limitations, &text),
        Some(Subject::Ethics) => say(&mut about.ethics, &text),
        None if heading.starts_with("# ") => say(&mut about.description, text.split("\n\n").next().unwrap_or_default()),
        None => {}
    }
}
