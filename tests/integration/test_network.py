# SPDX-License-Identifier: Apache-2.0
"""A network between provider and OpenBao that loses packets, or all of them, while the key is rotated."""

import os
import time

import grpc
import pytest
from rig.network import enter_private_network, loss
from rig.watch import StatusWatch

CODE = grpc.StatusCode
RECOVERY = 40
SETTINGS = {"status.probeInterval": "1s", "rotation.activationDelay": "2s",
            "rotation.requireStableObservationCount": 2, "openbao.timeout": "5s"}
STALENESS = 6

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module", autouse=True)
def private_network():
    if os.geteuid() != 0:
        pytest.skip("a network of its own needs root")
    enter_private_network()


def call(client, outcomes):
    plaintext = os.urandom(32)
    try:
        encrypted = client.encrypt(plaintext, timeout=20)
        assert client.decrypt(encrypted, timeout=20) == plaintext
        outcomes.append(encrypted)
    except grpc.RpcError as error:
        assert error.code() in (CODE.UNAVAILABLE, CODE.DEADLINE_EXCEEDED), error.details()
        outcomes.append(None)


def test_packets_get_lost(fresh_tenant, make_provider):
    """Slow, but right: what is answered decrypts, and a rotation under it comes to its end."""
    provider = make_provider(fresh_tenant, **SETTINGS).start(wait="healthy")
    client, outcomes = provider.client(timeout=20), []
    with StatusWatch(provider.socket) as status:
        with loss(fresh_tenant.bao.port, 0.1):
            fresh_tenant.rotate()
            until = time.monotonic() + 20
            while time.monotonic() < until:
                call(client, outcomes)
        provider.wait_record("key.promoted", timeout=RECOVERY, transit_key_version=2)
        provider.wait_healthy(RECOVERY)
    written = [encrypted for encrypted in outcomes if encrypted]
    assert len(written) > len(outcomes) / 2
    for encrypted in written:
        client.decrypt(encrypted)
    assert len(status.key_ids) == 2 and {healthz for healthz, _ in status.answers} == {"ok"}


def test_cut_off_while_the_key_is_rotated(fresh_tenant, make_provider):
    """Until it goes stale it serves on; then, and from the first good probe on, never under the version of before."""
    provider = make_provider(fresh_tenant, **SETTINGS, **{"status.statusMaxStaleness": f"{STALENESS}s"})
    provider.start(wait="healthy")
    client, outcomes = provider.client(timeout=20), []
    call(client, outcomes)
    with StatusWatch(provider.socket) as status:
        fresh_tenant.rotate()
        with loss(fresh_tenant.bao.port, 1):
            provider.wait_unhealthy(STALENESS + 15)
            time.sleep(5)  # older than what a node that was away catches up with
        healed = time.monotonic()
        provider.wait_healthy(RECOVERY)
        assert time.monotonic() - healed <= RECOVERY
        call(client, outcomes)
        time.sleep(1)
    assert provider.records("key.promoted", transit_key_version=2)
    assert [healthz for healthz, _ in status.answers] == ["ok", "unhealthy", "ok"]
    assert len(status.key_ids) == 2
    for encrypted in outcomes:
        client.decrypt(encrypted)
