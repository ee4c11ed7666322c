# SPDX-License-Identifier: Apache-2.0
"""A key is rotated under running providers: what they serve, what they save, what their peers find."""

import concurrent.futures
import dataclasses
import time

import grpc
import model
import pytest
import registry_model
from rig.kms import KmsClient, refusal
from rig.process import wait_until
from rig.watch import StateWatch, StatusWatch

CODE = grpc.StatusCode
REQUIRED, DELAY = 2, 2
QUICK = {"rotation.activationDelay": f"{DELAY}s", "rotation.requireStableObservationCount": REQUIRED,
         "status.probeInterval": "1s"}
NEVER = {**QUICK, "status.probeInterval": "1h", "status.deepProbeInterval": "1h", "status.statusMaxStaleness": "2h"}
DISCOVERED = {"detail": "found as a peer uses it: it decrypts from now on"}


def key_id(tenant, version):
    return model.key_id(tenant.scope, version, tenant.created_at(version))


def wait_serves(provider, tenant, version, timeout=20):
    """Status is healthy under that version."""
    wanted = key_id(tenant, version)
    wait_until(lambda: provider.wait_healthy().key_id == wanted, timeout, f"Status names version {version}")


def assert_modelled_step(before, after, created, window):
    """A document is byte for byte what a probe or a discovery of the model makes of the one before it."""
    times = {getattr(snapshot, name) for snapshot in after.snapshots for name in ("observed", "stable", "promoted")}
    made = set()
    for latest in created:
        known = {version: created[version] for version in created if version <= latest}
        for now in (times | {window.stop}) & set(window):
            made |= {registry_model.probe(before, known, now, REQUIRED, due).document() for due in (False, True)}
            made.add(registry_model.discovery(before, known, now).document())
    assert after.document() in made, after


def assert_modelled(tenant, provider, documents, started):
    """So is every one of them, the first as well; and the files that lie there now are the last pair."""
    window = range(started, int(time.time()) + 2)
    created = tenant.creation_times()
    states = [registry_model.parse(tenant.scope, document) for document in documents]
    assert [state.generation for state in states] == list(range(states[0].generation, states[-1].generation + 1))
    assert [state.document() for state in states] == documents
    for before, after in zip(states, states[1:]):
        assert_modelled_step(before, after, created, window)
    assert provider.state_path.read_bytes() == documents[-1]
    assert checkpoint_of(provider).read_bytes() == states[-1].checkpoint()
    return states


def checkpoint_of(provider):
    return provider.state_path.with_name(provider.state_path.name + ".checkpoint")


@pytest.fixture
def started():
    return int(time.time())


def test_from_observed_to_promoted(fresh_tenant, make_provider, started):
    provider = make_provider(fresh_tenant, **QUICK).start(wait="healthy")
    client = provider.client()
    old = client.encrypt(b"before")
    with StatusWatch(provider.socket) as status, StateWatch(provider.state_path) as state:
        fresh_tenant.rotate()
        provider.wait_record("key.observed", transit_key_version=2)
        provider.wait_record("key.promoted", transit_key_version=2)
        wait_serves(provider, fresh_tenant, 2)
        time.sleep(2.5)  # two more probes, which change nothing
    assert [healthz for healthz, _ in status.answers] == ["ok", "ok"]
    assert status.key_ids == [old.key_id, key_id(fresh_tenant, 2)]
    new = client.encrypt(b"after")
    assert new.key_id == status.key_ids[-1] and new.ciphertext.startswith(b"vault:v2:")
    assert (client.decrypt(old), client.decrypt(new)) == (b"before", b"after")

    states = assert_modelled(fresh_tenant, provider, state.documents, started)
    assert states[0].document() == registry_model.first(
        fresh_tenant.scope, fresh_tenant.created_at(1), states[0].active.observed).document()
    active = states[-1].active
    assert DELAY <= active.promoted - active.stable <= DELAY + 2
    assert len(provider.records("key.observed")) == len(provider.records("key.promoted")) == 1


def test_a_restart_in_the_middle(fresh_tenant, make_provider, started):
    """The count and the delay go on where they were; what was pending still decrypts."""
    provider = make_provider(fresh_tenant, **QUICK).start(wait="healthy")
    with StateWatch(provider.state_path) as state:
        fresh_tenant.rotate()
        provider.wait_record("key.observed", transit_key_version=2)
        assert provider.stop() == 0
        provider.start(wait="healthy")
        pending, = registry_model.encrypted_elsewhere(fresh_tenant, 2, [b"of a peer"])
        assert provider.client().decrypt(pending) == b"of a peer"
        wait_serves(provider, fresh_tenant, 2)
        time.sleep(0.5)
    states = assert_modelled(fresh_tenant, provider, state.documents, started)
    assert states[-1].active.promoted - states[-1].active.stable >= DELAY


