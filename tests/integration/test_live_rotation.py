# SPDX-License-Identifier: Apache-2.0
"""Three nodes of one cluster, each with a state of its own, while the key is rotated all the time; a fourth joins."""

import collections
import contextlib
import json
import os
import random
import time

import pytest
import registry_model
from rig.process import wait_until
from rig.provider import run_command
from rig.watch import StatusWatch, Watch

SECONDS = 60
SETTINGS = {"status.probeInterval": "1s", "rotation.activationDelay": "2s",
            "rotation.requireStableObservationCount": 2, "status.statusMaxStaleness": "20s"}

pytestmark = pytest.mark.timeout(SECONDS * 3 + 120)


class Load(Watch):
    """Encrypts on one node, decrypts there what any node wrote; an error ends it and fails the test."""

    def __init__(self, provider, written):
        super().__init__()
        self._client = provider.client()
        self._written = written
        self.calls = 0

    def look(self):
        plaintext = os.urandom(32)
        self._written.append((plaintext, self._client.encrypt(plaintext)))
        recent = self._written[-1 - random.randrange(min(10, len(self._written)))]
        for plaintext, encrypted in (recent, random.choice(self._written)):
            assert self._client.decrypt(encrypted) == plaintext
        self.calls += 3


def rotate_for(tenant, seconds, dice):
    """Every few seconds, so that some versions are superseded while they wait."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        time.sleep(dice.uniform(1, 8))
        tenant.rotate()


def latest_key_id(tenant):
    created = tenant.creation_times()
    return registry_model.model.key_id(tenant.scope, max(created), created[max(created)])


def converge(providers, tenant, timeout=20):
    wanted = latest_key_id(tenant)
    clients = [provider.client() for provider in providers]
    wait_until(lambda: all(client.status().key_id == wanted for client in clients), timeout, "all have the latest")


@pytest.fixture
def nodes(fresh_tenant, make_provider):
    providers = []
    for _ in range(3):
        providers.append(make_provider(fresh_tenant, **SETTINGS).start(wait="healthy"))
        time.sleep(0.3)  # so that they do not probe in step
    return providers


def test_no_reader_and_no_writer_sees_it(fresh_tenant, nodes):
    written = collections.deque()
    with contextlib.ExitStack() as stack:
        statuses = [stack.enter_context(StatusWatch(node.socket)) for node in nodes]
        loads = [stack.enter_context(Load(node, written)) for node in nodes for _ in range(2)]
        rotate_for(fresh_tenant, SECONDS, random.Random(7))
        converge(nodes, fresh_tenant)
        time.sleep(1)
    assert all(load.calls > SECONDS for load in loads)
    for status in statuses:
        assert {healthz for healthz, _ in status.answers} == {"ok"}
        assert len(status.key_ids) == len(set(status.key_ids)) > SECONDS / 10, "none comes back"
    assert len({status.key_ids[-1] for status in statuses}) == 1
    for node in nodes:
        assert not node.records("kms.request", status="error")
        assert node.stop() == 0
        node.start(wait="healthy")
    for plaintext, encrypted in random.sample(list(written), 200):
        assert all(node.client().decrypt(encrypted) == plaintext for node in nodes[:1])


def test_one_is_killed_and_comes_back(fresh_tenant, nodes):
    """The others go on; it catches up, and writes under nothing that they have left behind."""
    written = collections.deque()
    others, victim = nodes[:2], nodes[2]
    with contextlib.ExitStack() as stack:
        for node in others:
            stack.enter_context(Load(node, written))
        before = victim.client().status().key_id
        victim.kill()
        rotate_for(fresh_tenant, SECONDS / 2, random.Random(8))
        converge(others, fresh_tenant)
        time.sleep(2 + 2 * 1 + 20 + 2)  # the catching-up age
        with StatusWatch(victim.socket) as status:
            victim.start()
            victim.wait_healthy()
            time.sleep(2)
        assert status.key_ids == [latest_key_id(fresh_tenant)] and before not in status.key_ids
        with Load(victim, written) as load:
            time.sleep(2)
        assert load.calls > 10


def recover_state(provider):
    """As an administrator builds a new node: the plan, then the plan applied."""
    def run(*arguments):
        result = run_command("recover-state", "--config", provider.config, "--output", "json", *arguments)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)
    run("--apply", "--expected-plan-hash", run()["planHash"])


def test_a_fourth_node_joins(fresh_tenant, nodes, make_provider):
    """In the middle of it all, for a key that was rotated long before it came."""
    written = collections.deque()
    with contextlib.ExitStack() as stack:
        loads = [stack.enter_context(Load(node, written)) for node in nodes]
        rotate_for(fresh_tenant, SECONDS / 4, random.Random(9))
        joined = make_provider(fresh_tenant, **SETTINGS)
        recover_state(joined)
        status = stack.enter_context(StatusWatch(joined.socket))
        joined.start(wait="healthy")
        loads.append(stack.enter_context(Load(joined, written)))
        rotate_for(fresh_tenant, SECONDS / 4, random.Random(10))
        converge([*nodes, joined], fresh_tenant)
    assert loads[-1].calls > SECONDS / 4
    assert len(status.key_ids) == len(set(status.key_ids))
    client = joined.client()
    assert all(client.decrypt(encrypted) == plaintext for plaintext, encrypted in random.sample(list(written), 300))
    assert not joined.records("kms.request", status="error")
