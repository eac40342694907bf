//! Opens a token and lets it sign.

use std::error::Error as StdError;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest::digest;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use der::asn1::UintRef;
use der::{Encode as _, Sequence};
use zeroize::Zeroizing;

use super::uri::{Module, Pin, TokenUri};
use super::{SigningKey, TokenError};
use crate::signing::keys::{Curve, KeyError, SignatureHash, VerifyingKey};

/// Where distributions put modules that are named without a path.
const MODULE_FOLDERS: [&str; 4] = [
    "/usr/lib64/pkcs11",
    "/usr/lib/pkcs11",
    "/usr/lib/x86_64-linux-gnu/pkcs11",
    "/usr/lib/softhsm",
];
const PIN_BYTES_MAX: usize = 4 << 10;

/// A private key that stays in its token. Signing blocks for as long as the token takes.
pub(crate) struct TokenKey {
    session: Mutex<Session>,
    key: ObjectHandle,
}

/// Two numbers, as signatures over elliptic curves are written.
#[derive(Sequence)]
struct Numbers<'n> {
    r: UintRef<'n>,
    s: UintRef<'n>,
}

pub(super) fn open(uri: &TokenUri, pin: Option<&[u8]>) -> Result<SigningKey, TokenError> {
    let pin = pin_of(uri, pin)?;
    let session = login(uri, &pin)?;
    let key = private(&session, uri)?;
    let public = public(&session, key)?;
    let held = TokenKey {
        session: Mutex::new(session),
        key,
    };
    Ok(SigningKey::held(held, public))
}

impl TokenKey {
    /// Signs, and checks what the token made of it.
    pub(crate) fn sign(&self, public: &VerifyingKey, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let digest = digest(public.curve_kind().hash(), message);
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let raw = session
            .sign(&Mechanism::Ecdsa, self.key, digest.as_ref())
            .map_err(|error| KeyError::Token(Box::new(error)))?;
        let (r, s) = raw.split_at_checked(raw.len() / 2).ok_or(KeyError::Sign)?;
        let number = |bytes| UintRef::new(bytes).map_err(|_| KeyError::Sign);
        let numbers = Numbers {
            r: number(r)?,
            s: number(s)?,
        };
        let signature = numbers.to_der().map_err(|_| KeyError::Sign)?;
        if public.verifies(message, &signature, SignatureHash::OfTheCurve) {
            Ok(signature)
        } else {
            Err(KeyError::Sign)
        }
    }
}

fn pin_of(uri: &TokenUri, beside: Option<&[u8]>) -> Result<Zeroizing<String>, TokenError> {
    let bytes = match (&uri.pin, beside) {
        (Some(_), Some(_)) => return Err(TokenError::TwoPins),
        (None, None) => return Err(TokenError::NoPin),
        (None, Some(pin)) => Zeroizing::new(pin.to_vec()),
        (Some(Pin::Value(pin)), None) => Zeroizing::new(pin.expose().to_vec()),
        (Some(Pin::File(path)), None) => {
            let read = testudo_bounded::read_file(path, PIN_BYTES_MAX);
            let text = Zeroizing::new(read.map_err(|source| TokenError::PinFile {
                path: path.clone(),
                source,
            })?);
            let line = text.split(|byte| matches!(byte, b'\r' | b'\n')).next();
            Zeroizing::new(line.unwrap_or_default().to_vec())
        }
    };
    let text = std::str::from_utf8(&bytes).map_err(|_| TokenError::PinIsNoText)?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn login(uri: &TokenUri, pin: &str) -> Result<Session, TokenError> {
    let module = load(&module(uri)?)?;
    let slots = module
        .get_slots_with_token()
        .map_err(failed("cannot list the tokens"))?;
    let fitting: Vec<Slot> = slots.into_iter().filter(|slot| fits(&module, *slot, uri)).collect();
    let [slot] = fitting.as_slice() else {
        return Err(TokenError::Tokens { count: fitting.len() });
    };
    let session = module
        .open_ro_session(*slot)
        .map_err(failed("cannot open a session with the token"))?;
    match session.login(UserType::User, Some(&AuthPin::new(pin.into()))) {
        // The login is the process's, not the session's.
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
        Err(error) => Err(failed("cannot log in to the token")(error)),
    }
}

fn module(uri: &TokenUri) -> Result<PathBuf, TokenError> {
    match &uri.module {
        None => Err(TokenError::NoModule),
        Some(Module::Path(path)) => Ok(path.clone()),
        Some(Module::Name(name)) => {
            let unknown = || TokenError::UnknownModule(name.clone());
            if name.contains('/') {
                return Err(unknown());
            }
            let paths = MODULE_FOLDERS
                .into_iter()
                .flat_map(|folder| [format!("{folder}/{name}.so"), format!("{folder}/lib{name}.so")]);
            paths.map(PathBuf::from).find(|path| path.is_file()).ok_or_else(unknown)
        }
    }
}

fn load(path: &PathBuf) -> Result<Pkcs11, TokenError> {
    let module = Pkcs11::new(path).map_err(failed("cannot load the PKCS#11 module"))?;
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(module),
        Err(error) => Err(failed("cannot start the PKCS#11 module")(error)),
    }
}

