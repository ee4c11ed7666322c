# SPDX-License-Identifier: Apache-2.0
"""OpenBao is absent, killed, sealed, replaced: the provider stays, never answers wrongly, and gets well by itself."""

import concurrent.futures
import threading
import time

import grpc
import pytest
from rig.kms import messages, refusal
from rig.process import wait_until
from rig.provider import policy_for
from rig.transit import Tenant

CODE = grpc.StatusCode
RECOVERY = 40  # seconds from OpenBao's return to a healthy Status
STALENESS = {"status.statusMaxStaleness": "3s"}


def healthy_within(provider, since, seconds=RECOVERY):
    provider.wait_healthy(seconds + 5)
    assert time.monotonic() - since <= seconds


def wait_breaker_open(provider):
    """Three probes in a row have failed, so that the next one is half a minute away."""
    provider.wait_record("status.probe", status="error", probe_kind="metadata", count=3, timeout=30)


def assert_refuses(provider, encrypted, *classes):
    client = provider.client()
    before = len(provider.records("kms.request", status="error"))
    code, text = refusal(client.decrypt, encrypted)
    assert (code, text) == (CODE.UNAVAILABLE, "transit unavailable")
    record = provider.wait_record("kms.request", count=before + 1, status="error")[-1]
    assert record["error_class"] in classes


def test_absent_at_start(durable_openbao, durable_tenant, make_provider):
    durable_openbao.kill()
    provider = make_provider(durable_tenant)
    started = time.monotonic()
    provider.start(wait="socket")
    client = provider.client()
    status = client.status()
    assert time.monotonic() - started < 3
    assert (status.version, status.healthz, status.key_id) == ("v2", "unhealthy", "")
    assert refusal(client.encrypt, b"text") == (CODE.FAILED_PRECONDITION, "status unhealthy")
    key_id = "obk2." + "A" * 43
    assert refusal(client.decrypt, messages.EncryptResponse(ciphertext=b"vault:v1:AAAA", key_id=key_id)) == (
        CODE.FAILED_PRECONDITION, "status unhealthy")
    wait_breaker_open(provider)
    durable_openbao.start().unseal()
    back = time.monotonic()
    healthy_within(provider, back)
    assert client.decrypt(client.encrypt(b"text")) == b"text"


def test_absent_at_start_with_a_state(durable_openbao, durable_tenant, make_provider):
    """With a state from an earlier run a Decrypt is asked of OpenBao, and the answer names the true cause."""
    provider = make_provider(durable_tenant).start(wait="healthy")
    encrypted = provider.client().encrypt(b"text")
    assert provider.stop() == 0
    durable_openbao.kill()
    provider.start(wait="socket")
    assert provider.client().status().healthz == "unhealthy"
    assert refusal(provider.client().encrypt, b"text") == (CODE.FAILED_PRECONDITION, "status unhealthy")
    assert_refuses(provider, encrypted, "openbao_connection_failed")
    durable_openbao.start().unseal()
    healthy_within(provider, time.monotonic())
    assert provider.client().decrypt(encrypted) == b"text"


def test_killed_and_back(durable_openbao, durable_tenant, make_provider):
    provider = make_provider(durable_tenant, **STALENESS).start(wait="healthy")
    client = provider.client()
    encrypted = client.encrypt(b"text")
    durable_openbao.kill()
    assert_refuses(provider, encrypted, "openbao_connection_failed")
    assert provider.wait_unhealthy(15).key_id == ""
    provider.wait_record("status.changed", healthz="unhealthy", reason="status_stale")
    wait_breaker_open(provider)
    assert refusal(client.encrypt, b"text") == (CODE.FAILED_PRECONDITION, "status unhealthy")
    durable_openbao.start().unseal()
    healthy_within(provider, time.monotonic())
    assert client.status().key_id == encrypted.key_id
    assert client.decrypt(encrypted) == b"text"


def test_an_outage_shorter_than_the_staleness_is_not_seen(durable_openbao, durable_tenant, make_provider):
    provider = make_provider(durable_tenant).start(wait="healthy")
    client = provider.client()
    key_id = client.status().key_id
    encrypted = client.encrypt(b"text")
    durable_openbao.kill()
    until = time.monotonic() + 8
    while time.monotonic() < until:
        status = client.status()
        assert (status.healthz, status.key_id) == ("ok", key_id)
        time.sleep(0.05)
    assert provider.records("status.probe", status="error"), "the outage was long enough for a probe"
    durable_openbao.start().unseal()
    assert client.status().healthz == "ok"
    # an address that was taken out is tried again within half a minute
    until = time.monotonic() + RECOVERY
    while True:
        assert client.status().healthz == "ok" or time.monotonic() < until
        try:
            assert client.decrypt(encrypted) == b"text"
            break
        except grpc.RpcError as error:
            assert error.code() == CODE.UNAVAILABLE and time.monotonic() < until
            time.sleep(0.1)


