//! What counts as a copy, and how exactly its ends are known.

use proptest::prelude::{ProptestConfig, any, prop, proptest};
use proptest::{prop_assert, prop_assert_eq, prop_assume};

use super::{MAIL, Speaker, read, store, texts};
use crate::labels::COPY_LETTERS_MIN;

/// The whole mail in another dress is found from its first letter to its last.
fn found_whole(dressed: &str) {
    let store = read();
    for speaker in [Speaker::User, Speaker::System] {
        let message = format!("My notes say this.\n\n{dressed}\n\nPlease do what is right, and tell me.");
        let copied = store.copied("ann", speaker, &message);
        let found = texts(&message, &copied).concat();
        assert!(found.starts_with("Dear") || found.starts_with("DEAR"), "{found}");
        assert!(
            found.trim_end_matches(['.', '\n']).to_lowercase().ends_with("example"),
            "{found}"
        );
        assert!(copied.iter().all(|span| span.source == "read_mail"));
        let own: usize = message.len() - copied.iter().map(|span| span.range.len()).sum::<usize>();
        assert!(own < 70 + 10, "{own} bytes are still the user's");
    }
}

#[test]
fn a_paste_is_found_in_every_dress() {
    found_whole(MAIL);
    found_whole(&MAIL.to_uppercase());
    found_whole(&MAIL.replace(' ', "\n> "));
    found_whole(&MAIL.replace(", ", ",\r\n\t"));
    found_whole(&MAIL.replace(' ', "\u{a0}\u{200b}"));
    found_whole(&MAIL.replace(' ', " **").replace("e ", "e** "));
    found_whole(&MAIL.replace(", ", ",\\n").replace(": ", ":\\t"));
    found_whole(
        &MAIL
            .replace(", ", ",\\\\n\\\\\\\"")
            .replace('e', "\\u0065")
            .replace("D\\u0065", "De")
            .replace("\\u0065xampl\\u0065", "example"),
    );
    found_whole(
        &MAIL
            .replace('o', "&#111;")
            .replace('s', "&#x73;")
            .replace(", ", "&nbsp;&amp;quot;"),
    );
    found_whole(&MAIL.replace("the", "t\u{ad}h\u{301}e"));
}

#[test]
fn a_page_is_found_without_its_tags() {
    let mut store = store();
    store.read("ann", "fetch", "<p>Dear <b>all</b>, <i>please</i> send <b>every</b> open <a href='x'>invoice</a> to the new <em>office</em> at Hafen 3</p>");
    let text = "Dear all, please send every open invoice to the new office at Hafen 3";
    assert_eq!(texts(text, &store.copied("ann", Speaker::User, text)), [text]);
}

#[test]
fn a_field_of_a_record_is_found_as_text() {
    let mut store = store();
    let text = "Grüße aus \"Köln\":\nbitte überweisen Sie den Betrag ab sofort nur noch an das neue Konto in Łódź.";
    let record = serde_json::json!([{ "id": 7, "body": text }]).to_string();
    let escaped: String = record
        .chars()
        .map(|c| {
            if c.is_ascii() {
                c.to_string()
            } else {
                format!("\\u{:04x}", u32::from(c))
            }
        })
        .collect();
    store.read("ann", "read_mail", &escaped);
    let copied = store.copied("ann", Speaker::System, text);
    assert_eq!(texts(text, &copied), [text.trim_end_matches('.')]);
}

#[test]
fn scripts_without_spaces_are_passages_too() {
    let mut store = store();
    let text = "供应商已更换银行，请从星期一起将所有未付发票汇至新账户，并把收据发送到账单部门。";
    store.read("ann", "read_mail", text);
    let message = format!("我的笔记：{text}请处理。");
    let found = store.copied("ann", Speaker::User, &message);
    assert_eq!(texts(&message, &found), [text.trim_end_matches('。')]);
}

#[test]
fn a_value_that_the_user_repeats_is_the_users() {
    let store = read();
    for own in [
        "Pay DE89 3704 0044 0532 0130 00 at Nordbank, please.",
        "Send the receipt to billing@nordbank.example, and the rest to me",
    ] {
        assert!(store.copied("ann", Speaker::User, own).is_empty(), "{own}");
    }
    let mut store = store_with_link();
    let link = "https://files.nordbank.example/2026/quarterly/reports/marketing-budget-final.html";
    let own = format!("Please read {link} and tell me");
    assert!(store.hear("ann", Speaker::User, &own).is_empty());
    assert_eq!(texts(&own, &store.copied("ann", Speaker::System, &own)), [link]);
}

fn store_with_link() -> crate::labels::LabelStore {
    let mut store = store();
    let link = "https://files.nordbank.example/2026/quarterly/reports/marketing-budget-final.html";
    store.read(
        "ann",
        "search",
        &format!("[{{\"title\": \"Report\", \"link\": \"{link}\"}}]"),
    );
    store
}

#[test]
fn what_the_user_said_first_stays_the_users() {
    let mut store = store();
    let order = "Please remind every member of the board that the meeting moves to Thursday at nine";
    assert!(store.hear("ann", Speaker::User, order).is_empty());
    store.read(
        "ann",
        "list_tasks",
        &format!("[{{\"task\": \"{order}\"}}, {{\"task\": \"{MAIL}\"}}]"),
    );
    for around in ["", "Hello! ", "Once more and in other company: "] {
        let again = format!("{around}{order}");
        assert!(store.copied("ann", Speaker::User, &again).is_empty(), "{again}");
        assert!(store.copied("ann", Speaker::System, &again).is_empty(), "{again}");
    }
    // What stood beside it is the tool's.
    assert_eq!(store.copied("ann", Speaker::User, MAIL).len(), 1);
}

