# SPDX-License-Identifier: Apache-2.0
"""What /metrics counts, against what was done; and what the addresses take from whom."""

import json
import os
import shutil
import socket
import subprocess
import threading
import time

import grpc
import pytest

from rig.process import free_port, wait_until
from rig.web import Scrape, fetch, ready

IDLE = {"status.probeInterval": "10m", "status.deepProbeInterval": "10m", "status.statusMaxStaleness": "20m"}


@pytest.fixture
def addresses():
    return {"server.metricsAddress": f"127.0.0.1:{free_port()}", "server.healthAddress": f"127.0.0.1:{free_port()}"}


@pytest.fixture
def quiet(make_provider, tenant, addresses):
    """One that asks OpenBao for nothing by itself once it is healthy."""
    provider = make_provider(tenant, **IDLE, **addresses).start(wait="healthy")
    provider.metrics = addresses["server.metricsAddress"]
    provider.health = addresses["server.healthAddress"]
    wait_until(lambda: Scrape(provider.metrics).get("openbao_connections", state="busy") == 0, 5, "all is quiet")
    return provider


def calls_of(differences):
    """Counters of KMS and OpenBao requests among the differences of two pages."""
    wanted = ("openbao_kms_grpc_requests_total", "openbao_kms_openbao_requests_total",
              "openbao_kms_aad_validation_errors_total", "openbao_kms_decrypt_key_id_errors_total",
              "openbao_kms_grpc_concurrency_rejections_total", "openbao_kms_peer_refused_total")
    return {(name.removeprefix("openbao_kms_"), *(value for _, value in labels)): difference
            for (name, labels), difference in differences.items() if name in wanted}


def refused(code, call):
    with pytest.raises(grpc.RpcError) as error:
        call()
    assert error.value.code() == code


def test_counts_are_those_of_what_was_done(quiet):
    client = quiet.client()
    encrypted = client.encrypt(b"warm")
    before = Scrape(quiet.metrics)
    for _ in range(3):
        client.status()
    for number in range(5):
        encrypted = client.encrypt(f"text {number}".encode())
    for _ in range(7):
        client.decrypt(encrypted)
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    refused(invalid, lambda: client.encrypt(b""))
    refused(invalid, lambda: client.decrypt(encrypted, key_id="x"))
    unknown = encrypted.key_id[:-1] + ("A" if encrypted.key_id[-1] != "A" else "B")
    refused(grpc.StatusCode.NOT_FOUND, lambda: client.decrypt(encrypted, key_id=unknown))
    refused(invalid, lambda: client.decrypt(encrypted, annotations={}))
    changed = {**encrypted.annotations, "transit-key-hash.kms.openbao.org": b"A" * 43}
    refused(invalid, lambda: client.decrypt(encrypted, annotations=changed))
    damaged = bytearray(encrypted.ciphertext)
    damaged[-8] = ord("A") if damaged[-8] != ord("A") else ord("B")
    refused(invalid, lambda: client.decrypt(encrypted, ciphertext=bytes(damaged)))
    after = Scrape(quiet.metrics)
    assert calls_of(after.differences(before)) == {
        ("grpc_requests_total", "status", "ok"): 3,
        ("grpc_requests_total", "encrypt", "ok"): 5,
        ("grpc_requests_total", "encrypt", "invalid_argument"): 1,
        ("grpc_requests_total", "decrypt", "ok"): 7,
        ("grpc_requests_total", "decrypt", "invalid_argument"): 4,
        ("grpc_requests_total", "decrypt", "not_found"): 1,
        ("openbao_requests_total", "transit_encrypt", "ok"): 5,
        ("openbao_requests_total", "transit_decrypt", "ok"): 7,
        ("openbao_requests_total", "transit_decrypt", "aad_mismatch"): 1,
        ("aad_validation_errors_total", "annotation_invalid"): 1,
        ("aad_validation_errors_total", "aad_mismatch"): 1,
        ("aad_validation_errors_total", "authentication_tag"): 1,
        ("decrypt_key_id_errors_total", "key_id_malformed"): 1,
        ("decrypt_key_id_errors_total", "key_id_unknown"): 1,
    }
    for method, count in (("status", 3), ("encrypt", 6), ("decrypt", 12)):
        assert after.get("grpc_duration_seconds_count", method=method) \
            - before.get("grpc_duration_seconds_count", method=method) == count
        assert after.get("grpc_in_flight", method=method) == 0


