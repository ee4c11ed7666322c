# SPDX-License-Identifier: Apache-2.0
"""OpenBao's nodes on machines of their own: the leader is lost in each of its ways, packets get lost, certificates change."""

import contextlib
import itertools
import os
import time

import grpc
import pytest
from rig.load import Load, Stream
from rig.network import Machine, add_bridge, enter_private_network
from rig.pki import Authority
from rig.process import precedence, wait_until
from rig.provider import policy_for
from rig.raft import RaftCluster
from rig.transit import Tenant
from rig.watch import StatusWatch

CODE = grpc.StatusCode
RECOVERY = 40
TROUBLE = {(CODE.UNAVAILABLE, "transit unavailable"), (CODE.DEADLINE_EXCEEDED, "request timed out")}
SETTINGS = {"status.probeInterval": "1s", "rotation.activationDelay": "2s",
            "rotation.requireStableObservationCount": 2}

pytestmark = pytest.mark.timeout(240)
_numbers = itertools.count(1)


@pytest.fixture(scope="module", autouse=True)
def private_network():
    if os.geteuid() != 0:
        pytest.skip("a network of its own needs root")
    enter_private_network()
    add_bridge()
    with precedence():
        yield


@contextlib.contextmanager
def running_cluster(directory, authority, numbers):
    machines = [Machine(number) for number in numbers]
    cluster = RaftCluster(directory, authority, machines)
    try:
        yield cluster.up()
    finally:
        cluster.stop()
        for machine in machines:
            machine.close()


@pytest.fixture(scope="module")
def three(module_directory, authority, private_network):
    with running_cluster(module_directory / "three", authority, (11, 12, 13)) as cluster:
        yield cluster


@pytest.fixture
def cluster(three):
    three.mend()
    return three


def tenant_of(cluster, directory):
    number = next(_numbers)
    tenant = Tenant(cluster, directory / "tenant", mount=f"transit-{number}", auth=f"jwt-{number}")
    tenant.set_up(policy_for(tenant))
    cluster.mend()
    return tenant


@pytest.fixture
def tenant(cluster, directory):
    return tenant_of(cluster, directory)


def addresses(*nodes):
    return {"openbao.address": nodes[0].address, "openbao.additionalAddresses": [node.address for node in nodes[1:]]}


class CalmStatusWatch(StatusWatch):
    """The calls are to have the machine."""

    pause = 0.1


# The leader is lost


@contextlib.contextmanager
def killed(_cluster, leader):
    leader.kill()
    yield


@contextlib.contextmanager
def frozen(_cluster, leader):
    leader.process.freeze()
    try:
        yield
    finally:
        leader.process.thaw()


@contextlib.contextmanager
def sealed(_cluster, leader):
    leader.seal()
    yield


def cut_off(_cluster, leader):
    """From its peers and from us: packets are dropped, nothing is refused."""
    return leader.machine.loss(1)


def cut_off_from_its_peers(cluster, leader):
    """We still reach it."""
    return leader.machine.loss(1, [node.machine for node in cluster.nodes if node is not leader])


@pytest.mark.parametrize("lost", [killed, frozen, sealed, cut_off, cut_off_from_its_peers], ids=lambda way: way.__name__)
def test_the_leader_is_lost_under_load(cluster, tenant, make_provider, lost):
    """Each call is answered by us before its deadline, none wrongly, and all is well one second after the election."""
    leader, others = cluster.leader(), cluster.standbys()
    provider = make_provider(tenant, **addresses(leader, *others)).start(wait="healthy")
    with CalmStatusWatch(provider.socket) as status, Stream(provider, rate=200, deadline=3) as stream:
        time.sleep(2)
        lost_at = time.monotonic()
        with lost(cluster, leader):
            cluster.leader(other_than=leader)
            elected = time.monotonic()
            time.sleep(4)
            ended = time.monotonic()
    well_again = elected + 1 + stream.lateness
    failed = stream.failures()
    assert {answer for _, answer in failed} <= TROUBLE
    assert max(took for _, took, _ in stream.outcomes) < stream.deadline
    assert [(began - elected, answer) for began, answer in failed if not lost_at - 0.5 < began < well_again] == []
    after = [took for began, took, _ in stream.outcomes if well_again < began < ended]
    assert len(after) > 0.9 * stream.rate * (ended - well_again)
    assert max(after) < 0.5 + stream.lateness, "the lost one is out: a try of it takes 0.75 s"
    assert [healthz for healthz, _ in status.answers] == ["ok"]
    stream.assert_all_decrypt()


