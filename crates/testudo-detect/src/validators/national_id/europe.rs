//! National ids of Europe.

use super::{is_day, three_pairs};
use crate::validators::check_digits::{
    all_same, digit_count, digits, exactly, iso7064_mod_11_10, luhn, remainder, weighted,
};

/// A number of the British National Health Service: mod 11.
pub(in crate::validators) fn uk_nhs(text: &str) -> bool {
    let Some(all) = exactly::<10>(text) else { return false };
    let [.., check] = all;
    let rest = weighted(all, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    !all_same(text) && 11_u32.saturating_sub(rest) % 11 == check
}

/// A British national insurance number: a prefix that is given out.
pub(in crate::validators) fn uk_nino(text: &str) -> bool {
    let prefix: String = text.chars().take(2).collect();
    digit_count(text) == 6 && !matches!(prefix.as_str(), "BG" | "GB" | "KN" | "NK" | "NT" | "TN" | "ZZ")
}

/// A German tax id: exactly one digit repeats in the first ten, mod 11,10.
pub(in crate::validators) fn de_steuer_id(text: &str) -> bool {
    let Some([first, ..]) = exactly::<11>(text) else {
        return false;
    };
    let times = |wanted: u32| digits(text).take(10).filter(|digit| *digit == wanted).count();
    let repeated = (0..10).filter(|digit| times(*digit) > 1).count();
    let most = (0..10).map(times).max();
    first != 0 && repeated == 1 && most.is_some_and(|most| most <= 3) && iso7064_mod_11_10(text)
}

/// A Spanish DNI, or the NIE of a foreigner: mod 23 selects the letter.
pub(in crate::validators) fn es_dni(text: &str) -> bool {
    let mut number = digits(text).collect::<Vec<u32>>();
    let lead = text.chars().next().map(|c| c.to_ascii_uppercase());
    match lead {
        Some('X') => number.insert(0, 0),
        Some('Y') => number.insert(0, 1),
        Some('Z') => number.insert(0, 2),
        _ => {}
    }
    let rest = remainder(number.iter().copied(), 23);
    let expected = usize::try_from(rest)
        .ok()
        .and_then(|place| "TRWAGMYFPDXBNJZSQVHLCKE".chars().nth(place));
    number.len() == 8 && !all_same(text) && text.chars().next_back().map(|c| c.to_ascii_uppercase()) == expected
}

/// An Italian fiscal code of a person: the sixteenth character checks the others.
pub(in crate::validators) fn it_codice_fiscale(text: &str) -> bool {
    let values: Vec<u32> = text.chars().filter_map(|c| c.to_digit(36)).collect();
    let [body @ .., check] = values.as_slice() else {
        return false;
    };
    let place = |value: u32| if value < 10 { value } else { value.saturating_sub(10) };
    let sum: u32 = body
        .iter()
        .enumerate()
        .map(|(index, value)| {
            if index % 2 == 0 {
                fiscal_code_odd(place(*value))
            } else {
                place(*value)
            }
        })
        .sum();
    values.len() == 16 && *check == (sum % 26).saturating_add(10)
}

/// What a character at an odd place of an Italian fiscal code counts.
fn fiscal_code_odd(place: u32) -> u32 {
    const COUNTS: [u32; 26] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23,
    ];
    usize::try_from(place)
        .ok()
        .and_then(|index| COUNTS.get(index).copied())
        .unwrap_or(0)
}

/// A French social security number with its key: 97 less the remainder.
pub(in crate::validators) fn fr_nir(text: &str) -> bool {
    let corsica = text.to_ascii_uppercase();
    let plain = corsica.replace("2A", "19").replace("2B", "18");
    let Some([sex, _, _, _, _, _, _, _, _, _, _, _, _, tens, ones]) = exactly::<15>(&plain) else {
        return false;
    };
    let rest = remainder(digits(&plain).take(13), 97);
    matches!(sex, 1..=4 | 7 | 8) && super::pair(tens, ones) == 97_u32.saturating_sub(rest)
}

/// A Polish PESEL: birth date with the century in the month, weighted check digit.
pub(in crate::validators) fn pl_pesel(text: &str) -> bool {
    let Some(all) = exactly::<11>(text) else { return false };
    let Some((_, month, day)) = three_pairs(text) else {
        return false;
    };
    let [.., check] = all;
    let rest = weighted(all, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3]) % 10;
    is_day(month % 20, day) && 10_u32.saturating_sub(rest) % 10 == check
}

/// A Portuguese tax number: mod 11.
pub(in crate::validators) fn pt_nif(text: &str) -> bool {
    let Some(all) = exactly::<9>(text) else { return false };
    let [first, .., check] = all;
    let expected = match weighted(all, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11 {
        0 | 1 => 0,
        rest => 11_u32.saturating_sub(rest),
    };
    matches!(first, 1..=3 | 5 | 6 | 8 | 9) && !all_same(text) && check == expected
}

/// A Dutch citizen service number: the eleven test.
pub(in crate::validators) fn nl_bsn(text: &str) -> bool {
    let Some(all) = exactly::<9>(text) else { return false };
    let [.., last] = all;
    !all_same(text) && weighted(all, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11 == last % 11
}

/// A Belgian national register number: 97 less the remainder, with a 2 before it from the year 2000.
pub(in crate::validators) fn be_rrn(text: &str) -> bool {
    let Some([.., tens, ones]) = exactly::<11>(text) else {
        return false;
    };
    let key = super::pair(tens, ones);
    let before = remainder(digits(text).take(9), 97);
    let after = remainder(std::iter::once(2).chain(digits(text).take(9)), 97);
    // Months may be raised by 20 or 40 for people without a known birth date or residence.
    let dated = three_pairs(text).is_some_and(|(_, month, day)| month % 20 <= 12 && day <= 31);
    dated && !all_same(text) && [before, after].iter().any(|rest| key == 97_u32.saturating_sub(*rest))
}

/// A Swedish personal number, short or with the century: birth date and Luhn.
pub(in crate::validators) fn se_personnummer(text: &str) -> bool {
    let skipped = match digit_count(text) {
        10 => 0,
        12 => 2,
        _ => return false,
    };
    let short: String = text.chars().filter(char::is_ascii_digit).skip(skipped).collect();
    // A coordination number adds 60 to the day.
    let dated = three_pairs(&short).is_some_and(|(_, month, day)| is_day(month, day % 60));
    dated && luhn(&short)
}

/// A Finnish personal identity code: mod 31 selects the control character.
pub(in crate::validators) fn fi_hetu(text: &str) -> bool {
    let Some((day, month, _)) = three_pairs(text) else {
        return false;
    };
    let Some(check) = text.chars().next_back() else {
        return false;
    };
    let number = digits(text).take(9);
    let rest = remainder(number, 31);
    let expected = usize::try_from(rest)
        .ok()
        .and_then(|place| "0123456789ABCDEFHJKLMNPRSTUVWXY".chars().nth(place));
    is_day(month, day) && text.chars().count() == 11 && expected == Some(check.to_ascii_uppercase())
}

/// A Danish personal number: only the birth date can be checked since 2007.
pub(in crate::validators) fn dk_cpr(text: &str) -> bool {
    digit_count(text) == 10 && three_pairs(text).is_some_and(|(day, month, _)| is_day(month, day))
}