def test_a_state_of_the_model_is_served(fresh_tenant, make_provider):
    """Active, pending, retired and removed ones, written by the model: loaded as they are."""
    for _ in range(3):
        fresh_tenant.rotate()
    created = fresh_tenant.creation_times()
    now = int(time.time())
    state = registry_model.after_rotations(fresh_tenant.scope, created, now, active=3)
    state = registry_model.probe(state, created, now, 5, False)
    snapshots = [dataclasses.replace(snapshot, state="removed") if snapshot.version == 1 else snapshot
                 for snapshot in state.snapshots]
    state = state.following(snapshots)
    assert [(snapshot.version, snapshot.state) for snapshot in state.snapshots] == [
        (3, "active"), (4, "pending"), (2, "retired"), (1, "removed")]
    provider = make_provider(fresh_tenant, **NEVER)
    state.write(provider.state_path)
    peers = {version: registry_model.encrypted_elsewhere(fresh_tenant, version, [b"text"])[0] for version in created}
    provider.start(wait="healthy")
    client = provider.client()
    assert client.status().key_id == state.active_key_id
    assert [client.decrypt(peers[version]) for version in (2, 3, 4)] == [b"text"] * 3
    assert refusal(client.decrypt, peers[1]) == (CODE.NOT_FOUND, "key_id unknown")
    assert client.encrypt(b"text").ciphertext.startswith(b"vault:v3:")
    wait_until(lambda: provider.state_path.read_bytes() != state.document(), 5, "the first probe's save")
    followed = registry_model.parse(fresh_tenant.scope, provider.state_path.read_bytes())
    probed = followed.version(4).stable
    assert now <= probed <= time.time()
    assert followed.document() == registry_model.probe(state, created, probed, 2, False).document()


def test_versions_jumped_over(fresh_tenant, make_provider, started):
    provider = make_provider(fresh_tenant, **QUICK).start(wait="healthy")
    with StatusWatch(provider.socket) as status, StateWatch(provider.state_path) as state:
        for _ in range(3):
            fresh_tenant.rotate()
        wait_serves(provider, fresh_tenant, 4)
        time.sleep(0.5)
    states = assert_modelled(fresh_tenant, provider, state.documents, started)
    assert status.key_ids == [key_id(fresh_tenant, 1), key_id(fresh_tenant, 4)]
    assert [(snapshot.version, snapshot.state) for snapshot in states[-1].snapshots] == [
        (4, "active"), (3, "retired"), (2, "retired"), (1, "retired")]
    for version in range(1, 5):
        encrypted, = registry_model.encrypted_elsewhere(fresh_tenant, version, [b"text"])
        assert provider.client().decrypt(encrypted) == b"text"


def test_a_candidate_that_a_newer_one_supersedes(fresh_tenant, make_provider, started):
    provider = make_provider(fresh_tenant, **QUICK).start(wait="healthy")
    with StatusWatch(provider.socket) as status, StateWatch(provider.state_path) as state:
        fresh_tenant.rotate()
        provider.wait_record("key.observed", transit_key_version=2)
        fresh_tenant.rotate()
        provider.wait_record("key.observed", transit_key_version=3)
        wait_serves(provider, fresh_tenant, 3)
        time.sleep(0.5)
    states = assert_modelled(fresh_tenant, provider, state.documents, started)
    assert status.key_ids == [key_id(fresh_tenant, 1), key_id(fresh_tenant, 3)]
    superseded = states[-1].version(2)
    assert superseded == registry_model.Snapshot(2, fresh_tenant.created_at(2), "retired", superseded.observed)
    encrypted, = registry_model.encrypted_elsewhere(fresh_tenant, 2, [b"text"])
    assert provider.client().decrypt(encrypted) == b"text"


def test_encryption_blocked(fresh_tenant, make_provider):
    """The active version may not encrypt any more: unhealthy, and nothing is gained by the delay."""
    provider = make_provider(fresh_tenant, **{**QUICK, "rotation.activationDelay": "1h"}).start(wait="healthy")
    client = provider.client()
    old = client.encrypt(b"before")
    fresh_tenant.rotate()
    fresh_tenant.set_minimum(encryption=2)
    provider.wait_record("status.changed", healthz="unhealthy", reason="encryption_blocked")
    assert client.decrypt(old) == b"before"
    started = time.monotonic()
    wait_serves(provider, fresh_tenant, 2)
    assert time.monotonic() - started < 2 * REQUIRED + 2
    assert client.encrypt(b"after").ciphertext.startswith(b"vault:v2:")
    assert client.decrypt(old) == b"before"


