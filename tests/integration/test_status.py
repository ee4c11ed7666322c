# SPDX-License-Identifier: Apache-2.0
"""`status`: what it shows of a running provider, and its exit code."""

import json
import pathlib
import signal
import subprocess
import threading

import jsonschema
import pytest

from rig.process import free_port, wait_until
from rig.provider import find_binary, run_command

SCHEMA = pathlib.Path(__file__).resolve().parents[2] / "data" / "schemas" / "status.schema.json"


@pytest.fixture
def addresses():
    return {"server.metricsAddress": f"127.0.0.1:{free_port()}", "server.healthAddress": f"127.0.0.1:{free_port()}"}


def report(provider, expect_exit=0):
    result = run_command("status", "--output", "json", "--config", provider.config)
    assert (result.returncode, result.stderr) == (expect_exit, "")
    content = json.loads(result.stdout)
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()),
                                    format_checker=jsonschema.FormatChecker()).validate(content)
    return content


def test_healthy(make_provider, tenant, addresses):
    provider = make_provider(tenant, **addresses).start(wait="healthy")
    stop = threading.Event()

    def call():
        client = provider.client()
        while not stop.wait(0.01):
            client.decrypt(client.encrypt(b"x"))
    thread = threading.Thread(target=call)
    thread.start()
    try:
        content = report(provider)
        text = run_command("status", "--config", provider.config)
    finally:
        stop.set()
        thread.join()
    assert content["healthy"] and content["reason"] == "" and content["failing"] == []
    assert content["keyVersion"] == 1 and "pending" not in content
    assert content["addresses"] == [{"index": 0, "healthy": True}]
    assert content["credential"]["method"] == "jwt"
    assert 3000 < content["credential"]["tokenSeconds"] <= 3600
    assert 10 < content["calls"]["decrypt"]["perSecond"] < 110
    assert 0 < content["calls"]["decrypt"]["p99Ms"] < 1000
    assert text.returncode == 0
    assert "healthy\n" in text.stdout.splitlines(True)[0]
    assert "\naddresses " in text.stdout and " #0 in use\n" in text.stdout
    assert "a second, p99" in text.stdout and "\nkms encrypt " in text.stdout
    assert [line.split()[0] for line in text.stdout.splitlines()].count("status") == 1


def test_pending_rotation(make_provider, fresh_tenant, addresses):
    provider = make_provider(fresh_tenant, **{"rotation.activationDelay": "2m"}, **addresses).start(wait="healthy")
    fresh_tenant.rotate()
    provider.wait_record("key.observed")
    content = report(provider)
    assert content["keyVersion"] == 1
    assert content["pending"]["version"] == 2 and content["pending"]["expectedPromotion"].endswith("Z")
    assert "pending version" in run_command("status", "--config", provider.config).stdout


def test_unhealthy(make_provider, fresh_tenant, addresses):
    provider = make_provider(fresh_tenant, **addresses).start(wait="healthy")
    fresh_tenant.request("POST", f"{fresh_tenant.mount}/config/keys", {"disable_upsert": False})
    provider.wait_unhealthy()
    content = report(provider, expect_exit=4)
    assert not content["healthy"] and content["reason"] == "upsert_allowed"
    assert {"condition": "key", "reason": "upsert_allowed"} in content["failing"]
    text = run_command("status", "--config", provider.config)
    assert text.returncode == 4
    assert "unhealthy: upsert_allowed" in text.stdout


def test_nobody_there(make_provider, tenant, addresses):
    provider = make_provider(tenant, **addresses)
    content = report(provider, expect_exit=4)
    assert not content["healthy"] and addresses["server.healthAddress"] in content["error"]
    text = run_command("status", "--config", provider.config)
    assert text.returncode == 4 and text.stdout.count("\n") == 1


def test_addresses_that_are_off(make_provider, tenant, addresses):
    provider = make_provider(tenant, **{**addresses, "server.metricsAddress": ""}).start(wait="healthy")
    content = report(provider)
    assert content["healthy"] and "calls" not in content
    provider.configure(**{"server.healthAddress": ""})
    assert "server.healthAddress" in report(provider, expect_exit=4)["error"]


def test_unix_sockets(make_provider, tenant, directory):
    provider = make_provider(tenant, directory, **{"server.metricsAddress": f"unix:{directory}/m.sock",
                                                   "server.healthAddress": f"unix:{directory}/h.sock"})
    provider.start(wait="healthy")
    content = report(provider)
    assert content["healthy"] and content["credential"]["method"] == "jwt"


def test_watch(make_provider, tenant, addresses):
    provider = make_provider(tenant, **addresses).start(wait="healthy")
    with subprocess.Popen([find_binary(), "status", "--watch", "--config", provider.config],
                          stdout=subprocess.PIPE, text=True) as watching:
        lines = []
        reader = threading.Thread(target=lambda: lines.extend(iter(watching.stdout.readline, "")))
        reader.start()
        try:
            wait_until(lambda: sum(line.startswith("status ") and "healthy" in line for line in lines) >= 2, 15,
                       "it is shown twice")
        finally:
            watching.send_signal(signal.SIGINT)
            assert watching.wait(10) == 0
            reader.join()
