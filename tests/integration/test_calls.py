# SPDX-License-Identifier: Apache-2.0
"""Status, Encrypt and Decrypt as a well-behaved client sees them, and as odd ones do."""

import concurrent.futures
import os
import subprocess
import sys
import time

import grpc
import pytest
from rig.kms import KmsClient, messages, refusal
from rig.process import wait_until

LARGEST_PLAINTEXT = 731  # whose ciphertext ("vault:v1:" and base64 of nonce, text and tag) still is within 1023 bytes


def test_status(client, tenant):
    status = client.status()
    assert (status.version, status.healthz) == ("v2", "ok")
    assert status.key_id.startswith("obk2.") and len(status.key_id) == 48


@pytest.mark.parametrize("size", [1, 2, 3, 16, 32, 255, LARGEST_PLAINTEXT])
def test_round_trip(client, size):
    plaintext = os.urandom(size)
    encrypted = client.encrypt(plaintext)
    assert encrypted.ciphertext.startswith(b"vault:v1:")
    assert encrypted.key_id == client.status().key_id
    assert size < 16 or plaintext not in encrypted.ciphertext  # a byte or three may well be in its base64
    assert client.decrypt(encrypted) == plaintext


def test_bytes_that_are_no_text(client):
    plaintext = bytes(range(256))
    assert client.decrypt(client.encrypt(plaintext)) == plaintext


def test_the_same_plaintext_never_gives_the_same_ciphertext(client):
    assert len({client.encrypt(b"same").ciphertext for _ in range(20)}) == 20


def test_an_answer_beyond_the_limits_is_not_given(client):
    assert refusal(client.encrypt, os.urandom(LARGEST_PLAINTEXT + 1)) == (
        grpc.StatusCode.INTERNAL, "kms response exceeds protocol limits")


def test_a_message_beyond_the_limit(client):
    code, _ = refusal(client.encrypt, os.urandom(65536))
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert client.status().healthz == "ok"


@pytest.mark.parametrize("name", [
    None, "", "localhost", "/run/openbao-kms/kms.sock", "%2Frun%2Fopenbao-kms%2Fkms.sock", "kms.example:443"])
def test_any_authority(provider, name):
    client = provider.client(authority=name)
    assert client.status().healthz == "ok"
    assert client.decrypt(client.encrypt(b"text")) == b"text"


def test_an_unknown_method_leaves_the_connection_alone(client):
    code, _ = refusal(client.raw, "Rewrap", b"")
    assert code == grpc.StatusCode.UNIMPLEMENTED
    assert client.status().healthz == "ok"


@pytest.mark.parametrize("method", ["Encrypt", "Decrypt"])
def test_an_undecodable_message_leaves_the_connection_alone(client, method):
    code, _ = refusal(client.raw, method, b"\x0a\xff\xff\xff\xff\x0f")
    assert code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.INVALID_ARGUMENT)
    assert client.status().healthz == "ok"


def test_fields_that_a_later_api_may_add_are_ignored(client):
    known = messages.EncryptRequest(plaintext=b"text", uid="u").SerializeToString()
    answer = messages.EncryptResponse.FromString(client.raw("Encrypt", known + b"\xa2\x06\x03new"))
    assert client.decrypt(answer) == b"text"


def test_two_clients_at_once(provider):
    """Two connections, many calls in flight on each: every answer is that of its own request."""
    def work(client, name):
        texts = [f"{name}-{i}".encode() for i in range(200)]
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            encrypted = list(pool.map(client.encrypt, texts))
            assert list(pool.map(client.decrypt, encrypted)) == texts
        return encrypted

    first, second = provider.client(), provider.client()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        one, two = pool.submit(work, first, "one"), pool.submit(work, second, "two")
        # what one has encrypted the other may decrypt
        assert second.decrypt(one.result()[0]) == b"one-0"
        assert first.decrypt(two.result()[-1]) == b"two-199"


def test_many_connections_one_after_the_other(provider):
    """No descriptor stays behind a client that has gone."""
    def descriptors():
        return len(os.listdir(f"/proc/{provider.pid}/fd"))

    def call():
        with KmsClient(provider.socket) as client:
            assert client.status().healthz == "ok"

    call()
    before = descriptors()
    for _ in range(50):
        call()
    wait_until(lambda: descriptors() <= before + 1, 10, "descriptors are closed")


