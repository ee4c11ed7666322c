# SPDX-License-Identifier: Apache-2.0
"""Names, secrets and what requests bring, planted as markers and looked for in all that the provider tells of itself; and
its log held to the documented events and fields."""

import base64
import dataclasses
import json
import pathlib
import re
import shutil

import grpc
import pytest

from rig.process import free_port
from rig.provider import Provider, policy_for, private_directory, run_command
from rig.transit import Tenant
from rig.web import Scrape, fetch

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "observability.md"
MARK = "M4rk3r"  # in every name that may show nowhere
PLAINTEXT = b"plaintext-M4rk3r-0123456789"


@dataclasses.dataclass
class Life:
    """What a provider has said, and what must not be in it."""

    log: str
    said: list
    forms: list


def forms_of(jwt, ciphertext):
    """What must not be found, and how it may be dressed."""
    forms = [MARK, PLAINTEXT.hex(), ciphertext, *jwt.split(".")]
    for secret in (MARK.encode(), PLAINTEXT):
        forms += [base64.b64encode(b"\0" * shift + secret).decode()[4 if shift else 0:-4] for shift in range(3)]
    return [form for form in forms if len(form) > 3]


@pytest.fixture(scope="module")
def marked(openbao, module_directory):
    """A tenant whose mount, key, auth mount, role and subject hold the marker."""
    tenant = Tenant(openbao, module_directory / "marked", mount=f"mount-{MARK}", key=f"key-{MARK}", auth=f"auth-{MARK}")
    tenant.role = f"role-{MARK}"
    tenant.signer.subject = f"subject-{MARK}"
    return tenant.set_up(policy_for(tenant))


def pages(provider, addresses):
    """What the addresses and `status` say at this moment."""
    shown = [Scrape(addresses["server.metricsAddress"]).text, fetch(addresses["server.healthAddress"], "/ready")[2],
             fetch(addresses["server.healthAddress"], "/live")[2]]
    for form in ("text", "json"):
        report = run_command("status", "--output", form, "--config", provider.config)
        shown += [report.stdout, report.stderr]
    return shown


@pytest.fixture(scope="module")
def life(marked):
    """All that a provider says, from a life in which everything goes well and then everything goes wrong."""
    addresses = {"server.metricsAddress": f"127.0.0.1:{free_port()}", "server.healthAddress": f"127.0.0.1:{free_port()}"}
    jwt = marked.write_jwt()
    directory = private_directory()
    provider = Provider(marked, directory, {"logging.logOpenBaoRequestIDs": True, "bootstrap.retryInterval": "4s", "status.statusMaxStaleness": "5s",
                                            **addresses}).start(wait="healthy")
    client = provider.client()
    encrypted = client.encrypt(PLAINTEXT, uid=f"uid-{MARK}")
    assert client.decrypt(encrypted) == PLAINTEXT
    said = []

    def refused(call, *arguments, **changes):
        with pytest.raises(grpc.RpcError) as error:
            call(*arguments, **changes)
        said.append(error.value.details())

    annotations = {f"{MARK.lower()}.example": MARK.encode(), "transit-key-hash.kms.openbao.org": MARK.encode()}
    refused(client.decrypt, encrypted, annotations={**encrypted.annotations, **annotations})
    refused(client.decrypt, encrypted, key_id=f"key-id-{MARK}")
    refused(client.decrypt, encrypted, ciphertext=b"vault:v1:" + base64.b64encode(MARK.encode() * 8))
    refused(client.raw, "Encrypt", MARK.encode())
    refused(client.raw, f"Method{MARK}", b"")
    marked.request("POST", f"{marked.mount}/config/keys", {"disable_upsert": False})
    provider.wait_unhealthy()
    said += pages(provider, addresses)
    marked.request("POST", f"{marked.mount}/config/keys", {"disable_upsert": True})
    provider.wait_healthy()
    marked.request("PUT", f"sys/policies/acl/{marked.policy_name}", {"policy": 'path "x" { capabilities = ["read"] }'})
    marked.jwt_file.write_text(f"not-a-jwt-{MARK}")
    refused(client.encrypt, PLAINTEXT)
    provider.wait_unhealthy(60)
    provider.wait_record("auth.login", status="error")
    said += pages(provider, addresses)
    code = provider.stop()
    log = provider.log_path.read_text()
    forms = forms_of(jwt if isinstance(jwt, str) else jwt.decode(), encrypted.ciphertext.decode())
    foreign = provider.foreign_output()
    shutil.rmtree(directory)
    assert (code, foreign) == (0, [])
    return Life(log, said, forms)


def test_nothing_shows(life):
    assert "warn" in life.log and len(life.said) > 15
    for form in life.forms:
        assert form not in life.log, form
        for text in life.said:
            assert form not in text, form


def documented():
    """Events to their fields, and all fields, as docs/observability.md has them."""
    page = PAGE.read_text()
    logs = page[page.index("\n## Logs"):page.index("\n## Alerts")]
    events = {}
    for event, _, _, fields in re.findall(r"^\| `([a-z._]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", logs, re.MULTILINE):
        named = set(re.findall(r"`(\w+)`", fields))
        events[event] = events["auth.login"] if fields.startswith("as ") else named
    fields = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| [^|]+ \|$", logs, re.MULTILINE))))
    return events, fields


def test_every_record_is_as_documented(life):
    events, fields = documented()
    assert len(events) == 21 and {"ts", "level", "message", "error_class"} <= fields
    seen = set()
    for line in life.log.splitlines():
        record = json.loads(line)
        assert list(record)[:3] == ["ts", "level", "message"], line
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["ts"])
        assert record["level"] in ("debug", "info", "warn", "error")
        assert set(record) <= fields, line
        assert set(record) - {"ts", "level", "message"} <= events[record["message"]], line
        assert record.get("status") in (None, "ok", "error")
        if record.get("status") == "error" and record["message"] != "status.probe":
            assert "error_class" in record or "suppressed" in record, line
        seen.add(record["message"])
    assert {"kms.request", "openbao.request", "auth.login", "status.probe", "status.changed", "registry.saved",
            "socket.listening", "service.started", "service.stopping"} <= seen