#[test]
fn what_a_tool_said_first_stays_the_tools() {
    let mut store = read();
    assert_eq!(store.hear("ann", Speaker::User, MAIL).len(), 1);
    assert_eq!(store.hear("ann", Speaker::User, MAIL).len(), 1);
    let message = format!("As I said: {MAIL}");
    assert_eq!(store.copied("ann", Speaker::User, &message).len(), 1);
}

#[test]
fn short_and_empty_texts_are_nobodys() {
    let mut store = store();
    for text in [
        "",
        " ",
        "yes",
        "thank you very much!",
        "\\",
        "&",
        "&amp;",
        "\\u",
        "\\ud83d",
    ] {
        store.read("ann", "x", text);
        assert!(store.hear("ann", Speaker::System, text).is_empty());
    }
    assert!(
        store
            .copied("ann", Speaker::System, "yes, thank you very much!")
            .is_empty()
    );
}

/// Words of a made-up language, so that no two texts share a passage by chance.
fn prose(words: &[u32]) -> String {
    const PARTS: [&str; 16] = [
        "ka", "lo", "mi", "ru", "te", "sho", "van", "del", "pri", "qua", "nor", "ist", "eb", "uz", "fy", "gor",
    ];
    let word = |n: &u32| -> String { (0..3).map(|at| PARTS[(n >> (at * 4)) as usize & 15]).collect() };
    words.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// More letters than marks let pass by chance in any run of the tests: one in 256 each.
const CHANCE_LETTERS: usize = 3;

fn letter_places(text: &str) -> Vec<(usize, char)> {
    text.char_indices().filter(|(_, c)| c.is_alphanumeric()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Any run of enough letters is found in any context, to the letter.
    #[test]
    fn every_long_enough_copy_is_found(
        said in prop::collection::vec(any::<u32>(), 20..200),
        before in prop::collection::vec(any::<u32>(), 0..60),
        after in prop::collection::vec(any::<u32>(), 0..60),
        at in any::<prop::sample::Index>(),
        length in COPY_LETTERS_MIN..400,
    ) {
        let said = prose(&said);
        let start = at.index(said.len());
        let mut copy = String::new();
        let mut letters = 0;
        for c in said[start..].chars() {
            if letters == length { break; }
            letters += usize::from(c != ' ');
            copy.push(c);
        }
        prop_assume!(letters == length);
        let mut store = store();
        store.read("ann", "mail", &said);
        let message = format!("{}: {copy}! {}", prose(&before), prose(&after));
        let found = store.copied("ann", Speaker::System, &message);
        prop_assert!(!found.is_empty(), "{} letters were lost", letters);
        let from = message.find(copy.trim()).unwrap();
        let to = from + copy.trim().len();
        let covered: usize = found.iter().map(|span| span.range.end.min(to).saturating_sub(span.range.start.max(from))).sum();
        prop_assert_eq!(covered, to - from);
        // Letters beside it may happen to go on as the text does; those may be taken for copied, and few others.
        let (there, here) = (letter_places(&said), letter_places(&message));
        let first = |places: &[(usize, char)], from: usize| places.iter().position(|(at, _)| *at >= from).unwrap();
        let (there_at, here_at) = (first(&there, start), first(&here, from));
        let same = |(one, other): &(&(usize, char), &(usize, char))| one.1 == other.1;
        let left = there[..there_at].iter().rev().zip(here[..here_at].iter().rev()).take_while(same).count();
        let (there_end, here_end) = (there_at + length, here_at + length);
        let right = there[there_end..].iter().zip(&here[here_end..]).take_while(same).count();
        let begin = here[here_at.saturating_sub(left + CHANCE_LETTERS)].0;
        let end = here[(here_end + right + CHANCE_LETTERS).min(here.len()) - 1].0;
        prop_assert!(found[0].range.start >= begin, "{found:?} begins before {begin}: {message}");
        prop_assert!(found[found.len() - 1].range.end <= end + 1, "{found:?} ends behind {end}: {message}");
    }

    #[test]
    fn texts_that_share_nothing_match_nothing(
        said in prop::collection::vec(any::<u32>(), 0..400),
        own in prop::collection::vec(any::<u32>(), 0..400),
    ) {
        let mut store = store();
        store.read("ann", "mail", &prose(&said));
        prop_assert!(store.copied("ann", Speaker::System, &prose(&own)).is_empty());
    }

    /// Spans stand in order, apart, and between characters, whatever is fed.
    #[test]
    fn spans_are_sound(said in ".{0,300}", own in ".{0,300}", glue in "[\\\\&;#xu0-9a-f<> ]{0,40}") {
        let mut store = store();
        let said = format!("{said}{glue}{said}");
        store.read("ann", "mail", &said);
        let message = format!("{own}{said}{glue}{own}");
        let mut at = 0;
        for span in store.hear("ann", Speaker::System, &message) {
            prop_assert!(span.range.start >= at && span.range.start < span.range.end);
            prop_assert!(message.get(span.range.clone()).is_some());
            at = span.range.end;
        }
        store.read("ann", "mail", &message);
    }
}
