//! Personal data by kind, with check digits computed here and not by the detector that is measured.

use super::{Planted, Random};

pub(super) const KINDS: &[&str] = &[
    "email",
    "phone",
    "card",
    "iban",
    "us ssn",
    "us itin",
    "us passport",
    "driver licence",
    "bank account",
    "uk nhs",
    "uk nino",
    "ip address",
    "mac address",
    "wallet",
    "date of birth",
    "us dea",
    "us npi",
    "us mbi",
    "aadhaar",
    "au tfn",
    "za id",
    "person (label)",
    "person (prose)",
    "street address",
];

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn planted(kind: &'static str, random: &mut Random) -> Planted {
    let (before, value) = match kind {
        "email" => (
            random.word(&["Write to ", "Contact: ", "Her address is "]).to_owned(),
            email(random),
        ),
        "phone" => (
            random.word(&["Call ", "Phone: ", "Reach me at "]).to_owned(),
            phone(random),
        ),
        "card" => (
            random.word(&["Paid with ", "Card number: ", "Charge "]).to_owned(),
            card(random),
        ),
        "iban" => (
            random.word(&["Transfer to ", "IBAN: ", "Account "]).to_owned(),
            iban(random),
        ),
        "us ssn" => (
            random
                .word(&["SSN: ", "Social security number ", "His number is "])
                .to_owned(),
            ssn(random),
        ),
        "us itin" => (random.word(&["ITIN: ", "Taxpayer number "]).to_owned(), itin(random)),
        "us passport" => (
            random.word(&["Passport number: ", "US passport "]).to_owned(),
            random.digits(9).replacen('0', "4", 1),
        ),
        "driver licence" => (
            random
                .word(&["Driver license: ", "Driver's license number "])
                .to_owned(),
            format!("{}{}", random.of("ABCDEFGHJKLMNPRSTW", 1), random.digits(7)),
        ),
        "bank account" => (
            random.word(&["Bank account number: ", "Account number: "]).to_owned(),
            format!("{}{}", 1 + random.below(9), random.digits(10)),
        ),
        "uk nhs" => (random.word(&["NHS number: ", "NHS no "]).to_owned(), nhs(random)),
        "uk nino" => (
            random.word(&["National insurance: ", "NI number "]).to_owned(),
            format!("JG{}C", random.digits(6)),
        ),
        "ip address" => (random.word(&["Login from ", "Client address: "]).to_owned(), ip(random)),
        "mac address" => (random.word(&["Device ", "Hardware address: "]).to_owned(), mac(random)),
        "wallet" => (
            random.word(&["Send bitcoin to ", "Wallet: "]).to_owned(),
            random.word(WALLETS).to_owned(),
        ),
        "date of birth" => (
            random.word(&["Date of birth: ", "DOB: ", "born on "]).to_owned(),
            birth(random),
        ),
        "us dea" => (
            random.word(&["DEA number: ", "Prescriber DEA "]).to_owned(),
            dea(random),
        ),
        "us npi" => (random.word(&["NPI: ", "National provider "]).to_owned(), npi(random)),
        "us mbi" => (
            random.word(&["Medicare beneficiary: ", "MBI: "]).to_owned(),
            mbi(random),
        ),
        "aadhaar" => (
            random.word(&["Aadhaar: ", "Aadhaar number "]).to_owned(),
            aadhaar(random),
        ),
        "au tfn" => (random.word(&["TFN: ", "Tax file number "]).to_owned(), tfn(random)),
        "za id" => (
            random.word(&["SA ID number: ", "Identity number: "]).to_owned(),
            za_id(random),
        ),
        "person (label)" => (
            random
                .word(&["Full name: ", "Patient name: ", "Customer: ", "My name is "])
                .to_owned(),
            name(random),
        ),
        "person (prose)" => (
            random
                .word(&["Yesterday I met ", "This was approved by ", "Ask "])
                .to_owned(),
            name(random),
        ),
        _ => (
            random.word(&["Ships to ", "Address: ", "She lives at "]).to_owned(),
            street(random),
        ),
    };
    Planted {
        kind,
        before,
        value,
        after: ".",
    }
}

const GIVEN: &[&str] = &[
    "Maria", "James", "Aisha", "Peter", "Yuki", "Elena", "Samuel", "Priya", "Thomas", "Ingrid",
];
const FAMILY: &[&str] = &[
    "Okafor",
    "Novak",
    "Garcia",
    "Lindqvist",
    "Tanaka",
    "Whitfield",
    "Moreau",
    "Hughes",
    "Petrov",
    "Banerjee",
];
const WALLETS: &[&str] = &[
    "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
    "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
    "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
    "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
    "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
];

