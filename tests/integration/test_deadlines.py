# SPDX-License-Identifier: Apache-2.0
"""A client in a hurry gets our own answer, with what went wrong, before it gives up; and names are resolved anew."""

import contextlib
import os
import socket
import time

import grpc
import pytest
from rig.kms import refusal
from rig.network import Names, enter_private_network, has_ipv6, loss, refuse, silence
from rig.process import wait_until
from rig.relay import Relay

CODE = grpc.StatusCode
TIMED_OUT = (CODE.DEADLINE_EXCEEDED, "request timed out")
UNAVAILABLE = (CODE.UNAVAILABLE, "transit unavailable")

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module", autouse=True)
def private_network():
    if os.geteuid() != 0:
        pytest.skip("a network of its own needs root")
    enter_private_network()


@pytest.fixture
def relay(tenant):
    relay = Relay(tenant.bao.port)
    yield relay
    relay.close()


def refused(provider, client, encrypted, timeout=2.0):
    """How a Decrypt ends, what the log says of it, and that it was our answer and came in time."""
    before = len(provider.records("kms.request", status="error"))
    started = time.monotonic()
    code, text = refusal(client.decrypt, encrypted, timeout=timeout)
    assert time.monotonic() - started < timeout
    record = provider.wait_record("kms.request", count=before + 1, status="error")[-1]
    return (code, text), record["error_class"], record["cause"]


def quiet(**more):
    """No probes of the provider's own come between."""
    return {"status.probeInterval": "1h", "status.deepProbeInterval": "1h", "status.statusMaxStaleness": "2h", **more}


def test_openbao_hangs(make_provider, tenant):
    provider = make_provider(tenant, **quiet()).start(wait="healthy")
    client = provider.client()
    encrypted = client.encrypt(b"text")
    tenant.bao.process.freeze()
    try:
        for _ in range(3):
            answer, error_class, cause = refused(provider, client, encrypted)
            assert (answer, error_class) == (TIMED_OUT, "timeout")
            assert "no answer within the deadline" in cause or "no TLS handshake within the deadline" in cause
    finally:
        tenant.bao.process.thaw()
    assert client.decrypt(encrypted) == b"text"


def test_packets_are_dropped(make_provider, tenant):
    """On a connection that is there, and for a new one."""
    provider = make_provider(tenant, **quiet()).start(wait="healthy")
    client = provider.client()
    encrypted = client.encrypt(b"text")
    with loss(tenant.bao.port, 1):
        causes = []
        for _ in range(5):
            answer, error_class, cause = refused(provider, client, encrypted, timeout=1.0)
            assert (answer, error_class) == (TIMED_OUT, "timeout")
            causes.append(cause.split(": ")[-1])
    assert causes[0] == "no answer within the deadline" and causes[-1] == "no connection within the deadline"
    assert client.decrypt(encrypted) == b"text"


def test_a_slow_handshake(make_provider, tenant, relay):
    provider = make_provider(tenant, **quiet(**{"openbao.address": f"https://localhost:{relay.port}"}))
    provider.start(wait="healthy")
    client = provider.client()
    encrypted = client.encrypt(b"text")
    relay.delay = 2.5
    relay.cut_once()
    answer, error_class, cause = refused(provider, client, encrypted)
    assert (answer, error_class) == (TIMED_OUT, "timeout") and "no TLS handshake within the deadline" in cause
    relay.delay = 0
    assert client.decrypt(encrypted) == b"text"


def test_a_login_under_way(make_provider, tenant, relay):
    """Those who wait for its token get their answer in time, too; the login goes on."""
    provider = make_provider(tenant, **quiet(**{"openbao.address": f"https://localhost:{relay.port}"}))
    provider.start(wait="healthy")
    client = provider.client()
    encrypted = client.encrypt(b"text")
    time.sleep(1.1)  # until then a standby might not know the token yet, and the call would ask again
    relay.delay = 0.5  # the refusal takes twice that, and so does the login
    tenant.request("PUT", f"sys/leases/revoke-prefix/auth/{tenant.auth}")
    answer, error_class, _ = refused(provider, client, encrypted)
    assert (answer, error_class) == (TIMED_OUT, "timeout")
    relay.delay = 0
    wait_until(lambda: provider.records("auth.login", status="ok")[1:], 10, "the login passes")
    assert client.decrypt(encrypted) == b"text"


# Names


@pytest.fixture
def names(directory):
    return Names(directory)


def start(provider, names):
    return provider.start(wait="healthy", command=names.command(provider.command()))


