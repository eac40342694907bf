//! YAML within bounds: events of a parser, of which none is followed twice.

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::leaves::Builder;

/// More events than this are not structure that anybody wrote.
const EVENTS_MAX: usize = 200_000;
/// Levels of lists and mappings.
const DEPTH_MAX: usize = 64;

/// Where the reader stands.
enum Level {
    List,
    /// With the key that waits for its value.
    Mapping(Option<String>),
}

/// Reads one YAML document of lists and mappings; `None` when it is anything else, or too much.
///
/// An alias stands for what its anchor already gave, and gives nothing again; so no text grows.
pub(super) fn read(text: &str, mut builder: Builder) -> Option<Builder> {
    let mut levels: Vec<Level> = Vec::new();
    let mut documents: usize = 0;
    for event in Parser::new_from_str(text).take(EVENTS_MAX) {
        let (event, _) = event.ok()?;
        match event {
            Event::DocumentStart(_) => documents = documents.saturating_add(1),
            Event::SequenceStart(..) => {
                enter(&mut builder, levels.last_mut())?;
                builder.open_list();
                levels.push(Level::List);
            }
            Event::MappingStart(..) => {
                enter(&mut builder, levels.last_mut())?;
                builder.open_mapping();
                levels.push(Level::Mapping(None));
            }
            Event::SequenceEnd | Event::MappingEnd => {
                levels.pop();
                builder.close();
                leave(&mut builder, levels.last_mut());
            }
            Event::Scalar(value, style, _, _) => match levels.last_mut() {
                // A text alone is not structure.
                None => return None,
                Some(Level::Mapping(waiting @ None)) => *waiting = Some(value.into_owned()),
                level => {
                    enter(&mut builder, level)?;
                    if style != ScalarStyle::Plain || !is_null(&value) {
                        builder.scalar(&value)?;
                    }
                    leave(&mut builder, levels.last_mut());
                }
            },
            Event::Alias(_) => match levels.last_mut() {
                Some(Level::Mapping(waiting @ None)) => *waiting = Some(String::new()),
                Some(Level::Mapping(waiting)) => *waiting = None,
                Some(Level::List) | None => {}
            },
            Event::StreamEnd => return (documents == 1 && levels.is_empty()).then_some(builder),
            Event::Nothing | Event::StreamStart | Event::DocumentEnd => {}
        }
        if levels.len() > DEPTH_MAX || documents > 1 {
            return None;
        }
    }
    None
}

/// Goes to where the next value belongs. A list or mapping as a key is not structure that a tool gives.
fn enter(builder: &mut Builder, level: Option<&mut Level>) -> Option<()> {
    match level {
        Some(Level::Mapping(None)) => None,
        Some(Level::Mapping(Some(key))) => builder.enter_key(key),
        Some(Level::List) => {
            builder.enter_element();
            Some(())
        }
        None => Some(()),
    }
}

fn leave(builder: &mut Builder, level: Option<&mut Level>) {
    match level {
        Some(Level::Mapping(waiting)) => {
            *waiting = None;
            builder.leave();
        }
        Some(Level::List) => builder.leave(),
        None => {}
    }
}

fn is_null(value: &str) -> bool {
    matches!(value, "" | "~" | "null" | "Null" | "NULL")
}