fn name(random: &mut Random) -> String {
    format!("{} {}", random.word(GIVEN), random.word(FAMILY))
}

fn email(random: &mut Random) -> String {
    let (given, family) = (random.word(GIVEN).to_lowercase(), random.word(FAMILY).to_lowercase());
    let domain = random.word(&["fastmail.com", "uni-ulm.de", "acme.co.uk", "mail.ngo.org"]);
    format!(
        "{given}{}{family}{}@{domain}",
        random.word(&[".", "_", ""]),
        random.below(90)
    )
}

fn phone(random: &mut Random) -> String {
    match random.below(5) {
        // The second digit of an area code is never nine, and neither part is a service code.
        0 => {
            let area = format!("{}{}{}", 2 + random.below(7), random.below(9), 2 + random.below(7));
            let exchange = format!("{}{}{}", 2 + random.below(7), random.below(9), 2 + random.below(7));
            format!("+1 {area} {exchange} {}", random.digits(4))
        }
        1 => format!(
            "({}02) {}45-{}",
            2 + random.below(7),
            2 + random.below(7),
            random.digits(4)
        ),
        2 => format!("+44 20 7{} {}", random.digits(3), random.digits(4)),
        3 => format!("+49 30 {}{}", 1 + random.below(8), random.digits(6)),
        _ => format!(
            "+33 6 {} {} {} {}",
            random.digits(2),
            random.digits(2),
            random.digits(2),
            random.digits(2)
        ),
    }
}

/// The digit that makes a number pass Luhn's check.
pub(super) fn luhn_digit(body: &str) -> u32 {
    let sum: u32 = body
        .chars()
        .rev()
        .filter_map(|c| c.to_digit(10))
        .enumerate()
        .map(|(at, digit)| {
            if at % 2 == 0 {
                digit * 2 / 10 + digit * 2 % 10
            } else {
                digit
            }
        })
        .sum();
    (10 - sum % 10) % 10
}

fn card(random: &mut Random) -> String {
    let body = match random.below(4) {
        0 => format!("4{}", random.digits(14)),
        1 => format!("5{}{}", 1 + random.below(5), random.digits(13)),
        2 => format!("37{}", random.digits(12)),
        _ => format!("6011{}", random.digits(11)),
    };
    let number = format!("{body}{}", luhn_digit(&body));
    if random.below(2) == 0 || number.len() != 16 {
        return number;
    }
    let groups: Vec<&str> = (0..4).filter_map(|at| number.get(at * 4..at * 4 + 4)).collect();
    groups.join(random.word(&[" ", "-"]))
}

fn iban(random: &mut Random) -> String {
    let (country, body) = match random.below(4) {
        0 => ("DE", random.digits(18)),
        1 => ("GB", format!("NWBK{}", random.digits(14))),
        2 => ("NL", format!("ABNA{}", random.digits(10))),
        _ => ("FR", random.digits(23)),
    };
    let rest = format!("{body}{country}00")
        .chars()
        .filter_map(|c| c.to_digit(36))
        .fold(0_u32, |rest, value| {
            (rest * if value < 10 { 10 } else { 100 } + value) % 97
        });
    let number = format!("{country}{:02}{body}", 98 - rest);
    if random.below(2) == 0 {
        return number;
    }
    let groups: Vec<String> = number
        .as_bytes()
        .chunks(4)
        .map(|group| String::from_utf8_lossy(group).into_owned())
        .collect();
    groups.join(" ")
}

fn ssn(random: &mut Random) -> String {
    format!(
        "{}{}-{}{}-{}{}",
        1 + random.below(5),
        random.digits(2),
        1 + random.below(8),
        random.digits(1),
        1 + random.below(9),
        random.digits(3)
    )
}

fn itin(random: &mut Random) -> String {
    format!(
        "9{}-7{}-{}{}",
        random.digits(2),
        random.below(9),
        1 + random.below(9),
        random.digits(3)
    )
}

fn nhs(random: &mut Random) -> String {
    loop {
        let body = format!("{}{}", 4 + random.below(3), random.digits(8));
        let sum: u32 = body
            .chars()
            .filter_map(|c| c.to_digit(10))
            .zip((2..=10).rev())
            .map(|(digit, weight)| digit * weight)
            .sum();
        let check = (11 - sum % 11) % 11;
        if check < 10 {
            let number = format!("{body}{check}");
            let part = |from, to| number.get(from..to).unwrap_or_default();
            return format!("{} {} {}", part(0, 3), part(3, 6), part(6, 10));
        }
    }
}

