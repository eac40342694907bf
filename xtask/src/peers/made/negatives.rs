//! Sentences with what only looks like personal data or a secret.

use serde_json::{Value, json};

use super::Random;

const HEX: &str = "0123456789abcdef";
const FILLER: &[&str] = &[
    "The meeting was moved because the room is being painted.",
    "Please read the attached notes and send questions before noon.",
    "Nothing else changed since the last review.",
    "We agreed to ship the smaller change first and look at the rest later.",
    "The report lists what was tried and why it did not work.",
];

/// One sentence; dates in it are neither right nor wrong for tools that report every date.
pub(super) fn sentence(code: bool, random: &mut Random, spans: &mut Vec<Value>, base: usize) -> String {
    if code {
        in_code(random)
    } else {
        in_prose(random, spans, base)
    }
}

fn in_prose(random: &mut Random, spans: &mut Vec<Value>, base: usize) -> String {
    let number = |random: &mut Random, low: usize, span: usize| low + random.below(span);
    match random.below(13) {
        0 => format!(
            "Upgrade to version {}.{}.{}.{} first.",
            random.below(20),
            random.below(20),
            random.below(30),
            random.below(10)
        ),
        1 => format!("Fixed in commit {}.", random.of(HEX, 40)),
        2 => format!("Ticket {} was closed.", uuid(random)),
        3 => format!("Order number {} left the warehouse.", random.digits(10)),
        4 => {
            let date = format!(
                "20{}-0{}-1{}",
                number(random, 10, 16),
                number(random, 1, 9),
                random.below(10)
            );
            let start = base + "The release of ".len();
            spans.push(json!([start, start + date.len(), "neutral"]));
            format!("The release of {date} is final.")
        }
        5 => format!(
            "Part no. {}-{}-{} is out of stock.",
            random.digits(2),
            random.digits(4),
            random.digits(3)
        ),
        6 => format!(
            "The invoice came to {},{}.{} euros.",
            number(random, 1, 9),
            random.digits(3),
            random.digits(2)
        ),
        7 => format!(
            "The server listens on 192.168.{}.{} only.",
            random.below(255),
            random.below(255)
        ),
        8 => format!(
            "ISBN 978-{}-{}-{}-{} is the second edition.",
            random.digits(1),
            random.digits(3),
            random.digits(5),
            random.digits(1)
        ),
        // The last digit is wrong on purpose.
        9 => format!("The sample {} was refused as no card.", broken_card(random)),
        10 => format!("Write to user@localhost or see @handle{} for help.", random.digits(2)),
        11 => format!(
            "Tracking code {}{}.",
            random.of("ABCDEFGHJKLMNPRSTUVWXYZ", 2),
            random.digits(9)
        ),
        _ => random.word(FILLER).to_owned(),
    }
}

fn in_code(random: &mut Random) -> String {
    match random.below(14) {
        0 => format!(
            "version = \"{}.{}.{}\"",
            random.below(20),
            random.below(20),
            random.below(30)
        ),
        1 => format!("# fixed in {}", random.of(HEX, 40)),
        2 => format!("request_id: {}", uuid(random)),
        3 => format!("checksum sha256:{}", random.of(HEX, 64)),
        4 => "api_key = \"your_api_key_here\"".to_owned(),
        5 => "password = os.environ[\"DB_PASSWORD\"]".to_owned(),
        6 => "token: ${{ secrets.DEPLOY_TOKEN }}".to_owned(),
        7 => "SECRET_KEY=changeme-in-production".to_owned(),
        8 => format!(
            "integrity = \"sha512-{}==\"",
            random.of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 86)
        ),
        9 => "url = \"https://user:password@example.com/path\"".to_owned(),
        10 => format!("order = {}", random.digits(16)),
        11 => "def rotate_token(old_token, new_token): return new_token".to_owned(),
        12 => "password: string;  // at least 12 characters".to_owned(),
        _ => "private_key_path = \"/etc/keys/service.pem\"".to_owned(),
    }
}

fn uuid(random: &mut Random) -> String {
    let mut part = |count| random.of(HEX, count);
    format!("{}-{}-4{}-a{}-{}", part(8), part(4), part(3), part(3), part(12))
}

fn broken_card(random: &mut Random) -> String {
    let body = format!("4{}", random.digits(14));
    let right = super::personal::luhn_digit(&body);
    format!("{body}{}", (right + 1) % 10)
}