def test_gauges_tell_how_it_stands(quiet, tenant):
    client = quiet.client()
    client.decrypt(client.encrypt(b"x"))
    page = Scrape(quiet.metrics)
    assert page.get("status_healthy") == 1
    assert page.get("key_version") == 1
    assert page.get("registry_generation") == 1
    assert page.get("rotation_persistence_degraded") == 0
    assert page.get("circuit_breaker_state") == 0
    assert page.get("openbao_address_healthy", index="0") == 1
    assert page.get("auth_method_info", method="jwt") == 1
    assert page.get("certificate_source_info", source="none") == 1
    assert page.get("certificate_ttl_seconds") is None
    assert page.all("rotation_state") == {(("state", "active"),): 1}
    assert page.get("auth_login_total", status="ok") == 1
    assert page.get("transit_metadata_observation_total", status="ok") == 1
    assert 3500 < page.get("token_ttl_seconds") <= 3600
    assert 3500 < page.get("jwt_ttl_seconds") <= 3600
    assert 3500 < page.get("credential_horizon_seconds") <= 3600
    assert 0 <= page.get("status_cache_age_seconds") < 20
    assert abs(page.get("decrypt_last_use_timestamp_seconds", version="1") - time.time()) < 5
    assert abs(page.get("config_last_reload_success_timestamp_seconds") - time.time()) < 30
    process = {name: value for (name, _), value in page.samples.items() if name.startswith("process_")}
    assert abs(process["process_start_time_seconds"] - time.time()) < 30
    assert process["process_open_fds"] == pytest.approx(len(os.listdir(f"/proc/{quiet.pid}/fd")), abs=3)
    assert process["process_max_fds"] > process["process_open_fds"]
    assert 1e6 < process["process_resident_memory_bytes"] < process["process_virtual_memory_bytes"]
    assert process["process_cpu_seconds_total"] > 0


def test_identity_token_is_that_of_the_file(make_provider, fresh_tenant, addresses):
    """Known before a login has passed; and replaced while the OpenBao token lasts, which takes no login."""
    metrics = addresses["server.metricsAddress"]
    first = make_provider(fresh_tenant, **{"openbao.address": f"https://127.0.0.1:{free_port()}"}, **addresses).start()
    first.wait_unhealthy()
    page = Scrape(metrics)
    assert page.get("auth_login_total", status="ok") == 0
    assert 3500 < page.get("jwt_ttl_seconds") <= 3600
    assert first.stop() == 0

    make_provider(fresh_tenant, **addresses).start(wait="healthy")
    fresh_tenant.write_jwt(lifetime=1200)
    wait_until(lambda: Scrape(metrics).get("jwt_ttl_seconds") <= 1200, 15, "the shorter one is seen")
    assert 1100 < Scrape(metrics).get("credential_horizon_seconds") <= 1200
    fresh_tenant.write_jwt(lifetime=7200)
    wait_until(lambda: Scrape(metrics).get("jwt_ttl_seconds") > 7100, 15, "the renewed one is seen")
    page = Scrape(metrics)
    assert page.get("credential_horizon_seconds") > 7100
    assert page.get("auth_login_total", status="ok") == 1 and page.get("auth_login_total", status="error") == 0


def test_rotation_shows(make_provider, fresh_tenant, addresses):
    provider = make_provider(fresh_tenant, **{"rotation.activationDelay": "2m"}, **addresses).start(wait="healthy")
    metrics, health = addresses.values()
    hashes = Scrape(metrics).all("status_key_id_hash")
    fresh_tenant.rotate()

    def is_pending():
        return Scrape(metrics).all("rotation_state") == {(("state", "pending"),): 1}
    wait_until(is_pending, 10, "the rotation is seen")
    page = Scrape(metrics)
    assert page.get("key_version") == 1
    assert page.all("status_key_id_hash") == hashes and len(hashes) == 1
    assert set(page.all("decrypt_last_use_timestamp_seconds")) == {(("version", "1"),), (("version", "2"),)}
    status, body = ready(health)
    assert status == 200
    assert body["key"]["version"] == 1
    assert body["pending"]["version"] == 2
    assert "expected_promotion" in body["pending"]
    assert provider.records("key.observed")


def test_page_is_what_promtool_wants(quiet):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool (Debian: prometheus)")
    quiet.client().encrypt(b"x")
    page = Scrape(quiet.metrics)
    result = subprocess.run([promtool, "check", "metrics"], input=page.text, capture_output=True, text=True)
    assert (result.returncode, result.stdout + result.stderr) == (0, "")
    status, headers, body = fetch(quiet.metrics, "/metrics",
                                  headers={"Accept": "application/openmetrics-text;version=1.0.0"})
    assert status == 200 and headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert body.endswith("# EOF\n")