fn ip(random: &mut Random) -> String {
    let first = random.one(&[51_usize, 84, 93, 141, 185, 203]).unwrap_or(84);
    format!(
        "{first}.{}.{}.{}",
        32 + random.below(200),
        1 + random.below(250),
        10 + random.below(240)
    )
}

fn mac(random: &mut Random) -> String {
    let groups: Vec<String> = (0..5).map(|_| random.of("0123456789abcdef", 2)).collect();
    format!("3c:{}", groups.join(":"))
}

fn birth(random: &mut Random) -> String {
    let (year, month, day) = (1940 + random.below(65), 1 + random.below(12), 1 + random.below(28));
    match random.below(3) {
        0 => format!("{year}-{month:02}-{day:02}"),
        1 => format!("{month}/{day}/{year}"),
        _ => format!(
            "{day} {} {year}",
            random.word(&["January", "March", "May", "August", "October"])
        ),
    }
}

fn dea(random: &mut Random) -> String {
    let body = random.digits(6);
    let sum: u32 = body
        .chars()
        .filter_map(|c| c.to_digit(10))
        .enumerate()
        .map(|(at, digit)| if at % 2 == 0 { digit } else { digit * 2 })
        .sum();
    format!("B{}{body}{}", random.of("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 1), sum % 10)
}

fn npi(random: &mut Random) -> String {
    let body = format!("1{}", random.digits(8));
    format!("{body}{}", luhn_digit(&format!("80840{body}")))
}

fn mbi(random: &mut Random) -> String {
    const LETTERS: &str = "ACDEFGHJKMNPQRTUVWXY";
    let mut letter = |count| random.of(LETTERS, count);
    let (a, b, c) = (letter(1), letter(1), letter(2));
    format!(
        "{}{a}{}{}-{b}{}{}-{c}{}",
        1 + random.below(9),
        random.digits(1),
        random.digits(1),
        random.digits(1),
        random.digits(1),
        random.digits(2)
    )
}

/// Twelve digits under Verhoeff's scheme, whose check digit is looked for.
fn aadhaar(random: &mut Random) -> String {
    let body = format!("{}{}", 2 + random.below(8), random.digits(10));
    let check = (0..10)
        .find(|check| verhoeff(&format!("{body}{check}")) == 0)
        .unwrap_or(0);
    let number = format!("{body}{check}");
    let part = |from, to| number.get(from..to).unwrap_or_default();
    format!("{} {} {}", part(0, 4), part(4, 8), part(8, 12))
}

fn verhoeff(number: &str) -> u32 {
    const PERMUTED: [u32; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let permute = |digit: u32| {
        usize::try_from(digit)
            .ok()
            .and_then(|at| PERMUTED.get(at))
            .copied()
            .unwrap_or(0)
    };
    let digits = number.chars().rev().filter_map(|c| c.to_digit(10)).enumerate();
    digits.fold(0, |state, (at, digit)| {
        let digit = (0..at % 8).fold(digit, |digit, _| permute(digit));
        let (turn, other) = (state % 5, digit % 5);
        match (state >= 5, digit >= 5) {
            (false, false) => (turn + other) % 5,
            (false, true) => (turn + other) % 5 + 5,
            (true, false) => (turn + 5 - other) % 5 + 5,
            (true, true) => (turn + 5 - other) % 5,
        }
    })
}

fn tfn(random: &mut Random) -> String {
    loop {
        let number = format!("{}{}", 1 + random.below(9), random.digits(8));
        let sum: u32 = number
            .chars()
            .filter_map(|c| c.to_digit(10))
            .zip([1, 4, 3, 7, 5, 8, 6, 9, 10])
            .map(|(digit, weight)| digit * weight)
            .sum();
        if sum.is_multiple_of(11) {
            let part = |from, to| number.get(from..to).unwrap_or_default();
            return format!("{} {} {}", part(0, 3), part(3, 6), part(6, 9));
        }
    }
}

fn za_id(random: &mut Random) -> String {
    let body = format!(
        "{:02}{:02}{:02}{}08",
        50 + random.below(50),
        1 + random.below(12),
        1 + random.below(28),
        random.digits(4)
    );
    format!("{body}{}", luhn_digit(&body))
}

fn street(random: &mut Random) -> String {
    let street = random.word(&[
        "Maple Street",
        "Lake Shore Drive",
        "Orchard Road",
        "Station Avenue",
        "Mill Lane",
    ]);
    format!(
        "{} {street}, {}",
        1 + random.below(900),
        random.word(&[
            "Springfield, IL 62704",
            "Portland, OR 97201",
            "Leeds LS1 4DY",
            "Austin, TX 78701"
        ])
    )
}