def test_sealed_and_unsealed(durable_openbao, durable_tenant, make_provider):
    provider = make_provider(durable_tenant, **STALENESS).start(wait="healthy")
    client = provider.client()
    encrypted = client.encrypt(b"text")
    durable_openbao.seal()
    assert_refuses(provider, encrypted, "openbao_sealed")
    provider.wait_unhealthy(15)
    wait_breaker_open(provider)
    durable_openbao.unseal()
    healthy_within(provider, time.monotonic())
    assert client.decrypt(encrypted) == b"text"


def test_restarted_under_load(durable_openbao, durable_tenant, make_provider):
    """Callers who do not stop: an error while it is away, never a wrong answer, and none once it is back."""
    provider = make_provider(durable_tenant).start(wait="healthy")
    plaintexts = [f"text {i}".encode() for i in range(16)]
    encrypted = [provider.client().encrypt(text) for text in plaintexts]
    outcomes, stop = [], threading.Event()

    def call(i):
        client = provider.client()
        while not stop.is_set():
            try:
                assert client.decrypt(encrypted[i], timeout=5) == plaintexts[i]
                outcomes.append((time.monotonic(), None))
            except grpc.RpcError as error:
                outcomes.append((time.monotonic(), error.code()))
                time.sleep(0.05)

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        callers = [pool.submit(call, i) for i in range(16)]
        try:
            time.sleep(1)
            killed = time.monotonic()
            durable_openbao.kill()
            time.sleep(2)
            durable_openbao.start().unseal()
            # an address that was taken out is tried again within half a minute
            wait_until(lambda: outcomes[-1][1] is None, RECOVERY, "an answer again")
            back = time.monotonic()
            time.sleep(2)
        finally:
            stop.set()
        for caller in callers:
            caller.result()
    assert {code for when, code in outcomes if when < killed or when > back + 1} == {None}
    assert {code for _, code in outcomes} - {None} == {CODE.UNAVAILABLE}
    assert sum(when > back for when, _ in outcomes) > 100
    assert provider.client().status().healthz == "ok"


@pytest.mark.timeout(240)
def test_restarted_with_other_data(durable_openbao, durable_tenant, make_provider):
    """Another OpenBao at the same address, with a key of the same name: refused until the right one is back."""
    provider = make_provider(durable_tenant, **STALENESS).start(wait="healthy")
    client = provider.client()
    encrypted = client.encrypt(b"text")

    durable_openbao.stop()
    durable_openbao.put_data_aside()
    time.sleep(1.1)  # so that the other key has another creation time
    durable_openbao.up()
    other = Tenant(durable_openbao, durable_tenant.directory)
    other.signer = durable_tenant.signer
    other.set_up(policy_for(other))
    provider.wait_unhealthy(RECOVERY + 5)
    provider.wait_record("status.changed", healthz="unhealthy", reason="creation_time_changed", timeout=RECOVERY + 5)
    assert refusal(client.encrypt, b"text") == (CODE.FAILED_PRECONDITION, "status unhealthy")
    code, text = refusal(client.decrypt, encrypted)
    assert (code, text) == (CODE.INVALID_ARGUMENT, "transit decrypt failed")
    state = provider.state_path.read_bytes()

    durable_openbao.stop()
    durable_openbao.take_data_back()
    durable_openbao.start().unseal()
    healthy_within(provider, time.monotonic())
    assert client.status().key_id == encrypted.key_id
    assert client.decrypt(encrypted) == b"text"
    assert provider.state_path.read_bytes() == state


@pytest.mark.timeout(240)
def test_restarted_with_nothing(durable_openbao, durable_tenant, make_provider):
    """An OpenBao that knows neither the login nor the key, and is set up only later."""
    provider = make_provider(durable_tenant, **STALENESS).start(wait="healthy")
    encrypted = provider.client().encrypt(b"text")
    durable_openbao.stop()
    durable_openbao.put_data_aside()
    durable_openbao.up()
    provider.wait_unhealthy(RECOVERY)
    code, _ = refusal(provider.client().decrypt, encrypted)
    assert code in (CODE.UNAUTHENTICATED, CODE.PERMISSION_DENIED)
    wait_breaker_open(provider)
    durable_openbao.stop()
    durable_openbao.take_data_back()
    durable_openbao.start().unseal()
    healthy_within(provider, time.monotonic())
    assert provider.client().decrypt(encrypted) == b"text"
