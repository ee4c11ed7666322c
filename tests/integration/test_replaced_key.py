# SPDX-License-Identifier: Apache-2.0
"""A key whose material is another one behind the same metadata: what was written before no longer decrypts."""

import base64
import json
import time

import grpc
import pytest
from rig.kms import refusal
from rig.process import wait_until
from rig.proxy import Answer, Proxy

CODE = grpc.StatusCode
DEEP_INTERVAL = 2  # seconds
SETTINGS = {"status.deepProbeInterval": f"{DEEP_INTERVAL}s"}


class ReplacedKey:
    """An intercept: from replace() on, what was encrypted before that decrypts only as `broken` says; what is encrypted
    since then is as always. Metadata stays as it is."""

    def __init__(self, tenant, broken):
        self._encrypt = f"{tenant.mount}/encrypt/{tenant.key}"
        self._decrypt = f"{tenant.mount}/decrypt/{tenant.key}"
        self._broken = broken
        self._replaced = False
        self._written = set()
        self._lost = frozenset()
        self.proofs = 0  # encrypts since then: each deep probe begins with one

    def replace(self, prefix=""):
        """Of all versions, or of the one whose ciphertexts begin so."""
        self._lost = frozenset(ciphertext for ciphertext in self._written if ciphertext.startswith(prefix))
        self._replaced = True

    def put_back(self):
        self._lost = frozenset()

    def __call__(self, _method, path, body, forward):
        if path == self._decrypt and json.loads(body)["ciphertext"] in self._lost:
            return self._broken(forward)
        answer = forward()
        if path == self._encrypt and answer.status == 200:
            self._written.add(answer.json()["data"]["ciphertext"])
            self.proofs += self._replaced
        return answer


def authentication_tag(_forward):
    return Answer.of_json(400, {"errors": ["cipher: message authentication failed"]})


def another_plaintext(forward):
    answer = forward().json()
    length = len(base64.b64decode(answer["data"]["plaintext"]))
    answer["data"]["plaintext"] = base64.b64encode(b"x" * length).decode()
    return Answer.of_json(200, answer)


@pytest.fixture(params=[authentication_tag, another_plaintext], ids=lambda function: function.__name__)
def replaced(request, fresh_tenant, openbao):
    with Proxy(openbao) as proxy:
        proxy.intercept = ReplacedKey(fresh_tenant, request.param)
        proxy.broken = request.param
        yield proxy


def settled(make_provider, tenant, proxy):
    """Healthy, and its canaries made."""
    provider = make_provider(tenant, **SETTINGS, **{"openbao.address": proxy.address}).start(wait="healthy")
    provider.wait_record("status.probe", probe_kind="deep", status="ok", count=2)
    return provider


def assert_canary_failed(provider, proxy, prefix=""):
    """Unhealthy within two deep probes, for that reason and no other."""
    proxy.intercept.replace(prefix)
    started = time.monotonic()
    provider.wait_record("status.changed", healthz="unhealthy", reason="canary_failed", timeout=2 * DEEP_INTERVAL + 1)
    assert proxy.intercept.proofs <= 2 and time.monotonic() - started < 2 * DEEP_INTERVAL + 1
    assert {record["reason"] for record in provider.records("status.changed", healthz="unhealthy")} <= {
        "state_unavailable", "canary_failed", "deep_probe_pending"}


def test_the_active_version(replaced, fresh_tenant, make_provider):
    """New values would encrypt and decrypt well, with a key that cannot read the old ones: no more are written."""
    provider = settled(make_provider, fresh_tenant, replaced)
    client = provider.client()
    old = client.encrypt(b"before")
    assert_canary_failed(provider, replaced)
    assert client.status().healthz == "unhealthy"
    assert refusal(client.encrypt, b"text") == (CODE.FAILED_PRECONDITION, "status unhealthy")
    if replaced.broken is authentication_tag:
        assert refusal(client.decrypt, old) == (CODE.INVALID_ARGUMENT, "transit decrypt failed")
    replaced.intercept.put_back()
    provider.wait_healthy()
    assert client.decrypt(old) == b"before"


def test_a_retired_version(replaced, fresh_tenant, make_provider):
    """Found by its canary, before an API server's next cold start finds it."""
    provider = make_provider(fresh_tenant, **SETTINGS, **{
        "openbao.address": replaced.address, "rotation.activationDelay": "1s",
        "rotation.requireStableObservationCount": 1}).start(wait="healthy")
    fresh_tenant.rotate()
    provider.wait_record("key.promoted", timeout=15)
    wait_until(lambda: provider.records("status.probe", probe_kind="deep", status="ok", transit_key_version=2), 10,
               "the new version is proved")
    time.sleep(0.5)
    assert_canary_failed(provider, replaced, "vault:v1:")
    replaced.intercept.put_back()
    assert provider.wait_healthy().key_id


@pytest.mark.parametrize("replaced", [authentication_tag], indirect=True)
def test_a_restart_makes_new_canaries(replaced, fresh_tenant, make_provider):
    """What a restart cannot know: canaries are in memory. It is healthy, and the old values fail one by one."""
    provider = settled(make_provider, fresh_tenant, replaced)
    old = provider.client().encrypt(b"before")
    replaced.intercept.replace()
    assert provider.stop() == 0
    provider.start(wait="healthy")
    assert refusal(provider.client().decrypt, old) == (CODE.INVALID_ARGUMENT, "transit decrypt failed")
    assert provider.wait_record("kms.request", status="error")[-1]["error_class"] == "aad_mismatch"
