//! Key-encryption keys in a PKCS#11 token: AES keys that never leave it, used with AES-GCM.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use futures_util::future::{BoxFuture, FutureExt as _, ready};
use testudo_types::Secret;
use zeroize::Zeroizing;

use super::cipher::{KEY_BYTES, NONCE_BYTES, TAG_BYTES, random};
use super::encryption::{KekError, KekId, KeyEncryption, WrappedKey};
use super::keyring::{next_id, number};

/// Where the token is and how to log in.
#[derive(Debug, Clone)]
pub struct Pkcs11Settings {
    /// The module's shared library.
    pub module: PathBuf,
    /// The label of an initialised token.
    pub token: String,
    /// Of the user, not of the security officer.
    pub pin: Secret,
    /// The label that all key-encryption keys of this ledger bear.
    pub label: String,
}

/// Key-encryption keys in one token. Calls block for as long as the token takes.
pub struct Pkcs11Keyring {
    session: Mutex<Session>,
    label: String,
}

impl Pkcs11Keyring {
    /// Loads the module, logs in, and looks at the keys that are there.
    ///
    /// # Errors
    /// When the module, the token or the PIN is of no use, or a key under the label could leave the token.
    pub fn open(settings: &Pkcs11Settings) -> Result<Self, KekError> {
        let session = login(settings)?;
        let keyring = Self {
            session: Mutex::new(session),
            label: settings.label.clone(),
        };
        keyring.with_session(|session| {
            for id in keyring.ids(session)? {
                keyring.refuse_extractable(session, &id)?;
            }
            Ok(())
        })?;
        Ok(keyring)
    }

    fn with_session<T>(&self, act: impl FnOnce(&Session) -> Result<T, KekError>) -> Result<T, KekError> {
        act(&self.session.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Our keys, oldest first.
    fn ids(&self, session: &Session) -> Result<Vec<KekId>, KekError> {
        let mut ids = Vec::new();
        for handle in session
            .find_objects(&self.template(None))
            .map_err(keeper("cannot look for keys"))?
        {
            let attributes = session
                .get_attributes(handle, &[AttributeType::Id])
                .map_err(keeper("cannot read the id of a key"))?;
            for attribute in attributes {
                if let Attribute::Id(bytes) = attribute
                    && let Ok(text) = String::from_utf8(bytes)
                    && let Ok(id) = KekId::parse(&text)
                    && number(&id).is_some()
                {
                    ids.push(id);
                }
            }
        }
        ids.sort();
        Ok(ids)
    }

    fn find(&self, session: &Session, id: &KekId) -> Result<ObjectHandle, KekError> {
        let found = session
            .find_objects(&self.template(Some(id)))
            .map_err(keeper("cannot look for a key"))?;
        match found.as_slice() {
            [handle] => Ok(*handle),
            _ => Err(KekError::Unknown(id.clone())),
        }
    }

    fn template(&self, id: Option<&KekId>) -> Vec<Attribute> {
        let mut template = vec![
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::Label(self.label.as_bytes().to_vec()),
        ];
        template.extend(id.map(|id| Attribute::Id(id.as_str().as_bytes().to_vec())));
        template
    }

    fn refuse_extractable(&self, session: &Session, id: &KekId) -> Result<(), KekError> {
        let handle = self.find(session, id)?;
        let wanted = [AttributeType::Extractable, AttributeType::Sensitive];
        let attributes = session
            .get_attributes(handle, &wanted)
            .map_err(keeper("cannot read what a key permits"))?;
        let kept =
            attributes.contains(&Attribute::Extractable(false)) && attributes.contains(&Attribute::Sensitive(true));
        if kept {
            Ok(())
        } else {
            Err(KekError::Extractable(id.clone()))
        }
    }

    fn make(&self, session: &Session, keys: &[KekId]) -> Result<KekId, KekError> {
        let id = next_id(keys.iter())?;
        let bytes = cryptoki_len(KEY_BYTES)?;
        let mut template = self.template(Some(&id));
        template.extend([
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
            Attribute::ValueLen(bytes),
        ]);
        session
            .generate_key(&Mechanism::AesKeyGen, &template)
            .map_err(keeper("cannot make a key"))?;
        self.refuse_extractable(session, &id)?;
        Ok(id)
    }

    fn wrap_now(&self, key: &[u8], aad: &[u8]) -> Result<WrappedKey, KekError> {
        self.with_session(|session| {
            let keys = self.ids(session)?;
            let kek = match keys.last() {
                Some(newest) => newest.clone(),
                None => self.make(session, &keys)?,
            };
            let handle = self.find(session, &kek)?;
            let mut nonce = random::<NONCE_BYTES>()?;
            let sealed = {
                let params = gcm(&mut nonce, aad)?;
                session
                    .encrypt(&Mechanism::AesGcm(params), handle, key)
                    .map_err(keeper("cannot wrap a key"))?
            };
            // Some tokens choose the nonce themselves; what is in the buffer now counts.
            let bytes = [nonce.as_slice(), &sealed].concat();
            Ok(WrappedKey { kek, bytes })
        })
    }

    fn unwrap_now(&self, wrapped: &WrappedKey, aad: &[u8]) -> Result<Zeroizing<Vec<u8>>, KekError> {
        let kek = &wrapped.kek;
        self.with_session(|session| {
            let handle = self.find(session, kek)?;
            let refused = || KekError::Refused(kek.clone());
            let (nonce, sealed) = wrapped.bytes.split_first_chunk::<NONCE_BYTES>().ok_or_else(refused)?;
            if sealed.len() < TAG_BYTES {
                return Err(refused());
            }
            let mut nonce = *nonce;
            let params = gcm(&mut nonce, aad)?;
            match session.decrypt(&Mechanism::AesGcm(params), handle, sealed) {
                Ok(key) => Ok(Zeroizing::new(key)),
                Err(error) if is_refusal(&error) => Err(refused()),
                Err(error) => Err(keeper("cannot unwrap a key")(error)),
            }
        })
    }

    fn destroy_now(&self, id: &KekId) -> Result<(), KekError> {
        self.with_session(|session| {
            let handle = self.find(session, id)?;
            session.destroy_object(handle).map_err(keeper("cannot destroy a key"))
        })
    }
}

impl KeyEncryption for Pkcs11Keyring {
    fn wrap<'a>(&'a self, key: &'a [u8], aad: &'a [u8]) -> BoxFuture<'a, Result<WrappedKey, KekError>> {
        ready(self.wrap_now(key, aad)).boxed()
    }

