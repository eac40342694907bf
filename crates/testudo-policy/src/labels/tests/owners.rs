//! Bounds, eviction, and whose memory it is.

use super::{KEY, MAIL, read, texts};
use crate::labels::{LabelKey, LabelLimits, LabelStore, Speaker};
use crate::provenance::{Conversation, Limits, Reading};

/// Different texts of about a kilobyte.
fn letter(number: usize) -> String {
    (0..120)
        .map(|at| format!("{} ", (number * 1_000 + at) * 7_919))
        .collect()
}

fn small(owners_max: usize) -> LabelStore {
    let limits = LabelLimits {
        owner_bytes_max: 64 << 10,
        owners_max,
        message_bytes_max: 4 << 10,
    };
    LabelStore::new(LabelKey::new(&KEY), limits)
}

#[test]
fn owners_see_nothing_of_each_other() {
    let store = read();
    assert!(store.copied("bob", Speaker::System, MAIL).is_empty());
}

#[test]
fn the_bound_holds_and_what_was_read_last_is_kept() {
    let mut store = small(2);
    for number in 0..300 {
        store.read("ann", "mail", &letter(number));
        assert!(store.bytes() <= 64 << 10);
    }
    assert_eq!(store.copied("ann", Speaker::System, &letter(299)).len(), 1);
    assert_eq!(store.copied("ann", Speaker::System, &letter(298)).len(), 1);
    assert!(store.copied("ann", Speaker::System, &letter(0)).is_empty());
}

#[test]
fn what_is_said_again_is_kept() {
    let mut store = small(2);
    for number in 1..300 {
        store.read("ann", "notes", &letter(0));
        store.read("ann", "mail", &letter(number));
    }
    let found = store.copied("ann", Speaker::System, &letter(0));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].source, "notes");
}

#[test]
fn the_same_text_again_takes_nothing() {
    let mut store = read();
    let before = store.bytes();
    for _ in 0..100 {
        store.read("ann", "read_mail", MAIL);
    }
    assert_eq!(store.bytes(), before);
}

#[test]
fn a_new_owner_takes_the_place_of_the_one_heard_of_longest_ago() {
    let mut store = small(2);
    for owner in ["ann", "bob", "ann", "eve"] {
        store.read(owner, "mail", &format!("{owner} {MAIL}"));
    }
    assert!(store.copied("bob", Speaker::System, MAIL).is_empty());
    assert_eq!(store.copied("ann", Speaker::System, MAIL).len(), 1);
    assert_eq!(store.copied("eve", Speaker::System, MAIL).len(), 1);
}

#[test]
fn one_text_cannot_take_all_the_room() {
    let mut store = small(2);
    let long: String = (0..500).map(letter).collect();
    store.read("ann", "mail", &long);
    assert!(store.bytes() <= 64 << 10);
    assert_eq!(store.copied("ann", Speaker::System, &letter(0)[..300]).len(), 1);
}

#[test]
fn what_is_too_long_to_be_looked_at_is_not_the_users() {
    let message = "wörter ".repeat(1_000);
    let found = small(1).copied("ann", Speaker::User, &message);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].range.end, message.len());
    assert!(found[0].range.start <= 4 << 10);
}

#[test]
fn two_keys_agree_on_nothing_but_what_is_found() {
    let mut other = LabelStore::new(LabelKey::new(&[7; 32]), LabelLimits::default());
    other.read("ann", "read_mail", MAIL);
    let message = format!("Notes: {MAIL}");
    let ours = read().copied("ann", Speaker::User, &message);
    assert_eq!(
        texts(&message, &ours),
        texts(&message, &other.copied("ann", Speaker::User, &message))
    );
    assert!(!format!("{:?}", LabelKey::new(&KEY)).contains(|c: char| c.is_ascii_digit()));
}

#[test]
fn a_message_that_is_sent_again_stays_what_it_was() {
    let before = "I have got this letter, and I am not sure what to make of it at all. ";
    let after = " So please have a look at it, and tell me tomorrow morning what you would do.";
    for (before, after) in [(before, after), ("", after), (before, ""), ("", "")] {
        let message = format!("{before}{MAIL}{after}");
        let mut store = read();
        let first = store.hear("ann", Speaker::User, &message);
        assert_eq!(texts(&message, &first), [MAIL.trim_end_matches('.')]);
        for number in 0..3 {
            assert_eq!(store.copied("ann", Speaker::User, &message), first);
            let longer = format!("{message} And {number} more.");
            assert_eq!(store.hear("ann", Speaker::User, &longer), first, "{longer}");
        }
        // What was the speaker's own stays so, though somebody repeats it.
        store.read("ann", "read_mail", after);
        store.read("ann", "read_mail", &format!("{before} {after}"));
        assert_eq!(store.copied("ann", Speaker::User, &message), first);
    }
}

#[test]
fn nothing_that_was_read_is_kept_as_text() {
    let kept = format!("{:?}", read());
    assert!(!kept.contains("Nordbank") && !kept.contains("supplier"));
}

#[test]
fn a_conversation_takes_copied_spans_as_somebody_elses() {
    let store = read();
    for speaker in [Speaker::System, Speaker::User] {
        let message = format!("Pay the rent of Hafen 3. {MAIL}");
        let copied = store.copied("ann", speaker, &message);
        let mut conversation = Conversation::new(Limits::default(), Reading::Close);
        conversation.push_message(speaker, &message, &[], &copied);
        assert!(conversation.is_tainted());
        let mut untouched = Conversation::new(Limits::default(), Reading::Close);
        untouched.push_message(
            speaker,
            "Pay the rent of Hafen 3.",
            &[],
            &store.copied("ann", speaker, "Pay the rent of Hafen 3."),
        );
        assert!(!untouched.is_tainted());
    }
}
