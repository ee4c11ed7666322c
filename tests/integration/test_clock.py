# SPDX-License-Identifier: Apache-2.0
"""The system clock jumps by an hour, back and forth, at each step of a rotation: nothing comes early, nothing late."""

import datetime
import time

import pytest
import registry_model
from rig.clock import ShiftedClock
from rig.process import wait_until
from rig.watch import StateWatch, StatusWatch

HOUR = 3600
DELAY, REQUIRED, INTERVAL = 4, 3, 1
SETTINGS = {"status.probeInterval": f"{INTERVAL}s", "rotation.activationDelay": f"{DELAY}s",
            "rotation.requireStableObservationCount": REQUIRED}
SLACK = 0.5  # seconds, for a test that looks from outside

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def clock(directory):
    return ShiftedClock(directory)


@pytest.fixture
def node(fresh_tenant, make_provider, clock):
    """Healthy, with a system clock that can be set, and a JWT that is valid on both days."""
    now = int(time.time())
    fresh_tenant.write_jwt(10 * HOUR, iat=now - 10 * HOUR, nbf=now - 10 * HOUR)
    return make_provider(fresh_tenant, **SETTINGS).start(wait="healthy", environment=clock.environment)


def last_state(node):
    return registry_model.parse(node.tenant.scope, node.state_path.read_bytes())


def before_it(_node):
    """Nothing has been seen of the rotation."""


def observed(node):
    node.wait_record("key.observed", transit_key_version=2)


def stable(node):
    wait_until(lambda: last_state(node).pending and last_state(node).pending.stable, 20, "the candidate is stable")


def promoted(node):
    node.wait_record("key.promoted", transit_key_version=2, timeout=20)


STEPS = [before_it, observed, stable, promoted]


def first_seen(tenant, watch, what):
    """When a state was first there of which that holds."""
    return next(seen_at for document, seen_at in zip(watch.documents, watch.seen_at)
                if what(registry_model.parse(tenant.scope, document)))


def assert_on_time(tenant, watch):
    """By the monotonic clock the promotion came at the first probe after the delay."""
    was_stable = first_seen(tenant, watch, lambda state: state.active.version == 2 or state.pending and
                            state.pending.stable)
    was_promoted = first_seen(tenant, watch, lambda state: state.active.version == 2)
    assert DELAY - SLACK < was_promoted - was_stable < DELAY + INTERVAL + SLACK


def assert_loads_by_the_right_clock(node, key_id):
    """Whatever times the state holds by now: nothing of the shifted clock is needed to use it."""
    assert node.stop() == 0
    node.start(wait="healthy")
    assert node.client().status().key_id == key_id
    now = time.time()
    wait_until(lambda: all(max(snapshot.observed, snapshot.stable, snapshot.promoted) <= now + 2
                           for snapshot in last_state(node).snapshots), 10, "no time lies in the future")


def test_the_shim_does_what_it_says(node, clock):
    """Its log's clock jumps; what it measures does not."""
    clock.shift(HOUR)
    before = len(node.records("status.probe"))
    wait_until(lambda: len(node.records("status.probe")) > before, 10, "another probe")
    record = node.records("status.probe")[-1]
    seen = datetime.datetime.fromisoformat(record["ts"].replace("Z", "+00:00")).timestamp()
    assert abs(seen - time.time() - HOUR) < 5
    assert record["duration_ms"] < 1000


@pytest.mark.parametrize("seconds", [HOUR, -HOUR], ids=["forth and back", "back and forth"])
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_a_jump_and_its_return(node, clock, fresh_tenant, step, seconds):
    encrypted = node.client().encrypt(b"before")
    with StatusWatch(node.socket) as status, StateWatch(node.state_path) as state:
        fresh_tenant.rotate()
        step(node)
        clock.shift(seconds)
        time.sleep(1.5 * INTERVAL)
        clock.shift(0)
        promoted(node)
        time.sleep(1.5 * INTERVAL)
    assert_on_time(fresh_tenant, state)
    assert {healthz for healthz, _ in status.answers} == {"ok"}
    assert len(status.key_ids) == 2
    assert len(node.records("auth.login")) == 1, "a token's life is not the system clock's business"
    assert len(node.records("clock.regressed")) <= 2
    assert node.client().decrypt(encrypted) == b"before"
    assert_loads_by_the_right_clock(node, status.key_ids[-1])


@pytest.mark.parametrize("seconds", [HOUR, -HOUR], ids=["forth", "back"])
@pytest.mark.parametrize("step", STEPS[:3], ids=lambda step: step.__name__)
def test_a_jump_that_stays(node, clock, fresh_tenant, step, seconds):
    with StatusWatch(node.socket) as status, StateWatch(node.state_path) as state:
        fresh_tenant.rotate()
        step(node)
        clock.shift(seconds)
        promoted(node)
        time.sleep(1.5 * INTERVAL)
    assert_on_time(fresh_tenant, state)
    assert {healthz for healthz, _ in status.answers} == {"ok"}
    assert len(node.records("clock.regressed")) == (1 if seconds < 0 else 0)
    assert_loads_by_the_right_clock(node, status.key_ids[-1])


@pytest.mark.parametrize("step", [observed, stable], ids=lambda step: step.__name__)
def test_back_while_it_is_stopped(node, clock, fresh_tenant, step):
    """All times of the state lie in the future: set back to now, the count kept, and the delay counts from now."""
    fresh_tenant.rotate()
    step(node)
    count = last_state(node).pending.count
    assert node.stop() == 0
    clock.shift(-HOUR)
    with StateWatch(node.state_path) as state:
        started = time.monotonic()
        node.start(wait="healthy", environment=clock.environment)
        promoted(node)
        assert time.monotonic() - started < DELAY + (REQUIRED + 3) * INTERVAL
        time.sleep(INTERVAL)
    assert len(node.records("clock.regressed")) == 1
    first_change = registry_model.parse(fresh_tenant.scope, state.documents[1])
    assert first_change.pending.count == count + 1
    assert all(snapshot.observed <= time.time() - HOUR + 60 for snapshot in first_change.snapshots)
    if step is observed:
        assert_on_time(fresh_tenant, state)


@pytest.mark.parametrize("seconds", [HOUR, -HOUR], ids=["ahead", "behind"])
def test_off_from_the_start(node, clock, fresh_tenant, seconds):
    """The key may seem to be of the future: that is no reason, neither at the first start nor for a rotation."""
    assert node.stop() == 0
    for file in node.state_path.parent.iterdir():
        file.unlink()
    clock.shift(seconds)
    node.start(wait="healthy", environment=clock.environment)
    first = node.client().encrypt(b"text")
    fresh_tenant.rotate()
    promoted(node)
    wait_until(lambda: node.client().status().key_id != first.key_id, 10, "the new version serves")
    assert node.client().decrypt(first) == b"text"


@pytest.mark.parametrize("seconds, claim", [(HOUR, "exp"), (-HOUR, "nbf")], ids=["ahead", "behind"])
def test_a_jwt_of_another_hour(make_provider, clock, fresh_tenant, seconds, claim):
    """By a clock that is off it is not valid: told by name, and well soon after the clock is right."""
    fresh_tenant.write_jwt(HOUR / 2)
    clock.shift(seconds)
    node = make_provider(fresh_tenant).start(environment=clock.environment)
    failed = node.wait_record("auth.login", status="error")[0]
    assert failed["error_class"] == "credential_invalid" and f'"{claim}"' in failed["cause"]
    assert node.client().status().healthz == "unhealthy"
    clock.shift(0)
    node.wait_healthy(40)
