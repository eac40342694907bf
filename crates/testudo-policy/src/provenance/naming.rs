//! Who named a value: the user, a directory, the platform, somebody's text, or nobody.

use std::ops::Range;

use super::atoms::{bare_url, ends_in_noun, is_address, is_grouped, is_short_number, is_url, numbered, spellings};
use super::conversation::{Conversation, letters};
use super::forms::{Fold, Form, Needle, folded, outline, words_in};
use super::paths::last_name;
use super::segments::{Placed, Segment, Source, spaced};
use super::specs::ToolSpecs;

/// Who named a value, worst first. The order is the rank that policies compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    /// Nobody: the model made it, or took it apart, or it only looks like something that was said.
    None,
    /// It stands inside somebody's text.
    Text,
    /// Inside a text that the user named.
    NamedText,
    /// A whole field of a result. Whoever fills the record chose it.
    Struct,
    /// An id that the platform assigned.
    SystemId,
    /// A field that the specification declares authoritative.
    Directory,
    User,
    System,
}

impl Label {
    /// From 0 for nobody to 7 for the application itself.
    #[must_use]
    pub fn rank(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Text => 1,
            Self::NamedText => 2,
            Self::Struct => 3,
            Self::SystemId => 4,
            Self::Directory => 5,
            Self::User => 6,
            Self::System => 7,
        }
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Text => "text",
            Self::NamedText => "named_text",
            Self::Struct => "struct",
            Self::SystemId => "system_id",
            Self::Directory => "directory",
            Self::User => "user",
            Self::System => "system",
        }
    }
}

/// Where a value was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    pub source: Source,
    /// Which message or result of the conversation, counted from 0.
    pub index: u32,
    /// The leaf's path in a result, `$` in a text.
    pub path: String,
    /// Bytes of the message; of a result, of the leaf's value.
    pub range: Range<usize>,
    /// The folded text around it, for people.
    pub excerpt: String,
}

/// Who named one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    pub label: Label,
    /// Put together from named parts by a transformation of the closed set.
    pub derived: bool,
    /// The record it comes from has something in it that the user named, or was asked for by such a value.
    pub linked: bool,
    /// The user's words point at another record of the same kind.
    pub outdone: bool,
    /// It looks like something the user wrote, and is not the same.
    pub look_alike: bool,
    pub evidence: Option<Evidence>,
}

impl Provenance {
    pub(super) fn new(label: Label) -> Self {
        Self {
            label,
            derived: false,
            linked: false,
            outdone: false,
            look_alike: false,
            evidence: None,
        }
    }
}

/// An argument whose value is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) tool: &'a str,
    /// Without `$.`.
    pub(super) path: &'a str,
    pub(super) nouns: &'a [String],
    /// Its role is to select.
    pub(super) selects: bool,
}

/// The record that a value was found in.
#[derive(Debug, Clone, Copy)]
struct OfRecord {
    index: u32,
    record: u32,
    /// The user's words are in it.
    marked: bool,
}

const EXCERPT_BYTES: u32 = 60;
/// Values that are put together from more parts are nobody's.
const PARTS_MAX: usize = 3;

impl Conversation {
    /// Who named the value, by exact form.
    pub(super) fn name(&self, specs: &ToolSpecs, asked: &Asked<'_>, value: &str, system: bool) -> Provenance {
        if let Some(found) = self.named_by_a_person(asked, value, system) {
            return found;
        }
        let look_alike = self.looks_like_a_users(value, system);
        let (mut best, record) = self.named_by_a_leaf(specs, asked, value);
        best.outdone &= best.label > Label::None;
        let text = self.stands_in_text(value, record.filter(|_| best.linked));
        // Somebody's text holds it, too: who chose it is open, unless the user pointed at its record.
        if let (Some((segment, range, leaf)), true) = (&text, best.label >= Label::Struct)
            && record.is_none_or(|record| !record.marked)
        {
            best = Provenance {
                evidence: Some(self.evidence(segment, leaf, range)),
                ..Provenance::new(Label::Text)
            };
        }
        if best.label < Label::Struct
            && let Some(derived) = self.derived(specs, asked, value, system)
        {
            best = derived;
        }
        if best.label == Label::None
            && let Some((segment, range, leaf)) = &text
        {
            best.label = if segment.linked { Label::NamedText } else { Label::Text };
            best.evidence = Some(self.evidence(segment, leaf, range));
        }
        if look_alike {
            // Its evidence shows where the other one comes from.
            best.label = Label::None;
            best.look_alike = true;
        }
        best
    }

