//! Work is bounded, counted in budget units instead of time.

use super::{always, pieces, rule_text, selection};
use crate::{Budget, Selection};

const PEM: &str =
    r"-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----[A-Za-z0-9+/=\r\n]{1,15000}-----END [A-Z ]{0,32}PRIVATE KEY-----";

fn pem(body: usize) -> String {
    format!(
        "-----BEGIN RSA PRIVATE KEY-----\n{}-----END RSA PRIVATE KEY-----\n",
        "MIIEabcd/+\n".repeat(body / 11)
    )
}

fn units(selection: &Selection, text: &str, piece_bytes: usize) -> (u64, usize) {
    let mut budget = Budget::unlimited();
    let mut scanner = selection.stream();
    let mut hits = 0;
    for piece in pieces(text, |at| at % piece_bytes == 0) {
        hits += scanner.push(piece, &mut budget).hits.len();
    }
    hits += scanner.finish(&mut budget).hits.len();
    (u64::MAX - budget.left(), hits)
}

#[test]
fn a_long_key_in_small_pieces_costs_a_few_units_a_byte() {
    let selection = selection(rule_text("pem", PEM, "literals = [\"-----BEGIN\"]"));
    let text = pem(14_000);
    let (work, hits) = units(&selection, &text, 4);
    assert_eq!(hits, 1);
    assert!(work < 8 * text.len() as u64, "{work} units for {} bytes", text.len());
}

#[test]
fn a_key_that_never_ends_costs_a_few_units_a_byte() {
    let selection = selection(rule_text("pem", PEM, "literals = [\"-----BEGIN\"]"));
    let text = format!("-----BEGIN PRIVATE KEY-----{}", "A".repeat(60_000));
    let (work, hits) = units(&selection, &text, 4);
    assert_eq!(hits, 0);
    assert!(work < 8 * text.len() as u64, "{work} units for {} bytes", text.len());
}

#[test]
fn many_openings_do_not_multiply_the_work() {
    let selection = selection(rule_text("pem", PEM, "literals = [\"-----BEGIN\"]"));
    let text = "-----BEGIN PRIVATE KEY-----".repeat(2000);
    let (work, _) = units(&selection, &text, 4);
    assert!(work < 16 * text.len() as u64, "{work} units for {} bytes", text.len());
    let mut budget = Budget::unlimited();
    assert!(!selection.scan(&text, &mut budget).exhausted);
    assert!(u64::MAX - budget.left() < 16 * text.len() as u64);
}

#[test]
fn a_decoy_that_checks_refuse_costs_bounded_work() {
    let selection = always(&[r"[0-9]{4,19}"]);
    let text = "1234567890".repeat(500);
    let (work, _) = units(&selection, &text, 3);
    assert!(work < 64 * text.len() as u64, "{work}");
}

#[test]
fn a_budget_ends_a_hostile_scan() {
    let selection = always(&[r"[ab]{1,300}c", r"[ab]{2,300}d", r"(?:a|b|ab){1,100}e"]);
    let text = "ab".repeat(20_000);
    let mut budget = Budget::new(100_000);
    assert!(selection.scan(&text, &mut budget).exhausted);
    let mut scanner = selection.stream();
    let mut budget = Budget::new(100_000);
    let exhausted = pieces(&text, |at| at % 4 == 0)
        .into_iter()
        .any(|piece| scanner.push(piece, &mut budget).exhausted);
    assert!(exhausted);
}
