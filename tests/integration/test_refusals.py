# SPDX-License-Identifier: Apache-2.0
"""Wrong requests: the specified code, text and class, and no word of them to OpenBao."""

import base64
import os

import grpc
import pytest
from model import PREFIX, hashed
from rig.audit import AuditLog
from rig.kms import messages, refusal
from rig.provider import Provider

INVALID = grpc.StatusCode.INVALID_ARGUMENT
LIMITS = (INVALID, "kms request exceeds protocol limits", "protocol_limit")
MALFORMED_ID = (INVALID, "key_id malformed", "key_id_malformed")
UNKNOWN_ID = (grpc.StatusCode.NOT_FOUND, "key_id unknown", "key_id_unknown")
BAD_ANNOTATIONS = (INVALID, "annotations invalid", "annotation_invalid")
MISMATCH = (INVALID, "annotations do not match key snapshot", "aad_mismatch")

OTHER_HASH = hashed("something else")
OTHER_ID = "obk2." + OTHER_HASH
KEYS = ["provider", "key-id-hash", "transit-key-version", "transit-mount-hash", "transit-key-hash", "plugin-version",
        "aad-version"]


def annotated(**values):
    """Replaces annotations by the first part of their key, _ for -; None takes one out."""
    def change(request):
        for name, value in values.items():
            key = f"{name.replace('_', '-')}.{PREFIX}"
            request.annotations.pop(key, None)
            if value is not None:
                request.annotations[key] = value.encode()
    return change


def extra(key, value=b"x"):
    def change(request):
        request.annotations[key] = value
    return change


def with_fields(**fields):
    def change(request):
        for name, value in fields.items():
            setattr(request, name, value)
    return change


def both(*changes):
    def change(request):
        for one in changes:
            one(request)
    return change


def other_version(request):
    request.ciphertext = request.ciphertext.replace(b"vault:v1:", b"vault:v2:")


def without_annotations(request):
    request.annotations.clear()


def long_annotations(total):
    """Annotations whose keys and values are this long together."""
    def change(request):
        have = sum(len(key) + len(value) for key, value in request.annotations.items())
        request.annotations["filler.example"] = b"x" * (total - have - len("filler.example"))
    return change


