//! Secrets by kind, in the shapes that their issuers document; random, and accepted nowhere.
#![expect(clippy::arithmetic_side_effects, reason = "small numbers of a generator")]

use super::{Planted, Random};

pub(super) const KINDS: &[&str] = &[
    "aws key id",
    "aws secret",
    "github",
    "gitlab",
    "slack",
    "stripe",
    "sendgrid",
    "mailchimp",
    "npm",
    "pypi",
    "jwt",
    "private key",
    "url password",
    "basic auth",
    "telegram",
    "discord",
    "openai",
    "twilio",
    "square",
    "azure storage",
    "artifactory",
    "ibm cloud",
    "softlayer",
    "cloudant",
    "password",
    "hex key",
    "base64 key",
];

const ALNUM: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const HEX: &str = "0123456789abcdef";
const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(super) fn planted(kind: &'static str, random: &mut Random) -> Planted {
    let (before, value) = shape(kind, random);
    let after = if before.ends_with('"') { "\"" } else { "" };
    Planted {
        kind,
        before,
        value,
        after,
    }
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn shape(kind: &str, random: &mut Random) -> (String, String) {
    let bare = |random: &mut Random| {
        random
            .word(&["key: ", "use ", "TOKEN=", "curl -H \"Authorization: "])
            .to_owned()
    };
    match kind {
        "aws key id" => (
            bare(random),
            format!("AKIA{}", random.of("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16)),
        ),
        "aws secret" => ("aws_secret_access_key = \"".to_owned(), random.of(BASE64, 40)),
        "github" => (
            bare(random),
            format!("gh{}_{}", random.word(&["p", "o", "s"]), random.of(ALNUM, 36)),
        ),
        "gitlab" => (bare(random), format!("glpat-{}", random.of(ALNUM, 20))),
        "slack" => (
            bare(random),
            format!(
                "xoxb-{}-{}-{}",
                random.digits(12),
                random.digits(12),
                random.of(ALNUM, 24)
            ),
        ),
        "stripe" => (bare(random), format!("sk_live_{}", random.of(ALNUM, 24))),
        "sendgrid" => (
            bare(random),
            format!("SG.{}.{}", random.of(ALNUM, 22), random.of(ALNUM, 43)),
        ),
        "mailchimp" => (
            bare(random),
            format!("{}-us{}", random.of(HEX, 32), 1 + random.below(20)),
        ),
        "npm" => (
            "//registry.npmjs.org/:_authToken=".to_owned(),
            format!("npm_{}", random.of(ALNUM, 36)),
        ),
        "pypi" => (bare(random), format!("pypi-AgEIcHlwaS5vcmc{}", random.of(ALNUM, 80))),
        "jwt" => {
            let claims = format!("{{\"sub\":\"{}\",\"admin\":false}}", random.digits(10));
            let head = base64url("{\"alg\":\"HS256\",\"typ\":\"JWT\"}");
            (
                bare(random),
                format!("{head}.{}.{}", base64url(&claims), random.of(ALNUM, 43)),
            )
        }
        "private key" => (
            String::new(),
            format!(
                "-----BEGIN RSA {} KEY-----\n{}\n{}\n",
                "PRIVATE",
                random.of(BASE64, 64),
                random.of(BASE64, 64)
            ),
        ),
        "url password" => (
            "git clone https://deploy:".to_owned(),
            random.of(ALNUM, 14) + "@git.acme.dev/app.git",
        ),
        "basic auth" => (
            "url: https://admin:".to_owned(),
            random.of(ALNUM, 12) + "@host.acme.dev/api",
        ),
        "telegram" => (
            bare(random),
            format!("{}:AA{}", 100_000_000 + random.below(900_000_000), random.of(ALNUM, 33)),
        ),
        "discord" => {
            let account = format!("2{}", random.digits(17));
            let (hash, code) = (random.of(ALNUM, 27), random.of(ALNUM, 6));
            (bare(random), format!("{}.{code}.{hash}", base64url(&account)))
        }
        "openai" => (
            bare(random),
            format!("sk-proj-{}T3BlbkFJ{}", random.of(ALNUM, 20), random.of(ALNUM, 20)),
        ),
        "twilio" => ("twilio_api_key: ".to_owned(), format!("SK{}", random.of(HEX, 32))),
        "square" => (bare(random), format!("sq0csp-{}", random.of(ALNUM, 43))),
        "azure storage" => (
            "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=".to_owned(),
            random.of(BASE64, 86) + "==",
        ),
        "artifactory" => (
            bare(random),
            format!("AKCp{}{}", 5 + random.below(5), random.of(ALNUM, 68)),
        ),
        "ibm cloud" => ("ibm_cloud_iam_key = \"".to_owned(), random.of(ALNUM, 44)),
        "softlayer" => ("softlayer_api_key = \"".to_owned(), random.of(HEX, 64)),
        "cloudant" => ("cloudant_password = \"".to_owned(), random.of(HEX, 64)),
        "password" => (
            random
                .word(&["password = \"", "db_password: \"", "PGPASSWORD=\""])
                .to_owned(),
            format!(
                "{}{}!{}",
                random.of("ABCDEFGHJKLMNPQRSTUVWXYZ", 1),
                random.of("abcdefghjkmnpqrstuvwxyz", 7),
                random.digits(3)
            ),
        ),
        "hex key" => (
            random
                .word(&["secret_key = \"", "encryption_key: \"", "SESSION_SECRET=\""])
                .to_owned(),
            random.of(HEX, 32),
        ),
        _ => (
            random
                .word(&["api_key = \"", "client_secret: \"", "AUTH_TOKEN=\""])
                .to_owned(),
            random.of(UPPER, 8) + &random.of(ALNUM, 32),
        ),
    }
}

/// Base64 in the alphabet for URLs, without padding.
fn base64url(text: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let sextets = text.as_bytes().chunks(3).flat_map(|group| {
        let byte = |at: usize| group.get(at).copied().unwrap_or(0);
        let [a, b, c] = [byte(0), byte(1), byte(2)];
        let all = [a >> 2, (a & 3) << 4 | b >> 4, (b & 15) << 2 | c >> 6, c & 63];
        all.into_iter().take(group.len() + 1)
    });
    sextets
        .filter_map(|sextet| ALPHABET.get(usize::from(sextet)))
        .map(|byte| char::from(*byte))
        .collect()
}
