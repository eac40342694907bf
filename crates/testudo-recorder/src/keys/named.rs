//! Tenants and subjects with their keys, as the vault holds them in memory.

use std::fmt;

use aws_lc_rs::hmac;
use testudo_ledger::entry::{PrincipalPseudonym, SubjectPseudonym, TenantPseudonym};
use zeroize::Zeroizing;

use super::cipher::{Cipher, CipherError, KeyBytes, aad};

/// What a subject is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubjectKind {
    /// A caller, by the id of its key.
    Principal,
    /// A person or whatever else the operator separates content by.
    Person,
}

impl SubjectKind {
    /// The name in the key store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Principal => "principal",
            Self::Person => "person",
        }
    }

    /// The kind that a name stands for.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Principal, Self::Person]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }
}

/// A keyed hash of a subject's name.
pub(crate) type Tag = [u8; 32];

/// A tenant's key, ready for use.
pub(crate) struct Tenant {
    pub(super) pseudonym: TenantPseudonym,
    subject_keys: Cipher,
    tags: hmac::Key,
}

impl Tenant {
    pub(super) fn new(pseudonym: TenantPseudonym, key: &KeyBytes) -> Result<Self, CipherError> {
        let tags = key.derive("testudo/subject-tag/v1")?;
        Ok(Self {
            pseudonym,
            subject_keys: key.derive("testudo/subject-key/v1")?.cipher()?,
            tags: hmac::Key::new(hmac::HMAC_SHA256, tags.expose()),
        })
    }

    pub(crate) fn pseudonym(&self) -> TenantPseudonym {
        self.pseudonym
    }

    /// What a subject of this tenant is looked up by.
    pub(super) fn tag(&self, kind: SubjectKind, name: &str) -> Tag {
        let mut context = hmac::Context::with_key(&self.tags);
        context.update(kind.as_str().as_bytes());
        context.update(b"\0");
        context.update(name.as_bytes());
        let mut tag = [0; 32];
        for (to, from) in tag.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        tag
    }

    pub(super) fn wrap(&self, subject: SubjectPseudonym, key: &KeyBytes) -> Result<Vec<u8>, CipherError> {
        self.subject_keys
            .seal(key.expose(), &bound("testudo/subject-key/v1", self.pseudonym, subject))
    }

    pub(super) fn unwrap(&self, subject: SubjectPseudonym, wrapped: &[u8]) -> Result<KeyBytes, CipherError> {
        self.subject_keys
            .unwrap_key(wrapped, &bound("testudo/subject-key/v1", self.pseudonym, subject))
    }

    /// What the key-encryption key binds this tenant's key to.
    pub(super) fn aad(pseudonym: TenantPseudonym) -> Vec<u8> {
        aad("testudo/tenant-key/v1", &[pseudonym.to_string().as_bytes()])
    }
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenant")
            .field("pseudonym", &self.pseudonym)
            .finish_non_exhaustive()
    }
}

/// A subject's key, ready for use.
pub(crate) struct Subject {
    pub(crate) pseudonym: SubjectPseudonym,
    pub(crate) tenant: TenantPseudonym,
    record_keys: Cipher,
}

impl Subject {
    pub(super) fn new(
        pseudonym: SubjectPseudonym,
        tenant: TenantPseudonym,
        key: &KeyBytes,
    ) -> Result<Self, CipherError> {
        Ok(Self {
            pseudonym,
            tenant,
            record_keys: key.derive("testudo/record-key/v1")?.cipher()?,
        })
    }

    /// The same subject, as a caller.
    pub(crate) fn principal(&self) -> PrincipalPseudonym {
        PrincipalPseudonym::from_bytes(*self.pseudonym.as_bytes())
    }

    pub(crate) fn wrap(&self, key: &KeyBytes) -> Result<Vec<u8>, CipherError> {
        self.record_keys.seal(
            key.expose(),
            &bound("testudo/record-key/v1", self.tenant, self.pseudonym),
        )
    }

    pub(crate) fn unwrap(&self, wrapped: &[u8]) -> Result<KeyBytes, CipherError> {
        self.record_keys
            .unwrap_key(wrapped, &bound("testudo/record-key/v1", self.tenant, self.pseudonym))
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject")
            .field("pseudonym", &self.pseudonym)
            .finish_non_exhaustive()
    }
}

/// Seals a subject's name under its own key, so that it goes when the key goes.
pub(super) fn seal_name(
    tenant: TenantPseudonym,
    subject: SubjectPseudonym,
    key: &KeyBytes,
    name: &str,
) -> Result<Vec<u8>, CipherError> {
    let cipher = key.derive("testudo/subject-name/v1")?.cipher()?;
    cipher.seal(name.as_bytes(), &bound("testudo/subject-name/v1", tenant, subject))
}

/// Opens what [`seal_name`] returned.
pub(super) fn open_name(
    tenant: TenantPseudonym,
    subject: SubjectPseudonym,
    key: &KeyBytes,
    sealed: &[u8],
) -> Result<Zeroizing<String>, CipherError> {
    let cipher = key.derive("testudo/subject-name/v1")?.cipher()?;
    let name = cipher.open(sealed, &bound("testudo/subject-name/v1", tenant, subject))?;
    std::str::from_utf8(&name)
        .map(|name| Zeroizing::new(name.to_owned()))
        .map_err(|_| CipherError::Failed)
}

fn bound(purpose: &str, tenant: TenantPseudonym, subject: SubjectPseudonym) -> Vec<u8> {
    aad(
        purpose,
        &[tenant.to_string().as_bytes(), subject.to_string().as_bytes()],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(byte: u8) -> Tenant {
        let key = KeyBytes::from_slice(&[byte; 32]).unwrap();
        Tenant::new(TenantPseudonym::from_bytes([byte; 16]), &key).unwrap()
    }

    #[test]
    fn tags_differ_by_tenant_kind_and_name() {
        let tag = tenant(1).tag(SubjectKind::Person, "ana");
        assert_eq!(tag, tenant(1).tag(SubjectKind::Person, "ana"));
        assert_ne!(tag, tenant(2).tag(SubjectKind::Person, "ana"));
        assert_ne!(tag, tenant(1).tag(SubjectKind::Principal, "ana"));
        assert_ne!(tag, tenant(1).tag(SubjectKind::Person, "anb"));
    }

    #[test]
    fn a_wrapped_subject_key_opens_for_its_tenant_and_subject_only() {
        let key = KeyBytes::random().unwrap();
        let [ana, bo] = [1, 2].map(|byte| SubjectPseudonym::from_bytes([byte; 16]));
        let wrapped = tenant(1).wrap(ana, &key).unwrap();
        assert_eq!(tenant(1).unwrap(ana, &wrapped).unwrap().expose(), key.expose());
        assert!(tenant(1).unwrap(bo, &wrapped).is_err());
        assert!(tenant(2).unwrap(ana, &wrapped).is_err());
        let of = tenant(1).pseudonym;
        let sealed = seal_name(of, ana, &key, "Ana").unwrap();
        assert_eq!(open_name(of, ana, &key, &sealed).unwrap().as_str(), "Ana");
        assert!(open_name(of, bo, &key, &sealed).is_err());
    }
}
