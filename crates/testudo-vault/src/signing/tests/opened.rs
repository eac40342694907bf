//! Private keys under a password, as OpenSSL writes them; made for these tests alone.

use crate::signing::{KeyError, SigningKey};

const PASSWORD: &[u8] = b"opensesame";
const P256: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAg/fbgAr/U3RgICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEBWdAutBgpd7kq7k7/IOdWsEgZAT
xh8dsjt5ENnzvyZ36Ii/4bs1fkupvKxkRQUyoE3dxYAgBhqMfvs8f8HHJbPVhXPy
AG0gMpjO0qwtmHXsloF20zBBasrUSvv2Cl918o9pNiWSpLVUE5lwE/3+REncZuGa
bN3DCgxr+drjSKvZYlU0s8HQy9VVHGN+sGEdhKCGOlP+Brkp7z+H41stwhMZ4t0=
-----END ENCRYPTED PRIVATE KEY-----
";
const P384_SCRYPT: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIIBFDBPBgkqhkiG9w0BBQ0wQjAhBgkrBgEEAdpHBAswFAQIxE6SlJ8ml90CAkAA
AgEIAgEBMB0GCWCGSAFlAwQBAgQQIAF3Vtx36HDT/ssj9HsmSASBwGUzsKu2RVAd
aFplEjNK82D532XUTljXXj5pcicOzCtU4F0gS9TOZQ4S7ujOzthgdMDkppnzZhXi
yQLGwCKSoau55xPfEkz0DQ4KYRu7PIxPXxW2GhUCyObBJNBshR/y5Mb1P5+nwgpg
JZfhGGghUwilQ/L+2A/4toCdOdGxSlmLMLZT5x0CAsdtX6xSwKPusZnhFSshcujO
GJHwKwgbU5luP4ggZkxUubCAsJ6b0xGhqlNaLW7E+lUxrmSCj64lQQ==
-----END ENCRYPTED PRIVATE KEY-----
";
const P521_SHA512: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIIBXTBXBgkqhkiG9w0BBQ0wSjApBgkqhkiG9w0BBQwwHAQIHKlA1+hX5BgCAggA
MAwGCCqGSIb3DQILBQAwHQYJYIZIAWUDBAEqBBA/sRYyCciHezHu6fwRJeb4BIIB
AB8TssEh3yJ+tu9c2fA4LjaEedfwayunV6E/2psnjw9VmDOGD7wiQJGQmPzq8cR5
GywTHEcKO2CoIp7OFUCgo4uLdv41glVAJehysJZwUPeOQ7ehBufyI3rKj82SCRA5
eawTTFb4MIVUTPDX4kD2UjYQ1qJG6+DoA6+kqHXwOdttcO2FbLyocpsJ5WMO3bnS
rcwFd9lhKxE86yY/TTujy/jSujNFVQ13tQ4tgQOKNmLukMIsNEeaXJuPnwjzWfgG
zqwXpqvLSRn2sy+xt+ddTb+2O/mLGJh0JuWyJ1PpaEFlrnSBx4jrfLC599kIEJOh
JUyourbwtsQSB+Lq4myaiGQ=
-----END ENCRYPTED PRIVATE KEY-----
";
const OLD_PBES1: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHhMBwGCiqGSIb3DQEMAQMwDgQIy6ScEEFHF7sCAggABIHA/5XTKP5guni68pcc
WFcyD8PWaFWLfcPkbnY49o2IQFiBWSBmsXwVmYhUIgs3IMbtF8VHb1wlAEbKgOW1
714MAh6/3cntgiwO8tv1MmZ6EK61xerXgNvvrMe+AnMh36vSyRV33GSSkJ+/GkbC
SSaVVdxA7FjrPs+jWvsINi0xPSy6XnrtlpDy0SRnChJFUa+QhW3+1k0nJ7CP8RQ+
AWzQWuPBc6nLdXQFN9XFAWRmYcdYK8bChT6xagXCz+OrKqAL
-----END ENCRYPTED PRIVATE KEY-----
";
const TRADITIONAL: &str = "-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-256-CBC,E84B884F8C596D8559ACD7F635FAB319

qy5bbNHVY5KSfIPvEKA95oc616Gi0v1VxrFCwMYY147MfGlIgey8nXKbN/Tkk1Bj
YKyuxC1vgDmWAHX5OMQJGDFAv4yGXOs88iEFt/qfqO1aag+Wx4slkX2vaIE+nLUD
cNxBnhv4YoiORgGH/pSIAt6LgEWZHGz4+aBjWUcjvVeznDS8Rs/5gWkerENWh3sP
olHbU6+6a6T9Maa4ez9EvfSy5ETGB6C+4A/n/8qO27E=
-----END EC PRIVATE KEY-----
";

#[test]
fn keys_under_a_password_open_with_it_alone() {
    for (pem, curve) in [(P256, "P-256"), (P384_SCRYPT, "P-384"), (P521_SHA512, "P-521")] {
        let key = SigningKey::from_encrypted_pem(pem.as_bytes(), PASSWORD).unwrap();
        assert_eq!(key.public().curve(), curve);
        // Guessing is slow, which is what scrypt is for.
        let wrong: &[&[u8]] = if pem == P384_SCRYPT {
            &[]
        } else {
            &[b"", b"opensesame\n"]
        };
        for wrong in wrong {
            let opened = SigningKey::from_encrypted_pem(pem.as_bytes(), wrong);
            assert!(matches!(opened, Err(KeyError::Password)), "{curve}");
        }
        assert!(matches!(SigningKey::from_pem(pem.as_bytes()), Err(KeyError::Encrypted)));
        let cut = pem.replace("-----END", "=");
        assert!(SigningKey::from_encrypted_pem(cut.as_bytes(), PASSWORD).is_err());
    }
}

#[test]
fn other_encryptions_are_named_and_not_guessed() {
    let open = |pem: &str| SigningKey::from_encrypted_pem(pem.as_bytes(), PASSWORD);
    assert!(matches!(open(OLD_PBES1), Err(KeyError::Password)));
    assert!(matches!(open(TRADITIONAL), Err(KeyError::OldEncryption)));
    assert!(matches!(
        SigningKey::from_pem(TRADITIONAL.as_bytes()),
        Err(KeyError::OldEncryption)
    ));
    let plain = super::rig::key(crate::signing::keys::Curve::P256);
    assert!(matches!(open(&plain.0), Err(KeyError::NotEncrypted)));
    assert!(matches!(open("no key"), Err(KeyError::NoPrivateKey)));
}
