# SPDX-License-Identifier: Apache-2.0
"""SIGHUP: what a reload refuses, when it may come, and that no call notices."""

import concurrent.futures
import shutil
import signal
import time

import pytest
from rig.process import free_port
from rig.relay import Relay
from rig.reload import fields_of, names, reload, reload_way, sighup, works
from rig.web import page_of


@pytest.fixture(scope="module")
def relay(openbao):
    relay = Relay(openbao.port)
    yield relay
    relay.close()


# What changes nothing


REFUSED = {
    "server.socketPath": "/tmp/another.sock",
    "server.socketMode": "0600",
    "server.socketGroup": "54321",
    "openbao.namespace": "another",
    "openbao.instanceId": "another",
    "openbao.fipsMode": "on",
    "transit.keyIdScope.providerName": "another",
    "transit.keyIdScope.clusterId": "another",
    "transit.keyIdScope.transitMountId": "another",
    "transit.keyIdScope.keyLineageId": "another",
    "state.path": "/tmp/another/state.json",
}


def test_what_needs_a_restart_is_refused_by_name(provider):
    assert set(REFUSED) == {name for name, field in fields_of(provider.config).items() if field["reload"] == "refused"}
    for field, value in REFUSED.items():
        provider.configure(**{field: value, "logging.level": "error", "openbao.timeout": "7s"})
        before = len(provider.records("config.problem"))
        record = sighup(provider)
        assert record["status"] == "error" and record["error_class"] == "config_invalid" and field in record["cause"]
        assert [problem["config_field"] for problem in provider.records("config.problem")[before:]] == [field]
    works(provider)
    assert provider.records("kms.request", operation="decrypt")  # the level has not changed


