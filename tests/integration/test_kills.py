# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at any moment, again and again, under a key that is rotated all the time. OBK_KILL_SECONDS says how long."""

import os
import random
import re
import time

import grpc
import pytest
import registry_model
from rig.kms import KmsClient
from rig.process import wait_until
from rig.watch import StateWatch, StatusWatch, Watch

SECONDS = float(os.environ.get("OBK_KILL_SECONDS", "20"))
KILLS_A_MINUTE = 200
ROTATION_EVERY = 1.5  # seconds
BUSY = {"status.probeInterval": "200ms", "status.deepProbeInterval": "500ms", "bootstrap.retryInterval": "200ms",
        "status.statusMaxStaleness": "5s", "rotation.activationDelay": "300ms",
        "rotation.requireStableObservationCount": 2}

pytestmark = pytest.mark.timeout(SECONDS * 2 + 120)


class Rotation(Watch):
    """Rotates the key now and then."""

    pause = ROTATION_EVERY

    def __init__(self, tenant):
        super().__init__()
        self._tenant = tenant

    def look(self):
        self._tenant.rotate()


class Writer(Watch):
    """Encrypts whenever it can, and remembers what came of it."""

    pause = 0.02

    def __init__(self, socket):
        super().__init__()
        self._socket = socket
        self.written = {}

    def look(self):
        plaintext = os.urandom(32)
        try:
            with KmsClient(self._socket, timeout=2) as client:
                self.written[plaintext] = client.encrypt(plaintext)
        except grpc.RpcError:  # it was killed, or is not healthy yet
            pass


def saved_generations(provider):
    """Those that the log calls saved. Its last line may be cut off by the kill."""
    return [int(found) for found in re.findall(r'"registry\.saved"[^\n]*?"generation":\s*(\d+)[^\n]*"status":\s*"ok"',
                                               provider.log_path.read_text(errors="replace"))]


def assert_nothing_lost(provider, tenant, least):
    """What lies on disk loads by the model as well, and is not older than what was called saved. Returns the state."""
    document = provider.state_path.read_bytes()
    state = registry_model.parse(tenant.scope, document)
    assert state.document() == document
    checkpoint = provider.state_path.with_name(provider.state_path.name + ".checkpoint").read_bytes()
    assert state.checkpoint() == checkpoint or state.previous_hash.encode() in checkpoint
    assert state.generation >= max([least, *saved_generations(provider)])
    return state


def live_and_die(provider, seconds, dice):
    """One life: it starts, is killed somewhere, and never ends by itself."""
    provider.start(wait=None)
    time.sleep(dice.expovariate(1 / seconds))
    provider.process.require_running()
    provider.kill()


def versions_of(tenant, key_ids):
    by_key_id = {registry_model.model.key_id(tenant.scope, version, created_at): version
                 for version, created_at in tenant.creation_times().items()}
    return [by_key_id[key_id] for key_id in key_ids]


def test_killed_at_any_moment(fresh_tenant, make_provider):
    seed = int(os.environ.get("OBK_SEED", time.time_ns()))
    print("OBK_SEED", seed)
    dice = random.Random(seed)
    provider = make_provider(fresh_tenant, **BUSY).start(wait="healthy")
    provider.kill()
    least, kills, ends = 0, 0, time.monotonic() + SECONDS
    with (StatusWatch(provider.socket) as status, StateWatch(provider.state_path) as state,
          Writer(provider.socket) as writer):
        with Rotation(fresh_tenant):
            while time.monotonic() < ends:
                live_and_die(provider, dice.choice([0.05, 0.2, 0.6]), dice)
                least = assert_nothing_lost(provider, fresh_tenant, least).generation
                kills += 1
        latest = max(fresh_tenant.creation_times())
        provider.start(wait="healthy")
        wait_until(lambda: versions_of(fresh_tenant, status.key_ids)[-1:] == [latest], 30, "the latest is promoted")
    assert kills >= SECONDS / 60 * KILLS_A_MINUTE * 0.6, kills
    versions = versions_of(fresh_tenant, status.key_ids)
    assert versions == sorted(set(versions)), "no key_id comes back"
    assert len(versions) > SECONDS / ROTATION_EVERY / 5
    generations = [registry_model.parse(fresh_tenant.scope, document).generation for document in state.documents]
    assert generations == sorted(set(generations)) and len(saved_generations(provider)) > len(generations) / 2
    final = assert_nothing_lost(provider, fresh_tenant, least)
    assert final.active.version == latest
    client = provider.client()
    assert len(writer.written) > kills / 4
    assert all(client.decrypt(encrypted) == plaintext for plaintext, encrypted in writer.written.items())


def test_killed_at_the_first_start(fresh_tenant, make_provider):
    """Before there is a state, while it is made, and just after: the next start makes or loads it."""
    dice = random.Random(1)
    key_ids = set()
    for _ in range(int(max(10, SECONDS))):
        provider = make_provider(fresh_tenant, **BUSY)
        for _ in range(3):
            live_and_die(provider, 0.05, dice)
        provider.start()
        key_ids.add(provider.wait_healthy().key_id)
        assert_nothing_lost(provider, fresh_tenant, 1)
        assert provider.stop() == 0
    assert len(key_ids) == 1
