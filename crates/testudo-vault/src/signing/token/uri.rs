//! `pkcs11:` addresses of private keys, as RFC 7512 has them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use testudo_types::Secret;
use zeroize::Zeroizing;

const SCHEME: &str = "pkcs11:";
/// Longer ones name nothing.
const BYTES_MAX: usize = 16 << 10;
const OF_TOKEN: [&str; 5] = ["token", "manufacturer", "model", "serial", "slot-id"];
const OF_KEY: [&str; 3] = ["object", "id", "type"];
const OF_QUERY: [&str; 4] = ["module-path", "module-name", "pin-value", "pin-source"];

/// Why an address is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenUriError {
    #[error("the address of a key in a token begins with `pkcs11:`")]
    Scheme,
    #[error("the address is longer than {BYTES_MAX} bytes")]
    TooLong,
    #[error("the address has a sign in it that has to be written as `%` and two digits")]
    Sign,
    #[error("the address has a `%` without two hexadecimal digits")]
    Percent,
    #[error("a part of the address is not NAME=VALUE")]
    NotAPair,
    #[error("the address says `{0}` twice")]
    Twice(String),
    #[error("`{0}` of the address is not known here")]
    Unknown(String),
    #[error("`{0}` of the address is not UTF-8")]
    NotUtf8(&'static str),
    #[error("the address is of something else than a private key; leave `type` out or write `type=private`")]
    NotPrivate,
    #[error("`slot-id` of the address is not a number")]
    Slot,
    #[error("`{0}` of the address is not a whole path, from `/` on")]
    NotWhole(&'static str),
    #[error("`pin-source` of the address is neither a path nor `file:` and a path")]
    PinSource,
    #[error("the address has a PIN and names a file with one; it has to be one of them")]
    TwoPins,
}

/// What names one private key in one token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenUri {
    pub(super) module: Option<Module>,
    pub(super) token: Option<String>,
    pub(super) manufacturer: Option<String>,
    pub(super) model: Option<String>,
    pub(super) serial: Option<String>,
    pub(super) slot: Option<u64>,
    pub(super) label: Option<String>,
    pub(super) id: Option<Vec<u8>>,
    pub(super) pin: Option<Pin>,
}

/// The library that talks to the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Module {
    Path(PathBuf),
    Name(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pin {
    Value(Secret),
    File(PathBuf),
}

impl TokenUri {
    /// Reads an address. What is not known is refused: it would narrow what is meant, and would not here.
    ///
    /// # Errors
    /// When it is not an address of a private key.
    pub fn parse(text: &str) -> Result<Self, TokenUriError> {
        if text.len() > BYTES_MAX {
            return Err(TokenUriError::TooLong);
        }
        let rest = text.strip_prefix(SCHEME).ok_or(TokenUriError::Scheme)?;
        if !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenUriError::Sign);
        }
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let path = Attributes::read(path, ';', &[OF_TOKEN.as_slice(), OF_KEY.as_slice()].concat())?;
        let query = Attributes::read(query, '&', &OF_QUERY)?;
        if path.text("type")?.is_some_and(|kind| kind != "private") {
            return Err(TokenUriError::NotPrivate);
        }
        let slot = path.text("slot-id")?.map(|digits| digits.parse());
        Ok(Self {
            module: module(&query)?,
            token: path.text("token")?,
            manufacturer: path.text("manufacturer")?,
            model: path.text("model")?,
            serial: path.text("serial")?,
            slot: slot.transpose().map_err(|_| TokenUriError::Slot)?,
            label: path.text("object")?,
            id: path.0.get("id").map(|id| id.to_vec()),
            pin: pin(&query)?,
        })
    }
}

fn module(query: &Attributes<'_>) -> Result<Option<Module>, TokenUriError> {
    if let Some(path) = query.text("module-path")? {
        return Ok(Some(Module::Path(whole(&path, "module-path")?)));
    }
    Ok(query.text("module-name")?.map(Module::Name))
}

fn pin(query: &Attributes<'_>) -> Result<Option<Pin>, TokenUriError> {
    match (query.0.get("pin-value"), query.text("pin-source")?) {
        (Some(_), Some(_)) => Err(TokenUriError::TwoPins),
        (Some(value), None) => Ok(Some(Pin::Value(Secret::new(value.to_vec())))),
        (None, Some(source)) => {
            let path = match source.split_once(':') {
                None => source.as_str(),
                Some(("file", path)) => path.strip_prefix("//").unwrap_or(path),
                Some(_) => return Err(TokenUriError::PinSource),
            };
            Ok(Some(Pin::File(whole(path, "pin-source")?)))
        }
        (None, None) => Ok(None),
    }
}

fn whole(path: &str, name: &'static str) -> Result<PathBuf, TokenUriError> {
    let path = PathBuf::from(path);
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(TokenUriError::NotWhole(name))
    }
}

/// One half of an address, each name once.
struct Attributes<'t>(BTreeMap<&'t str, Zeroizing<Vec<u8>>>);