    /// Whether the user wrote the value, and where.
    pub(super) fn user_wrote(&self, value: &str, nouns: &[String], system: bool) -> Option<(&Segment, Range<u32>)> {
        for spelling in spellings(value) {
            let needle = Needle::new(&spelling, Fold::Exact);
            if needle.is_empty() {
                continue;
            }
            for segment in self.trusted(system) {
                let range = if is_short_number(&needle.text) {
                    typed(&segment.exact, &needle, nouns)
                } else {
                    segment.exact.find(&needle)
                };
                if let Some(range) = range {
                    return Some((segment, range));
                }
            }
        }
        None
    }

    fn named_by_a_person(&self, asked: &Asked<'_>, value: &str, system: bool) -> Option<Provenance> {
        let nouns = nouns_of(asked);
        if let Some((segment, range)) = self.user_wrote(value, &nouns, system) {
            let label = match segment.source {
                Source::System => Label::System,
                _ => Label::User,
            };
            return Some(Provenance {
                linked: true,
                evidence: Some(evidence_of_text(segment, &range)),
                ..Provenance::new(label)
            });
        }
        // The same account or number, set off differently.
        if is_grouped(value) {
            let wanted = letters(value);
            let same = |segment: &&Segment| grouped_in(segment.exact.text(), &wanted);
            if self.trusted(system).any(|segment| same(&segment)) {
                return Some(Provenance {
                    derived: true,
                    linked: true,
                    ..Provenance::new(Label::User)
                });
            }
        }
        if let Some((prefix, digits)) = numbered(&folded(value, Fold::Exact))
            && self
                .trusted(system)
                .any(|segment| numbered_in(segment.exact.text(), prefix, digits))
        {
            return Some(Provenance {
                derived: true,
                linked: true,
                ..Provenance::new(Label::User)
            });
        }
        None
    }

    fn named_by_a_leaf(&self, specs: &ToolSpecs, asked: &Asked<'_>, value: &str) -> (Provenance, Option<OfRecord>) {
        let mut best = Provenance {
            outdone: true,
            ..Provenance::new(Label::None)
        };
        let mut record = None;
        for spelling in spellings(value) {
            let loose = Needle::new(&spelling, Fold::Loose);
            let exact = Needle::new(&spelling, Fold::Exact);
            let compact = is_grouped(&spelling).then(|| letters(&spelling));
            let mut seen = None;
            for (segment, leaf) in self.alike(&loose.text) {
                let text = segment.exact.slice(&leaf.exact);
                if text != exact.text && compact.as_ref().is_none_or(|compact| letters(text) != *compact) {
                    continue;
                }
                let pointed = segment.pointed_at(leaf);
                // Another row with the same value tells nothing new.
                let kind = Some((segment.index, leaf.path, pointed));
                if seen == kind {
                    continue;
                }
                seen = kind;
                let label = self.label_of(specs, asked, segment, leaf, value);
                let linked = segment.linked || pointed.marks > 0;
                // Of several places of one value the one counts that the user points at.
                if (label, !pointed.outdone, linked) > (best.label, !best.outdone, best.linked) {
                    best = Provenance {
                        linked,
                        outdone: pointed.outdone,
                        evidence: Some(self.evidence(segment, leaf, &leaf.loose)),
                        ..Provenance::new(label)
                    };
                    record = Some(OfRecord {
                        index: segment.index,
                        record: leaf.record,
                        marked: pointed.marks > 0,
                    });
                }
                if best.label == Label::Directory && best.linked && !best.outdone {
                    return (best, record);
                }
            }
        }
        (best, record)
    }

    fn label_of(&self, specs: &ToolSpecs, asked: &Asked<'_>, segment: &Segment, leaf: &Placed, value: &str) -> Label {
        let Source::Tool(tool) = &segment.source else {
            return Label::Text;
        };
        let path = self.path(leaf);
        if specs.is_authoritative(tool, path) {
            return Label::Directory;
        }
        let declared = specs
            .tool(tool)
            .is_some_and(|spec| spec.reviewed && spec.ids.iter().any(|pattern| pattern.matches(path)));
        let by_name = || {
            let name = last_name(path);
            !path.ends_with('~')
                && !specs.places_ids()
                && specs.id_names.matches(name)
                && is_id_of(specs, asked, tool, name)
        };
        // The thing is called in the result as the argument is: the number of a request, the bin of a stock.
        let same_name = || asked.selects && last_name(path) == last_name(asked.path) && !path.ends_with('~');
        if !is_address(value) && (declared || by_name() || same_name()) {
            return Label::SystemId;
        }
        if segment.records.len() <= 1 && path == "$" && segment.leaves.len() == 1 {
            return Label::Text;
        }
        Label::Struct
    }

