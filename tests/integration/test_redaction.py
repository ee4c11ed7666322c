# SPDX-License-Identifier: Apache-2.0
"""Names, secrets and what requests bring, planted as markers and looked for in all that the provider tells of itself; and
its log held to the documented events and fields."""

import base64
import dataclasses
import json
import os
import re
import shutil
import urllib.parse

import grpc
import pytest

from rig.pki import write_private
from rig.process import free_port
from rig.provider import Provider, policy_for, private_directory, run_command
from rig.records import ALWAYS, documented
from rig.reload import reload
from rig.token import Token, by_labels, cert_overrides, enable_cert_auth, issue_client, new_key
from rig.token_endpoint import TokenEndpoint
from rig.transit import Tenant
from rig.web import Scrape, fetch
from test_oauth2 import revoke_tokens

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


# Secrets that a login needs: nowhere, not even where doctor's text names mount, key and role

SECRET = "s3cr3t-M4rk3r-0123456789"


@pytest.fixture
def mended(marked):
    """The tenant after that life, which has ended badly."""
    marked.request("PUT", f"sys/policies/acl/{marked.policy_name}", {"policy": policy_for(marked)})
    return marked


def shown_of(provider, addresses, environment):
    """What `doctor`, the pages, `status` and the log show."""
    for form in ("text", "json"):
        report = run_command("doctor", "--output", form, "--config", provider.config, timeout=60,
                             env={**os.environ, **environment})
        yield f"doctor {form}", report.stdout
        yield f"doctor {form}, errors", report.stderr
    for number, page in enumerate(pages(provider, addresses)):
        yield f"page {number}", page
    yield "log", provider.log_path.read_text()


def expect_secret(provider, addresses, secrets, environment=()):
    """In none of it, in whatever dress; and no name outside of doctor's text."""
    forms = {form for secret in secrets for form in (
        secret, urllib.parse.quote(secret), urllib.parse.quote_plus(secret), secret.encode().hex(),
        *(base64.b64encode(b"\0" * shift + secret.encode()).decode()[4 if shift else 0:-4] for shift in range(3)))}
    shown = dict(shown_of(provider, addresses, dict(environment)))
    assert "[ok]   transit.key" in shown["doctor text"] or "[fail]" in shown["doctor text"]
    assert json.loads(shown["doctor json"])
    for where, text in shown.items():
        for form in forms if where == "doctor text" else {MARK, *forms}:
            assert form not in text, (where, form)


def test_the_secrets_of_a_token_endpoint(make_provider, mended, authority, directory):
    """The client secret and the token that the endpoint gives out; first right, then wrong."""
    addresses = {"server.metricsAddress": f"127.0.0.1:{free_port()}", "server.healthAddress": f"127.0.0.1:{free_port()}"}
    with TokenEndpoint(authority, mended.signer) as endpoint:
        endpoint.client_secret = SECRET
        endpoint.claims = {"note": SECRET}
        secret_file = write_private(directory / "client-secret", SECRET)
        provider = make_provider(mended, **addresses, **endpoint.settings(secret_file)).start(wait="healthy")
        works(provider)
        expect_secret(provider, addresses, [SECRET, *parts_of(endpoint.granted)])
        endpoint.answer = (400, {"error": SECRET, "error_description": SECRET, "access_token": SECRET})
        write_private(secret_file, f"{SECRET}-wrong")
        revoke_tokens(mended)
        provider.wait_record("auth.login", status="error")
        expect_secret(provider, addresses, [SECRET, *parts_of(endpoint.granted)])


def parts_of(tokens):
    return [part for token in tokens for part in token.split(".")]


def test_the_pin(make_provider, mended, authority, directory):
    """Of a PKCS#11 token, right and wrong."""
    addresses = {"server.metricsAddress": f"127.0.0.1:{free_port()}", "server.healthAddress": f"127.0.0.1:{free_port()}"}
    enable_cert_auth(mended, authority, mount=f"cert-{MARK}")
    token = Token(directory / "token", pin=SECRET)
    key = new_key("P-256")
    token.add_key(key)
    certificate = write_private(token.directory / "client.pem", issue_client(authority, key.public_key()))
    login = cert_overrides(f"cert-{MARK}", **by_labels(token, certificate))
    provider = make_provider(mended, **addresses, **login).start(wait="healthy", environment=token.environment)
    works(provider)
    expect_secret(provider, addresses, [SECRET], token.environment)
    write_private(token.pin_file, f"wrong-{SECRET}")
    reload(provider, **addresses, **login, **{"openbao.timeout": "3s"})
    provider.wait_record("auth.login", status="ok")
    expect_secret(provider, addresses, [SECRET], token.environment)


def works(provider):
    client = provider.client()
    assert client.decrypt(client.encrypt(PLAINTEXT)) == PLAINTEXT
    client.close()


def test_every_record_is_as_documented(life):
    events, fields = documented()
    assert len(events) == 21 and ALWAYS | {"error_class"} <= fields
    seen = set()
    for line in life.log.splitlines():
        record = json.loads(line)
        assert list(record)[:3] == ["ts", "level", "message"], line
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["ts"])
        assert record["level"] in ("debug", "info", "warn", "error")
        assert set(record) <= fields, line
        assert set(record) - ALWAYS <= events[record["message"]], line
        assert record.get("status") in (None, "ok", "error")
        if record.get("status") == "error" and record["message"] != "status.probe":
            assert "error_class" in record or "suppressed" in record, line
        seen.add(record["message"])
    assert {"kms.request", "openbao.request", "auth.login", "status.probe", "status.changed", "registry.saved",
            "socket.listening", "service.started", "service.stopping"} <= seen
