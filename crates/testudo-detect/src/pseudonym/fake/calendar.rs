//! Dates moved back by some weeks or months, written as before.

use super::Random;

/// A date in figures, earlier by up to some thirteen months; `None` for other writings.
pub(super) fn shifted(value: &str, random: &mut Random, attempt: u32) -> Option<String> {
    let separator = value.chars().find(|c| !c.is_ascii_digit())?;
    if !matches!(separator, '-' | '/' | '.') {
        return None;
    }
    let parts: Vec<&str> = value.split(separator).collect();
    let [first, second, third] = parts.as_slice() else {
        return None;
    };
    let number = |part: &str| part.parse::<i64>().ok();
    let (first, second, third) = (
        (number(first)?, first.len()),
        (number(second)?, second.len()),
        (number(third)?, third.len()),
    );
    // Day first where figures or the writing say so, else month first.
    let order = match (first.1, third.1) {
        (4, 1..=2) => Order::Year,
        (1..=2, 4) if separator != '/' || first.0 > 12 => Order::Day,
        (1..=2, 4) => Order::Month,
        _ => return None,
    };
    let (year, month, day) = match order {
        Order::Year => (first.0, second.0, third.0),
        Order::Day => (third.0, second.0, first.0),
        Order::Month => (third.0, first.0, second.0),
    };
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !(1000..=9000).contains(&year) {
        return None;
    }
    let days = i64::from(random.below(371))
        .checked_add(30)?
        .checked_add(i64::from(attempt))?;
    let (year, month, day) = civil(days_of(year, month, day)?.checked_sub(days)?)?;
    let two = |number: i64, len: usize| {
        if len == 2 {
            format!("{number:02}")
        } else {
            number.to_string()
        }
    };
    Some(match order {
        Order::Year => format!(
            "{year}{separator}{}{separator}{}",
            two(month, second.1),
            two(day, third.1)
        ),
        Order::Day => format!(
            "{}{separator}{}{separator}{year}",
            two(day, first.1),
            two(month, second.1)
        ),
        Order::Month => format!(
            "{}{separator}{}{separator}{year}",
            two(month, first.1),
            two(day, second.1)
        ),
    })
}

enum Order {
    Year,
    Day,
    Month,
}

/// Days since 0000-03-01 of a date in the Gregorian calendar.
fn days_of(year: i64, month: i64, day: i64) -> Option<i64> {
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let era = year.checked_div(400)?;
    let of_era = year.checked_rem(400)?;
    let of_year = month
        .checked_add(9)?
        .checked_rem(12)?
        .checked_mul(153)?
        .checked_add(2)?
        .checked_div(5)?;
    let leap = of_era.checked_div(4)?.checked_sub(of_era.checked_div(100)?)?;
    let days = of_era.checked_mul(365)?.checked_add(leap)?.checked_add(of_year)?;
    era.checked_mul(146_097)?
        .checked_add(days)?
        .checked_add(day)?
        .checked_sub(1)
}

/// The date of so many days since 0000-03-01: year, month, day.
fn civil(days: i64) -> Option<(i64, i64, i64)> {
    let era = days.checked_div(146_097)?;
    let of_era = days.checked_rem(146_097)?;
    let leaps = of_era
        .checked_div(1460)?
        .checked_sub(of_era.checked_div(36_524)?)?
        .checked_add(of_era.checked_div(146_096)?)?;
    let years = of_era.checked_sub(leaps)?.checked_div(365)?;
    let leap = years.checked_div(4)?.checked_sub(years.checked_div(100)?)?;
    let of_year = of_era.checked_sub(years.checked_mul(365)?.checked_add(leap)?)?;
    let month = of_year.checked_mul(5)?.checked_add(2)?.checked_div(153)?;
    let day = of_year
        .checked_sub(month.checked_mul(153)?.checked_add(2)?.checked_div(5)?)?
        .checked_add(1)?;
    let (month, next) = if month < 10 {
        (month.checked_add(3)?, 0)
    } else {
        (month.checked_sub(9)?, 1)
    };
    Some((era.checked_mul(400)?.checked_add(years)?.checked_add(next)?, month, day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_go_there_and_back() {
        for (year, month, day) in [
            (2000, 2, 29),
            (1999, 12, 31),
            (2024, 3, 1),
            (1900, 1, 1),
            (1970, 1, 1),
            (2100, 2, 28),
        ] {
            assert_eq!(civil(days_of(year, month, day).unwrap()), Some((year, month, day)));
        }
        let first = days_of(1970, 1, 1).unwrap();
        assert_eq!(days_of(2026, 11, 26).unwrap() - first, 20_783);
        assert!((0..800_000).all(|day| civil(day).and_then(|(y, m, d)| days_of(y, m, d)) == Some(day)));
    }
}