def test_an_encrypt_that_is_refused_starts_probes(fresh_tenant, make_provider):
    """The next probe is an hour away: a call finds out first."""
    provider = make_provider(fresh_tenant, **NEVER).start(wait="healthy")
    fresh_tenant.rotate()
    fresh_tenant.set_minimum(encryption=2)
    client = provider.client()
    assert refusal(client.encrypt, b"text") == (CODE.INVALID_ARGUMENT, "transit encrypt failed")
    assert provider.wait_record("kms.request", status="error")[0]["error_class"] == "transit_version_unusable"
    provider.wait_record("status.changed", healthz="unhealthy", reason="encryption_blocked", timeout=3)
    wait_serves(provider, fresh_tenant, 2, 2 * REQUIRED + 4)


def test_a_minimum_raised_too_early(fresh_tenant, make_provider):
    provider = make_provider(fresh_tenant, **QUICK).start(wait="healthy")
    client = provider.client()
    old = client.encrypt(b"before")
    fresh_tenant.rotate()
    wait_serves(provider, fresh_tenant, 2)
    state = provider.state_path.read_bytes()
    fresh_tenant.set_minimum(decryption=2)
    provider.wait_record("status.changed", healthz="unhealthy", reason="minimum_above_retained")
    assert "retire-versions" in provider.wait_record("status.probe", reason="minimum_above_retained")[0]["detail"]
    assert refusal(client.encrypt, b"text") == (CODE.FAILED_PRECONDITION, "status unhealthy")
    assert refusal(client.decrypt, old) == (CODE.INVALID_ARGUMENT, "transit decrypt failed")
    fresh_tenant.set_minimum(decryption=1)
    wait_serves(provider, fresh_tenant, 2)
    assert client.decrypt(old) == b"before"
    assert provider.state_path.read_bytes() == state


# Discovery


def rotate_at_a_peer(tenant, make_provider):
    """A node promotes version 2, encrypts and ends, so that what OpenBao is asked from now on others ask."""
    peer = make_provider(tenant, **QUICK).start(wait="healthy")
    tenant.rotate()
    wait_serves(peer, tenant, 2)
    encrypted = peer.client().encrypt(b"of a peer")
    assert peer.stop() == 0
    return encrypted


def reads_of(audit, tenant, mark):
    return len(audit.requests(mark, f"{tenant.mount}/keys/{tenant.key}", "read"))


def test_a_peer_that_promotes_first(fresh_tenant, make_provider, audit, started):
    provider = make_provider(fresh_tenant, **NEVER).start(wait="healthy")
    client = provider.client()
    old = client.encrypt(b"before")
    with StateWatch(provider.state_path) as state:
        encrypted = rotate_at_a_peer(fresh_tenant, make_provider)
        time.sleep(0.5)
        mark = audit.mark()
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            assert set(pool.map(lambda _: client.decrypt(encrypted), range(100))) == {b"of a peer"}
        assert reads_of(audit, fresh_tenant, mark) == 1
        assert provider.wait_record("key.observed", **DISCOVERED)[0]["transit_key_version"] == 2
        wait_until(lambda: len(state.documents) > 1, 5, "what was found is saved")
    assert client.status().key_id == old.key_id
    states = assert_modelled(fresh_tenant, provider, state.documents, started)
    assert (states[-1].pending.version, states[-1].pending.count) == (2, 0)
    # a restart decrypts without another read of its own accord
    assert provider.stop() == 0
    provider.start(wait="healthy")
    assert provider.client().decrypt(encrypted) == b"of a peer"