DECRYPT = {
    "no ciphertext": (with_fields(ciphertext=b""), (INVALID, "ciphertext is required", "unknown")),
    "long ciphertext": (with_fields(ciphertext=b"vault:v1:" + b"A" * 1015), LIMITS),
    "long key_id": (with_fields(key_id="a" * 1024), LIMITS),
    "long annotations": (long_annotations(32768), LIMITS),
    "annotation of one label": (extra("example"), LIMITS),
    "annotation with an empty key": (extra(""), LIMITS),
    "annotation with an empty label": (extra("a..b"), LIMITS),
    "annotation with a dot at the end": (extra("a.b."), LIMITS),
    "annotation in capitals": (extra("Example.org"), LIMITS),
    "annotation with an underscore": (extra("a_b.org"), LIMITS),
    "annotation with a hyphen first": (extra("a.-b"), LIMITS),
    "annotation with a hyphen last": (extra("a-.b"), LIMITS),
    "annotation with a long label": (extra("a" * 64 + ".org"), LIMITS),
    "annotation with a long key": (extra(".".join(["a" * 49] * 5) + ".abcd"), LIMITS),
    "annotation that is no UTF-8": (extra("example.org", b"\xc3\x28"), LIMITS),
    "annotation that is overlong UTF-8": (extra("example.org", b"\xc0\xaf"), LIMITS),
    "no key_id": (with_fields(key_id=""), MALFORMED_ID),
    "key_id of 1023 bytes": (with_fields(key_id="a" * 1023), MALFORMED_ID),
    "key_id of another kind": (with_fields(key_id="obk1." + OTHER_HASH), MALFORMED_ID),
    "key_id in capitals": (with_fields(key_id="OBK2." + OTHER_HASH), MALFORMED_ID),
    "key_id too short": (with_fields(key_id=OTHER_ID[:-1]), MALFORMED_ID),
    "key_id too long": (with_fields(key_id=OTHER_ID + "A"), MALFORMED_ID),
    "key_id with padding": (with_fields(key_id=OTHER_ID[:-1] + "="), MALFORMED_ID),
    "key_id in standard base64": (with_fields(key_id=OTHER_ID[:-1] + "+"), MALFORMED_ID),
    "key_id with white space": (with_fields(key_id=OTHER_ID[:-1] + "\n"), MALFORMED_ID),
    "key_id that is not ASCII": (with_fields(key_id=OTHER_ID[:-2] + "é"), MALFORMED_ID),
    "unknown key_id": (with_fields(key_id=OTHER_ID), UNKNOWN_ID),
    "unknown key_id without annotations": (both(with_fields(key_id=OTHER_ID), without_annotations), UNKNOWN_ID),
    "no annotations": (without_annotations, BAD_ANNOTATIONS),
    **{f"no {key}": (annotated(**{key.replace("-", "_"): None}), BAD_ANNOTATIONS) for key in KEYS},
    **{f"empty {key}": (annotated(**{key.replace("-", "_"): ""}), BAD_ANNOTATIONS) for key in KEYS},
    "another provider": (annotated(provider="vault-transit"), BAD_ANNOTATIONS),
    "another aad-version": (annotated(aad_version="v2"), BAD_ANNOTATIONS),
    "short hash": (annotated(transit_key_hash=OTHER_HASH[:-1]), BAD_ANNOTATIONS),
    "long hash": (annotated(transit_mount_hash=OTHER_HASH + "A"), BAD_ANNOTATIONS),
    "hash with padding": (annotated(key_id_hash=OTHER_HASH[:-1] + "="), BAD_ANNOTATIONS),
    "version zero": (annotated(transit_key_version="0"), BAD_ANNOTATIONS),
    "negative version": (annotated(transit_key_version="-1"), BAD_ANNOTATIONS),
    "version with a sign": (annotated(transit_key_version="+1"), BAD_ANNOTATIONS),
    "version with white space": (annotated(transit_key_version="1 "), BAD_ANNOTATIONS),
    "version in words": (annotated(transit_key_version="one"), BAD_ANNOTATIONS),
    "version beyond all numbers": (annotated(transit_key_version="9" * 40), BAD_ANNOTATIONS),
    "another version": (annotated(transit_key_version="2"), MISMATCH),
    "another key_id's hash": (annotated(key_id_hash=OTHER_HASH), MISMATCH),
    "another mount": (annotated(transit_mount_hash=OTHER_HASH), MISMATCH),
    "another lineage": (annotated(transit_key_hash=OTHER_HASH), MISMATCH),
    "a namespace": (annotated(openbao_namespace_hash=OTHER_HASH), MISMATCH),
    "ciphertext of another version": (other_version, MISMATCH),
    "ciphertext without a prefix": (with_fields(ciphertext=b"c2VjcmV0"), MISMATCH),
    "ciphertext with another prefix": (with_fields(ciphertext=b"vault:v1"), MISMATCH),
    # the order of the checks
    "no ciphertext, malformed key_id": (with_fields(ciphertext=b"", key_id="x"),
                                        (INVALID, "ciphertext is required", "unknown")),
    "long ciphertext, malformed key_id": (with_fields(ciphertext=b"A" * 1024, key_id="x"), LIMITS),
    "bad annotation, malformed key_id": (both(extra("example"), with_fields(key_id="x")), LIMITS),
    "malformed key_id, no annotations": (both(with_fields(key_id="x"), without_annotations), MALFORMED_ID),
    "missing annotation, another lineage": (
        annotated(transit_key_hash=OTHER_HASH, plugin_version=None), BAD_ANNOTATIONS),
    "another lineage, ciphertext of another version": (
        both(annotated(transit_key_hash=OTHER_HASH), other_version), MISMATCH),
}


MAX_REFUSALS = 4  # of one kind in ten seconds are logged, at least


class Quiet:
    """A healthy provider that sends nothing by itself any more; a new one before its log holds refusals back."""

    def __init__(self, tenant, directory, audit):
        self.provider = Provider(tenant, directory, {
            "status.probeInterval": "1h", "status.deepProbeInterval": "1h", "status.statusMaxStaleness": "2h"})
        self.decrypts = f"{tenant.mount}/decrypt/{tenant.key}"
        self.audit = audit
        self.uses = 0

    def get(self):
        if self.uses % MAX_REFUSALS == 0:
            self.stop()
            mark = self.audit.mark()
            self.provider.start(wait="healthy")
            self.audit.wait_for(self.decrypts, mark, count=2)  # of the first deep probe, and of its canary
        self.uses += 1
        return self.provider

    def stop(self):
        assert self.provider.stop() == 0
        assert self.provider.foreign_output() == []


@pytest.fixture(scope="module")
def quiet_provider(tenant, module_directory, openbao):
    quiet = Quiet(tenant, module_directory / "quiet", AuditLog(openbao.audit_path))
    yield quiet
    quiet.stop()


@pytest.fixture
def quiet(quiet_provider):
    return quiet_provider.get()


@pytest.fixture(scope="module")
def encrypted(quiet_provider):
    return quiet_provider.get().client().encrypt(b"plaintext")