@contextlib.contextmanager
def silent_dns():
    """A DNS server that takes questions and never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.153", 53))
        yield


def named(relay):
    return quiet(**{"openbao.address": f"https://bao.test:{relay.port}"})


def test_dns_hangs(make_provider, tenant, relay, names):
    names.write(("127.0.0.1", "bao.test"))
    provider = make_provider(tenant, **named(relay))
    with silent_dns():
        start(provider, names)
        client = provider.client()
        encrypted = client.encrypt(b"text")
        names.write()
        relay.cut_once()
        answer, error_class, cause = refused(provider, client, encrypted)
        assert (answer, error_class) == (TIMED_OUT, "timeout")
        assert "the name is not resolved within the deadline" in cause
        names.write(("127.0.0.1", "bao.test"))
        assert client.decrypt(encrypted) == b"text"


def test_a_name_that_is_gone(make_provider, tenant, relay, names):
    names.write(("127.0.0.1", "bao.test"))
    provider = start(make_provider(tenant, **named(relay)), names)
    client = provider.client()
    encrypted = client.encrypt(b"text")
    names.write()
    relay.cut_once()
    answer, error_class, cause = refused(provider, client, encrypted)
    assert (answer, error_class) == (UNAVAILABLE, "openbao_dns_failed") and "cannot resolve the name" in cause
    names.write(("127.0.0.1", "bao.test"))
    assert client.decrypt(encrypted) == b"text"


@pytest.mark.parametrize("dead", [["127.0.0.1"], ["::1"], ["::1", "127.0.0.1"]], ids=["ipv4", "ipv6", "both"])
@pytest.mark.parametrize("silent", [False, True], ids=["refuses", "silent"])
def test_a_name_with_dead_addresses(make_provider, tenant, names, dead, silent):
    """Those come first, and the one that is well is tried when they fail or are slow."""
    relay = Relay(tenant.bao.port, host="127.0.0.5")
    names.write(*((address, "bao.test") for address in (*dead, "127.0.0.5")))
    with contextlib.ExitStack() as stack:
        stack.callback(relay.close)
        if silent and "127.0.0.1" in dead:
            stack.enter_context(silence("127.0.0.1", relay.port))
        provider = start(make_provider(tenant, **named(relay)), names)
        client = provider.client()
        encrypted = client.encrypt(b"text")
        relay.cut_once()
        started = time.monotonic()
        assert client.decrypt(encrypted, timeout=1) == b"text"
        if silent and "127.0.0.1" in dead:
            assert time.monotonic() - started > 0.1, "the dead one has been tried first"
        assert not provider.records("openbao.request", status="error")


def test_ipv6(make_provider, tenant, names):
    """By a name that has both kinds, of which only IPv6 leads anywhere, and by the address itself."""
    if not has_ipv6():
        pytest.skip("the kernel has no IPv6")
    relay = Relay(tenant.bao.port, host="::1")
    names.write(("127.0.0.2", "bao.test"), ("::1", "bao.test"))
    try:
        for address in (f"https://bao.test:{relay.port}", f"https://[::1]:{relay.port}"):
            provider = start(make_provider(tenant, **{"openbao.address": address}), names)
            client = provider.client()
            assert client.decrypt(client.encrypt(b"text")) == b"text"
            assert not provider.records("openbao.request", status="error")
    finally:
        relay.close()


def test_a_name_that_moves(make_provider, tenant, relay, names):
    """Each connection asks anew where it leads."""
    names.write(("127.0.0.2", "bao.test"))
    first = Relay(tenant.bao.port, host="127.0.0.2", port=relay.port)
    provider = start(make_provider(tenant, **named(relay)), names)
    client = provider.client()
    encrypted = client.encrypt(b"text")
    names.write(("127.0.0.1", "bao.test"))
    first.close()
    assert client.decrypt(encrypted) == b"text"
    assert not provider.records("kms.request", status="error")


# Several addresses


@pytest.mark.parametrize("dead", [silence, refuse], ids=lambda way: way.__name__)
def test_a_dead_first_address(make_provider, tenant, dead):
    """The first call goes on to the next in time, and the others do not notice."""
    relays = [Relay(tenant.bao.port) for _ in range(4)]
    urls = [f"https://127.0.0.1:{relay.port}" for relay in relays]
    provider = make_provider(tenant, **quiet(**{"openbao.address": urls[0], "openbao.additionalAddresses": urls[1:]}))
    try:
        provider.start(wait="healthy")
        client = provider.client()
        encrypted = client.encrypt(b"text")
        with dead("127.0.0.1", relays[0].port):
            assert client.decrypt(encrypted, timeout=3) == b"text"
            provider.wait_record("openbao.request", status="error", address_index=0, timeout=5)
            tries = len(provider.records("openbao.request", status="error"))
            took = []
            until = time.monotonic() + 5
            while time.monotonic() < until:
                started = time.monotonic()
                assert client.decrypt(encrypted, timeout=3) == b"text"
                took.append(time.monotonic() - started)
                time.sleep(0.005)
            assert len(provider.records("openbao.request", status="error")) > tries, "it has been tried again"
        took.sort()
        assert took[len(took) // 2] < 0.01, "what OpenBao and the provider take together"
        assert took[len(took) * 99 // 100] < 0.2 and took[-1] < 0.4, "a busy machine's slowest, not the address's 0.75"
    finally:
        for relay in relays:
            relay.close()


def test_back_to_the_first_address(make_provider, tenant):
    relays = [Relay(tenant.bao.port) for _ in range(2)]
    urls = [f"https://127.0.0.1:{relay.port}" for relay in relays]
    provider = make_provider(tenant, **quiet(**{"openbao.address": urls[0], "openbao.additionalAddresses": urls[1:]}))
    try:
        provider.start(wait="healthy")
        client = provider.client()
        encrypted = client.encrypt(b"text")
        relays[0].cut()
        assert client.decrypt(encrypted) == b"text"
        relays[0].mend()

        def first_again():
            seen = len(provider.records("openbao.request"))
            assert client.decrypt(encrypted) == b"text"
            return [record["address_index"] for record in provider.records("openbao.request")[seen:]] == [0]
        wait_until(first_again, 5, "the first address is used again")
        assert {record["key_id_hash"] for record in provider.records("kms.request", status="ok")
                if "key_id_hash" in record} and not provider.records("kms.request", status="error")
    finally:
        for relay in relays:
            relay.close()
