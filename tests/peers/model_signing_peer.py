"""The Python model-signing: makes keys and models, and signs or verifies the cases that come on standard input.

Each line of standard input is one case in JSON; each line of standard output is its result."""

import contextlib
import datetime
import io
import json
import pathlib
import sys

import model_signing
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

CURVES = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "p521": ec.SECP521R1()}
FILES = {
    "README.md": b"about it\n",
    "config.json": b"{}\n",
    "a-b": b"before a/b by code points, after it by parts",
    "a/b": b"x",
    "a b/\xc3\xa4 \"q\" \\n.txt".encode("latin-1").decode("utf-8"): b"odd",
    "weights/model.safetensors": bytes(range(256)) * 4000,
    "weights/empty": b"",
    ".git/HEAD": b"never signed",
    "sub/.git/HEAD": b"signed",
}


def pem(key, private):
    if private:
        return key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def certificate(name, key, issuer, issuer_key, authority):
    now = datetime.datetime.now(datetime.timezone.utc)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not authority, content_commitment=False, key_encipherment=False,
                data_encipherment=False, key_agreement=False, key_cert_sign=authority, crl_sign=authority,
                encipher_only=False, decipher_only=False,
            ),
            critical=True,
        )
    )
    return builder.sign(issuer_key, hashes.SHA384())


def make(folder):
    model = folder / "model"
    for name, content in FILES.items():
        path = model / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    root_key = ec.generate_private_key(ec.SECP384R1())
    root = certificate("test root", root_key, None, root_key, True)
    between_key = ec.generate_private_key(ec.SECP256R1())
    between = certificate("test intermediate", between_key, root, root_key, True)
    for name, cert in (("root", root), ("between", between)):
        (folder / f"{name}.crt").write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    for name, curve in CURVES.items():
        key = ec.generate_private_key(curve)
        (folder / f"{name}.key").write_bytes(pem(key, True))
        (folder / f"{name}.pub").write_bytes(pem(key, False))
        cert = certificate(f"test signer {name}", key, between, between_key, False)
        (folder / f"{name}.crt").write_bytes(cert.public_bytes(serialization.Encoding.PEM))


def hashing(case):
    # The library calls this hash `blake2` when it is asked and `blake2b` when it writes, and so cannot guess it back.
    name = {"blake2b": "blake2"}.get(case["hash"], case["hash"])
    config = model_signing.hashing.Config()
    if case["shards"]:
        config.use_shard_serialization(hashing_algorithm=name, shard_size=case["shards"])
    else:
        config.use_file_serialization(hashing_algorithm=name)
    return config


def act(folder, case):
    model, signature = pathlib.Path(case["model"]), pathlib.Path(case["signature"])
    curve, method = case["curve"], case["method"]
    if case["act"] == "sign":
        config = model_signing.signing.Config().set_hashing_config(hashing(case))
        if method == "key":
            config.use_elliptic_key_signer(private_key=folder / f"{curve}.key")
        else:
            config.use_certificate_signer(
                private_key=folder / f"{curve}.key",
                signing_certificate=folder / f"{curve}.crt",
                certificate_chain=[folder / "between.crt"],
            )
        config.sign(model, signature)
    else:
        config = model_signing.verifying.Config().set_hashing_config(hashing(case))
        if method == "key":
            config.use_elliptic_key_verifier(public_key=folder / f"{curve}.pub")
        else:
            config.use_certificate_verifier(certificate_chain=[folder / "root.crt"])
        config.verify(model, signature)


def main():
    folder = pathlib.Path(sys.argv[2])
    if sys.argv[1] == "make":
        make(folder)
        return
    for line in sys.stdin:
        error = None
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                act(folder, json.loads(line))
        except Exception as failure:  # noqa: BLE001: any failure is a result
            error = f"{type(failure).__name__}: {failure}"
        print(json.dumps({"error": error}), flush=True)


main()
