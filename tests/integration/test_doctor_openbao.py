# SPDX-License-Identifier: Apache-2.0
"""doctor against a real OpenBao: the way to it, the policy, the key, the clock. Each way to break it is named in the first line
that fails, and its remedy works."""

import os
import pathlib
import re
import socket
import ssl
import subprocess
import time

import pytest
from rig.clock import ShiftedClock
from rig.doctor import Report, as_administrator, assert_first, reconfigure
from rig.pki import Authority, write_private
from rig.provider import policy_for, run_command
from rig.tls_server import TlsServer
from rig.transit import Scope, Tenant

from cryptography.x509 import ExtendedKeyUsageOID


# The way to OpenBao

def test_a_name_that_is_unknown(node):
    report = Report(reconfigure(node, **{"openbao.address": "https://bao.invalid:8200"}))
    assert_first(report, "openbao.dns", "bao.invalid", "getent ahosts bao.invalid")
    assert report.results["openbao.connect"] == "skip"


def test_a_port_that_is_closed(node):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        report = Report(reconfigure(node, **{"openbao.address": f"https://127.0.0.1:{closed.getsockname()[1]}"}))
    assert_first(report, "openbao.connect", "refused", "systemctl status openbao")


def test_the_port_of_the_cluster(node, openbao):
    """Of OpenBao's nodes among themselves."""
    report = Report(reconfigure(node, **{"openbao.address": f"https://127.0.0.1:{openbao.cluster_port}"}))
    assert_first(report, "openbao.tls", "internal error of the server", "cluster_address (8201)")


def test_one_of_several_addresses_is_out(node):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        report = Report(reconfigure(node, **{"openbao.additionalAddresses": [
            f"https://127.0.0.1:{closed.getsockname()[1]}", "https://bao.invalid:8200"]}))
    assert report.exit == 0
    assert report.results["openbao.dns"] == report.results["openbao.connect"] == "warn"
    assert "bao.invalid" in report.texts("openbao.dns")
    assert report.results["openbao.tls"] == "ok"


def test_another_authority(node, directory):
    other = Authority(directory / "other", "other authority")
    report = Report(reconfigure(node, **{"openbao.caCertFile": str(other.file)}))
    assert_first(report, "openbao.tls", "unknown issuer", "CN=test authority", "openbao.caCertFile")


def test_no_authority(node, directory):
    report = Report(reconfigure(node, **{"openbao.caCertFile": str(directory / "absent.crt")}))
    assert_first(report, "openbao.tls", "openbao.caCertFile", "absent.crt", "No such file")


def test_an_authority_that_ends_soon(node, authority, directory):
    short = write_private(directory / "short.crt", authority.until(days=6.5))
    report = Report(reconfigure(node, **{"openbao.caCertFile": str(short)}))
    assert report.results["openbao.tls"] == "warn" and report.exit == 0
    assert "ends in 6 days" in report.texts("openbao.tls") and "its successor" in report.remedies("openbao.tls")


def test_a_tls_name_that_is_wrong(node):
    report = Report(reconfigure(node, **{"openbao.tlsServerName": "bao.example"}))
    assert_first(report, "openbao.tls", "name mismatch", "openbao.tlsServerName", "localhost, 127.0.0.1")


class Impostor(TlsServer):
    """Answers everything alike."""

    status, headers, body = 200, [("Content-Type", "text/html")], b"<html>"

    def serve(self, handler, body):
        handler.send(self.status, self.headers, self.body)


def demand_certificate(context, authority):
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(str(authority.file))


SHOWN = {
    "ended": ({"valid_to": -0.5}, "certificate expired", "renew OpenBao's certificate"),
    "not-begun": ({"valid_from": 1}, "not yet valid", "set this node's clock"),
    "for-clients": ({"usage": ExtendedKeyUsageOID.CLIENT_AUTH}, "not for this use", "serverAuth"),
    "without-names": ({"alternative": False}, "name mismatch", 'issued with the alternative name "localhost"'),
}


@pytest.mark.parametrize("name", SHOWN)
def test_a_server_certificate_that_is_wrong(node, authority, name):
    certificate, *parts = SHOWN[name]
    with Impostor(authority, "impostor", **certificate) as server:
        report = Report(reconfigure(node, **{"openbao.address": f"https://127.0.0.1:{server.port}"}))
    assert_first(report, "openbao.tls", *parts)