def test_one_of_two_is_lost(directory, authority, make_provider):
    """Nobody is elected. The other one may go on answering from what it has; nothing is answered wrongly or too late, and
    all is well soon after the leader is back."""
    with running_cluster(directory / "two", authority, (21, 22)) as cluster:
        tenant = tenant_of(cluster, directory)
        leader, others = cluster.leader(), cluster.standbys()
        provider = make_provider(tenant, **addresses(leader, *others)).start(wait="healthy")
        with Stream(provider, rate=50, deadline=3) as stream:
            with leader.machine.loss(1):
                time.sleep(8)
            cluster.leader()
            wait_until(lambda: stream.outcomes[-1][2] is None, RECOVERY, "an answer again")
            well_again = time.monotonic() + 1
            time.sleep(3)
        assert {answer for _, answer in stream.failures()} <= TROUBLE
        assert max(took for _, took, _ in stream.outcomes) < stream.deadline
        assert [answer for began, answer in stream.failures() if began > well_again] == []
        stream.assert_all_decrypt()


# Packets get lost


def test_packets_get_lost(cluster, tenant, make_provider):
    """Of all nodes, among each other and with us: slow, but right, and a rotation under it comes to its end."""
    provider = make_provider(tenant, **SETTINGS, **addresses(*cluster.nodes), **{"openbao.timeout": "5s"})
    provider.start(wait="healthy")
    tenant.rotate()
    with StatusWatch(provider.socket) as status, Stream(provider, rate=20, deadline=20) as stream:
        with contextlib.ExitStack() as stack:
            for node in cluster.nodes:
                stack.enter_context(node.machine.loss(0.1))
            time.sleep(12)
        provider.wait_record("key.promoted", timeout=RECOVERY, transit_key_version=2)
    assert {answer for _, answer in stream.failures()} <= TROUBLE
    assert len(stream.failures()) < len(stream.outcomes) / 2
    assert {healthz for healthz, _ in status.answers} == {"ok"} and len(status.key_ids) == 2
    stream.assert_all_decrypt()


# Certificates


@pytest.fixture
def trust(cluster, directory):
    """A file of what the provider trusts. The nodes have their first certificates again when it goes."""
    file = directory / "ca.pem"
    file.write_bytes(cluster.authority.file.read_bytes())
    yield file
    for node in cluster.nodes:
        node.present(f"openbao-again-{node.name}")


def present(node, stem, authority):
    node.present(stem, authority)
    node.machine.reset(node.port)


@pytest.fixture
def other(directory):
    return Authority(directory / "other", "another authority")


def test_certificates_of_another_authority(cluster, tenant, make_provider, trust, other):
    """The trust comes first, then one node after the other, then the former trust goes: no call fails."""
    former = trust.read_bytes()
    provider = make_provider(tenant, **addresses(*cluster.nodes), **{"openbao.caCertFile": str(trust)})
    provider.start(wait="healthy")
    with Load(provider.socket) as load:
        load.wait_calls(100)
        trust.write_bytes(former + other.file.read_bytes())
        provider.wait_record("trust.reloaded")
        for node in cluster.nodes:
            present(node, f"openbao-other-{node.name}", other)
            load.wait_calls(100)
        trust.write_bytes(other.file.read_bytes())
        provider.wait_record("trust.reloaded", count=2)
        for node in cluster.nodes:
            node.machine.reset(node.port)
            load.wait_calls(100)
    assert load.failures == []
    assert not provider.records("openbao.request", error_class="openbao_tls_failed")


def test_a_certificate_before_its_authority(cluster, tenant, make_provider, trust, other):
    """The other nodes serve until the trust follows."""
    first = cluster.nodes[0]
    provider = make_provider(tenant, **addresses(*cluster.nodes), **{"openbao.caCertFile": str(trust)})
    provider.start(wait="healthy")
    with Load(provider.socket) as load:
        load.wait_calls(100)
        present(first, "openbao-early", other)
        failed = provider.wait_record("openbao.request", status="error", error_class="openbao_tls_failed")[0]
        assert failed["address_index"] == 0 and "unknown issuer" in failed["cause"]
        load.wait_calls(100)
        trust.write_bytes(trust.read_bytes() + other.file.read_bytes())
        provider.wait_record("trust.reloaded")
        before = len(provider.records("openbao.request", status="ok", address_index=0))
        provider.wait_record("openbao.request", RECOVERY, count=before + 100, status="ok", address_index=0)
    assert load.failures == []