def refused(provider, audit, call, *arguments):
    """Code, text and class of a refusal, and the requests that OpenBao saw meanwhile."""
    mark, before = audit.mark(), len(provider.records("kms.request", status="error"))
    code, text = refusal(call, *arguments)
    record = provider.wait_record("kms.request", count=before + 1, status="error")[-1]
    return (code, text, record["error_class"]), audit.requests(mark)


@pytest.mark.parametrize("case", DECRYPT)
def test_decrypt(quiet, audit, encrypted, case):
    change, expected = DECRYPT[case]
    client = quiet.client()
    request = client.decrypt_request(encrypted)
    change(request)
    assert refused(quiet, audit, client.stub.Decrypt, request) == (expected, [])
    assert client.decrypt(encrypted) == b"plaintext"


def test_encrypt_of_nothing(quiet, audit):
    expected = (INVALID, "plaintext is required", "unknown")
    assert refused(quiet, audit, quiet.client().encrypt, b"") == (expected, [])


def test_status_is_no_call_to_openbao(quiet, audit):
    mark = audit.mark()
    for _ in range(100):
        assert quiet.client().status().healthz == "ok"
    assert audit.requests(mark) == []


ACCEPTED = {
    "another plugin-version": annotated(plugin_version="v9.9.9"),
    "a further annotation": extra("further.example.org", b"value"),
    "annotations as long as may be": long_annotations(32767),
    "a key as long as may be": extra(".".join(["a" * 49] * 5) + ".abc"),
    "another uid": with_fields(uid="another"),
    "no uid": with_fields(uid=""),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_what_may_differ(quiet, encrypted, case):
    client = quiet.client()
    request = client.decrypt_request(encrypted)
    ACCEPTED[case](request)
    assert client.stub.Decrypt(request, timeout=10).plaintext == b"plaintext"


def tampered(ciphertext):
    raw = bytearray(base64.b64decode(ciphertext.removeprefix(b"vault:v1:")))
    raw[-1] ^= 1
    return b"vault:v1:" + base64.b64encode(raw)


@pytest.mark.parametrize("make, error_class", [
    (tampered, "aad_mismatch"),
    (lambda _: b"vault:v1:" + base64.b64encode(os.urandom(60)), "aad_mismatch"),
    (lambda _: b"vault:v1:not base64", "unknown"),
    (lambda _: b"vault:v1:", "unknown"),
], ids=["tampered", "random", "not base64", "empty"])
def test_what_openbao_refuses(quiet, audit, encrypted, make, error_class):
    client = quiet.client()
    request = client.decrypt_request(encrypted, ciphertext=make(encrypted.ciphertext))
    found, _ = refused(quiet, audit, client.stub.Decrypt, request)
    assert found == (INVALID, "transit decrypt failed", error_class)


def test_a_ciphertext_with_other_associated_data(quiet, audit, encrypted, openbao, tenant):
    """One that OpenBao made of the same key, but not through us: the tag does not fit."""
    answer = openbao.write(f"{tenant.mount}/encrypt/{tenant.key}", {
        "plaintext": base64.b64encode(b"foreign").decode(), "key_version": 1,
        "associated_data": base64.b64encode(b"other").decode()})
    client = quiet.client()
    request = client.decrypt_request(encrypted, ciphertext=answer["data"]["ciphertext"].encode())
    found, _ = refused(quiet, audit, client.stub.Decrypt, request)
    assert found == (INVALID, "transit decrypt failed", "aad_mismatch")


def test_bytes_that_are_no_text_do_no_harm(quiet, encrypted):
    client = quiet.client()
    for tail in (b"\x00", b"\xff\xfe", b'"}', b"\\u0000", b"\r\n"):
        request = client.decrypt_request(encrypted, ciphertext=encrypted.ciphertext + tail)
        code, text = refusal(client.stub.Decrypt, request)
        assert (code, text) in [(INVALID, "transit decrypt failed"), MISMATCH[:2]], tail
    assert client.decrypt(encrypted) == b"plaintext"


def test_annotation_that_comes_twice(quiet, encrypted):
    """On the wire a map is a list; of a key that comes twice the last entry counts."""
    client = quiet.client()
    entry = messages.DecryptRequest(annotations={f"aad-version.{PREFIX}": b"v9"}).SerializeToString()
    good = client.decrypt_request(encrypted).SerializeToString()
    answer = messages.DecryptResponse.FromString(client.raw("Decrypt", entry + good))
    assert answer.plaintext == b"plaintext"
    code, text = refusal(client.raw, "Decrypt", good + entry)
    assert (code, text) == BAD_ANNOTATIONS[:2]
