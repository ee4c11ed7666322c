# SPDX-License-Identifier: Apache-2.0
"""/ready and Status agree at every moment, whatever goes wrong; and say what it is."""

import contextlib
import os
import subprocess
import threading
import time

import grpc
import pytest

from rig.process import free_port, wait_until
from rig.web import Scrape, fetch, ready

QUICK = {"status.probeInterval": "300ms", "status.deepProbeInterval": "600ms", "status.statusMaxStaleness": "2s",
         "bootstrap.retryInterval": "1500ms"}  # three failures open the breaker, and that takes half a minute to close


class Witness:
    """Asks Status, /ready and Status again, all the time: when Status did not change between, /ready must say the same."""

    def __init__(self, provider, health):
        self._client = provider.client()
        self._health = health
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.samples = 0
        self.seen = set()
        self.differing = []

    def _watch(self):
        while not self._stop.is_set():
            before = self._client.status().healthz
            status, body = ready(self._health)
            after = self._client.status().healthz
            self.samples += 1
            self.seen.add(body["reason"])
            if before == after and ((before == "ok") != (status == 200) or before != body["status"]):
                self.differing.append((before, status, body))
            if (status == 200) != (body["reason"] == "") or (status == 200) != (not self.standing_in_the_way(body)):
                self.differing.append((status, body))

    @staticmethod
    def standing_in_the_way(body):
        """The conditions that do not hold, without those that may fail while Status is healthy."""
        return [condition for condition in body["conditions"] if condition["status"] != "ok"
                and condition["name"] not in ("metadata_read", "circuit_breaker", "authentication")]

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


@pytest.fixture
def addresses():
    return {"server.metricsAddress": f"127.0.0.1:{free_port()}", "server.healthAddress": f"127.0.0.1:{free_port()}"}


def failing(health):
    """The conditions that do not hold: name to reason."""
    return {condition["name"]: condition["reason"] for condition in ready(health)[1]["conditions"]
            if condition["status"] != "ok"}


def test_agrees_with_status_through_faults(make_provider, durable_openbao, durable_tenant, addresses):
    provider = make_provider(durable_tenant, **QUICK, **addresses).start(wait="healthy")
    health, metrics = addresses["server.healthAddress"], addresses["server.metricsAddress"]
    tenant, bao = durable_tenant, durable_openbao
    upsert, key = f"{tenant.mount}/config/keys", f"{tenant.mount}/keys/{tenant.key}/config"

    def wait_for(reason, condition):
        wait_until(lambda: failing(health).get(condition) == reason, 30, f"{condition} fails: {reason}")
        provider.wait_unhealthy()
        assert Scrape(metrics).get("status_healthy") == 0

    def wait_well():
        provider.wait_healthy(60)
        wait_until(lambda: not failing(health), 30, "all conditions hold")
        assert Scrape(metrics).get("status_healthy") == 1

    with Witness(provider, health) as witness:
        tenant.request("POST", upsert, {"disable_upsert": False})
        wait_for("upsert_allowed", "key")
        tenant.request("POST", upsert, {"disable_upsert": True})
        wait_well()
        tenant.request("POST", key, {"deletion_allowed": True})
        wait_for("profile_invalid", "key")
        tenant.request("POST", key, {"deletion_allowed": False})
        wait_well()
        policy = tenant.request("GET", f"sys/policies/acl/{tenant.policy_name}")["data"]["policy"]
        tenant.request("PUT", f"sys/policies/acl/{tenant.policy_name}", {"policy": 'path "x" { capabilities = ["read"] }'})
        wait_for("auth_failed", "authentication")
        tenant.request("PUT", f"sys/policies/acl/{tenant.policy_name}", {"policy": policy})
        wait_well()
        bao.seal()
        wait_for("metadata_read_failed", "metadata_read")
        bao.unseal()
        wait_well()
        bao.kill()
        wait_for("metadata_read_failed", "metadata_read")
        wait_until(lambda: failing(health).get("circuit_breaker") == "circuit_breaker_open", 20, "the breaker is open")
        assert Scrape(metrics).get("circuit_breaker_state") > 0
        assert Scrape(metrics).get("openbao_address_healthy", index="0") == 0
    assert not witness.differing
    assert witness.samples > 300
    assert {"", "upsert_allowed", "profile_invalid", "status_stale"} <= witness.seen


