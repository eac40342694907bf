//! Durations, sizes and amounts of money as people write them.

/// Why a text is not the quantity; says what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotThis(pub(crate) &'static str);

const SECOND_MS: u64 = 1000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// A duration such as `500ms`, `5s`, `10m`, `2h` or `90d`, in milliseconds.
pub(crate) fn duration_ms(text: &str) -> Result<u64, NotThis> {
    let hint = NotThis("write a number with a unit: ms, s, m, h or d, for example \"30s\"");
    let (number, unit) = split(text);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => SECOND_MS,
        "m" | "min" => MINUTE_MS,
        "h" => HOUR_MS,
        "d" => DAY_MS,
        _ => return Err(hint),
    };
    whole(number).and_then(|n| n.checked_mul(unit_ms)).ok_or(hint)
}

/// A deadline: a duration from a millisecond to a day.
pub(crate) fn deadline_ms(text: &str) -> Result<u64, NotThis> {
    match duration_ms(text)? {
        ms @ 1..=DAY_MS => Ok(ms),
        _ => Err(NotThis("a deadline is longer than 0 and at most 24h")),
    }
}

/// A size such as `8MiB`, `512 KiB` or `1048576`, in bytes.
pub(crate) fn bytes(text: &str) -> Result<usize, NotThis> {
    let hint = NotThis("write a whole number of bytes or one with a unit: KB, MB, GB, KiB, MiB or GiB");
    let (number, unit) = split(text);
    let unit_bytes: u64 = match unit {
        "" | "B" => 1,
        "KB" | "kB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(hint),
    };
    whole(number)
        .and_then(|n| n.checked_mul(unit_bytes))
        .and_then(|n| usize::try_from(n).ok())
        .ok_or(hint)
}

/// A whole number above 0.
pub(crate) fn count(text: &str) -> Result<u64, NotThis> {
    match whole(text.trim()) {
        Some(number) if number > 0 => Ok(number),
        _ => Err(NotThis("write a whole number above 0; leave it out for no limit")),
    }
}

/// An amount such as `10 USD`, in millionths.
pub(crate) fn cost_micros(text: &str) -> Result<u64, NotThis> {
    let hint = NotThis("write an amount above 0 in US dollars, for example \"10 USD\"");
    let (number, unit) = split(text);
    match micros(number) {
        Some(amount) if unit == "USD" && amount > 0 => Ok(amount),
        _ => Err(hint),
    }
}

/// A price in US dollars per million tokens such as `0.15`, in millionths of a dollar.
pub(crate) fn price_micros(text: &str) -> Result<u64, NotThis> {
    let hint = NotThis("write US dollars per million tokens with at most 6 decimals, for example \"0.15\"");
    let (number, unit) = split(text);
    match unit {
        "" | "USD" => micros(number).ok_or(hint),
        _ => Err(hint),
    }
}

/// Digits (with an optional point) and what follows them.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end).unwrap_or((text, ""));
    (number, unit.trim_start())
}

fn whole(digits: &str) -> Option<u64> {
    // `parse` would take a leading plus.
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

fn micros(number: &str) -> Option<u64> {
    let (dollars, decimals) = number.split_once('.').unwrap_or((number, "0"));
    if decimals.len() > 6 {
        return None;
    }
    let decimals = format!("{decimals:0<6}");
    whole(dollars)?.checked_mul(1_000_000)?.checked_add(whole(&decimals)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn durations() {
        for (text, ms) in [
            ("500ms", 500),
            ("5s", 5000),
            ("10m", 600_000),
            ("2 h", 7_200_000),
            ("90d", 7_776_000_000),
        ] {
            assert_eq!(duration_ms(text), Ok(ms), "{text}");
        }
        for bad in [
            "",
            "5",
            "s",
            "-5s",
            "+5s",
            "5 parsecs",
            "1.5s",
            "5S",
            "99999999999999999999s",
            "400000000000000000d",
        ] {
            assert!(duration_ms(bad).is_err(), "{bad}");
        }
        assert!(deadline_ms("0s").is_err());
        assert!(deadline_ms("25h").is_err());
        assert_eq!(deadline_ms("24h"), Ok(DAY_MS));
    }

    #[test]
    fn sizes() {
        for (text, size) in [
            ("1048576", 1 << 20),
            ("8MiB", 8 << 20),
            ("512 KiB", 512 << 10),
            ("2 MB", 2_000_000),
        ] {
            assert_eq!(bytes(text), Ok(size), "{text}");
        }
        for bad in ["", "8 megabytes", "8mib", "1.5MiB", "-1", "20000000000GiB"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn money() {
        assert_eq!(cost_micros("10 USD"), Ok(10_000_000));
        assert_eq!(cost_micros("0.000001 USD"), Ok(1));
        for bad in [
            "10",
            "10 EUR",
            "0 USD",
            "1.2345678 USD",
            "USD",
            ". USD",
            "-1 USD",
            "1.2.3 USD",
        ] {
            assert!(cost_micros(bad).is_err(), "{bad}");
        }
        assert_eq!(price_micros("0.15"), Ok(150_000));
        assert_eq!(price_micros("0"), Ok(0));
        assert_eq!(price_micros("3 USD"), Ok(3_000_000));
        assert!(price_micros("free").is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any_text()) {
            let _results = (duration_ms(&text), bytes(&text), count(&text), cost_micros(&text), price_micros(&text));
        }

        #[test]
        fn micros_read_back(amount in 0u64..1_000_000_000_000) {
            let text = format!("{}.{:06}", amount / 1_000_000, amount % 1_000_000);
            prop_assert_eq!(price_micros(&text), Ok(amount));
        }
    }

    fn any_text() -> impl proptest::strategy::Strategy<Value = String> {
        "[0-9. a-zA-Z+-]{0,24}|\\PC{0,12}"
    }
}