def test_labels_are_bounded(quiet):
    """Whatever callers send, no new series comes of it."""
    client = quiet.client()
    before = set(Scrape(quiet.metrics).samples)
    encrypted = client.encrypt(b"x")
    for number in range(20):
        with pytest.raises(grpc.RpcError):
            client.decrypt(encrypted, key_id=f"obk2.{number}", annotations={f"a{number}.example": b"x"})
        with pytest.raises(grpc.RpcError):
            client.raw(f"Method{number}", b"")
    assert set(Scrape(quiet.metrics).samples) == before


def test_refused_peers_are_counted(quiet):
    if os.getuid() != 0:
        pytest.skip("takes root, to call as somebody else")
    quiet.directory.chmod(0o711)
    quiet.socket.chmod(0o666)

    def call():
        os.setgid(54321)
        os.setuid(54321)
    script = ("import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n"
              "s.settimeout(5)\nassert s.recv(1) == b''")
    subprocess.run(["/usr/bin/python3", "-c", script, quiet.socket], preexec_fn=call, check=True)
    assert Scrape(quiet.metrics).get("peer_refused_total") == 1


def test_dead_socket_is_counted(make_provider, tenant, addresses, directory):
    first = make_provider(tenant, directory, **addresses, expect_exit=-9).start(wait="healthy")
    assert Scrape(addresses["server.metricsAddress"]).get("socket_restarts_total") == 0
    first.kill()
    second = make_provider(tenant, directory, **addresses).start(wait="healthy")
    assert second.records("socket.stale_removed")
    assert Scrape(addresses["server.metricsAddress"]).get("socket_restarts_total") == 1


def test_only_two_methods_and_few_paths(quiet):
    assert fetch(quiet.health, "/live")[0] == 200
    assert fetch(quiet.health, "/ready", method="HEAD")[::2] == (200, "")
    assert fetch(quiet.health, "/ready", method="POST")[0] == 405
    assert fetch(quiet.health, "/metrics")[0] == 404
    assert fetch(quiet.metrics, "/ready")[0] == 404
    assert fetch(quiet.metrics, "/")[0] == 404
    assert fetch(quiet.metrics, "/metrics", method="DELETE")[0] == 405


def test_unix_sockets(make_provider, tenant, directory):
    metrics, health = f"unix:{directory}/m.sock", f"unix:{directory}/h.sock"
    provider = make_provider(tenant, directory, **{"server.metricsAddress": metrics, "server.healthAddress": health})
    provider.start(wait="healthy")
    assert Scrape(metrics).get("status_healthy") == 1
    assert ready(health)[0] == 200
    provider.stop()
    assert not list(directory.glob("?.sock"))


@pytest.mark.parametrize("field", ["server.metricsAddress", "server.healthAddress"])
def test_address_that_is_taken(make_provider, tenant, field):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        provider = make_provider(tenant, expect_exit=5, **{field: f"127.0.0.1:{taken.getsockname()[1]}"})
        provider.start(wait=None)
        assert provider.process.wait() == 5
    record, = provider.records("service.stopping")
    assert record["error_class"] == "socket_unavailable"
    assert record["cause"].startswith(f"{field}: cannot listen on")
    assert not provider.socket.exists()


def test_slow_and_idle_clients(quiet):
    """500 of them on both addresses: Status is as quick as without them, and pages are still served."""
    def p99():
        client = quiet.client()
        times = []
        for _ in range(600):
            begin = time.perf_counter()
            client.status()
            times.append(time.perf_counter() - begin)
        return sorted(times)[int(len(times) * 0.99)]

    alone = p99()
    stop = threading.Event()
    crowd = []

    def annoy():
        while not stop.is_set():
            for address in (quiet.metrics, quiet.health):
                host, port = address.split(":")
                connection = socket.create_connection((host, int(port)))
                connection.sendall(b"GET /re"[:len(crowd) % 8])
                crowd.append(connection)
            if len(crowd) > 500:
                for connection in crowd[-500:-250]:
                    try:
                        connection.send(b"a")
                    except OSError:
                        pass
                while len(crowd) > 500:
                    crowd.pop(0).close()
                time.sleep(0.005)
    thread = threading.Thread(target=annoy)
    thread.start()
    try:
        wait_until(lambda: len(crowd) >= 500, 10, "the crowd is there")
        busy = p99()
        assert ready(quiet.health)[0] == 200
        assert Scrape(quiet.metrics).get("status_healthy") == 1
        descriptors = len(os.listdir(f"/proc/{quiet.pid}/fd"))
    finally:
        stop.set()
        thread.join()
        for connection in crowd:
            connection.close()
    assert descriptors < 150
    assert busy < max(0.005, 4 * alone), (busy, alone)
    assert json.loads(fetch(quiet.health, "/live")[2]) == {"status": "ok"}
