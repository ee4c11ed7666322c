# SPDX-License-Identifier: Apache-2.0
"""OpenBao on three nodes: one dies, the leader dies in a rotation, one lags, all are restored to an earlier day."""

import http.client
import itertools
import json
import os
import ssl
import time

import grpc
import pytest
import registry_model
from rig.doctor import Report, assert_first
from rig.kms import refusal
from rig.process import wait_until
from rig.provider import policy_for
from rig.raft import RaftCluster
from rig.relay import Relay
from rig.transit import Tenant
from rig.watch import StatusWatch, Watch

CODE = grpc.StatusCode
RECOVERY = 40
STALENESS = 6
SETTINGS = {"status.probeInterval": "1s", "rotation.activationDelay": "2s",
            "rotation.requireStableObservationCount": 2}
LAG = {**SETTINGS, "status.statusMaxStaleness": f"{STALENESS}s"}

pytestmark = pytest.mark.timeout(240)
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def all_nodes(module_directory, authority):
    cluster = RaftCluster(module_directory / "openbao", authority)
    yield cluster.up()
    cluster.stop()


@pytest.fixture
def cluster(all_nodes):
    all_nodes.mend()
    return all_nodes


@pytest.fixture
def tenant(cluster, directory):
    number = next(_numbers)
    tenant = Tenant(cluster, directory / "tenant", mount=f"transit-{number}", auth=f"jwt-{number}")
    tenant.set_up(policy_for(tenant))
    cluster.mend()
    return tenant


def addresses(*urls):
    return {"openbao.address": urls[0], "openbao.additionalAddresses": list(urls[1:])}


def key_id(tenant, version):
    return registry_model.model.key_id(tenant.scope, version, tenant.created_at(version))


class Calls(Watch):
    """Encrypts and decrypts all the time; what fails is kept with the time at which it did."""

    pause = 0.01

    def __init__(self, provider):
        super().__init__()
        self._client = provider.client()
        self.written = []
        self.failures = []

    def look(self):
        plaintext = os.urandom(32)
        try:
            encrypted = self._client.encrypt(plaintext)
            self.written.append((plaintext, encrypted))
            assert self._client.decrypt(encrypted) == plaintext
        except grpc.RpcError as error:
            self.failures.append((time.monotonic(), error.code()))

    def wait_written(self, more, timeout=RECOVERY):
        wanted = len(self.written) + more
        wait_until(lambda: len(self.written) >= wanted, timeout, f"{more} more are encrypted")


def assert_all_decrypt(provider, calls):
    client = provider.client()
    assert all(client.decrypt(encrypted) == plaintext for plaintext, encrypted in calls.written)


def test_a_standby_that_dies(cluster, tenant, make_provider):
    """It is the first address, and nobody notices."""
    leader, (first, second) = cluster.leader(), cluster.standbys()
    provider = make_provider(tenant, **SETTINGS, **addresses(first.address, second.address, leader.address))
    provider.start(wait="healthy")
    with StatusWatch(provider.socket) as status, Calls(provider) as calls:
        calls.wait_written(50)
        first.kill()
        calls.wait_written(200)
        cluster.bring_back(first)
        calls.wait_written(200)
    assert calls.failures == []
    assert [healthz for healthz, _ in status.answers] == ["ok"]


def test_the_leader_dies(cluster, tenant, make_provider):
    leader, others = cluster.leader(), cluster.standbys()
    provider = make_provider(tenant, **SETTINGS, **addresses(leader.address, *(node.address for node in others)))
    provider.start(wait="healthy")
    with StatusWatch(provider.socket) as status, Calls(provider) as calls:
        calls.wait_written(50)
        leader.kill()
        cluster.leader()
        elected = time.monotonic()
        calls.wait_written(50)
        assert time.monotonic() - elected < RECOVERY
        settled = time.monotonic()
        calls.wait_written(200)
    assert {code for _, code in calls.failures} <= {CODE.UNAVAILABLE, CODE.DEADLINE_EXCEEDED}
    assert [when for when, _ in calls.failures if when > settled] == []
    assert [healthz for healthz, _ in status.answers] == ["ok"], "an election is no reason"
    assert_all_decrypt(provider, calls)


def test_the_leader_dies_in_a_rotation(cluster, tenant, make_provider):
    leader, others = cluster.leader(), cluster.standbys()
    provider = make_provider(tenant, **SETTINGS, **addresses(leader.address, *(node.address for node in others)))
    provider.start(wait="healthy")
    old = key_id(tenant, 1)
    with StatusWatch(provider.socket) as status, Calls(provider) as calls:
        calls.wait_written(20)
        tenant.rotate()
        provider.wait_record("key.observed", transit_key_version=2)
        leader.kill()
        provider.wait_record("key.promoted", transit_key_version=2, timeout=RECOVERY)
        new = key_id(tenant, 2)
        wait_until(lambda: status.key_ids[-1] == new, RECOVERY, "Status names the new version")
        calls.wait_written(50)
    assert status.key_ids == [old, new]
    assert {healthz for healthz, _ in status.answers} == {"ok"}
    assert len(provider.records("key.promoted")) == 1
    assert_all_decrypt(provider, calls)


