//! Licences as people spell them, and as SPDX does.

/// A licence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Licence {
    /// An id of the SPDX list.
    Id(&'static str),
    /// Ids joined by `AND`, `OR` and `WITH`.
    Expression(String),
    /// Anything else that somebody calls a licence.
    Named(String),
}

impl Licence {
    /// Takes an id in any case, an expression of ids, or a name.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        if let Some(id) = id(text) {
            return Self::Id(id);
        }
        expression(text).map_or_else(|| Self::Named(text.to_owned()), Self::Expression)
    }

    /// As it is written in a bill.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Id(id) => id,
            Self::Expression(text) | Self::Named(text) => text,
        }
    }
}

fn id(text: &str) -> Option<&'static str> {
    IDS.iter().find(|id| id.eq_ignore_ascii_case(text)).copied()
}

/// Ids and operators by turns, with each id as the list spells it.
fn expression(text: &str) -> Option<String> {
    let spaced = text.replace('(', " ( ").replace(')', " ) ");
    let mut words = Vec::new();
    let mut open = 0_usize;
    let mut wants_id = true;
    for word in spaced.split_whitespace() {
        match word {
            "(" if wants_id => open = open.saturating_add(1),
            ")" if !wants_id => open = open.checked_sub(1)?,
            "AND" | "OR" | "WITH" if !wants_id => wants_id = true,
            "AND" | "OR" | "WITH" | "(" | ")" => return None,
            _ if wants_id => wants_id = false,
            _ => return None,
        }
        words.push(match word {
            "AND" | "OR" | "WITH" | "(" | ")" => word,
            exception if words.last() == Some(&"WITH") => EXCEPTIONS.iter().copied().find(|it| *it == exception)?,
            known => id(known)?,
        });
    }
    let whole = words.join(" ").replace("( ", "(").replace(" )", ")");
    (open == 0 && !wants_id && words.len() > 1).then_some(whole)
}

const EXCEPTIONS: [&str; 4] = [
    "Classpath-exception-2.0",
    "GCC-exception-3.1",
    "LLVM-exception",
    "Linux-syscall-note",
];

/// Ids of the SPDX list that models, data sets and programs are commonly under. An id that is not here is written as a
/// name, which is true too.
const IDS: [&str; 92] = [
    "0BSD",
    "AFL-3.0",
    "AGPL-3.0",
    "AGPL-3.0-only",
    "AGPL-3.0-or-later",
    "Apache-1.1",
    "Apache-2.0",
    "Artistic-2.0",
    "BSD-2-Clause",
    "BSD-2-Clause-Patent",
    "BSD-3-Clause",
    "BSD-3-Clause-Clear",
    "BSD-4-Clause",
    "BSL-1.0",
    "BUSL-1.1",
    "C-UDA-1.0",
    "CC-BY-2.0",
    "CC-BY-2.5",
    "CC-BY-3.0",
    "CC-BY-4.0",
    "CC-BY-NC-2.0",
    "CC-BY-NC-3.0",
    "CC-BY-NC-4.0",
    "CC-BY-NC-ND-3.0",
    "CC-BY-NC-ND-4.0",
    "CC-BY-NC-SA-2.0",
    "CC-BY-NC-SA-3.0",
    "CC-BY-NC-SA-4.0",
    "CC-BY-ND-4.0",
    "CC-BY-SA-3.0",
    "CC-BY-SA-4.0",
    "CC0-1.0",
    "CDLA-Permissive-1.0",
    "CDLA-Permissive-2.0",
    "CDLA-Sharing-1.0",
    "ECL-2.0",
    "EPL-1.0",
    "EPL-2.0",
    "etalab-2.0",
    "EUPL-1.1",
    "EUPL-1.2",
    "GFDL-1.3",
    "GFDL-1.3-only",
    "GFDL-1.3-or-later",
    "GPL-1.0",
    "GPL-2.0",
    "GPL-2.0-only",
    "GPL-2.0-or-later",
    "GPL-3.0",
    "GPL-3.0-only",
    "GPL-3.0-or-later",
    "HPND",
    "ISC",
    "Intel",
    "LGPL-2.0",
    "LGPL-2.1",
    "LGPL-2.1-only",
    "LGPL-2.1-or-later",
    "LGPL-3.0",
    "LGPL-3.0-only",
    "LGPL-3.0-or-later",
    "LPPL-1.3c",
    "MIT",
    "MIT-0",
    "MPL-1.1",
    "MPL-2.0",
    "MS-PL",
    "MS-RL",
    "MulanPSL-2.0",
    "NCSA",
    "NIST-PD",
    "NLOD-2.0",
    "NPL-1.1",
    "O-UDA-1.0",
    "ODC-By-1.0",
    "ODbL-1.0",
    "OFL-1.1",
    "OGL-UK-3.0",
    "OSL-3.0",
    "PDDL-1.0",
    "PostgreSQL",
    "PSF-2.0",
    "Python-2.0",
    "SSPL-1.0",
    "TAPR-OHL-1.0",
    "UPL-1.0",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "WTFPL",
    "X11",
    "Zlib",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_become_ids_and_nothing_becomes_a_licence_that_it_is_not() {
        for (text, expected) in [
            ("apache-2.0", Licence::Id("Apache-2.0")),
            ("MIT", Licence::Id("MIT")),
            (" cc-by-nc-4.0 ", Licence::Id("CC-BY-NC-4.0")),
            ("mit OR apache-2.0", Licence::Expression("MIT OR Apache-2.0".to_owned())),
            (
                "(MIT AND BSD-3-Clause) OR Apache-2.0 WITH LLVM-exception",
                Licence::Expression("(MIT AND BSD-3-Clause) OR Apache-2.0 WITH LLVM-exception".to_owned()),
            ),
        ] {
            assert_eq!(Licence::parse(text), expected, "{text}");
        }
        for named in [
            "openrail",
            "llama3.1",
            "other",
            "gpl",
            "",
            "MIT Apache-2.0",
            "MIT OR",
            "OR MIT",
            "(MIT",
            "MIT)",
            "MIT OR llama3",
            "MIT WITH MIT",
            "()",
        ] {
            assert_eq!(Licence::parse(named), Licence::Named(named.to_owned()), "{named}");
        }
    }
}
