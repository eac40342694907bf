//! How much: numbers in hundredths.

/// Numbers in arguments of the role `quantity`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quantities {
    pub present: bool,
    /// Something that is no plain number: "all", "1,50", not a number.
    pub unparsed: bool,
    /// Hundredths of all numbers together, each without its sign and rounded up.
    pub sum: u64,
    /// Hundredths of the largest.
    pub largest: u64,
}

impl Quantities {
    pub(super) fn add(&mut self, value: &str) {
        self.present = true;
        match hundredths(value) {
            Some(number) => {
                self.sum = self.sum.saturating_add(number);
                self.largest = self.largest.max(number);
            }
            None => self.add_unparsed(),
        }
    }

    /// Nobody knows how much: policies that compare see the most.
    pub(super) fn add_unparsed(&mut self) {
        self.present = true;
        self.unparsed = true;
        self.sum = u64::MAX;
        self.largest = u64::MAX;
    }
}

/// The hundredths of a number as people and JSON write it, rounded up; its sign and a sign of currency left out.
fn hundredths(value: &str) -> Option<u64> {
    let value = value.trim().trim_start_matches(['+', '-']);
    let value = value
        .trim_start_matches(['$', '€', '£', ' '])
        .trim_start_matches(['+', '-']);
    let (digits, exponent) = match value.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
        None => (value, 0),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let whole = grouped(whole)?;
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(part) || whole.is_empty() && part.is_empty() || digits.len() > 40 {
        return None;
    }
    // The point moves by the exponent and two further places.
    let all = format!("{whole}{part}");
    let places = i64::try_from(whole.len())
        .ok()?
        .checked_add(i64::from(exponent))?
        .checked_add(2)?;
    if places > 40 {
        return all.bytes().all(|byte| byte == b'0').then_some(0);
    }
    let mut number: u64 = 0;
    let mut rest = false;
    for at in 0..places.max(0) {
        let digit = usize::try_from(at)
            .ok()
            .and_then(|at| all.as_bytes().get(at))
            .map_or(0, |byte| byte & 0x0f);
        number = number.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    if let Ok(from) = usize::try_from(places.max(0)) {
        rest |= all.bytes().skip(from).any(|byte| byte != b'0');
    }
    number.checked_add(u64::from(rest))
}

/// The digits of a whole number, without marks between thousands.
fn grouped(whole: &str) -> Option<String> {
    let mark = ['_', ',', '\''].into_iter().find(|mark| whole.contains(*mark));
    let Some(mark) = mark else {
        return whole
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| whole.to_owned());
    };
    let mut groups = whole.split(mark);
    let first = groups.next().unwrap_or_default();
    let is_sound = |group: &str| group.len() == 3 && group.bytes().all(|byte| byte.is_ascii_digit());
    let sound = (1..=3).contains(&first.len()) && first.bytes().all(|byte| byte.is_ascii_digit());
    (sound && groups.all(is_sound)).then(|| whole.replace(mark, ""))
}