    fn unwrap<'a>(
        &'a self,
        wrapped: &'a WrappedKey,
        aad: &'a [u8],
    ) -> BoxFuture<'a, Result<Zeroizing<Vec<u8>>, KekError>> {
        ready(self.unwrap_now(wrapped, aad)).boxed()
    }

    fn renew(&self) -> BoxFuture<'_, Result<KekId, KekError>> {
        ready(self.with_session(|session| self.make(session, &self.ids(session)?))).boxed()
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<KekId>, KekError>> {
        ready(self.with_session(|session| self.ids(session))).boxed()
    }

    fn destroy<'a>(&'a self, id: &'a KekId) -> BoxFuture<'a, Result<(), KekError>> {
        ready(self.destroy_now(id)).boxed()
    }
}

impl fmt::Debug for Pkcs11Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pkcs11Keyring")
            .field("label", &self.label)
            .finish_non_exhaustive()
    }
}

fn login(settings: &Pkcs11Settings) -> Result<Session, KekError> {
    let module = load(&settings.module)?;
    let slots = module
        .get_slots_with_token()
        .map_err(keeper("cannot list the tokens"))?;
    let slot = slots.into_iter().find(|slot| {
        module
            .get_token_info(*slot)
            .is_ok_and(|token| token.label() == settings.token)
    });
    let slot = slot.ok_or_else(|| KekError::Token {
        token: settings.token.clone(),
    })?;
    let pin = std::str::from_utf8(settings.pin.expose()).map_err(|error| KekError::Keeper {
        what: "the PIN is no text",
        source: Box::new(error),
    })?;
    let session = module.open_rw_session(slot).map_err(keeper("cannot open a session"))?;
    match session.login(UserType::User, Some(&AuthPin::new(pin.into()))) {
        // The login is the process's, not the session's.
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
        Err(error) => Err(keeper("cannot log in to the token")(error)),
    }
}

fn load(path: &Path) -> Result<Pkcs11, KekError> {
    let module = Pkcs11::new(path).map_err(keeper("cannot load the PKCS#11 module"))?;
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(module),
        Err(error) => Err(keeper("cannot start the PKCS#11 module")(error)),
    }
}

fn gcm<'a>(nonce: &'a mut [u8], aad: &'a [u8]) -> Result<GcmParams<'a>, KekError> {
    let tag_bits = cryptoki_len(TAG_BYTES.saturating_mul(8))?;
    GcmParams::new(nonce, aad, tag_bits).map_err(keeper("the words to bind to are too long"))
}

fn cryptoki_len(len: usize) -> Result<cryptoki::types::Ulong, KekError> {
    len.try_into().map_err(keeper("a length is too great"))
}

/// What tokens say to a ciphertext that is not theirs; they do not agree on one answer.
fn is_refusal(error: &Error) -> bool {
    matches!(
        error,
        Error::Pkcs11(
            RvError::EncryptedDataInvalid
                | RvError::EncryptedDataLenRange
                | RvError::GeneralError
                | RvError::DataInvalid,
            _
        )
    )
}

fn keeper<E: std::error::Error + Send + Sync + 'static>(what: &'static str) -> impl Fn(E) -> KekError {
    move |error| KekError::Keeper {
        what,
        source: Box::new(error),
    }
}

#[cfg(test)]
mod tests;
