//! Tests with a token; `cargo xtask hsm` makes one in software and runs them.

use super::*;
use crate::signing::keys::KeyError;

const P256: &[u8] = b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
const P384: &[u8] = b"\x06\x05\x2b\x81\x04\x00\x22";
const P521: &[u8] = b"\x06\x05\x2b\x81\x04\x00\x23";
/// secp256k1, which no signature of a model is made with.
const OTHER: &[u8] = b"\x06\x05\x2b\x81\x04\x00\x0a";

fn variable(name: &str) -> String {
    let value = std::env::var_os(name).unwrap_or_else(|| panic!("`{name}` is not set; run `cargo xtask hsm`"));
    value.into_string().unwrap()
}

/// An address with the token, and what is given.
fn address(key: &str) -> String {
    format!(
        "pkcs11:token={};{key}?module-path={}",
        variable("TESTUDO_HSM_TOKEN"),
        variable("TESTUDO_HSM_MODULE")
    )
}

fn found(key: &str) -> Result<SigningKey, TokenError> {
    let pin = variable("TESTUDO_HSM_PIN");
    SigningKey::from_token(&TokenUri::parse(&address(key)).unwrap(), Some(pin.as_bytes()))
}

fn token() -> Session {
    let uri = TokenUri::parse(&address("object=any")).unwrap();
    let module = load(&module(&uri).unwrap()).unwrap();
    let slots = module.get_slots_with_token().unwrap();
    let slot = slots.into_iter().find(|slot| fits(&module, *slot, &uri)).unwrap();
    let session = module.open_rw_session(slot).unwrap();
    match session.login(UserType::User, Some(&AuthPin::new(variable("TESTUDO_HSM_PIN").into()))) {
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => session,
        Err(error) => panic!("{error}"),
    }
}

/// Makes a pair whose halves have different labels, as those of some cards.
fn make(session: &Session, oid: &[u8], label: &str, id: &[u8]) {
    let named = |label: String| {
        [
            Attribute::Label(label.into_bytes()),
            Attribute::Id(id.to_vec()),
            Attribute::Token(true),
        ]
    };
    let mut public = named(format!("{label} (public)")).to_vec();
    public.extend([Attribute::EcParams(oid.to_vec()), Attribute::Verify(true)]);
    let mut private = named(label.to_owned()).to_vec();
    private.extend([
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
    ]);
    session
        .generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private)
        .unwrap();
}

#[test]
fn a_token_signs_on_every_curve_and_others_verify() {
    let session = token();
    for (oid, curve, id) in [
        (P256, "P-256", b"\x01"),
        (P384, "P-384", b"\x02"),
        (P521, "P-521", b"\x03"),
    ] {
        make(&session, oid, curve, id);
        let by_label = found(&format!("object={curve}")).unwrap();
        assert_eq!(by_label.public().curve(), curve);
        let by_id = found(&format!("id=%0{};type=private", id[0])).unwrap();
        assert_eq!(by_id.public(), by_label.public());
        // Numbers that begin with zeros are shorter in DER; among so many some do.
        for round in 0..40u8 {
            let signature = by_label.sign(&[round]).unwrap();
            assert!(by_id.public().verifies(&[round], &signature, SignatureHash::OfTheCurve));
            assert!(
                !by_id
                    .public()
                    .verifies(&[round, 0], &signature, SignatureHash::OfTheCurve)
            );
        }
        let pem = VerifyingKey::from_pem(by_label.public().to_pem().as_bytes()).unwrap();
        assert_eq!(pem, *by_label.public());
    }
}

#[test]
fn what_is_not_one_key_is_refused() {
    let session = token();
    make(&session, P256, "twins", b"\x11");
    make(&session, P256, "twins", b"\x12");
    make(&session, OTHER, "other-curve", b"\x13");
    let rsa = |label: &str| [Attribute::Label(label.as_bytes().to_vec()), Attribute::Token(true)].to_vec();
    let mut public = rsa("rsa");
    public.extend([
        Attribute::ModulusBits(2048.into()),
        Attribute::PublicExponent(vec![1, 0, 1]),
    ]);
    session
        .generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &public, &rsa("rsa"))
        .unwrap();
    assert!(matches!(found("object=twins"), Err(TokenError::Keys { count: 2 })));
    assert!(found("object=twins;id=%12").is_ok());
    assert!(matches!(
        found("object=twins;id=%13"),
        Err(TokenError::Keys { count: 0 })
    ));
    assert!(matches!(found("object=rsa"), Err(TokenError::Keys { count: 0 })));
    assert!(matches!(found("object=nobody"), Err(TokenError::Keys { count: 0 })));
    assert!(matches!(found("object=other-curve"), Err(TokenError::NoPublicHalf)));
    assert!(matches!(found("type=private"), Err(TokenError::NoObject)));
    assert!(matches!(
        found("object=twins;id=%12;serial=0000000000000000"),
        Err(TokenError::Tokens { count: 0 })
    ));
}

#[test]
fn a_key_that_may_not_sign_does_not() {
    let session = token();
    let named = [Attribute::Label(b"derives".to_vec()), Attribute::Token(true)];
    let public = [named.as_slice(), &[Attribute::EcParams(P256.to_vec())]].concat();
    let private = [named.as_slice(), &[Attribute::Sign(false), Attribute::Derive(true)]].concat();
    session
        .generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private)
        .unwrap();
    let key = found("object=derives").unwrap();
    let error = key.sign(b"a").unwrap_err();
    assert!(matches!(error, KeyError::Token(_)), "{error:?}");
}

#[test]
fn the_pin_is_asked_for_once_and_has_to_be_right() {
    let bare = TokenUri::parse(&address("object=any")).unwrap();
    assert!(matches!(SigningKey::from_token(&bare, None), Err(TokenError::NoPin)));
    let with_pin = TokenUri::parse(&format!("{}&pin-value=1234", address("object=any"))).unwrap();
    assert!(matches!(
        SigningKey::from_token(&with_pin, Some(b"1234")),
        Err(TokenError::TwoPins)
    ));
    let nowhere = TokenUri::parse(&format!("{}&pin-source=/nowhere/pin", address("object=any"))).unwrap();
    assert!(matches!(
        SigningKey::from_token(&nowhere, None),
        Err(TokenError::PinFile { .. })
    ));
    let unnamed = TokenUri::parse("pkcs11:object=any").unwrap();
    assert!(matches!(
        SigningKey::from_token(&unnamed, Some(b"1")),
        Err(TokenError::NoModule)
    ));
    for name in ["nobody-has-this", "../../tmp/softhsm"] {
        let unknown = TokenUri::parse(&format!("pkcs11:object=any?module-name={name}")).unwrap();
        let refused = SigningKey::from_token(&unknown, Some(b"1"));
        assert!(matches!(refused, Err(TokenError::UnknownModule(_))), "{name}");
    }
}