# A standby that lags


def read_locally(node, tenant):
    """The latest version as a node itself knows it, 0 if it sends us elsewhere."""
    connection = http.client.HTTPSConnection("127.0.0.1", node.port, timeout=10,
                                             context=ssl.create_default_context(cafile=str(node.authority.file)))
    connection.request("GET", f"/v1/{tenant.mount}/keys/{tenant.key}", headers={"X-Vault-Token": node.root_token})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return json.loads(content)["data"]["latest_version"] if answer.status == 200 else 0


def make_lag(cluster, node, tenant):
    """From now on the node answers reads of the key from what it has; those of a token that it does not know it would
    send to the leader."""
    wait_until(lambda: read_locally(node, tenant) == 1, 10, "the standby knows the key")
    time.sleep(2)  # the tokens of a moment ago
    cluster.relays[node.name].cut()


@pytest.fixture
def lagging(cluster, tenant, make_provider):
    """A provider that uses the leader by a relay, and second a standby that has been lagging since before the key was
    rotated; it has promoted version 2."""
    standby = cluster.standbys()[0]
    relay = Relay(cluster.leader().port)
    provider = make_provider(tenant, **LAG, **addresses(f"https://127.0.0.1:{relay.port}", standby.address))
    provider.start(wait="healthy")
    make_lag(cluster, standby, tenant)
    tenant.rotate()
    wanted = key_id(tenant, 2)
    wait_until(lambda: provider.wait_healthy().key_id == wanted, 20, "version 2 is active")
    assert read_locally(standby, tenant) == 1
    provider.relay, provider.standby = relay, standby
    yield provider
    relay.close()


def test_a_lag_that_passes(lagging, cluster, tenant):
    """Reads of the past are counted and logged, nothing else."""
    encrypted = lagging.client().encrypt(b"before")
    with StatusWatch(lagging.socket) as status:
        lagging.relay.cut()
        lagging.wait_record("status.probe", reason="standby_lagging")
        cluster.relays[lagging.standby.name].mend()
        seen = len(lagging.records("status.probe", probe_kind="metadata", status="ok"))
        lagging.wait_record("status.probe", probe_kind="metadata", status="ok", count=seen + 2, timeout=20)
    assert [healthz for healthz, _ in status.answers] == ["ok"]
    assert lagging.client().decrypt(encrypted) == b"before"
    assert len(lagging.records("key.promoted")) == 1


def test_a_lag_that_lasts(lagging, cluster, tenant):
    """Not fresh is not lost: only when three in a row, over the whole staleness, say so."""
    encrypted = lagging.client().encrypt(b"before")
    state = lagging.state_path.read_bytes()
    lagging.relay.cut()
    started = time.monotonic()
    lagging.wait_record("status.changed", reason="standby_lagging", timeout=STALENESS + 4)
    assert time.monotonic() - started > STALENESS - 2
    lagging.wait_record("status.changed", reason="version_rollback", timeout=STALENESS + 4)
    assert refusal(lagging.client().encrypt, b"text") == (CODE.FAILED_PRECONDITION, "status unhealthy")
    assert lagging.state_path.read_bytes() == state
    cluster.relays[lagging.standby.name].mend()
    assert lagging.wait_healthy(RECOVERY).key_id == encrypted.key_id
    assert lagging.client().decrypt(encrypted) == b"before"
    assert lagging.state_path.read_bytes() == state


def test_discovery_at_a_standby_that_lags(cluster, tenant, make_provider):
    """A peer's new version is not known there yet: the answer may be asked for again, and is right once it is known."""
    standby, leader = cluster.standbys()[0], cluster.leader()
    peer = make_provider(tenant, **SETTINGS, **addresses(leader.address)).start(wait="healthy")
    behind = make_provider(tenant, **SETTINGS, **addresses(standby.address)).start(wait="healthy")
    make_lag(cluster, standby, tenant)
    tenant.rotate()
    wanted = key_id(tenant, 2)
    wait_until(lambda: peer.wait_healthy().key_id == wanted, 20, "the peer has promoted")
    encrypted = peer.client().encrypt(b"of the peer")
    client = behind.client()
    assert refusal(client.decrypt, encrypted) == (CODE.UNAVAILABLE, "key metadata refresh failed")
    assert refusal(client.decrypt, encrypted) == (CODE.UNAVAILABLE, "key metadata refresh failed")
    cluster.relays[standby.name].mend()
    wait_until(lambda: read_locally(standby, tenant) == 2, 20, "the standby has caught up")
    time.sleep(2.1)
    assert client.decrypt(encrypted) == b"of the peer"


