# SPDX-License-Identifier: Apache-2.0
"""The commands that ask a running provider, and the policy, against a real OpenBao."""

import time

import pytest
from rig.audit import AuditLog
from rig.openbao import OpenBaoError
from rig.provider import policy_for, run_command
from rig.transit import Tenant


def test_probe(provider):
    result = run_command("probe", "--socket", provider.socket)
    assert result.returncode == 0, result.stderr
    key_id = provider.client().status().key_id
    assert run_command("probe", "--socket", provider.socket, "--expected-key-id", key_id).returncode == 0


def test_probe_of_another_key_id(provider):
    result = run_command("probe", "--socket", provider.socket, "--expected-key-id", "obk2." + "A" * 43)
    assert result.returncode == 4


def test_probe_without_a_provider(directory):
    result = run_command("probe", "--socket", directory / "absent.sock", "--timeout", "1s")
    assert result.returncode == 4
    assert len(result.stderr.strip().splitlines()) >= 1


def test_probe_of_an_unhealthy_provider(make_provider, tenant):
    tenant.write_jwt(lifetime=-60)
    try:
        provider = make_provider(tenant).start(wait="socket")
        assert run_command("probe", "--socket", provider.socket, "--timeout", "2s").returncode == 4
    finally:
        tenant.write_jwt()


def test_wrong_usage():
    assert run_command("no-such-command").returncode == 2
    assert run_command("probe", "--no-such-option").returncode == 2


@pytest.mark.parametrize("command", [
    [], ["serve"], ["probe"], ["config"], ["config", "schema"], ["policy", "openbao"], ["version"]], ids=" ".join)
def test_help_has_an_example(command):
    result = run_command(*command, "--help")
    assert result.returncode == 0
    assert "bao-kms-provider " in result.stdout


DENIED = [
    ("POST", "{mount}/keys/{key}", {"type": "aes256-gcm96"}),
    ("POST", "{mount}/keys/another", {"type": "aes256-gcm96"}),
    ("POST", "{mount}/keys/{key}/rotate", {}),
    ("POST", "{mount}/keys/{key}/config", {"deletion_allowed": True}),
    ("POST", "{mount}/keys/{key}/trim", {"min_available_version": 1}),
    ("DELETE", "{mount}/keys/{key}", None),
    ("GET", "{mount}/export/encryption-key/{key}", None),
    ("GET", "{mount}/backup/{key}", None),
    ("POST", "{mount}/restore", {"backup": "x"}),
    ("POST", "{mount}/rewrap/{key}", {"ciphertext": "vault:v1:AAAA"}),
    ("POST", "{mount}/datakey/plaintext/{key}", {}),
    ("POST", "{mount}/config/keys", {"disable_upsert": False}),
    ("POST", "{mount}/encrypt/another", {"plaintext": "AAAA"}),
    ("GET", "{mount}/keys/another", None),
    ("GET", "sys/mounts", None),
]


@pytest.mark.parametrize("method, path, body", DENIED, ids=[f"{method} {path}" for method, path, _ in DENIED])
def test_the_policy_denies(openbao, tenant, method, path, body):
    token = tenant.login()
    with pytest.raises(OpenBaoError) as caught:
        openbao.request(method, path.format(mount=tenant.mount, key=tenant.key), body, token=token)
    assert caught.value.status == 403


def test_the_policy_grants_what_is_needed(openbao, tenant):
    token = tenant.login()
    openbao.read(f"{tenant.mount}/keys/{tenant.key}", token=token)
    openbao.read(f"{tenant.mount}/config/keys", token=token)
    openbao.write("auth/token/renew-self", {"increment": "3600s"}, token=token)
    openbao.write("sys/capabilities-self", {"paths": [f"{tenant.mount}/keys/{tenant.key}"]}, token=token)
    encrypted = openbao.write(f"{tenant.mount}/encrypt/{tenant.key}", {"plaintext": "AAAA"}, token=token)
    openbao.write(f"{tenant.mount}/decrypt/{tenant.key}", {"ciphertext": encrypted["data"]["ciphertext"]},
                  token=token)


def test_a_token_is_renewed_before_it_runs_out(openbao, directory, make_provider):
    """A lease of 6 s with a window of a third of it: renewals, and not one Status that is not healthy."""
    tenant = Tenant(openbao, directory / "short", mount="short", auth="jwt-short", token_ttl="6s")
    tenant.set_up(policy_for(tenant))
    audit = AuditLog(openbao.audit_path)
    mark = audit.mark()
    provider = make_provider(tenant, **{
        "auth.loginBeforeTokenExpiry": "5s", "auth.tokenRenewalIncrement": "6s"}).start(wait="healthy")
    client = provider.client()
    until = time.monotonic() + 14
    while time.monotonic() < until:
        assert client.decrypt(client.encrypt(b"text")) == b"text"
        time.sleep(0.1)
    assert len(audit.requests(mark, "auth/token/renew-self")) + len(
        audit.requests(mark, f"auth/{tenant.auth}/login")) >= 3
