# SPDX-License-Identifier: Apache-2.0
"""The provider may open no more files: nobody else is blamed for it, and when it may again all is well at once."""

import contextlib
import os
import pathlib
import resource
import socket
import time

import grpc
import pytest
from rig.kms import refusal
from rig.process import free_port, wait_until
from rig.relay import Relay
from rig.web import Scrape

CODE = grpc.StatusCode
CAUSE = "Too many open files"
CLASS = "socket_unavailable"
LIMIT = 1024  # outside of the trouble


@contextlib.contextmanager
def no_descriptors(provider):
    """What is open stays open; below three, nothing is ever free."""
    resource.prlimit(provider.pid, resource.RLIMIT_NOFILE, (3, LIMIT))
    try:
        yield
    finally:
        resource.prlimit(provider.pid, resource.RLIMIT_NOFILE, (LIMIT, LIMIT))


@pytest.fixture
def relays(tenant):
    made = [Relay(tenant.bao.port), Relay(tenant.bao.port)]
    yield made
    for relay in made:
        relay.close()


@pytest.fixture
def metrics():
    return f"127.0.0.1:{free_port()}"


@pytest.fixture
def provider(make_provider, tenant, relays, metrics):
    return make_provider(tenant, **{
        "openbao.address": f"https://127.0.0.1:{relays[0].port}",
        "openbao.additionalAddresses": [f"https://127.0.0.1:{relays[1].port}"],
        "server.metricsAddress": metrics, "status.statusMaxStaleness": "3s"}).start(wait="healthy")


def cut(relays):
    """The connections of the pool are gone."""
    for relay in relays:
        relay.cut_once()
    time.sleep(0.2)


def assert_it_blames_itself(records):
    assert records
    for record in records:
        assert record["error_class"] == CLASS and CAUSE in record["cause"], record


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_no_way_to_openbao(provider, client, relays, metrics):
    """Status goes stale; the addresses stay in use and the breaker closed, and with the descriptors all comes back."""
    encrypted = client.encrypt(b"text")
    with no_descriptors(provider):
        cut(relays)
        known = len(provider.records())
        for _ in range(5):
            assert refusal(client.decrypt, encrypted) == (CODE.UNAVAILABLE, "transit unavailable")
        wait_until(lambda: client.status().healthz == "unhealthy", 15, "Status is stale")
        time.sleep(3)  # more probes than a breaker takes
        during = [record for record in provider.records()[known:] if record.get("status") == "error"]
        for message in ("kms.request", "openbao.request", "status.probe"):
            assert_it_blames_itself([record for record in during if record["message"] == message])
    assert client.decrypt(encrypted) == b"text"
    wait_until(lambda: client.status().healthz == "ok", 2, "Status is ok")
    page = Scrape(metrics)
    assert set(page.all("openbao_address_healthy").values()) == {1}
    assert page.get("circuit_breaker_state") == 0


def test_an_address_that_is_out_stays_out(provider, client, relays, metrics):
    """A failure of our own does not bring it back, either."""
    encrypted = client.encrypt(b"text")
    relays[0].cut()
    wait_until(lambda: Scrape(metrics).get("openbao_address_healthy", index="0") == 0, 10, "it is out")
    with no_descriptors(provider):
        relays[1].cut_once()
        time.sleep(0.2)
        for _ in range(5):
            refusal(client.decrypt, encrypted)
    assert Scrape(metrics).get("openbao_address_healthy", index="0") == 0
    assert client.decrypt(encrypted) == b"text"


def test_new_peers_wait(provider, client, metrics):
    """Nobody is turned away, nothing spins; and then each is served, at both listeners."""
    client.status()
    with no_descriptors(provider):
        web = socket.create_connection(metrics.split(":"))
        peer = provider.client(timeout=20)
        waiting = peer.stub.Status.future(peer.messages.StatusRequest(), timeout=20)
        before = cpu_seconds(provider.pid)
        time.sleep(3)
        assert not waiting.done()
        assert cpu_seconds(provider.pid) - before < 0.5
        assert client.status().healthz == "ok"
        assert_it_blames_itself([record for record in provider.records("warning")
                                 if record.get("detail") == "clients have to wait"])
    assert waiting.result(timeout=2).healthz == "ok"
    with web:
        web.settimeout(2)
        web.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert web.recv(100).startswith(b"HTTP/1.1 200")


def test_the_watchdog_is_fed(make_provider, tenant, notify):
    """Else systemd would end a process that still serves what it has connections for."""
    provider = make_provider(tenant).start(wait="healthy", environment={
        "NOTIFY_SOCKET": notify.path, "WATCHDOG_USEC": "1000000"})
    notify.wait("WATCHDOG=1")
    with no_descriptors(provider):
        time.sleep(1)
        notify.drain()
        notify.wait("WATCHDOG=1", 2)


def test_a_file_that_is_replaced_meanwhile(make_provider, tenant, relays, metrics, directory):
    """It is read when it can be, and not told off as bad."""
    ca = directory / "ca.pem"
    ca.write_bytes(tenant.bao.authority.file.read_bytes())
    ca.chmod(0o644)
    provider = make_provider(tenant, **{"openbao.caCertFile": str(ca)}).start(wait="healthy")
    with no_descriptors(provider):
        new = directory / "ca.new"
        new.write_bytes(2 * ca.read_bytes())
        new.rename(ca)
        time.sleep(2)
        assert not provider.records("trust.reloaded")
        assert not [record for record in provider.records("warning") if "CA file" in record.get("detail", "")]
    provider.wait_record("trust.reloaded", 3)


def test_no_login(make_provider, fresh_tenant, relays):
    """The identity file cannot be read: that says nothing of it, and the login is not put off as after a refusal."""
    provider = make_provider(fresh_tenant, **{
        "openbao.address": f"https://127.0.0.1:{relays[0].port}"}).start(wait="healthy")
    client = provider.client()
    encrypted = client.encrypt(b"text")
    with no_descriptors(provider):
        fresh_tenant.bao.request("POST", "sys/leases/revoke-prefix/auth/" + fresh_tenant.auth, {})
        wait_until(lambda: len(provider.records("auth.login", status="error")) >= 5, 30, "logins fail")
        assert_it_blames_itself(provider.records("auth.login", status="error"))
        assert refusal(client.decrypt, encrypted)[0] in (CODE.UNAVAILABLE, CODE.PERMISSION_DENIED)
    wait_until(lambda: works(client, encrypted), 3, "it logs in")


def works(client, encrypted):
    try:
        return client.decrypt(encrypted) == b"text"
    except grpc.RpcError:
        return False
