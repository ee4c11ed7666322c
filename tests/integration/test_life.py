# SPDX-License-Identifier: Apache-2.0
"""The process: how it starts, what it tells systemd, which sockets it takes, how it ends."""

import concurrent.futures
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time

import grpc
import pytest
from rig.kms import KmsClient, refusal
from rig.process import wait_until
from rig.provider import policy_for, run_command
from rig.transit import Tenant


def test_ready_before_openbao_is(make_provider, durable_openbao, durable_tenant, notify):
    durable_openbao.kill()
    provider = make_provider(durable_tenant).start(wait=None, environment={"NOTIFY_SOCKET": notify.path})
    notify.wait("READY=1")
    assert provider.client().status().healthz == "unhealthy"
    assert "unhealthy" in notify.wait("STATUS=")


def test_what_systemd_is_told(make_provider, tenant, notify):
    provider = make_provider(tenant).start(environment={"NOTIFY_SOCKET": notify.path, "WATCHDOG_USEC": "1000000"})
    notify.wait("READY=1")
    provider.wait_healthy()
    deadline = time.monotonic() + 5
    while "unhealthy" in (line := notify.wait("STATUS=", 5)):
        assert time.monotonic() < deadline
    assert "healthy" in line and "\n" not in line
    started = time.monotonic()
    for _ in range(4):
        notify.wait("WATCHDOG=1", 2)
    assert time.monotonic() - started < 3
    assert provider.stop() == 0
    notify.wait("STOPPING=1")


def test_sigterm_lets_running_calls_end(make_provider, tenant, openbao):
    provider = make_provider(tenant, **{"openbao.timeout": "8s"}).start(wait="healthy")
    client = provider.client()
    encrypted = client.encrypt(b"text")
    openbao.process.freeze()
    try:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            calls = [pool.submit(client.decrypt, encrypted) for _ in range(8)]
            time.sleep(0.5)
            provider.process.signal(signal.SIGTERM)
            time.sleep(1)
            assert provider.process.running()
            with pytest.raises((grpc.RpcError, OSError)):
                KmsClient(provider.socket, timeout=1).status()
            openbao.process.thaw()
            assert [call.result() for call in calls] == [b"text"] * 8
    finally:
        openbao.process.thaw()
    assert provider.process.wait(5) == 0
    assert not provider.socket.exists()


def test_sigterm_waits_ten_seconds_and_no_longer(make_provider, tenant, openbao):
    provider = make_provider(tenant, **{"openbao.timeout": "60s"}).start(wait="healthy")
    client = provider.client(timeout=60)
    encrypted = client.encrypt(b"text")
    openbao.process.freeze()
    try:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            call = pool.submit(refusal, client.decrypt, encrypted)
            time.sleep(0.5)
            started = time.monotonic()
            provider.process.signal(signal.SIGTERM)
            assert provider.process.wait(15) == 0
            assert 9 < time.monotonic() - started < 13
            assert call.result()[0] in (grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE)
    finally:
        openbao.process.thaw()


def test_sigterm_while_openbao_is_absent(make_provider, durable_openbao, durable_tenant):
    durable_openbao.kill()
    provider = make_provider(durable_tenant).start()
    time.sleep(1)
    started = time.monotonic()
    assert provider.stop() == 0
    assert time.monotonic() - started < 3


def test_sigint_ends_it_too(make_provider, tenant):
    provider = make_provider(tenant).start(wait="healthy")
    provider.process.signal(signal.SIGINT)
    assert provider.process.wait(5) == 0


def test_start_and_end_are_logged(make_provider, tenant):
    provider = make_provider(tenant).start(wait="healthy")
    assert provider.stop() == 0
    events = [record["message"] for record in provider.records()]
    for event in ("service.started", "socket.listening", "auth.login", "status.probe", "status.changed",
                  "registry.saved", "service.stopping"):
        assert event in events
    assert {record["level"] for record in provider.records()} <= {"debug", "info", "warn", "error"}
    for record in provider.records():
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["ts"])


def test_the_socket_has_its_mode_from_the_first_moment(make_provider, tenant):
    provider = make_provider(tenant, **{"server.socketMode": "0600"})
    provider.start(wait=None)
    wait_until(provider.socket.exists, 10, "the socket")
    assert stat.S_IMODE(provider.socket.stat().st_mode) == 0o600
    assert sorted(os.listdir(provider.socket.parent)).count("kms.sock") == 1
    assert not [name for name in os.listdir(provider.socket.parent) if name.startswith(("kms.sock.", ".kms.sock"))]


def test_a_restart_does_not_find_the_socket_in_its_way(make_provider, tenant):
    provider = make_provider(tenant).start(wait="healthy")
    encrypted = provider.client().encrypt(b"text")
    provider.kill()
    assert provider.socket.exists()
    provider.start(wait="healthy")
    assert provider.client().decrypt(encrypted) == b"text"
    assert provider.records("socket.stale_removed")