    /// Where the value stands inside a text, apart from texts of the record that it is from.
    fn stands_in_text(&self, value: &str, own: Option<OfRecord>) -> Option<(&Segment, Range<u32>, &Placed)> {
        for spelling in spellings(value) {
            let needle = Needle::new(&spelling, Fold::Loose);
            // Two letters and a digit are an id; three letters are a word.
            let id = needle.letters() == 3 && needle.text.contains(|c: char| c.is_ascii_digit());
            if needle.letters() < 4 && (!id || is_short_number(&needle.text)) {
                continue;
            }
            for segment in self.untrusted() {
                let own = own.filter(|own| own.index == segment.index).map(|own| own.record);
                if let Some((range, leaf)) = segment.in_text(&needle, own) {
                    return Some((segment, range, leaf));
                }
            }
        }
        None
    }

    /// It reads like something the user wrote, in other characters.
    fn looks_like_a_users(&self, value: &str, system: bool) -> bool {
        let loose = Needle::new(value, Fold::Loose);
        if loose.letters() < 5 {
            return false;
        }
        let outline = Needle::new(&outline(value), Fold::Exact);
        self.trusted(system).any(|segment| {
            let seen = segment.outline.as_ref();
            segment.loose.find(&loose).is_some() || seen.is_some_and(|seen| seen.find(&outline).is_some())
        })
    }

    /// The closed set of transformations: other separators between the same words, and up to three named parts.
    fn derived(&self, specs: &ToolSpecs, asked: &Asked<'_>, value: &str, system: bool) -> Option<Provenance> {
        let same_words = Needle::new(&spaced(value), Fold::Exact);
        if same_words.letters() >= 6 && same_words.text.contains(' ') {
            let written = |segment: &Segment| {
                segment
                    .spaced
                    .as_ref()
                    .is_some_and(|form| form.find(&same_words).is_some())
            };
            if self.trusted(system).any(written) {
                return Some(Provenance {
                    derived: true,
                    linked: true,
                    ..Provenance::new(Label::User)
                });
            }
        }
        if value.contains('@') {
            return None;
        }
        let bare = if is_url(value) { bare_url(value) } else { value };
        let strong: &[char] = &['/', ':', ',', '#', '\\', '\n'];
        let separators = if bare.contains(strong) { strong } else { &[' '] };
        let parts: Vec<&str> = bare
            .split(separators)
            .map(str::trim)
            .filter(|it| !it.is_empty())
            .collect();
        if !(2..=PARTS_MAX).contains(&parts.len()) || parts.iter().any(|part| part.len() < 2) {
            return None;
        }
        let mut least = Provenance {
            derived: true,
            linked: true,
            ..Provenance::new(Label::System)
        };
        for part in parts {
            let found = self.named_by_a_person(asked, part, system);
            let found = found.unwrap_or_else(|| self.named_by_a_leaf(specs, asked, part).0);
            if found.label < Label::Directory {
                return None;
            }
            if found.label < least.label {
                least.label = found.label;
                least.evidence = found.evidence;
            }
            least.linked &= found.linked;
        }
        Some(least)
    }

    pub(super) fn evidence(&self, segment: &Segment, leaf: &Placed, range: &Range<u32>) -> Evidence {
        let here = segment.loose.original(range);
        let start = segment.loose.original(&leaf.loose).start;
        Evidence {
            source: segment.source.clone(),
            index: segment.index,
            path: self.path(leaf).to_owned(),
            range: here.start.saturating_sub(start)..here.end.saturating_sub(start),
            excerpt: excerpt(&segment.loose, range, &leaf.loose),
        }
    }
}

/// A short number, with one of its nouns before it.
pub(super) fn typed(form: &Form, needle: &Needle, nouns: &[String]) -> Option<Range<u32>> {
    form.find_all(needle).find(|range| {
        let before = form.slice(&(0..range.start));
        ends_in_noun(before, nouns)
    })
}

fn evidence_of_text(segment: &Segment, range: &Range<u32>) -> Evidence {
    let all = 0..super::forms::place(segment.exact.text().len());
    Evidence {
        source: segment.source.clone(),
        index: segment.index,
        path: "$".to_owned(),
        range: segment.exact.original(range),
        excerpt: excerpt(&segment.exact, range, &all),
    }
}