# A slow wire


def test_a_slow_address(cluster, tenant, make_provider):
    """Slower than openbao.timeout: the next one answers within the client's deadline; slow but quicker: it serves."""
    leader = cluster.leader()
    relay = Relay(leader.port)
    try:
        provider = make_provider(tenant, **SETTINGS, **addresses(f"https://127.0.0.1:{relay.port}", leader.address))
        provider.start(wait="healthy")
        client = provider.client()
        encrypted = client.encrypt(b"text")
        with StatusWatch(provider.socket) as status:
            for delay, least, most in ((0.2, 0.2, 2), (3, 0, 5)):
                relay.delay = delay
                for _ in range(5):
                    started = time.monotonic()
                    assert client.decrypt(encrypted) == b"text"
                    assert least < time.monotonic() - started < most
            started = time.monotonic()
            assert client.decrypt(encrypted) == b"text"
            assert time.monotonic() - started < 0.5, "the slow one has been taken out"
        assert [healthz for healthz, _ in status.answers] == ["ok"]
    finally:
        relay.close()


# Restored from a snapshot


def test_restored_to_before_a_rotation(cluster, tenant, make_provider):
    """Refused for what it is at each step; healthy again once OpenBao is what it was."""
    provider = make_provider(tenant, **LAG, **addresses(*(node.address for node in cluster.nodes)))
    provider.start(wait="healthy")
    client = provider.client()
    first = client.encrypt(b"under version 1")
    earlier = cluster.snapshot()
    tenant.rotate()
    wanted = key_id(tenant, 2)
    wait_until(lambda: provider.wait_healthy().key_id == wanted, 20, "version 2 is active")
    second = client.encrypt(b"under version 2")
    later = cluster.snapshot()
    state = provider.state_path.read_bytes()

    cluster.restore(earlier)
    provider.wait_record("status.changed", healthz="unhealthy", reason="version_rollback", timeout=RECOVERY)
    words = provider.wait_record("status.probe", reason="version_rollback")[0]
    assert words["impact"] == "cryptographic_safety" and "recover-state --replace" in words["detail"]
    assert client.decrypt(first) == b"under version 1"
    assert refusal(client.decrypt, second)[0] in (CODE.INVALID_ARGUMENT, CODE.UNAVAILABLE)
    assert refusal(client.encrypt, b"text") == (CODE.FAILED_PRECONDITION, "status unhealthy")

    time.sleep(1.1)  # so that it is of another second
    tenant.rotate()
    provider.wait_record("status.changed", healthz="unhealthy", reason="creation_time_changed", timeout=RECOVERY)
    assert refusal(client.decrypt, second)[0] == CODE.INVALID_ARGUMENT
    assert provider.client().status().key_id == ""
    assert provider.state_path.read_bytes() == state

    cluster.restore(later)
    assert provider.wait_healthy(RECOVERY).key_id == second.key_id
    assert (client.decrypt(first), client.decrypt(second)) == (b"under version 1", b"under version 2")
    assert provider.state_path.read_bytes() == state


def test_a_candidate_that_is_lost(cluster, tenant, make_provider):
    """Restored while the new version waited for its promotion: peers may have used it already."""
    provider = make_provider(tenant, **{**LAG, "rotation.activationDelay": "1h"},
                             **addresses(*(node.address for node in cluster.nodes))).start(wait="healthy")
    client = provider.client()
    first = client.encrypt(b"under version 1")
    earlier = cluster.snapshot()
    tenant.rotate()
    provider.wait_record("key.observed", transit_key_version=2)
    later = cluster.snapshot()
    cluster.restore(earlier)
    provider.wait_record("status.changed", healthz="unhealthy", reason="version_lost", timeout=RECOVERY)
    assert client.decrypt(first) == b"under version 1"
    cluster.restore(later)
    assert provider.wait_healthy(RECOVERY).key_id == first.key_id
    assert not provider.records("key.promoted")


def test_doctor_of_a_standby_alone(cluster, tenant, make_provider):
    standby, leader = cluster.standbys()[0], cluster.leader()
    provider = make_provider(tenant, **{"openbao.address": standby.address})
    os.chmod(provider.directory, 0o2750)
    assert Report(provider.config, "--before-start").exit == 0
    cluster.relays[leader.name].cut()
    assert wait_until(lambda: Report(provider.config, "--before-start").exit, 20, "what it cannot pass on is refused")
    assert_first(Report(provider.config, "--before-start"), "openbao.auth", "it redirects (status 307)",
                 "a standby that cannot pass calls on", "cluster_addr")
    provider.configure(**{"openbao.address": leader.address})
    assert Report(provider.config, "--before-start").exit == 0
