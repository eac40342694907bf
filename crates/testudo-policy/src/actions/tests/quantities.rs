//! How much a call asks for.

use crate::actions::Quantities;

fn read(value: &str) -> Option<u64> {
    let mut quantities = Quantities::default();
    quantities.add(value);
    assert!(quantities.present);
    (!quantities.unparsed).then_some(quantities.sum)
}

#[test]
fn numbers_are_read_in_hundredths_and_rounded_up() {
    for (value, hundredths) in [
        ("0", 0),
        ("5", 500),
        ("12.5", 1_250),
        ("0.001", 1),
        (".5", 50),
        ("1e3", 100_000),
        ("1.5E2", 15_000),
        ("2e-1", 20),
        ("1,000.50", 100_050),
        ("1_000", 100_000),
        ("$ 20", 2_000),
        ("-20", 2_000),
        ("0e999", 0),
    ] {
        assert_eq!(read(value), Some(hundredths), "{value}");
    }
}

#[test]
fn what_is_no_plain_number_counts_as_the_most() {
    for value in [
        "all",
        "NaN",
        "Infinity",
        "1,50",
        "1.2.3",
        "0x10",
        "ten",
        "1e",
        "e5",
        ".",
        "10%",
        "1e400",
        "99999999999999999999",
        "1 000",
        "١٠",
        "true",
        "1,0000",
        ",100",
        "5;6",
    ] {
        assert_eq!(read(value), None, "{value}");
    }
    let mut quantities = Quantities::default();
    quantities.add("5");
    quantities.add("all");
    assert_eq!((quantities.sum, quantities.largest), (u64::MAX, u64::MAX));
}