def ended(provider):
    """The exit code, and the last log record, of a provider that should not have started."""
    code = provider.process.wait(10)
    provider.expect_exit = code
    return code


def test_a_second_one_is_refused(make_provider, tenant, directory):
    first = make_provider(tenant).start(wait="healthy")
    second = make_provider(tenant, **{"server.socketPath": str(first.socket)}).start(wait=None)
    assert ended(second) == 5
    assert first.client().status().healthz == "ok"
    third = make_provider(tenant, **{"state.path": str(first.state_path)}).start(wait=None)
    assert ended(third) == 5
    assert first.client().decrypt(first.client().encrypt(b"text")) == b"text"


def spoil_directory_mode(provider):
    provider.socket.parent.chmod(0o777)


def spoil_by_file(provider):
    provider.socket.write_text("a file of somebody")


def spoil_by_link(provider):
    provider.socket.symlink_to("/nowhere")


def spoil_parent_link(provider):
    real = provider.directory / "real"
    real.mkdir(mode=0o700)
    (provider.directory / "linked").symlink_to(real)
    provider.configure(**{"server.socketPath": str(provider.directory / "linked" / "kms.sock")})


def spoil_parent_missing(provider):
    provider.configure(**{"server.socketPath": str(provider.directory / "absent" / "kms.sock")})


@pytest.mark.parametrize("spoil", [
    spoil_directory_mode, spoil_by_file, spoil_by_link, spoil_parent_link, spoil_parent_missing],
    ids=lambda function: function.__name__.removeprefix("spoil_"))
def test_a_place_for_the_socket_that_is_not_safe(make_provider, tenant, spoil):
    provider = make_provider(tenant)
    spoil(provider)
    provider.start(wait=None)
    assert ended(provider) == 5
    assert provider.records(level="error", error_class="socket_unavailable")
    provider.socket.parent.chmod(0o700)


def test_a_socket_of_another_type_in_its_place(make_provider, tenant):
    provider = make_provider(tenant)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other:
        other.bind(str(provider.socket))
        other.listen()
        provider.start(wait=None)
        assert ended(provider) == 5
    assert "another type" in provider.records("service.stopping")[0]["cause"]


def test_a_socket_outside_the_approved_directories(tenant):
    configuration = tenant.write_configuration(
        tenant.directory / "outside.json", **{"server.socketPath": "/var/tmp/x/kms.sock"})
    result = run_command("config", "--config", configuration)
    assert result.returncode == 3 and "server.socketPath" in result.stderr


def test_a_broken_configuration_ends_it(make_provider, tenant):
    provider = make_provider(tenant, **{"status.probeInterval": "soon", "openbao.adress": "https://localhost"})
    result = run_command("serve", "--config", provider.config)
    assert result.returncode == 3
    assert "status.probeInterval" in result.stderr and "openbao.address" in result.stderr


def test_a_damaged_state_ends_it_and_is_kept(make_provider, tenant):
    provider = make_provider(tenant).start(wait="healthy")
    provider.stop()
    damaged = provider.state_path.read_bytes().replace(b'"generation": 1', b'"generation": 2')
    provider.state_path.write_bytes(damaged)
    provider.start(wait=None)
    assert ended(provider) == 5
    assert provider.state_path.read_bytes() == damaged


def test_a_state_of_another_cluster_ends_it(make_provider, tenant):
    provider = make_provider(tenant).start(wait="healthy")
    provider.stop()
    provider.configure(**{"transit.keyIdScope.clusterId": "another"})
    provider.start(wait=None)
    assert ended(provider) == 5


def test_a_rotated_key_without_a_state_ends_it(make_provider, openbao, directory):
    tenant = Tenant(openbao, directory / "rotated", mount="rotated", auth="jwt-rotated")
    tenant.set_up(policy_for(tenant))
    tenant.rotate()
    provider = make_provider(tenant).start(wait=None)
    assert ended(provider) == 5
    assert "recover-state" in provider.log_path.read_text()


def test_the_state_on_disk(make_provider, tenant):
    provider = make_provider(tenant).start(wait="healthy")
    state = json.loads(provider.state_path.read_text())
    checkpoint = json.loads(provider.state_path.with_name("key-registry.json.checkpoint").read_text())
    assert stat.S_IMODE(provider.state_path.stat().st_mode) == 0o640
    assert (checkpoint["generation"], checkpoint["currentHash"]) == (state["generation"], state["currentHash"])
    assert state["generation"] == 1
    assert state["activeKeyId"] == provider.client().status().key_id


def listening_socket(path):
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(64)
    return listener