_VANISHING = """
import sys
sys.path.insert(0, sys.argv[1])
from rig.kms import KmsClient, messages
client = KmsClient(sys.argv[2])
client.status()
request = messages.DecryptRequest.FromString(bytes.fromhex(sys.argv[3]))
calls = [client.stub.Decrypt.future(request, timeout=60) for _ in range(64)]
print("sent", flush=True)
sys.stdin.read()
"""


def test_a_client_that_vanishes_in_mid_call(make_provider, tenant, openbao, audit):
    """64 Decrypts wait for an OpenBao that hangs when their client is killed: all 64 places are free again."""
    provider = make_provider(tenant, **{"openbao.timeout": "60s"}).start(wait="healthy")
    client = provider.client()
    encrypted = client.encrypt(b"text")
    request = client.decrypt_request(encrypted).SerializeToString().hex()
    openbao.process.freeze()
    try:
        child = subprocess.Popen(
            [sys.executable, "-c", _VANISHING, os.path.dirname(__file__), str(provider.socket), request],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert child.stdout.readline() == b"sent\n"
        time.sleep(1)  # until the calls have reached the provider
        child.kill()
        child.communicate()
        time.sleep(0.5)
        assert client.status().healthz == "ok"
    finally:
        openbao.process.thaw()
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        started = time.monotonic()
        assert set(pool.map(lambda _: client.decrypt(encrypted), range(64))) == {b"text"}
        assert time.monotonic() - started < 20
    cancelled = provider.wait_record("kms.request", operation="decrypt", error_class="canceled")
    assert cancelled[0]["status"] == "error"


def test_a_client_deadline_ends_the_call_to_openbao(make_provider, tenant, openbao):
    provider = make_provider(tenant, **{"openbao.timeout": "30s"}).start(wait="healthy")
    client = provider.client()
    encrypted = client.encrypt(b"text")
    openbao.process.freeze()
    try:
        started = time.monotonic()
        code, _ = refusal(client.decrypt, encrypted, timeout=0.5)
        assert code == grpc.StatusCode.DEADLINE_EXCEEDED
        assert time.monotonic() - started < 2
        found = wait_until(lambda: [record for record in provider.records("kms.request", status="error")
                                    if record["error_class"] in ("timeout", "canceled")], 5, "the call has ended")
        assert found[0]["duration_ms"] < 2000
    finally:
        openbao.process.thaw()
    assert client.decrypt(encrypted) == b"text"


def test_openbao_timeout_bounds_a_call_without_a_deadline(make_provider, tenant, openbao):
    provider = make_provider(tenant, **{"openbao.timeout": "700ms"}).start(wait="healthy")
    client = provider.client()
    encrypted = client.encrypt(b"text")
    openbao.process.freeze()
    try:
        started = time.monotonic()
        with pytest.raises(grpc.RpcError) as caught:
            client.stub.Decrypt(client.decrypt_request(encrypted))
        assert (caught.value.code(), caught.value.details()) == (
            grpc.StatusCode.DEADLINE_EXCEEDED, "request timed out")
        assert 0.6 < time.monotonic() - started < 3
    finally:
        openbao.process.thaw()


def test_calls_beyond_the_limit_wait_and_then_are_refused(make_provider, tenant, openbao):
    """Two at once, 1,024 in the queue, and the rest is told so at once; those that waited get their answers."""
    provider = make_provider(tenant, **{
        "server.maxConcurrentDecrypt": 2, "openbao.timeout": "60s"}).start(wait="healthy")
    client = provider.client()
    request = client.decrypt_request(client.encrypt(b"text"))
    openbao.process.freeze()
    try:
        calls = [client.stub.Decrypt.future(request, timeout=100) for _ in range(2 + 1024 + 74)]
        wait_until(lambda: sum(call.done() for call in calls) >= 74, 20, "the rest is refused")
        time.sleep(0.5)
        refused = [call for call in calls if call.done()]
        assert len(refused) == 74
        for call in refused:
            assert (call.code(), call.details()) == (
                grpc.StatusCode.RESOURCE_EXHAUSTED, "kms concurrency limit exceeded")
        # a method's limit is its own
        assert client.status().healthz == "ok"
        record = provider.wait_record("kms.request", status="error", operation="decrypt")[0]
        assert record["error_class"] == "concurrency_limit"
    finally:
        openbao.process.thaw()
    assert [call.result().plaintext for call in calls if call not in refused] == [b"text"] * (2 + 1024)