fn excerpt(form: &Form, range: &Range<u32>, within: &Range<u32>) -> String {
    let mut start = range.start.saturating_sub(EXCERPT_BYTES).max(within.start);
    let mut end = range
        .end
        .min(range.start.saturating_add(200))
        .saturating_add(EXCERPT_BYTES)
        .min(within.end);
    let text = form.text();
    while start > within.start && !text.is_char_boundary(start as usize) {
        start = start.saturating_sub(1);
    }
    while end < within.end && !text.is_char_boundary(end as usize) {
        end = end.saturating_add(1);
    }
    form.slice(&(start..end)).to_owned()
}

/// The specification's nouns, else the argument's name without `id`.
fn nouns_of(asked: &Asked<'_>) -> Vec<String> {
    if !asked.nouns.is_empty() {
        return asked.nouns.to_vec();
    }
    let stem = id_stem(last_name(asked.path));
    if stem.is_empty() {
        Vec::new()
    } else {
        vec![stem.replace('_', " ")]
    }
}

/// `file` of `file_id`.
fn id_stem(name: &str) -> &str {
    let name = name.trim_end_matches('_');
    let stem = name.strip_suffix("_ids").or_else(|| name.strip_suffix("_id"));
    match stem {
        Some(stem) => stem,
        None if matches!(name, "id" | "ids") => "",
        None => name,
    }
}

/// Whether a member of this name in that tool's results is the kind of id the argument takes: the same name, or a
/// plain `id` in the results of a tool that is about the same kind of thing.
fn is_id_of(specs: &ToolSpecs, asked: &Asked<'_>, tool: &str, name: &str) -> bool {
    let wanted = last_name(asked.path).trim_end_matches('_').to_ascii_lowercase();
    let name = name.trim_end_matches('_').to_ascii_lowercase();
    if name == wanted || format!("{name}s") == wanted {
        return true;
    }
    let mut kinds: Vec<String> = asked.nouns.to_vec();
    let stem = id_stem(&wanted);
    if stem.is_empty() {
        kinds.extend(super::words::tool_words(asked.tool));
    } else {
        kinds.push(stem.to_owned());
    }
    let of_kind = |word: &str| kinds.iter().any(|kind| super::words::same_stem(kind, word));
    if name != "id" {
        // Which kind of id it takes, its definition may say in words: "Employee ids".
        let top = asked.path.split(['.', '[']).next().unwrap_or(asked.path);
        let about = specs.tool(asked.tool).and_then(|spec| spec.about.get(top));
        let about = about.map(|about| about.to_lowercase()).unwrap_or_default();
        kinds.extend(words_in(&about).map(str::to_owned));
        return kinds.iter().any(|kind| super::words::same_stem(kind, id_stem(&name)));
    }
    let about = specs.tool(tool).map(|spec| spec.description.to_lowercase());
    super::words::tool_words(tool).iter().any(|word| of_kind(word))
        || about.is_some_and(|about| words_in(&about).any(of_kind))
}

/// Whether the letters stand in the text as one value, set off by spaces, hyphens or dots.
fn grouped_in(text: &str, wanted: &str) -> bool {
    let mut starts = text.char_indices().filter(|(at, c)| {
        let before = text.get(..*at).and_then(|text| text.chars().next_back());
        super::forms::is_word(*c) && before.is_none_or(|c| !super::forms::is_word(c))
    });
    starts.any(|(start, _)| {
        let mut left = wanted.chars();
        let mut rest = text.get(start..).unwrap_or_default().chars().peekable();
        while let Some(c) = rest.next() {
            if !super::forms::is_word(c) {
                if matches!(c, ' ' | '-' | '.' | '(' | ')') {
                    continue;
                }
                return false;
            }
            if left.next() != Some(c) {
                return false;
            }
            if left.as_str().is_empty() {
                return rest
                    .peek()
                    .is_none_or(|c| !super::forms::is_word(*c) && !matches!(c, '@' | '-'));
            }
        }
        false
    })
}

/// Whether the letters and then the digits stand in the text, the digits in groups of two at least.
fn numbered_in(text: &str, prefix: &str, digits: &str) -> bool {
    text.match_indices(prefix).any(|(at, _)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        if before.is_some_and(super::forms::is_word) {
            return false;
        }
        let mut left = digits;
        let mut rest = text.get(at.saturating_add(prefix.len())..).unwrap_or_default();
        loop {
            rest = rest.strip_prefix([' ', '-']).unwrap_or(rest);
            let run = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (Some(group), Some(after)) = (rest.get(..run), rest.get(run..)) else {
                return false;
            };
            let Some(more) = left.strip_prefix(group).filter(|_| run >= 2) else {
                return false;
            };
            (left, rest) = (more, after);
            if left.is_empty() {
                let next = rest.chars().next();
                return next.is_none_or(|c| !super::forms::is_word(c) && !matches!(c, '@' | '-'));
            }
        }
    })
}
