//! Keys and certificates as typed, for all commands that sign or verify.

use std::path::PathBuf;

use clap::Args;

/// With which key is signed
#[derive(Debug, Clone, Args)]
pub(crate) struct PrivateKey {
    /// A private key on P-256, P-384 or P-521, as PEM
    #[arg(
        long,
        value_name = "FILE",
        alias = "private_key",
        required_unless_present = "pkcs11_uri",
        conflicts_with = "pkcs11_uri"
    )]
    pub(crate) private_key: Option<PathBuf>,
    /// A private key in a PKCS#11 token, as an address by RFC 7512: token, object or id, module-path
    #[arg(long, value_name = "URI", alias = "pkcs11_uri")]
    pub(crate) pkcs11_uri: Option<String>,
    /// Holds the password of the private key, or the PIN of the token, in its first line
    #[arg(long, value_name = "FILE", alias = "password_file")]
    pub(crate) password_file: Option<PathBuf>,
}

/// As whom is signed
#[derive(Debug, Clone, Args)]
pub(crate) struct SignAs {
    #[command(flatten)]
    pub(crate) key: PrivateKey,
    /// A certificate for that key, as PEM; then the signature is verified by certificate
    #[arg(long, value_name = "FILE", alias = "signing_certificate")]
    pub(crate) signing_certificate: Option<PathBuf>,
    /// Certificates between that one and a root, as PEM; may be repeated
    #[arg(
        long,
        value_name = "FILE",
        alias = "certificate_chain",
        requires = "signing_certificate"
    )]
    pub(crate) certificate_chain: Vec<PathBuf>,
}

/// Whose signatures are believed
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Trusting {
    /// The signer's public key, as PEM
    #[arg(
        long,
        value_name = "FILE",
        alias = "public_key",
        conflicts_with_all = ["certificate_chain", "sigstore"]
    )]
    pub(crate) public_key: Option<PathBuf>,
    /// Root certificates, and those between; may be repeated
    #[arg(long, value_name = "FILE", alias = "certificate_chain", conflicts_with = "sigstore")]
    pub(crate) certificate_chain: Vec<PathBuf>,
    /// Accepts a signing certificate whose time is over; without a time stamp a bundle does not prove when it was made
    #[arg(long, requires = "certificate_chain")]
    pub(crate) accept_expired_certificate: bool,
    /// Certificates of authorities whose time stamps (RFC 3161) you trust, roots and those between; one of them must
    /// have stamped the signature, and the signing certificate is judged at that time; may be repeated
    #[arg(long, value_name = "FILE", conflicts_with_all = ["sigstore", "accept_expired_certificate"])]
    pub(crate) timestamp_chain: Vec<PathBuf>,
    /// It was signed through Sigstore
    #[arg(long, requires_all = ["trust_root", "identity", "identity_provider"])]
    pub(crate) sigstore: bool,
    /// Whose certificates and logs you trust: `trusted_root.json` of a Sigstore
    #[arg(long, value_name = "FILE", requires = "sigstore", aliases = ["trust_root", "trust-config", "trust_config"])]
    pub(crate) trust_root: Option<PathBuf>,
    /// The mail address or link that must have signed, exactly
    #[arg(long, value_name = "NAME", requires = "sigstore")]
    pub(crate) identity: Option<String>,
    /// The link of who must have vouched for that identity, exactly
    #[arg(long, value_name = "URL", requires = "sigstore", alias = "identity_provider")]
    pub(crate) identity_provider: Option<String>,
}

impl Trusting {
    /// Whether anybody is.
    pub(crate) fn anybody(&self) -> bool {
        self.public_key.is_some() || !self.certificate_chain.is_empty() || self.sigstore
    }
}