BROKEN = {
    "unknown": ({"openbao.adress": "x"}, "openbao.adress"),
    "missing": ({"transit.keyName": None}, "transit.keyName"),
    "wrong": ({"status.probeInterval": "soon"}, "status.probeInterval"),
    "between-fields": ({"status.statusMaxStaleness": "500ms"}, "status.statusMaxStaleness"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_changes_nothing(provider, case):
    overrides, field = BROKEN[case]
    provider.configure(**{**overrides, "logging.logOpenBaoRequestIDs": False})
    record = sighup(provider)
    assert (record["status"], record["level"], record["error_class"]) == ("error", "warn", "config_invalid")
    problem = provider.records("config.problem")[-1]
    assert problem["config_field"] == field and problem["path"].startswith(f"{provider.config}:")
    works(provider)
    assert "openbao_request_id" in provider.wait_record("openbao.request", openbao_operation="transit encrypt")[-1]
    assert reload(provider)["status"] == "ok"


def test_many_refusals_are_all_told(provider):
    provider.config.write_text("{")
    for _ in range(8):  # more than the log takes of one kind of failure
        assert sighup(provider)["status"] == "error"


def test_files_that_cannot_be_used_change_nothing(provider):
    cases = {}
    unsafe = provider.directory / "unsafe.pem"
    shutil.copyfile(provider.tenant.bao.authority.file, unsafe)
    unsafe.chmod(0o666)
    empty = provider.directory / "empty.pem"
    empty.write_text("")
    for path, why in (("/nowhere/ca.pem", "No such file"), (unsafe, "0666"), (empty, "certificate")):
        cases[str(path)] = why
    for path, why in cases.items():
        record = reload(provider, **{"openbao.caCertFile": path, "logging.level": "error"})
        assert record["status"] == "error" and why in record["cause"] and path in record["cause"]
    record = reload(provider, **{"openbao.caCertFile": "credential:ca"})
    assert record["status"] == "error" and "CREDENTIALS_DIRECTORY" in record["cause"]
    record = reload(provider, **{"auth.jwt.jwtFile": "credential:jwt"})
    assert record["status"] == "error" and "CREDENTIALS_DIRECTORY" in record["cause"]
    provider.config.unlink()
    record = sighup(provider)
    assert record["status"] == "error" and "No such file" in record["cause"]
    works(provider)
    assert not provider.records("session.changed")
    assert reload(provider)["status"] == "ok"


def test_flags_and_environment_still_win(make_provider, tenant):
    provider = make_provider(tenant)
    provider.start(wait="healthy", command=[*provider.command(), "--log-level", "debug"])
    record = reload(provider, **{"logging.level": "error"})
    assert record["status"] == "ok" and "config_fields" not in record
    works(provider)


# When it comes


def test_nothing_changed(provider):
    record = sighup(provider)
    assert record["status"] == "ok" and record["level"] == "info" and "config_fields" not in record
    assert not provider.records("session.changed")
    works(provider)


def test_calls_on_the_former_way_end_there(make_provider, tenant, relay):
    """A call that OpenBao has not answered yet, while the way changes under it."""
    provider = make_provider(tenant, **{"openbao.address": f"https://127.0.0.1:{relay.port}",
                                        "openbao.timeout": "8s"}).start(wait="healthy")
    client = provider.client()
    encrypted = client.encrypt(b"text")
    relay.delay = 1
    try:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            calls = [pool.submit(client.decrypt, encrypted) for _ in range(4)]
            time.sleep(0.3)
            reload_way(provider, **{"openbao.address": tenant.bao.address, "openbao.timeout": "8s"})
            assert not any(call.done() for call in calls)
            works(provider)  # by the new way
            assert not any(call.done() for call in calls)
            assert [call.result() for call in calls] == [b"text"] * 4
    finally:
        relay.delay = 0


def test_the_metric_of_the_last_success(make_provider, tenant):
    metrics = f"127.0.0.1:{free_port()}"
    address = {"server.metricsAddress": metrics}
    provider = make_provider(tenant, **address).start(wait="healthy")
    name = "openbao_kms_config_last_reload_success_timestamp_seconds"

    def told():
        line = next(line for line in page_of(metrics, "/metrics").splitlines() if line.startswith(name + " "))
        return float(line.split()[1])
    started = told()
    assert abs(started - time.time()) < 10
    time.sleep(1.1)
    assert reload(provider, **address, **{"status.probeInterval": "x"})["status"] == "error"
    assert told() == started
    reload_way(provider, **address, **{"openbao.tlsServerName": "127.0.0.1"})
    assert told() > started
    works(provider)


def test_metrics_and_health_change_places(make_provider, tenant):
    first, second, third = (f"127.0.0.1:{free_port()}" for _ in range(3))
    provider = make_provider(tenant, **{"server.metricsAddress": first, "server.healthAddress": second})
    provider.start(wait="healthy")

    def change(metrics, health):
        addresses = {"server.metricsAddress": metrics, "server.healthAddress": health}
        assert reload(provider, **addresses)["status"] == "ok"
    change(second, first)
    assert "openbao_kms_" in page_of(second, "/metrics") and page_of(second, "/ready") is None
    assert "conditions" in page_of(first, "/ready") and page_of(first, "/metrics") is None
    change(third, second)  # one moves on, the other takes its place
    assert "openbao_kms_" in page_of(third, "/metrics") and "conditions" in page_of(second, "/ready")
    assert page_of(first, "/ready") is None
    change("", third)
    assert "conditions" in page_of(third, "/ready") and page_of(third, "/metrics") is None
    assert page_of(second, "/ready") is None
    works(provider)


def test_many_signals_at_once(provider):
    for _ in range(20):
        provider.process.signal(signal.SIGHUP)
    provider.wait_record("config.reloaded")
    works(provider)


def test_a_reload_while_one_waits(provider):
    """The last file counts; what waits is replaced by it."""
    assert reload(provider, **{"openbao.tlsServerName": "another.test"})["status"] == "ok"
    provider.wait_record("session.changed", status="error")
    assert reload(provider, **{"openbao.tlsServerName": "another.test", "status.probeInterval": "900ms"})["status"] == "ok"
    works(provider)
    reload_way(provider, **{"openbao.tlsServerName": "127.0.0.1"})
    works(provider)


def test_before_openbao_is_there(make_provider, durable_openbao, durable_tenant):
    durable_openbao.kill()
    provider = make_provider(durable_tenant, **{"openbao.address": f"https://127.0.0.1:{free_port()}"}).start()
    record = reload(provider)
    assert record["status"] == "ok" and names(record) == ["openbao.address"]
    assert reload(provider, **{"auth.jwt.clockSkewLeeway": "31s"})["status"] == "ok"
    durable_openbao.restart()
    provider.wait_healthy(45)
    works(provider)


def test_while_openbao_is_away(make_provider, durable_openbao, durable_tenant):
    provider = make_provider(durable_tenant).start(wait="healthy")
    encrypted = provider.client().encrypt(b"text")
    durable_openbao.kill()
    assert reload(provider, **{"openbao.tlsServerName": "127.0.0.1"})["status"] == "ok"
    assert reload(provider, **{"openbao.tlsServerName": "127.0.0.1", "openbao.timeout": "1s"})["status"] == "ok"
    durable_openbao.restart()
    provider.wait_record("session.changed", 45, status="ok")
    provider.wait_healthy(45)
    assert provider.client().decrypt(encrypted) == b"text"


def test_while_it_ends(make_provider, tenant, openbao):
    provider = make_provider(tenant, **{"openbao.timeout": "5s"}).start(wait="healthy")
    client = provider.client()
    encrypted = client.encrypt(b"text")
    openbao.process.freeze()
    try:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            call = pool.submit(client.decrypt, encrypted)
            time.sleep(0.3)
            provider.process.signal(signal.SIGTERM)
            provider.wait_record("service.stopping")
            provider.process.signal(signal.SIGHUP)
            time.sleep(0.3)
            openbao.process.thaw()
            assert call.result() == b"text"
    finally:
        openbao.process.thaw()
    assert provider.process.wait(5) == 0
    assert not provider.records("config.reloaded")


def test_what_systemd_is_told(make_provider, tenant, notify):
    provider = make_provider(tenant).start(environment={"NOTIFY_SOCKET": notify.path})
    provider.wait_healthy()
    for overrides, line in (({}, None), ({"status.probeInterval": "x"}, "was not reloaded: 1 problem"), ({}, None),
                            ({"openbao.tlsServerName": "another.test"}, "waits to be proved")):
        notify.lines.clear()
        before = time.monotonic_ns() // 1000
        reload(provider, **overrides)
        notify.wait("RELOADING=1")
        told = int(notify.wait("MONOTONIC_USEC=").partition("=")[2])
        assert before < told <= time.monotonic_ns() // 1000
        notify.wait("READY=1")
        while line and line not in notify.wait("STATUS="):
            pass