def test_an_authority_that_has_ended(node, authority, directory):
    ended = write_private(directory / "ended.crt", authority.until(days=-0.5))
    report = Report(reconfigure(node, **{"openbao.caCertFile": str(ended)}))
    assert_first(report, "openbao.tls", "issuer's certificate expired", str(ended), "its successor's")
    write_private(ended, authority.until(days=-0.5) + authority.until(days=30))  # as it is renewed
    assert Report(node.config).results["openbao.tls"] == "ok"


def test_a_listener_that_demands_a_certificate(node, authority):
    """TLS 1.3 says so only after the handshake."""
    with Impostor(authority, "impostor", tune=lambda context: demand_certificate(context, authority)) as server:
        report = Report(reconfigure(node, **{"openbao.address": f"https://127.0.0.1:{server.port}"}))
    assert_first(report, "openbao.auth", "client certificate refused", "tls_require_and_verify_client_cert")


FOREIGN = {
    "page": (200, b"<html>", [], "not OpenBao's", "something else than OpenBao answers"),
    "not-found": (404, b"<html>", [], "not OpenBao's", "something else than OpenBao answers"),
    "gateway": (502, b"", [], "status 502", "a proxy before it"),
    "redirect": (307, b"", [("Location", "https://localhost/")], "it redirects", "OpenBao itself"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_something_else_than_openbao(node, authority, name):
    status, body, headers, *parts = FOREIGN[name]
    with Impostor(authority, "impostor") as server:
        server.status, server.body = status, body
        server.headers = [*headers, ("Date", "Thu, 01 Jan 2026 00:00:00 GMT")]
        report = Report(reconfigure(node, **{"openbao.address": f"https://127.0.0.1:{server.port}"}))
    assert_first(report, "openbao.auth", *parts)
    assert name == "page" or report.results["openbao.clock"] == "warn"


# Policy

def write_policy(tenant, change):
    tenant.request("PUT", f"sys/policies/acl/{tenant.policy_name}", {"policy": change(policy_for(tenant))})


POLICIES = {
    "narrow": (lambda text: text.replace('/decrypt/', '/decrypted/'), 'lacks "update" on <mount>/decrypt/<key>'),
    "no-metadata": (lambda text: text.replace('/config/keys"', '/config/keyz"'), 'lacks "read" on <mount>/config/keys'),
    "of-another-key": (lambda text: re.sub(r'(crypt|keys)/[^"/]+" ', r'\1/other" ', text).replace("config/other", "config/keys"),
                       "the policy is for another key"),
    "no-capabilities": (lambda text: text.replace("capabilities-self", "x"), "sys/capabilities-self"),
    "export": (lambda text: text + 'path "+/export/*" { capabilities = ["read"] }', "<mount>/export/encryption-key"),
    "rotate": (lambda text: text + 'path "+/keys/+/rotate" { capabilities = ["update"] }', "<mount>/keys/<key>/rotate"),
    "export-of-a-version": (lambda text: text + 'path "+/export/encryption-key/+/+" { capabilities = ["read"] }',
                            "<mount>/export/encryption-key/<key>/1 (read); <mount>/export/encryption-key/<key>/latest (read)"),
    "upsert": (lambda text: text.replace('["update"]', '["create", "update"]'), "<mount>/encrypt/<key> (create)"),
    "policies": (lambda text: text + 'path "sys/policies/acl/*" { capabilities = ["create", "update"] }',
                 "sys/policies/acl/* (create,update)"),
    "logins": (lambda text: text + 'path "auth/*" { capabilities = ["update", "sudo"] }', "<auth>/role/<role> (sudo,update)"),
    "mounts": (lambda text: text + 'path "sys/mounts/*" { capabilities = ["delete"] }', "sys/mounts/<mount> (delete)"),
    "delete-what-is-needed": (lambda text: text.replace('["update"]', '["update", "delete"]'), "<mount>/decrypt/<key> (delete)"),
    "other-keys": (lambda text: text + 'path "+/decrypt/*" { capabilities = ["update"] }', "<mount>/decrypt/* (update)"),
    "data-keys": (lambda text: text + 'path "+/datakey/+/+" { capabilities = ["update"] }', "<mount>/datakey/plaintext/<key> (update)"),
    "imports": (lambda text: text + 'path "+/keys/+/import_version" { capabilities = ["update"] }',
                "<mount>/keys/<key>/import_version (update)"),
    "own-export": (lambda text: text + 'path "+/byok-export/*" { capabilities = ["read"] }', "<mount>/byok-export/<key>/<key> (read)"),
    "identities": (lambda text: text + 'path "identity/*" { capabilities = ["create", "update"] }', "identity/* (create,update)"),
    "raw": (lambda text: text + 'path "sys/raw/*" { capabilities = ["read", "sudo"] }', "sys/raw/* (sudo,read)"),
    "seal": (lambda text: text + 'path "sys/seal" { capabilities = ["update", "sudo"] }', "sys/seal (sudo,update)"),
    "new-keys": (lambda text: text + 'path "+/keys/+" { capabilities = ["create", "update"] }', "<mount>/keys/* (create,update)"),
    "wide": (lambda text: 'path "*" { capabilities = ["create","read","update","delete","list","sudo"] }',
             "delete,sudo"),
}


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_that_does_not_fit(node, name):
    change, part = POLICIES[name]
    write_policy(node.tenant, change)
    report = Report(node.config)
    assert_first(report, "transit.capabilities", part, "policy openbao")
    read, write = report.commands("transit.capabilities")
    assert node.tenant.policy_name in as_administrator(node.tenant.bao, read)
    as_administrator(node.tenant.bao, write)
    assert Report(node.config).results["transit.capabilities"] == "ok"


def test_a_role_without_a_policy(node):
    node.tenant.write_role(token_policies=[])
    report = Report(node.config)
    assert_first(report, "transit.capabilities", "is of no policy at all", "the role gives the token no policy")
    for command in report.commands("transit.capabilities"):
        as_administrator(node.tenant.bao, command)
    assert Report(node.config).results["transit.capabilities"] == "ok"


def test_a_role_with_several_policies(node):
    node.tenant.write_role(token_policies=["absent", "others"])
    report = Report(node.config)
    assert_first(report, "transit.capabilities", "policy openbao", "several policies")
    for command in report.commands("transit.capabilities"):
        as_administrator(node.tenant.bao, command)
    assert Report(node.config).results["transit.capabilities"] == "ok"
    assert "others" not in node.tenant.request("GET", f"auth/{node.tenant.auth}/role/kms")["data"]["token_policies"]


WIDE = 'path "*" { capabilities = ["create","read","update","delete","list","sudo"] }'


def test_a_default_policy_that_is_wide(node):
    """It is everybody's, and no policy of the provider's can take back what it gives."""
    path = "sys/policies/acl/default"
    policy = node.tenant.request("GET", path)["data"]["policy"]
    node.tenant.write_role(token_no_default_policy=False)
    try:
        node.tenant.request("PUT", path, {"policy": policy + WIDE})
        report = Report(node.config)
        assert_first(report, "transit.capabilities", "must not", "several policies")
        for command in report.commands("transit.capabilities"):
            as_administrator(node.tenant.bao, command)
        assert Report(node.config).results["transit.capabilities"] == "ok"
    finally:
        node.tenant.request("PUT", path, {"policy": policy})


def test_a_policy_of_the_identity(node):
    """Neither the role nor its policy can take it back."""
    bao = node.tenant.bao
    bao.request("PUT", "sys/policies/acl/wide", {"policy": WIDE})
    login = bao.request("POST", f"auth/{node.tenant.auth}/login", {"role": "kms", "jwt": node.tenant.signer.sign()}, token="")
    bao.write(f"identity/entity/id/{login['auth']['entity_id']}", {"policies": ["wide"]})
    report = Report(node.config)
    assert_first(report, "transit.capabilities", "must not", "policies of its identity")
    for command in report.commands("transit.capabilities"):
        as_administrator(bao, command)
    assert Report(node.config).results["transit.capabilities"] == "ok"


def test_a_policy_that_limits_parameters(node):
    """The capabilities are right, and the call is denied."""
    path = f'path "{node.tenant.mount}/encrypt/{node.tenant.key}" {{'
    write_policy(node.tenant, lambda text: text.replace(path, f'{path} allowed_parameters = {{ "plaintext" = [] }}\n'))
    report = Report(node.config)
    assert_first(report, "transit.probe", "permission denied", "allowed_parameters")
    assert report.results["transit.capabilities"] == "ok"
    read, write = report.commands("transit.probe")
    assert node.tenant.policy_name in as_administrator(node.tenant.bao, read)
    as_administrator(node.tenant.bao, write)
    assert Report(node.config).results["transit.probe"] == "ok"


def test_a_quota_that_leaves_the_last_call_out(make_provider, openbao, directory):
    """That is no word on the associated data. Quotas are OpenBao's own, also where the provider has a namespace."""
    tenant = Tenant(openbao, directory / "tenant", scope=Scope(namespace="limited"))
    tenant.create_namespace()
    provider = make_provider(tenant.set_up(policy_for(tenant)), directory / "node")
    os.chmod(provider.directory, 0o2750)
    openbao.request("POST", "sys/quotas/rate-limit/one", {
        "path": f"limited/{tenant.mount}/decrypt/{tenant.key}", "rate": 1, "interval": "1h"})
    try:
        result = run_command("doctor", "--config", provider.config, "--before-start")
    finally:
        assert "one" in as_administrator(openbao, "BAO_NAMESPACE= bao list sys/quotas/rate-limit")
        openbao.request("DELETE", "sys/quotas/rate-limit/one")
    assert result.returncode == 4 and "BAO_NAMESPACE= bao list sys/quotas/rate-limit" in result.stdout, result.stdout
    assert Report(provider.config, "--before-start").results["transit.probe"] == "ok"


def test_a_policy_without_renewal(node):
    write_policy(node.tenant, lambda text: text.replace("renew-self", "renewed"))
    report = Report(node.config)
    assert report.results["transit.capabilities"] == "warn" and report.exit == 0


# The key

def test_a_missing_key(node):
    tenant = node.tenant
    tenant.request("POST", f"{tenant.mount}/keys/{tenant.key}/config", {"deletion_allowed": True})
    tenant.request("DELETE", f"{tenant.mount}/keys/{tenant.key}")
    report = Report(node.config)
    assert_first(report, "transit.metadata", "there is no key of the name of transit.keyName", "do not make a new one")
    assert report.commands("transit.metadata") == [f"bao list {tenant.mount}/keys"]  # what was encrypted needs the old one
    node.stop()
    for suffix in ("", ".checkpoint"):
        pathlib.Path(f"{node.state_path}{suffix}").unlink()
    report = Report(node.config, "--before-start")
    assert_first(report, "transit.metadata", "only for a new cluster make the key")
    as_administrator(tenant.bao, report.commands("transit.metadata")[1])
    assert Report(node.config, "--before-start").results["transit.metadata"] == "ok"


@pytest.mark.parametrize("kind", ["hmac", "ed25519", "ecdsa-p256"])
def test_a_key_that_does_not_encrypt(make_provider, fresh_tenant, kind):
    provider = make_provider(fresh_tenant, **{"transit.keyName": "other"})
    os.chmod(provider.directory, 0o2750)
    fresh_tenant.request("POST", f"{fresh_tenant.mount}/keys/other", {"type": kind, **({"key_size": 32} if kind == "hmac" else {})})
    fresh_tenant.request("PUT", f"sys/policies/acl/{fresh_tenant.policy_name}", {
        "policy": policy_for(fresh_tenant).replace(f"/{fresh_tenant.key}\"", "/other\"")})
    report = Report(provider.config, "--before-start")
    assert_first(report, "transit.profile", f"but {kind}, which does not encrypt", "make another key and name it in transit.keyName")


@pytest.mark.parametrize("options", [{"type": "kv"}, {"type": "kv", "options": {"version": "2"}}, {"type": "pki"}],
                         ids=["kv", "kv2", "pki"])
def test_another_engine(node, options):
    node.stop()
    node.tenant.request("DELETE", f"sys/mounts/{node.tenant.mount}")
    report = Report(node.config, "--before-start")
    assert_first(report, "transit.metadata", "nothing is mounted at transit.mountPath")
    node.tenant.request("POST", f"sys/mounts/{node.tenant.mount}", options)
    report = Report(node.config, "--before-start")
    assert_first(report, "transit.metadata", "not Transit", "bao secrets list")
    assert f"{node.tenant.mount}/" in as_administrator(node.tenant.bao, report.commands("transit.metadata")[0])


@pytest.mark.parametrize("field", ["transit.keyName", "transit.mountPath"])
def test_another_key_or_mount(node, field):
    report = Report(reconfigure(node, **{field: "absent"}))
    assert_first(report, "transit.capabilities", f"{field} is wrong", "correct the field")
    with pytest.raises(subprocess.CalledProcessError):  # no policy for what is not there in the place of the right one
        as_administrator(node.tenant.bao, report.commands("transit.capabilities")[1])
    reconfigure(node)
    assert Report(node.config).exit == 0


def test_a_mount_that_upserts(node):
    tenant = node.tenant
    tenant.request("POST", f"{tenant.mount}/config/keys", {"disable_upsert": False})
    report = Report(node.config)
    assert_first(report, "transit.disable_upsert", "disable_upsert=true")
    as_administrator(tenant.bao, report.commands("transit.disable_upsert")[0])
    assert Report(node.config).results["transit.disable_upsert"] == "ok"


def test_a_key_that_may_be_deleted(node):
    tenant = node.tenant
    tenant.request("POST", f"{tenant.mount}/keys/{tenant.key}/config", {"deletion_allowed": True})
    report = Report(node.config)
    assert_first(report, "transit.profile", "may be deleted")
    as_administrator(tenant.bao, report.commands("transit.profile")[0])
    assert Report(node.config).results["transit.profile"] == "ok"


def test_an_exportable_key(node):
    tenant = node.tenant
    tenant.request("POST", f"{tenant.mount}/keys/{tenant.key}/config", {"exportable": True})
    assert_first(Report(node.config), "transit.profile", "exportable", "another key")


def test_a_minimum_that_was_raised(node):
    tenant = node.tenant
    node.stop()
    tenant.rotate()
    tenant.set_minimum(decryption=2)
    report = Report(node.config, "--before-start")
    assert_first(report, "transit.version_restrictions", "minimum version 2", "min_decryption_version=1")
    assert report.results["key_id.deterministic"] == "skip"
    as_administrator(tenant.bao, report.commands("transit.version_restrictions")[0])
    assert Report(node.config, "--before-start").exit == 0


def test_an_encryption_minimum_that_was_raised(node):
    tenant = node.tenant
    node.stop()
    tenant.rotate()
    tenant.set_minimum(encryption=2)
    report = Report(node.config, "--before-start")
    assert_first(report, "transit.version_restrictions", "from version 2 on")
    as_administrator(tenant.bao, report.commands("transit.version_restrictions")[0])
    assert Report(node.config, "--before-start").exit == 0


# The clock

def test_a_clock_of_another_year(make_provider, fresh_tenant, directory):
    """OpenBao cannot be asked for the time: its certificate is not valid by that clock."""
    clock = ShiftedClock(directory)
    provider = make_provider(fresh_tenant)
    os.chmod(provider.directory, 0o2750)
    for years in (-20, 20):
        clock.shift(years * 365 * 86400)
        report = Report(provider.config, "--before-start", environment=clock.environment)
        assert_first(report, "jwt.local", "this node's clock says", "neither OpenBao's certificate is in its time",
                     "timedatectl set-ntp true")


def test_a_clock_that_is_off(make_provider, fresh_tenant, directory):
    clock = ShiftedClock(directory)
    now = int(time.time())
    fresh_tenant.write_jwt(36000, iat=now - 36000, nbf=now - 36000)
    provider = make_provider(fresh_tenant)
    os.chmod(provider.directory, 0o2750)
    clock.shift(12)
    report = Report(provider.config, "--before-start", environment=clock.environment)
    assert report.results["openbao.clock"] == "warn" and "ahead of" in report.texts("openbao.clock")
    clock.shift(-600)
    report = Report(provider.config, "--before-start", environment=clock.environment)
    assert_first(report, "openbao.clock", "behind", "clockSkewLeeway", "timedatectl set-ntp true")
    assert report.results["openbao.auth"] == "ok"
    clock.shift(40000)  # now the JWT seems to have ended, which is not the cause
    report = Report(provider.config, "--before-start", environment=clock.environment)
    assert_first(report, "jwt.local", "this node's clock", "11 h ahead of", "chronyc makestep")
