//! Key-encryption keys as files: one of 32 bytes each, readable by their owner only.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::{BoxFuture, FutureExt as _, ready};
use zeroize::Zeroizing;

use super::cipher::{Cipher, CipherError, KEY_BYTES, KeyBytes, random};
use super::encryption::{KekError, KekId, KeyEncryption, WrappedKey};
use super::private_file::{self, Found};

/// More key files than this are not looked at.
const FILES_MAX: usize = 10_000;

/// The keys in one folder; the one with the greatest number is the newest.
#[derive(Debug)]
pub struct FileKeyring {
    folder: PathBuf,
    keys: Mutex<BTreeMap<KekId, Arc<Cipher>>>,
}

impl FileKeyring {
    /// Opens the keyring in `folder`, which is made (0700) when absent. The first key is made when
    /// something is wrapped first.
    ///
    /// # Errors
    /// When the folder or a key file is open to others, cannot be read, or is not a key file.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, KekError> {
        let folder = folder.into();
        let failed = |source| file_error(&folder, source);
        private_file::make_folder(&folder).map_err(failed)?;
        match private_file::look_at_folder(&folder).map_err(failed)? {
            Found::Private => {}
            Found::Open(mode) => return Err(permissions(&folder, mode, 0o700)),
            Found::Other => return Err(shape(&folder)),
        }
        let mut keys = BTreeMap::new();
        for entry in fs::read_dir(&folder).map_err(failed)?.take(FILES_MAX) {
            let path = entry.map_err(failed)?.path();
            if let Some(id) = id_of(&path) {
                keys.insert(id, Arc::new(read(&path)?));
            }
        }
        Ok(Self {
            folder,
            keys: Mutex::new(keys),
        })
    }

    fn path(&self, id: &KekId) -> PathBuf {
        self.folder.join(format!("{id}.key"))
    }

    fn with_keys<T>(&self, act: impl FnOnce(&mut BTreeMap<KekId, Arc<Cipher>>) -> T) -> T {
        act(&mut self.keys.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes a key after the newest of `keys`.
    fn make(&self, keys: &mut BTreeMap<KekId, Arc<Cipher>>) -> Result<(KekId, Arc<Cipher>), KekError> {
        let id = next_id(keys.keys())?;
        let key = KeyBytes::random()?;
        let path = self.path(&id);
        private_file::create(&path, key.expose()).map_err(|source| file_error(&path, source))?;
        let cipher = Arc::new(key.cipher()?);
        keys.insert(id.clone(), Arc::clone(&cipher));
        Ok((id, cipher))
    }

    fn wrap_now(&self, key: &[u8], aad: &[u8]) -> Result<WrappedKey, KekError> {
        let (kek, cipher) = self.with_keys(|keys| match keys.last_key_value() {
            Some((id, cipher)) => Ok((id.clone(), Arc::clone(cipher))),
            None => self.make(keys),
        })?;
        let bytes = cipher.seal(key, &bound(&kek, aad))?;
        Ok(WrappedKey { kek, bytes })
    }

    fn unwrap_now(&self, wrapped: &WrappedKey, aad: &[u8]) -> Result<Zeroizing<Vec<u8>>, KekError> {
        let kek = &wrapped.kek;
        let known = self.with_keys(|keys| keys.get(kek).map(Arc::clone));
        let cipher = match known {
            Some(cipher) => cipher,
            None => self.look_again(kek)?,
        };
        cipher
            .open(&wrapped.bytes, &bound(kek, aad))
            .map_err(|_| KekError::Refused(kek.clone()))
    }

    /// A key that another process has made since the folder was read.
    fn look_again(&self, id: &KekId) -> Result<Arc<Cipher>, KekError> {
        let unknown = || KekError::Unknown(id.clone());
        number(id).ok_or_else(unknown)?;
        let cipher = match read(&self.path(id)) {
            Err(KekError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => Err(unknown()),
            found => found.map(Arc::new),
        }?;
        self.with_keys(|keys| keys.insert(id.clone(), Arc::clone(&cipher)));
        Ok(cipher)
    }

    fn destroy_now(&self, id: &KekId) -> Result<(), KekError> {
        self.with_keys(|keys| {
            if keys.remove(id).is_none() {
                return Err(KekError::Unknown(id.clone()));
            }
            let path = self.path(id);
            private_file::destroy(&path).map_err(|source| file_error(&path, source))
        })
    }
}

impl KeyEncryption for FileKeyring {
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
        ready(self.with_keys(|keys| Ok(self.make(keys)?.0))).boxed()
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<KekId>, KekError>> {
        ready(Ok(self.with_keys(|keys| keys.keys().cloned().collect()))).boxed()
    }

    fn destroy<'a>(&'a self, id: &'a KekId) -> BoxFuture<'a, Result<(), KekError>> {
        ready(self.destroy_now(id)).boxed()
    }
}

impl From<CipherError> for KekError {
    fn from(error: CipherError) -> Self {
        match error {
            CipherError::Random => Self::Random,
            CipherError::Refused | CipherError::Truncated | CipherError::Failed => Self::Keeper {
                what: "the cipher refused to work",
                source: Box::new(error),
            },
        }
    }
}

/// The name of the key belongs to what it seals, so that a renamed file opens nothing.
fn bound(id: &KekId, aad: &[u8]) -> Vec<u8> {
    [id.as_str().as_bytes(), b"\0", aad].concat()
}

/// An id that comes after all of `keys`.
pub(super) fn next_id<'a>(keys: impl Iterator<Item = &'a KekId>) -> Result<KekId, KekError> {
    let number = keys.filter_map(number).max().unwrap_or(0).saturating_add(1);
    let unique: String = random::<8>()?.iter().map(|byte| format!("{byte:02x}")).collect();
    KekId::parse(&format!("kek-{number:08}-{unique}")).map_err(|error| KekError::Keeper {
        what: "the key-encryption keys have run out of numbers",
        source: Box::new(error),
    })
}

/// The number in `kek-<8 digits>-<16 hex digits>`.
pub(super) fn number(id: &KekId) -> Option<u64> {
    let (number, unique) = id.as_str().strip_prefix("kek-")?.split_once('-')?;
    let sound = number.len() == 8
        && number.bytes().all(|it| it.is_ascii_digit())
        && unique.len() == 16
        && unique.bytes().all(|it| it.is_ascii_hexdigit());
    sound.then(|| number.parse().ok()).flatten()
}

/// The key that a file of the folder holds; `None` for files that are none of ours.
fn id_of(path: &Path) -> Option<KekId> {
    let id = KekId::parse(path.file_name()?.to_str()?.strip_suffix(".key")?).ok()?;
    number(&id).map(|_| id)
}

fn read(path: &Path) -> Result<Cipher, KekError> {
    match private_file::look_at_file(path).map_err(|source| file_error(path, source))? {
        Found::Private => {}
        Found::Open(mode) => return Err(permissions(path, mode, 0o600)),
        Found::Other => return Err(shape(path)),
    }
    let bytes = Zeroizing::new(
        testudo_bounded::read_file(path, KEY_BYTES).map_err(|error| match error {
            testudo_bounded::ReadError::Open { source, .. } | testudo_bounded::ReadError::Read { source, .. } => {
                file_error(path, source)
            }
            _ => shape(path),
        })?,
    );
    let key = KeyBytes::from_slice(&bytes).map_err(|_| shape(path))?;
    Ok(key.cipher()?)
}

fn file_error(path: &Path, source: io::Error) -> KekError {
    KekError::File {
        path: path.to_owned(),
        source,
    }
}

fn permissions(path: &Path, mode: u32, wanted: u32) -> KekError {
    KekError::Permissions {
        path: path.to_owned(),
        mode,
        wanted,
    }
}

fn shape(path: &Path) -> KekError {
    KekError::Shape {
        path: path.to_owned(),
        bytes: KEY_BYTES,
    }
}

#[cfg(test)]
mod tests;
