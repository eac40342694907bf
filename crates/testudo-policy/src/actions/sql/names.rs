//! Names of tables as policies compare them.

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

use super::dialect::{Folding, SqlDialect};

/// `schema.table`, folded as the language does; quotes stay where a part would else read as something else.
pub(super) fn name(dialect: SqlDialect, name: &ObjectName) -> String {
    let parts = name.0.iter().map(|part| match part {
        ObjectNamePart::Identifier(ident) => self::part(dialect, ident),
        ObjectNamePart::Function(_) => super::ANYTHING.to_owned(),
    });
    parts.collect::<Vec<_>>().join(".")
}

pub(super) fn part(dialect: SqlDialect, ident: &Ident) -> String {
    let value = match (dialect.folding(), ident.quote_style) {
        (Folding::Lower, None) | (Folding::Never, _) => ident.value.to_lowercase(),
        (Folding::Upper, None) => ident.value.to_uppercase(),
        (Folding::Kept, _) | (Folding::Lower | Folding::Upper, Some(_)) => ident.value.clone(),
    };
    let plain = !value.is_empty()
        && value
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | '-' | ' '));
    if plain {
        value
    } else {
        format!("\"{}\"", value.replace('"', "\"\""))
    }
}

/// A name that is no table's: a file in quotes, a stage, a variable.
pub(super) fn is_no_table(name: &ObjectName) -> bool {
    name.0.iter().any(|part| match part {
        ObjectNamePart::Identifier(ident) => {
            ident.quote_style == Some('\'')
                || ident.value.starts_with(['@', '~'])
                || ident.value.contains(['/', '\\', ':'])
        }
        ObjectNamePart::Function(_) => true,
    })
}