def activated(provider, listener):
    """The command as systemd runs it: the socket as descriptor 3."""
    fd = listener.fileno()
    return ["bash", "-c", f'export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@" 3<&{fd} {"" if fd == 3 else f"{fd}<&-"}',
            "bash", *provider.command()]


def test_socket_activation(make_provider, tenant, directory):
    """The socket is systemd's: it is taken as it is, and outlives the provider; calls made meanwhile wait."""
    path = directory / "activated.sock"
    listener = listening_socket(path)
    provider = make_provider(tenant)
    inode = path.stat().st_ino
    for _ in range(2):
        client = KmsClient(path)
        early = client.stub.Status.future(KmsClient.messages.StatusRequest(), timeout=20, wait_for_ready=True)
        provider.start(wait=None, command=activated(provider, listener), pass_fds=[listener.fileno()])
        assert early.result().version == "v2"
        wait_until(lambda: client.status().healthz == "ok", 20, "healthy by the activated socket")
        assert client.decrypt(client.encrypt(b"text")) == b"text"
        assert not provider.socket.exists(), "none of its own"
        client.close()
        assert provider.process.stop() == 0
        assert path.stat().st_ino == inode
    listener.close()


class Calls(threading.Thread):
    """One after the other on one connection, which nobody reads in between."""

    def __init__(self, socket):
        super().__init__()
        self.client = KmsClient(socket)
        self.encrypted = self.client.encrypt(b"text")
        self.answered, self.failures, self.over = 0, [], threading.Event()

    def run(self):
        request = self.client.decrypt_request(self.encrypted)
        while not self.over.wait(0.02):
            try:
                assert self.client.stub.Decrypt(request, timeout=20, wait_for_ready=True).plaintext == b"text"
                self.answered += 1
            except grpc.RpcError as error:
                self.failures.append((error.code(), error.details()))


def test_restarts_lose_no_call(make_provider, tenant, directory):
    """The socket is systemd's. Who calls meanwhile is told to call again on another connection, and waits there."""
    path = directory / "restarts.sock"
    listener = listening_socket(path)
    provider = make_provider(tenant)

    def start():
        provider.start(wait=None, command=activated(provider, listener), pass_fds=[listener.fileno()])

    start()
    with KmsClient(path) as client:
        wait_until(lambda: client.status(timeout=20).healthz == "ok", 20, "healthy")
    callers = [Calls(path) for _ in range(3)]
    for caller in callers:
        caller.start()

    def wait_for_calls():
        before = [caller.answered for caller in callers]
        wait_until(lambda: all(c.answered > b + 20 for c, b in zip(callers, before)), 20, "calls after the restart")

    wait_for_calls()
    for _ in range(8):
        assert provider.process.stop() == 0
        start()
        wait_for_calls()
    for caller in callers:
        caller.over.set()
        caller.join()
        caller.client.close()
    assert [caller.failures for caller in callers] == [[], [], []]
    listener.close()


def test_a_full_disk_at_the_first_start(make_provider, tenant):
    """No state can be saved: never healthy without it, and healthy as soon as there is room."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    provider = make_provider(tenant)
    state = provider.state_path.parent
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0750", "tmpfs", state],
                      stderr=subprocess.PIPE).returncode != 0:
        pytest.skip("this machine does not let us mount")
    try:
        (state / "filler").write_bytes(b"x" * 4096)
        filler = open(state / "filler", "ab")
        with pytest.raises(OSError):
            while True:
                filler.write(b"x" * 4096)
                filler.flush()
        provider.start()
        provider.wait_record("status.probe", probe_kind="metadata", timeout=20)
        time.sleep(2)
        assert provider.client().status().healthz == "unhealthy"
        (state / "filler").unlink()
        try:
            filler.close()
        except OSError:
            pass
        provider.wait_healthy(40)
        provider.stop()
        assert provider.state_path.exists()
    finally:
        provider.process.kill()
        subprocess.run(["umount", "-l", state], check=True)


def test_the_socket_is_there_soon(make_provider, tenant):
    times = []
    for _ in range(5):
        provider = make_provider(tenant)
        shutil.rmtree(provider.directory / "runtime", ignore_errors=True)
        started = time.monotonic()
        provider.start(wait=None)
        while not provider.socket.exists():
            time.sleep(0.001)
        times.append(time.monotonic() - started)
        provider.stop()
    assert min(times) < 0.5


@pytest.mark.parametrize("runtime", ["missing", "config.json"])
def test_a_runtime_directory_that_is_none(make_provider, tenant, runtime):
    """It holds a socket of our own: not the configuration is wrong."""
    provider = make_provider(tenant)
    provider.start(wait=None, environment={"RUNTIME_DIRECTORY": str(provider.directory / runtime)})
    assert ended(provider) == 5
    assert provider.wait_record("service.stopping", error_class="socket_unavailable")
