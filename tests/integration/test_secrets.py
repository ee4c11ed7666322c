# SPDX-License-Identifier: Apache-2.0
"""Nothing secret in logs, in /proc, on disk; and none in memory after a while of quiet."""

import base64
import concurrent.futures
import os
import subprocess
import time

import pytest
from rig.audit import AuditLog
from rig.kms import refusal

QUIET = 5  # seconds, after which memory holds nothing any more


class Secrets:
    """Every form in which a secret might show."""

    def __init__(self):
        self.forms = {}

    def add(self, name, data):
        data = data if isinstance(data, bytes) else data.encode()
        self.forms[name] = data
        for shift in range(3):  # base64 of it, at whatever place of a longer text
            encoded = base64.b64encode(b"\0" * shift + data)
            self.forms[f"{name} in base64 at {shift}"] = encoded[4 if shift else 0:-4]
        self.forms[f"{name} in hex"] = data.hex().encode()

    def found_in(self, content):
        content = content if isinstance(content, bytes) else content.encode()
        return [name for name, form in self.forms.items() if form in content]


@pytest.fixture(scope="module")
def plaintexts():
    return [os.urandom(32) for _ in range(16)]


@pytest.fixture
def busy(make_provider, tenant, plaintexts, audit):
    """A provider at level debug that has done what it ever does, failures included; and all the secrets it met.

    It then asks OpenBao nothing more: an answer to a probe would hide what the answers before it have left behind.
    """
    secrets = Secrets()
    mark = audit.mark()
    secrets.add("JWT", tenant.write_jwt())
    quiet = {"status.probeInterval": "10m", "status.deepProbeInterval": "10m", "status.statusMaxStaleness": "20m"}
    provider = make_provider(tenant, **quiet).start(wait="healthy")
    client = provider.client()
    for number, plaintext in enumerate(plaintexts):
        secrets.add(f"plaintext {number}", plaintext)
        encrypted = client.encrypt(plaintext)
        assert client.decrypt(encrypted) == plaintext
    with concurrent.futures.ThreadPoolExecutor(len(plaintexts)) as pool:  # on as many connections to OpenBao
        answers = list(pool.map(client.encrypt, plaintexts))
        assert list(pool.map(client.decrypt, answers)) == plaintexts
    refusal(client.decrypt, encrypted, ciphertext=encrypted.ciphertext[:-8] + b"AAAAAAA=")
    refusal(client.decrypt, encrypted, key_id="obk2." + "A" * 43)
    refusal(client.encrypt, plaintexts[0] * 30)
    tenant.request("PUT", f"sys/leases/revoke-prefix/auth/{tenant.auth}")
    assert client.decrypt(encrypted) == plaintexts[-1]
    tokens = {entry["auth"]["client_token"] for entry in AuditLog(audit.path).entries(mark, "response")
              if entry["request"]["path"] == f"auth/{tenant.auth}/login" and entry.get("auth")}
    assert len(tokens) >= 2
    for number, token in enumerate(sorted(tokens)):
        secrets.add(f"token {number}", token)
    return provider, secrets, encrypted


def test_logs(busy, tenant):
    provider, secrets, encrypted = busy
    log = provider.log_path.read_text()
    assert provider.records(level="debug")
    assert secrets.found_in(log) == []
    assert encrypted.ciphertext.decode() not in log
    assert f"{tenant.mount}/keys/" not in log and f"{tenant.mount}/encrypt" not in log
    assert f'"{tenant.key}"' not in log and f"/{tenant.key}" not in log


def test_proc_and_files(busy):
    provider, secrets, _ = busy
    for name in ("cmdline", "environ"):
        with open(f"/proc/{provider.pid}/{name}", "rb") as file:
            assert secrets.found_in(file.read()) == []
    for path in provider.directory.rglob("*"):
        if path.is_file():
            assert secrets.found_in(path.read_bytes()) == [], path


def test_not_dumpable_and_no_core_limit(provider):
    with open(f"/proc/{provider.pid}/limits", encoding="ascii") as file:
        limit = next(line for line in file if line.startswith("Max core file size"))
    assert limit.split()[4:6] == ["0", "0"]
    # a process that is not dumpable has its /proc files owned by root, and nobody else may trace it
    if os.geteuid() != 0:
        assert os.stat(f"/proc/{provider.pid}/environ").st_uid == 0
        return
    result = subprocess.run(
        ["setpriv", f"--reuid={os.getuid()}", "--bounding-set=-all", "--inh-caps=-all",
         "cat", f"/proc/{provider.pid}/environ"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert result.returncode != 0 and b"denied" in result.stderr


@pytest.mark.parametrize("arguments", [[], ["-a"]], ids=["as the kernel would", "all memory"])
def test_a_core(busy, plaintexts, directory, arguments):
    """Taken by root after a while of quiet. With -a even what is locked away from cores is in it: the token that
    is in use may be there, but no plaintext and no JWT."""
    if os.geteuid() != 0:
        pytest.skip("taking a core of another process needs root")
    provider, secrets, _ = busy
    time.sleep(QUIET)
    subprocess.run(["gcore", *arguments, "-o", directory / "core", str(provider.pid)],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    core = (directory / f"core.{provider.pid}").read_bytes()
    assert b"bao-kms-provider" in core and len(core) > 1_000_000
    found = secrets.found_in(core)
    if arguments:
        found = [name for name in found if not name.startswith("token")]
    assert found == []