def test_state_that_cannot_be_saved(make_provider, fresh_tenant, addresses):
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    provider = make_provider(fresh_tenant, **{**QUICK, "rotation.activationDelay": "2m"}, **addresses)
    directory = provider.state_path.parent
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0750", "tmpfs", directory],
                      stderr=subprocess.PIPE, check=False).returncode != 0:
        pytest.skip("this machine does not let us mount")
    health, metrics = addresses["server.healthAddress"], addresses["server.metricsAddress"]
    try:
        provider.start(wait="healthy")
        assert ready(health)[1]["persistence_degraded"] is False
        subprocess.run(["mount", "-o", "remount,ro", directory], check=True)
        with Witness(provider, health) as witness:
            fresh_tenant.rotate()
            wait_until(lambda: ready(health)[1]["persistence_degraded"], 15, "it cannot be saved")
            assert ready(health)[0] == 200, "what is in force still serves"
            assert Scrape(metrics).get("rotation_persistence_degraded") == 1
            subprocess.run(["mount", "-o", "remount,rw", directory], check=True)
            wait_until(lambda: not ready(health)[1]["persistence_degraded"], 15, "it is saved")
        assert not witness.differing
        assert Scrape(metrics).get("rotation_persistence_degraded") == 0
    finally:
        provider.stop()
        subprocess.run(["umount", "-l", directory], check=True)


def test_before_openbao_is_there(make_provider, durable_openbao, durable_tenant, addresses):
    """The addresses answer once the service has started, and blame what is missing."""
    durable_openbao.kill()
    provider = make_provider(durable_tenant, **QUICK, **addresses).start()
    provider.wait_record("service.started")
    health = addresses["server.healthAddress"]
    wait_until(lambda: "authentication" in failing(health) or "metadata_read" in failing(health), 10, "it was tried")
    status, body = ready(health)
    assert status == 503 and body["status"] == "unhealthy" and "key" not in body
    assert failing(health)["registry"] == "state_unavailable"
    assert fetch(health, "/live")[0] == 200
    page = Scrape(addresses["server.metricsAddress"])
    assert page.get("token_ttl_seconds") == 0
    assert page.get("status_cache_age_seconds") is None and page.get("key_version") is None
    assert page.all("rotation_state") == {(("state", "unknown"),): 1}
    durable_openbao.start().unseal()
    provider.wait_healthy(60)
    assert ready(health)[0] == 200


def test_live_ends_with_the_socket(make_provider, tenant, addresses):
    """While running calls get their time after SIGTERM, nobody is sent here any more."""
    provider = make_provider(tenant, **addresses).start(wait="healthy")
    health = addresses["server.healthAddress"]
    tenant.bao.process.freeze()
    try:
        hanging = provider.client().stub.Encrypt.future(provider.client().messages.EncryptRequest(plaintext=b"x"),
                                                        timeout=8)
        wait_until(lambda: Scrape(addresses["server.metricsAddress"]).get("grpc_in_flight", method="encrypt") == 1, 5,
                   "a call is under way")
        provider.process.signal(15)
        wait_until(lambda: not provider.socket.exists(), 5, "the socket is closed")
        assert fetch(health, "/live")[0] == 503
    finally:
        tenant.bao.process.thaw()
    with contextlib.suppress(grpc.RpcError):
        hanging.result(timeout=10)
    started = time.monotonic()
    provider.process.wait()
    assert time.monotonic() - started < 15