impl<'t> Attributes<'t> {
    fn read(text: &'t str, between: char, known: &[&'static str]) -> Result<Self, TokenUriError> {
        let mut found = BTreeMap::new();
        for part in text.split(between).filter(|_| !text.is_empty()) {
            let (name, value) = part.split_once('=').ok_or(TokenUriError::NotAPair)?;
            if !known.contains(&name) {
                return Err(TokenUriError::Unknown(name.to_owned()));
            }
            if found.insert(name, unescaped(value)?).is_some() {
                return Err(TokenUriError::Twice(name.to_owned()));
            }
        }
        Ok(Self(found))
    }

    fn text(&self, name: &'static str) -> Result<Option<String>, TokenUriError> {
        let Some(bytes) = self.0.get(name) else {
            return Ok(None);
        };
        let text = std::str::from_utf8(bytes).map_err(|_| TokenUriError::NotUtf8(name))?;
        Ok(Some(text.to_owned()))
    }
}

fn unescaped(text: &str) -> Result<Zeroizing<Vec<u8>>, TokenUriError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|it| char::from(it).to_digit(16));
        let (high, low) = digit().zip(digit()).ok_or(TokenUriError::Percent)?;
        let value = u8::try_from(high.saturating_mul(16).saturating_add(low));
        bytes.push(value.map_err(|_| TokenUriError::Percent)?);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<TokenUri, TokenUriError> {
        TokenUri::parse(text)
    }

    #[test]
    fn the_parts_of_an_address_are_told_apart() {
        let uri = read(
            "pkcs11:token=My%20token;serial=00a1;slot-id=7;object=signer;id=%01%ff;type=private\
             ?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-value=12%2634",
        )
        .unwrap();
        assert_eq!(uri.token.as_deref(), Some("My token"));
        assert_eq!(uri.serial.as_deref(), Some("00a1"));
        assert_eq!(uri.slot, Some(7));
        assert_eq!(uri.label.as_deref(), Some("signer"));
        assert_eq!(uri.id.as_deref(), Some([1, 0xff].as_slice()));
        assert_eq!(uri.module, Some(Module::Path("/usr/lib/softhsm/libsofthsm2.so".into())));
        assert_eq!(uri.pin, Some(Pin::Value(Secret::new(b"12&34".as_slice()))));
        assert_eq!(uri.manufacturer, None);
        let nothing = read("pkcs11:").unwrap();
        assert_eq!((nothing.label, nothing.id, nothing.module), (None, None, None));
    }

    #[test]
    fn a_pin_may_lie_in_a_file() {
        for source in ["/run/pin", "file:/run/pin", "file:///run/pin", "%2Frun%2Fpin"] {
            let uri = read(&format!("pkcs11:object=a?pin-source={source}")).unwrap();
            assert_eq!(uri.pin, Some(Pin::File("/run/pin".into())), "{source}");
        }
    }

    #[test]
    fn what_is_not_known_or_said_twice_is_refused() {
        use TokenUriError as E;
        for (text, error) in [
            ("", E::Scheme),
            ("PKCS11:object=a", E::Scheme),
            ("https://object=a", E::Scheme),
            ("pkcs11:object", E::NotAPair),
            ("pkcs11:object=a;", E::NotAPair),
            ("pkcs11:object=a;object=a", E::Twice("object".to_owned())),
            ("pkcs11:objekt=a", E::Unknown("objekt".to_owned())),
            ("pkcs11:object=a;pin-value=1", E::Unknown("pin-value".to_owned())),
            ("pkcs11:object=a?token=b", E::Unknown("token".to_owned())),
            ("pkcs11:object=a?x-extra=b", E::Unknown("x-extra".to_owned())),
            ("pkcs11:object=a b", E::Sign),
            ("pkcs11:object=ä", E::Sign),
            ("pkcs11:object=a%", E::Percent),
            ("pkcs11:object=a%1", E::Percent),
            ("pkcs11:object=a%+1", E::Percent),
            ("pkcs11:object=%ff", E::NotUtf8("object")),
            ("pkcs11:object=a;type=cert", E::NotPrivate),
            ("pkcs11:slot-id=seven", E::Slot),
            ("pkcs11:object=a?module-path=lib.so", E::NotWhole("module-path")),
            ("pkcs11:object=a?pin-source=pin", E::NotWhole("pin-source")),
            ("pkcs11:object=a?pin-source=file://host/pin", E::NotWhole("pin-source")),
            ("pkcs11:object=a?pin-source=%7Ccat:/pin", E::PinSource),
            ("pkcs11:object=a?pin-value=1&pin-source=/pin", E::TwoPins),
        ] {
            assert_eq!(read(text).unwrap_err(), error, "{text}");
        }
        let long = format!("pkcs11:object={}", "a".repeat(BYTES_MAX));
        assert_eq!(read(&long).unwrap_err(), E::TooLong);
    }

    #[test]
    fn a_pin_is_not_printed() {
        let uri = read("pkcs11:object=a?pin-value=secret-pin").unwrap();
        assert!(!format!("{uri:?}").contains("secret-pin"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(pkcs11:)?[ -~]{0,80}") {
            let _read = read(&text);
        }

        #[test]
        fn every_label_and_id_can_be_written(label in "\\PC{0,20}", id: Vec<u8>) {
            let escaped = |bytes: &[u8]| bytes.iter().map(|byte| format!("%{byte:02x}")).collect::<String>();
            let text = format!("pkcs11:object={};id={}", escaped(label.as_bytes()), escaped(&id));
            let uri = read(&text).unwrap();
            prop_assert_eq!(uri.label, Some(label));
            prop_assert_eq!(uri.id, Some(id));
        }
    }
}