def test_what_is_not_ours_is_not_looked_for(fresh_tenant, make_provider, audit):
    provider = make_provider(fresh_tenant, **NEVER).start(wait="healthy")
    client = provider.client()
    old = client.encrypt(b"before")
    encrypted = rotate_at_a_peer(fresh_tenant, make_provider)
    time.sleep(0.5)
    mark = audit.mark()
    other = "obk2." + "A" * 43
    changes = {
        f"transit-key-hash.{model.PREFIX}": model.hashed("another").encode(),
        f"transit-mount-hash.{model.PREFIX}": model.hashed("another").encode(),
        f"provider.{model.PREFIX}": b"another",
        f"key-id-hash.{model.PREFIX}": model.hashed("another").encode(),
        f"transit-key-version.{model.PREFIX}": b"1",
        f"aad-version.{model.PREFIX}": b"v2",
        f"openbao-namespace-hash.{model.PREFIX}": model.hashed("another").encode(),
    }
    for name, value in changes.items():
        code, _ = refusal(client.decrypt, encrypted, annotations={**encrypted.annotations, name: value})
        assert code in (CODE.NOT_FOUND, CODE.INVALID_ARGUMENT), name
    assert refusal(client.decrypt, old, key_id=other) == (CODE.NOT_FOUND, "key_id unknown")
    assert refusal(client.decrypt, encrypted, key_id="obk2.short") == (CODE.INVALID_ARGUMENT, "key_id malformed")
    assert reads_of(audit, fresh_tenant, mark) == 0
    # one that is ours by its looks is looked for, once an interval
    ours = {**encrypted.annotations, f"key-id-hash.{model.PREFIX}": model.hashed(other).encode()}
    for _ in range(20):
        assert refusal(client.decrypt, encrypted, key_id=other, annotations=ours) == (CODE.NOT_FOUND, "key_id unknown")
    assert reads_of(audit, fresh_tenant, mark) == 1
    assert client.decrypt(encrypted) == b"of a peer"


# A node that was away

AWAY = {**QUICK, "rotation.activationDelay": "1s", "status.statusMaxStaleness": "2s"}
CATCHING_UP_AGE = 1 + REQUIRED * 1 + 2
WEEK = 7 * 86400


def assert_never_serves(provider, key_ids, seconds):
    """From the first moment of its life no healthy Status names one of them."""
    with StatusWatch(provider.socket) as status:
        provider.start(wait="socket")
        time.sleep(seconds)
    assert status.calls > 20 * seconds
    assert not set(status.key_ids) & set(key_ids)
    return status


@pytest.mark.parametrize("seen", [1, 2], ids=["nothing seen of it", "a candidate of then"])
def test_a_state_that_is_a_week_old(fresh_tenant, make_provider, seen):
    """Its peers have rotated, and may have retired what it was about to write under."""
    week_ago = int(time.time()) - WEEK
    away = make_provider(fresh_tenant, **AWAY)
    if seen == 2:
        fresh_tenant.rotate()
    created = fresh_tenant.creation_times()
    state = registry_model.first(fresh_tenant.scope, created[1], week_ago)
    state = registry_model.probe(state, created, week_ago + 60, REQUIRED, False)
    fresh_tenant.rotate()
    latest = seen + 1
    time.sleep(CATCHING_UP_AGE + 1.5)
    for _ in range(3):
        for path in away.state_path.parent.iterdir():
            path.unlink()
        state.write(away.state_path)
        status = assert_never_serves(away, [key_id(fresh_tenant, version) for version in range(1, latest)], 1.2)
        assert status.key_ids == [key_id(fresh_tenant, latest)]
        assert away.stop() == 0
    followed = registry_model.parse(fresh_tenant.scope, away.state_path.read_bytes())
    assert followed.active.version == latest
    assert {snapshot.state for snapshot in followed.snapshots[1:]} == {"retired"}


def test_one_that_is_stopped_while_the_key_is_rotated(fresh_tenant, make_provider):
    """SIGSTOP for longer than the catching-up age: its Status is stale, then of the new version."""
    provider = make_provider(fresh_tenant, **AWAY).start(wait="healthy")
    old = provider.client().status().key_id
    provider.process.freeze()
    fresh_tenant.rotate()
    time.sleep(CATCHING_UP_AGE + 1.5)
    with StatusWatch(provider.socket) as status:
        provider.process.thaw()
        wait_serves(provider, fresh_tenant, 2)
        time.sleep(0.5)
    assert old not in status.key_ids
    assert provider.client().decrypt(provider.client().encrypt(b"text")) == b"text"


def test_a_minimum_above_what_an_old_state_needs(fresh_tenant, make_provider):
    """The peers have retired version 1: a node that still has it active is refused, not healthy under it."""
    created = fresh_tenant.creation_times()
    away = make_provider(fresh_tenant, **AWAY)
    state = registry_model.first(fresh_tenant.scope, created[1], int(time.time()) - WEEK)
    state.write(away.state_path)
    fresh_tenant.rotate()
    fresh_tenant.set_minimum(decryption=2)
    status = assert_never_serves(away, [state.active_key_id], 3)
    assert status.key_ids == []
    away.wait_record("status.changed", healthz="unhealthy", reason="minimum_above_retained")
    with KmsClient(away.socket) as client:
        encrypted, = registry_model.encrypted_elsewhere(fresh_tenant, 2, [b"of a peer"])
        assert client.decrypt(encrypted) == b"of a peer", "a version that is found is held up by no finding"
