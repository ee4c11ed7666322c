# SPDX-License-Identifier: Apache-2.0
"""OpenBao's certificate is replaced while all goes on: by one that is as good, and by some that are not."""

import threading
import time

import grpc
import pytest
from rig.kms import refusal
from rig.openbao import OpenBao
from rig.pki import Authority
from rig.process import wait_until
from rig.provider import policy_for
from rig.relay import Relay
from rig.transit import Tenant
from rig.watch import Watch

UNAVAILABLE = (grpc.StatusCode.UNAVAILABLE, "transit unavailable")


class Node:
    """An OpenBao behind a relay, whose certificate can be replaced."""

    def __init__(self, directory, authority):
        self.bao = OpenBao(directory / "openbao", authority)
        self.bao.up()
        self.relay = Relay(self.bao.port)

    def present(self, stem, **options):
        self.bao.present(stem, **options)
        self.relay.cut_once()

    def stop(self):
        self.relay.close()
        self.bao.stop()


@pytest.fixture(scope="module")
def node(module_directory, authority):
    node = Node(module_directory, authority)
    yield node
    node.stop()


@pytest.fixture
def provider(node, directory, make_provider):
    tenant = Tenant(node.bao, directory / "tenant", mount=f"transit-{directory.name}", auth=f"jwt-{directory.name}")
    tenant.set_up(policy_for(tenant))
    return make_provider(tenant, **{
        "openbao.address": f"https://localhost:{node.relay.port}", "status.probeInterval": "1h",
        "status.deepProbeInterval": "1h", "status.statusMaxStaleness": "2h"}).start(wait="healthy")


class Decrypts(Watch):
    def __init__(self, client):
        super().__init__()
        self._client, self._encrypted = client, client.encrypt(b"text")
        self.count = 0
        self.call = threading.Lock()  # who has it knows that none is under way

    def look(self):
        with self.call:
            assert self._client.decrypt(self._encrypted) == b"text"
        self.count += 1


def test_another_good_certificate(node, provider):
    """Nobody notices."""
    with Decrypts(provider.client()) as decrypts:
        time.sleep(0.3)
        with decrypts.call:  # an answer that is cut short cannot be had again
            node.present("renewed")
        seen = decrypts.count
        wait_until(lambda: decrypts.count > seen + 50, 10, "calls go on")
    assert not provider.records("kms.request", status="error")


@pytest.mark.parametrize("options, cause", [
    ({"valid_from": -5, "valid_to": -1}, "certificate expired"),
    ({"valid_from": 1, "valid_to": 5}, "certificate not yet valid"),
    ({"names": ["elsewhere.test"]}, 'name mismatch: "localhost" is not among its alternative names'),
    ({"issuer": "another"}, "unknown issuer"),
], ids=["expired", "not-yet-valid", "name", "issuer"])
def test_a_certificate_that_will_not_do(node, provider, directory, options, cause):
    """Each by its cause, and all is well with the next good one."""
    client = provider.client()
    encrypted = client.encrypt(b"text")
    if "issuer" in options:
        options = {"issuer": Authority(directory / "other", "another authority")}
    node.present(f"bad-{directory.name}", **options)
    try:
        assert refusal(client.decrypt, encrypted) == UNAVAILABLE
        record = provider.wait_record("kms.request", status="error")[0]
        assert record["error_class"] == "openbao_tls_failed" and cause in record["cause"]
    finally:
        node.present(f"good-{directory.name}")
    assert client.decrypt(encrypted) == b"text"
