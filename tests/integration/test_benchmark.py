# SPDX-License-Identifier: Apache-2.0
"""`benchmark` against a running provider and against OpenBao itself: what it says it did, it did."""

import json
import os
import pathlib

import jsonschema
import pytest
from rig.provider import run_command

SCHEMA = json.loads((pathlib.Path(__file__).parents[2] / "data" / "schemas" / "benchmark.schema.json").read_text())


def measure(*arguments):
    result = run_command("benchmark", "--output", "json", *arguments)
    assert (result.returncode, result.stderr) == (0, "")
    report = json.loads(result.stdout)
    jsonschema.validate(report, SCHEMA)
    for operation in report["operations"]:
        latency = operation["latencyMs"]
        assert 0 < latency["min"] <= latency["p50"] <= latency["p90"] <= latency["p95"] <= latency["p99"] <= latency["max"]
        assert latency["min"] <= latency["mean"] <= latency["max"]
        assert operation["callsPerSecond"] == pytest.approx(operation["calls"] / operation["seconds"], rel=1e-3)
    return report


@pytest.mark.parametrize("iterations, concurrency", [(1, 1), (57, 8)])
def test_through_the_socket(provider, iterations, concurrency):
    report = measure("--socket", provider.socket, "--iterations", iterations, "--concurrency", concurrency)
    assert report["target"] == "socket" and report["socket"] == str(provider.socket)
    assert report["concurrency"] == concurrency
    assert [(o["operation"], o["calls"]) for o in report["operations"]] == [
        ("encrypt", iterations), ("decrypt", iterations)]


def count_calls(audit, mark, tenant):
    return {name: len(audit.requests(mark, f"{tenant.mount}/{name}/{tenant.key}")) for name in ("encrypt", "decrypt")}


def test_openbao_itself(make_provider, tenant, audit):
    """No provider is needed; OpenBao has seen the calls that are counted, and the warmup."""
    config = make_provider(tenant).config
    mark = audit.mark()
    report = measure("--config", config, "--iterations", 60, "--concurrency", 4)
    assert report["target"] == "openbao"
    assert [operation["calls"] for operation in report["operations"]] == [60, 60]
    assert count_calls(audit, mark, tenant) == {"encrypt": 66, "decrypt": 66}
    text = run_command("benchmark", "--config", config, "--iterations", 5)
    assert (text.returncode, text.stderr) == (0, "")
    assert "encrypt" in text.stdout and "decrypt" in text.stdout


def test_what_cannot_be_measured(make_provider, tenant, directory):
    result = run_command("benchmark", "--socket", directory / "absent.sock")
    assert (result.returncode, result.stdout) == (4, "")
    assert len(result.stderr.splitlines()) == 1
    tenant.write_jwt(lifetime=-60)
    try:
        provider = make_provider(tenant).start(wait="socket")
        for arguments in (["--config", provider.config], ["--socket", provider.socket]):
            result = run_command("benchmark", *arguments)
            assert (result.returncode, result.stdout) == (4, "")
            assert len(result.stderr.splitlines()) == 1, result.stderr
    finally:
        tenant.write_jwt()


def test_wrong_usage():
    for arguments in (["--iterations", "0"], ["--concurrency", "0"], ["--concurrency", "257"],
                      ["--iterations", "3", "--concurrency", "4"], ["--iterations", "many"]):
        result = run_command("benchmark", *arguments)
        assert (result.returncode, result.stdout) == (2, "")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BAO_KMS_PROVIDER_")}
    assert run_command("benchmark", "--config", "/nowhere", env=environment).returncode == 3