fn fits(module: &Pkcs11, slot: Slot, uri: &TokenUri) -> bool {
    let Ok(token) = module.get_token_info(slot) else {
        return false;
    };
    let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
    is(&uri.token, token.label())
        && is(&uri.manufacturer, token.manufacturer_id())
        && is(&uri.model, token.model())
        && is(&uri.serial, token.serial_number())
        && uri.slot.is_none_or(|wanted| wanted == slot.id())
}

/// The one private key that is as the address says.
fn private(session: &Session, uri: &TokenUri) -> Result<ObjectHandle, TokenError> {
    if uri.label.is_none() && uri.id.is_none() {
        return Err(TokenError::NoObject);
    }
    let mut template = vec![
        Attribute::Class(ObjectClass::PRIVATE_KEY),
        Attribute::KeyType(KeyType::EC),
    ];
    template.extend(uri.label.as_ref().map(|it| Attribute::Label(it.as_bytes().to_vec())));
    template.extend(uri.id.as_ref().map(|it| Attribute::Id(it.clone())));
    let found = session
        .find_objects(&template)
        .map_err(failed("cannot look for the key"))?;
    match found.as_slice() {
        [key] => Ok(*key),
        _ => Err(TokenError::Keys { count: found.len() }),
    }
}

/// Its public half: beside it in the token, or told by the private key itself.
fn public(session: &Session, key: ObjectHandle) -> Result<VerifyingKey, TokenError> {
    let names = session
        .get_attributes(key, &[AttributeType::Id, AttributeType::Label])
        .map_err(failed("cannot read the names of the key"))?;
    // Both halves have one id; labels are often told apart, and where they are not they are the better witness.
    let has_id = names.iter().any(|it| matches!(it, Attribute::Id(id) if !id.is_empty()));
    let fewer = names
        .iter()
        .filter(|it| has_id == matches!(it, Attribute::Id(_)))
        .cloned();
    let fewer: Vec<Attribute> = fewer.collect();
    let mut candidates = vec![key];
    for names in [names, fewer] {
        let mut template = vec![
            Attribute::Class(ObjectClass::PUBLIC_KEY),
            Attribute::KeyType(KeyType::EC),
        ];
        template.extend(names);
        let beside = session.find_objects(&template);
        candidates.extend(beside.map_err(failed("cannot look for the public half of the key"))?);
    }
    let curves = candidates.into_iter().find_map(|object| point(session, object));
    let (curve, point) = curves.ok_or(TokenError::NoPublicHalf)?;
    Ok(VerifyingKey::from_point(curve, &point)?)
}

/// The curve and the point, without the mark of an uncompressed one.
fn point(session: &Session, object: ObjectHandle) -> Option<(Curve, Vec<u8>)> {
    let wanted = [AttributeType::EcParams, AttributeType::EcPoint];
    let attributes = session.get_attributes(object, &wanted).ok()?;
    let curve = attributes.iter().find_map(|it| match it {
        Attribute::EcParams(oid) => Curve::from_oid(oid),
        _ => None,
    })?;
    let encoded = attributes.iter().find_map(|it| match it {
        Attribute::EcPoint(encoded) => Some(encoded.as_slice()),
        _ => None,
    })?;
    // A string of bytes by the standard; some tokens leave its head away.
    let bytes = match <der::asn1::OctetStringRef<'_> as der::Decode<'_>>::from_der(encoded) {
        Ok(string) => string.as_bytes(),
        Err(_) => encoded,
    };
    Some((curve, bytes.strip_prefix(&[4])?.to_vec()))
}

fn failed<E: StdError + Send + Sync + 'static>(what: &'static str) -> impl Fn(E) -> TokenError {
    move |error| TokenError::Module {
        what,
        source: Box::new(error),
    }
}

#[cfg(test)]
mod tests;
