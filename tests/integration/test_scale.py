# SPDX-License-Identifier: Apache-2.0
"""Many at once and many in the state: a storm of Decrypts as after a cold start, a key of a thousand versions."""

import collections
import os
import statistics
import threading
import time

import grpc
import pytest
import registry_model
from rig.process import wait_until
from rig.provider import policy_for
from rig.transit import Tenant

DEKS, CALLERS, CONNECTIONS = 5000, 300, 3
VERSIONS = 1000


class Storm:
    """Keeps so many Decrypts under way at once, each caller with one, until all are answered."""

    def __init__(self, clients, encrypted, callers):
        self._clients = clients
        self._todo = collections.deque(enumerate(encrypted))
        self._callers = callers
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._under_way = 0
        self.most_under_way = 0
        self.plaintexts = [None] * len(encrypted)
        self.failures = []

    def run(self, timeout):
        for _ in range(self._callers):
            self._next()
        assert self._ended.wait(timeout)

    def _next(self):
        with self._lock:
            if not self._todo:
                if self._under_way == 0:
                    self._ended.set()
                return
            number, encrypted = self._todo.popleft()
            self._under_way += 1
            self.most_under_way = max(self.most_under_way, self._under_way)
        client = self._clients[number % len(self._clients)]
        call = client.stub.Decrypt.future(client.decrypt_request(encrypted), timeout=60)
        call.add_done_callback(lambda done: self._answered(number, done))

    def _answered(self, number, call):
        try:
            self.plaintexts[number] = call.result().plaintext
        except grpc.RpcError as error:
            self.failures.append((error.code(), error.details()))
        with self._lock:
            self._under_way -= 1
        self._next()


@pytest.mark.timeout(180)
def test_a_storm_of_decrypts(fresh_tenant, make_provider):
    """As when an API server starts that has thousands of different data keys in etcd: none fails, none is another's."""
    plaintexts = [os.urandom(32) for _ in range(DEKS)]
    encrypted = registry_model.encrypted_elsewhere(fresh_tenant, 1, plaintexts)
    provider = make_provider(fresh_tenant).start(wait="healthy")
    storm = Storm([provider.client() for _ in range(CONNECTIONS)], encrypted, CALLERS)
    storm.run(150)
    assert not storm.failures
    assert storm.plaintexts == plaintexts
    assert storm.most_under_way == CALLERS
    assert provider.client().status().healthz == "ok"
    assert not provider.records("kms.request", status="error")


@pytest.fixture(scope="module")
def long_lived(openbao, module_directory):
    """A key that was rotated a thousand times."""
    tenant = Tenant(openbao, module_directory / "long-lived", mount="long-lived", auth="jwt-long-lived")
    tenant.set_up(policy_for(tenant))
    for _ in range(VERSIONS - 1):
        tenant.rotate()
    return tenant


def state_of_all_versions(tenant):
    """The latest active, all others retired, as after a thousand rotations."""
    created, now = tenant.creation_times(), int(time.time())
    snapshots = [registry_model.Snapshot(version, created[version], "retired", observed=now, promoted=now)
                 for version in range(1, VERSIONS)]
    active = registry_model.Snapshot(VERSIONS, created[VERSIONS], "active", now, 3, now, now)
    first = registry_model.first(tenant.scope, created[1], now)
    return registry_model.State(tenant.scope, (active, *reversed(snapshots)), 3 * VERSIONS, first.current_hash)


def median_decrypts(cases, rounds):
    """Seconds of a Decrypt of each case, by turns, so that what else the machine does meets all of them."""
    taken = [[] for _ in cases]
    for _ in range(rounds):
        for times, (client, encrypted) in zip(taken, cases):
            started = time.perf_counter()
            client.decrypt(encrypted)
            times.append(time.perf_counter() - started)
    return [statistics.median(times) for times in taken]


def wait_canaries(provider, count):
    """One is made for each version, after the first healthy Status."""
    wait_until(lambda: len(provider.records("openbao.request", openbao_operation="transit encrypt", status="ok")) >= count,
               120, "the canaries are made")
    time.sleep(1)


@pytest.mark.timeout(400)
def test_a_thousand_versions(long_lived, fresh_tenant, make_provider):
    state = state_of_all_versions(long_lived)
    provider = make_provider(long_lived, **{"rotation.requireStableObservationCount": 2,
                                            "rotation.activationDelay": "1s"})
    state.write(provider.state_path)
    assert provider.start().wait_healthy().key_id == state.active_key_id
    assert provider.state_path.read_bytes() == state.document()
    wait_canaries(provider, VERSIONS)
    young = make_provider(fresh_tenant).start(wait="healthy")

    client, plaintext = provider.client(), os.urandom(32)
    oldest, = registry_model.encrypted_elsewhere(long_lived, 1, [plaintext])
    middle, = registry_model.encrypted_elsewhere(long_lived, VERSIONS // 2, [plaintext])
    assert client.decrypt(oldest) == client.decrypt(middle) == plaintext
    young_client = young.client()
    only = young_client.encrypt(plaintext)
    base, *others = median_decrypts([(young_client, only), (client, oldest), (client, middle),
                                     (client, client.encrypt(plaintext))], 300)
    assert all(other < 1.5 * base + 0.0005 for other in others), (base, others)

    long_lived.rotate()
    promoted = provider.wait_record("key.promoted", timeout=20)
    assert promoted[0]["transit_key_version"] == VERSIONS + 1
    probes = [record["duration_ms"] for record in provider.records("status.probe", probe_kind="metadata", status="ok")]
    saves = [record["duration_ms"] for record in provider.records("registry.saved", status="ok")]
    # Far above what they take: only what grows with the square of the versions would reach it.
    assert statistics.median(probes) < 1000 and statistics.median(saves) < 1000, (probes, saves)
    assert client.decrypt(oldest) == plaintext
