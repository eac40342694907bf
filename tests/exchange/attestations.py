"""Reads attestations with the reference libraries of in-toto, and makes one with them.

Usage:
  attestations.py verify BUNDLE PUBLIC_KEY     the signature by securesystemslib, the statement by in-toto-attestation
  attestations.py make BUNDLE PRIVATE_KEY PUBLIC_KEY FILE...
                                               a statement about FILEs and its signature by the same libraries
"""

import base64
import hashlib
import json
import os
import sys

from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner, SSlibKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"
MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PREDICATE = "https://slsa.dev/provenance/v1"


def public(path):
    with open(path, "rb") as file:
        pem = file.read()
    return SSlibKey.from_crypto(load_pem_public_key(pem)), pem


def verify(bundle, key):
    key, _ = public(key)
    with open(bundle, encoding="utf-8") as file:
        document = json.load(file)
    assert document["mediaType"] == MEDIA_TYPE
    envelope = document["dsseEnvelope"]
    # A Sigstore bundle leaves the key to its verification material.
    envelope["signatures"][0]["keyid"] = key.keyid
    envelope = Envelope.from_dict(envelope)
    assert envelope.payload_type == PAYLOAD_TYPE
    accepted = envelope.verify([key], 1)
    assert len(accepted) == 1
    statement = json_format.Parse(envelope.payload, statement_pb2.Statement())
    Statement.copy_from_pb(statement).validate()
    assert statement.predicate_type == PREDICATE
    predicate = json.loads(envelope.payload)["predicate"]
    provenance = json_format.ParseDict(predicate, provenance_pb2.Provenance())
    for dependency in provenance.build_definition.resolved_dependencies:
        ResourceDescriptor.copy_from_pb(dependency).validate()
    print(
        f"{len(statement.subject)} subjects, {len(provenance.build_definition.resolved_dependencies)} dependencies, "
        f"built by {provenance.run_details.builder.id}"
    )


def make(bundle, private, key, files):
    key, pem = public(key)
    with open(private, "rb") as file:
        signer = CryptoSigner(load_pem_private_key(file.read(), None), key)
    subjects = []
    for path in files:
        with open(path, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        subjects.append(ResourceDescriptor(name=os.path.basename(path), digest={"sha256": digest}).pb)
    predicate = provenance_pb2.Provenance()
    predicate.build_definition.build_type = "https://example.org/train/v1"
    predicate.build_definition.external_parameters.update({"epochs": 3, "optimizer": {"name": "adam"}})
    predicate.build_definition.resolved_dependencies.append(
        ResourceDescriptor(uri="git+https://example.org/train", digest={"gitCommit": "ab" * 20}).pb
    )
    predicate.run_details.builder.id = "https://example.org/builder"
    predicate.run_details.metadata.started_on.FromJsonString("2026-11-27T10:00:00Z")
    statement = Statement(subjects=subjects, predicate_type=PREDICATE, predicate=json_format.MessageToDict(predicate))
    statement.validate()
    payload = json_format.MessageToJson(statement.pb).encode()
    envelope = Envelope(payload, PAYLOAD_TYPE, {})
    envelope.sign(signer)
    written = envelope.to_dict()
    with open(bundle, "w", encoding="utf-8") as file:
        json.dump(
            {
                "mediaType": MEDIA_TYPE,
                "verificationMaterial": {"publicKey": {"hint": hashlib.sha256(pem).hexdigest()}, "tlogEntries": []},
                "dsseEnvelope": {
                    "payload": written["payload"],
                    "payloadType": written["payloadType"],
                    "signatures": [
                        {"sig": signature["sig"], "keyid": signature["keyid"]} for signature in written["signatures"]
                    ],
                },
            },
            file,
        )
    assert base64.b64decode(written["payload"]) == payload


if __name__ == "__main__":
    if sys.argv[1] == "verify":
        verify(*sys.argv[2:4])
    else:
        make(*sys.argv[2:5], sys.argv[5:])
