# SPDX-License-Identifier: Apache-2.0
"""doctor against a real OpenBao: each way to break a node is named in the first line that fails, and its remedy works."""

import fcntl
import json
import os
import pathlib
import pty
import re
import shutil
import socket
import struct
import subprocess
import termios
import time

import jsonschema
import pytest
from rig.clock import ShiftedClock
from rig.pki import Authority, JwtSigner, write_private
from rig.provider import find_binary, policy_for, private_directory, run_command
from rig.token import Token, by_labels, cert_overrides, enable_cert_auth, issue_client, new_key
from rig.token_endpoint import TokenEndpoint
from rig.transit import Scope, Tenant

SCHEMA = json.loads(
    (pathlib.Path(__file__).resolve().parents[2] / "data/schemas/doctor.schema.json").read_text(encoding="utf-8"))
LINE = re.compile(r"^\[(ok|warn|fail|skip)\] +(\S+) +(.*)$")


class Report:
    """What doctor says in JSON, valid by its schema, and as text, which must say the same."""

    def __init__(self, config, *arguments, environment=None, prefix=()):
        command = [*prefix, find_binary(), "doctor", "--config", str(config), *map(str, arguments)]
        variables = {**os.environ, **(environment or {})}
        result = subprocess.run([*command, "--output", "json"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                timeout=60, env=variables)
        text = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                              env=variables)
        self.exit = result.returncode
        self.text = text.stdout
        self.complaints = result.stderr + text.stderr
        self.report = json.loads(result.stdout)
        jsonschema.validate(self.report, SCHEMA)
        self.checks = {check["id"]: check for check in self.report["checks"]}
        self.results = {check["id"]: check["result"] for check in self.report["checks"]}
        assert text.returncode == self.exit, text.stderr
        said = [LINE.match(line).groups()[:2] for line in self.text.splitlines() if line.startswith("[")]
        found = [(finding["result"], check["id"]) for check in self.report["checks"] for finding in check["findings"]]
        # What comes after a denial may or may not be in time for the login that it makes necessary.
        denied = [index for index, item in enumerate(found) if item == ("fail", "transit.capabilities")]
        assert said[:denied[-1]] == found[:denied[-1]] if denied else said == found
        assert self.report["passed"] == ("fail" not in self.results.values()) == (self.exit == 0)
        for check in self.report["checks"]:
            failed = [finding for finding in check["findings"] if finding["result"] == "fail"]
            silent = [finding for finding in failed if not finding.get("remedy") and not finding.get("commands")]
            together = check["id"] in ("config.validate", "transit.capabilities")  # one remedy for all that it found
            assert not silent or (together and len(silent) < len(failed)), (check["id"], silent)
        assert "CRITICAL" not in self.complaints and "Sanitizer" not in self.complaints, self.complaints

    @property
    def first(self):
        """The first check that failed: its id and what it says."""
        for check in self.report["checks"]:
            for finding in check["findings"]:
                if finding["result"] == "fail":
                    return check["id"], finding
        return None, {}

    def texts(self, check):
        return " / ".join(finding["text"] for finding in self.checks[check]["findings"])

    def remedies(self, check):
        return " / ".join(finding.get("remedy", "") for finding in self.checks[check]["findings"])

    def commands(self, check):
        """As the text gives them: with all names filled in."""
        remedies = [finding.get("remedy") for finding in self.checks[check]["findings"]]
        found, inside = [], False
        for line in self.text.splitlines():
            match = LINE.match(line)
            inside = match[2] == check if match else inside
            said = line.strip().removeprefix("fix: ")
            if inside and not match and said not in remedies:
                found.append(said)
        return found


def assert_first(report, check, *parts, exit=4):
    found, finding = report.first
    assert found == check, report.text
    said = " ".join([finding["text"], finding.get("remedy", ""), *finding.get("commands", [])])
    for part in parts:
        assert part in said, (part, said)
    assert report.exit == exit


def as_administrator(openbao, command):
    """Runs a command that doctor has printed, with OpenBao's own `bao`."""
    directory = private_directory()
    (directory / "bao").symlink_to(openbao.binary)
    (directory / "bao-kms-provider").symlink_to(find_binary())
    environment = {**os.environ, "PATH": f"{directory}:/usr/bin:/bin:/usr/sbin:/sbin", "BAO_ADDR": openbao.address,
                   "BAO_TOKEN": openbao.root_token, "BAO_CACERT": str(openbao.authority.file), "HOME": str(directory)}
    return subprocess.run(["sh", "-ec", command], check=True, capture_output=True, text=True, env=environment,
                          timeout=30).stdout


@pytest.fixture
def node(make_provider, directory, fresh_tenant):
    """A node in good order: the provider runs, its directory is as the package makes it."""
    provider = make_provider(fresh_tenant, directory / "node").start(wait="healthy")
    os.chmod(provider.directory, 0o2750)
    os.chmod(directory, 0o711)
    return provider


def reconfigure(node, **overrides):
    node.configure(**overrides)
    return node.config


def test_a_node_in_good_order(node):
    encryption = write_encryption(node)
    report = Report(node.config, "--encryption-config", encryption)
    assert report.exit == 0, report.text
    assert {check for check, result in report.results.items() if result not in ("ok", "skip")} == set()
    assert {check for check, result in report.results.items() if result == "skip"} <= {
        "systemd.unit", "selinux", "oauth2.local", "oauth2.acquire", "auth.cert.pkcs11", "auth.cert.local", "auth.cert.signer"}
    tls = report.texts("openbao.tls")
    for part in ("TLS 1.3", 'issued by "CN=test authority"', "127.0.0.1"):
        assert part in tls
    assert re.search(r"ends in (9|10) days", tls)
    assert report.report["user"].startswith("root")


def test_it_changes_nothing(node, openbao, audit):
    """No file, no lock, no socket; in OpenBao a login and bytes of its own."""
    before = snapshot(node.directory)
    mark = audit.mark()
    assert Report(node.config).exit == 0
    assert snapshot(node.directory) == before
    paths = {entry["request"]["path"] for entry in audit.entries(mark) if entry["type"] == "request"}
    mount, key = node.tenant.mount, node.tenant.key
    assert paths <= {f"auth/{node.tenant.auth}/login", "sys/capabilities-self", "sys/health", f"{mount}/keys/{key}",
                     f"{mount}/config/keys", f"{mount}/encrypt/{key}", f"{mount}/decrypt/{key}",
                     "auth/token/renew-self"}
    assert node.client().status().healthz == "ok"


def snapshot(directory):
    return {str(path): (os.lstat(path).st_mode, os.lstat(path).st_ino,
                        path.read_bytes() if path.is_file() and path.name != "provider.log" else None)
            for path in sorted(directory.rglob("*"))}


# Configuration

def test_no_configuration(directory):
    report = Report(directory / "absent.yaml")
    assert_first(report, "config.load", "absent.yaml", "No such file", exit=3)
    assert {result for check, result in report.results.items() if not check.startswith("config.load")} == {"skip"}


def test_configuration_of_a_wrong_mode(node):
    os.chmod(node.config, 0o644)
    report = Report(node.config)
    assert_first(report, "config.load", "mode 0644", exit=3)
    run_all(report.commands("config.load"))
    assert Report(node.config).results["config.load"] == "ok"


def test_configuration_with_faults(node):
    configuration = json.loads(node.config.read_text())
    configuration["openbao"]["adress"] = configuration["openbao"].pop("address")
    write_private(node.config, json.dumps(configuration, indent=1))
    report = Report(node.config)
    assert_first(report, "config.validate", "openbao.address", "is missing", exit=3)
    assert "did you mean" in report.texts("config.validate") or "adress" in report.texts("config.validate")


def run_all(commands):
    assert commands
    for command in commands:
        subprocess.run(["sh", "-ec", command], check=True)


# The socket

def test_no_such_group(node):
    report = Report(reconfigure(node, **{"server.socketGroup": "no-such-group"}))
    assert_first(report, "socket.group", "no-such-group", "groupadd --system no-such-group")


def test_a_socket_of_another_group(node):
    os.chown(node.socket, -1, 12345)
    report = Report(node.config)
    assert_first(report, "socket.group", "group 12345", "not to group")
    run_all(report.commands("socket.group"))
    assert Report(node.config).exit == 0


def test_a_socket_of_another_mode(node):
    os.chmod(node.socket, 0o600)
    report = Report(node.config)
    assert_first(report, "socket.group", "mode 0600")
    run_all(report.commands("socket.group"))
    assert Report(node.config).exit == 0


@pytest.mark.parametrize("mode", [0o2770, 0o777, 0o700], ids=oct)
def test_a_socket_directory_of_a_wrong_mode(node, mode):
    os.chmod(node.directory, mode)
    report = Report(node.config)
    assert_first(report, "socket.parent", f"mode {mode:04o}")
    run_all(report.commands("socket.parent"))
    assert Report(node.config).exit == 0


def test_a_socket_directory_of_another_user(node):
    os.chown(node.directory, 12345, -1)
    report = Report(node.config)
    assert_first(report, "socket.parent", "uid 12345")
    run_all(report.commands("socket.parent"))
    assert Report(node.config).exit == 0


def test_no_socket_directory(node, directory):
    report = Report(reconfigure(node, **{"server.socketPath": str(directory / "gone" / "kms.sock")}))
    assert_first(report, "socket.parent", "No such file", "install -d -m 2750")
    run_all(report.commands("socket.parent"))
    assert Report(node.config, "--before-start").exit == 0


def test_a_directory_in_the_place_of_the_socket(node):
    node.stop()
    node.socket.mkdir()
    report = Report(node.config)
    assert_first(report, "socket.parent", "a directory", "rmdir")
    run_all(report.commands("socket.parent"))
    assert Report(node.config, "--before-start").exit == 0


def test_a_way_to_the_socket_that_is_closed(node, directory):
    os.chmod(directory, 0o700)
    report = Report(node.config)
    assert report.results["socket.parent"] == "warn"
    run_all(report.commands("socket.parent"))
    assert Report(node.config).results["socket.parent"] == "ok"


# The JWT

JWTS = {
    "expired": (lambda tenant: tenant.write_jwt(lifetime=-60), "it has expired", "fresh one"),
    "soon": (lambda tenant: tenant.write_jwt(lifetime=60), "auth.jwt.minRemainingTtl", "fresh one"),
    "future": (lambda tenant: tenant.write_jwt(nbf=int(time.time()) + 600), "\"nbf\" is further ahead", "clock"),
    "empty": (lambda tenant: write_private(tenant.jwt_file, ""), "three parts", "compact form"),
    "mode": (lambda tenant: os.chmod(tenant.jwt_file, 0o644), "mode 0644", "chmod 0640"),
    "missing": (lambda tenant: tenant.jwt_file.unlink(), "No such file", "auth.jwt.jwtFile"),
    "audience": (lambda tenant: tenant.write_jwt(aud="other"), "\"aud\" is not the expected one", "expectedAudience"),
}


@pytest.mark.parametrize("name", JWTS)
def test_a_bad_jwt(node, name):
    spoil, *parts = JWTS[name]
    config = reconfigure(node, **{"auth.jwt.expectedAudience": [node.tenant.signer.audience]})
    spoil(node.tenant)
    report = Report(config)
    assert_first(report, "jwt.local", *parts)
    assert report.results["openbao.tls"] == "ok"
    assert report.results["openbao.auth"] == "skip"


def test_a_jwt_that_systemd_has_copied(node, directory):
    credentials = directory / "credentials"
    credentials.mkdir()
    write_private(credentials / "identity", node.tenant.signer.sign())
    config = reconfigure(node, **{"auth.jwt.jwtFile": "credential:identity"})
    report = Report(config, environment={"CREDENTIALS_DIRECTORY": str(credentials)})
    assert report.results["jwt.local"] == "warn" and report.exit == 0
    assert "copied once" in report.texts("jwt.local")
    report = Report(config)
    assert report.results["jwt.local"] == "skip"
    assert report.results["openbao.auth"] == "skip"


# The token endpoint

def test_a_token_endpoint(make_provider, tenant, authority, directory):
    with TokenEndpoint(authority, tenant.signer) as endpoint:
        secret = write_private(directory / "client-secret", endpoint.client_secret + "\n")
        provider = make_provider(tenant, **endpoint.settings(secret))
        os.chmod(provider.directory, 0o2750)
        report = Report(provider.config, "--before-start")
        assert report.exit == 0, report.text
        assert report.results["oauth2.local"] == report.results["oauth2.acquire"] == "ok"
        assert report.results["jwt.local"] == "skip" and report.results["openbao.auth"] == "ok"
        write_private(secret, "wrong")
        report = Report(provider.config, "--before-start")
        assert_first(report, "oauth2.acquire", "auth.jwt.oauth2.clientId")
        assert report.results["openbao.auth"] == "skip"
        os.chmod(secret, 0o644)
        report = Report(provider.config, "--before-start")
        assert_first(report, "oauth2.local", "mode 0644", "chmod 0640")
        run_all(report.commands("oauth2.local"))
        write_private(secret, endpoint.client_secret)
        endpoint.claims = {"aud": "other"}
        report = Report(provider.config, "--before-start")
        assert report.first[0] == "openbao.auth" or report.first[0] == "oauth2.acquire"
    assert_first(Report(provider.config, "--before-start"), "oauth2.acquire", "auth.jwt.oauth2.tokenUrl", "curl -sS")


# The certificate and its key

@pytest.fixture(scope="module")
def cert_tenant(tenant, authority):
    enable_cert_auth(tenant, authority)
    return tenant


@pytest.fixture
def card(directory, cert_tenant, authority):
    token = Token(directory / "token")
    token.key = new_key("P-256")
    token.add_key(token.key)
    token.certificate = write_private(token.directory / "client.pem", issue_client(authority, token.key.public_key()))
    return token


def report_with(card, make_provider, tenant, **changes):
    provider = make_provider(tenant, **{**cert_overrides(**by_labels(card, card.certificate)), **changes})
    os.chmod(provider.directory, 0o2750)
    return Report(provider.config, "--before-start", environment=card.environment)


def test_a_certificate_in_good_order(card, make_provider, cert_tenant):
    report = report_with(card, make_provider, cert_tenant)
    assert report.exit == 0, report.text
    assert report.results["jwt.local"] == "skip" and report.results["openbao.auth"] == "ok"
    assert "CN=node-1" in report.texts("auth.cert.local")
    for check in ("auth.cert.pkcs11", "auth.cert.local", "auth.cert.signer"):
        assert report.results[check] == "ok"


CARDS = {
    "module": ({"auth.cert.pkcs11.modulePath": "/absent.so"}, "auth.cert.pkcs11", "cannot load", "modulePath"),
    "token": ({"auth.cert.pkcs11.tokenLabel": "other"}, "auth.cert.pkcs11", "no PKCS#11 token", "tokenLabel"),
    "key": ({"auth.cert.pkcs11.keyLabel": "other"}, "auth.cert.signer", "no private key", "keyLabel"),
    "role": ({"auth.cert.name": "other"}, "openbao.auth", "status 400", "bao list <auth>/certs"),
}


@pytest.mark.parametrize("name", CARDS)
def test_a_token_that_does_not_fit(card, make_provider, cert_tenant, name):
    changes, check, *parts = CARDS[name]
    assert_first(report_with(card, make_provider, cert_tenant, **changes), check, *parts)


def test_a_certificate_that_does_not_fit(card, make_provider, cert_tenant, authority):
    write_private(card.certificate, issue_client(authority, card.key.public_key(), valid_to=-0.5))
    assert_first(report_with(card, make_provider, cert_tenant), "auth.cert.local", "has expired", "new certificate")
    write_private(card.certificate, issue_client(authority, new_key("P-256").public_key()))
    assert_first(report_with(card, make_provider, cert_tenant), "auth.cert.signer", "does not belong", "certificateFile")
    write_private(card.certificate, issue_client(authority, card.key.public_key()))
    write_private(card.pin_file, "000000\n")
    assert_first(report_with(card, make_provider, cert_tenant), "auth.cert.signer", "refused the PIN", "right PIN")


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


# Login

def test_another_role(node):
    report = Report(reconfigure(node, **{"auth.jwt.role": "absent"}))
    assert_first(report, "openbao.auth", "could not be found", "auth.jwt.role", "bao list <auth>/role")
    assert [command for command in report.commands("openbao.auth")] == [f"bao list auth/{node.tenant.auth}/role"]
    assert node.tenant.role in as_administrator(node.tenant.bao, report.commands("openbao.auth")[0])


def test_another_audience(node):
    node.tenant.write_jwt(aud="other")
    report = Report(node.config)
    assert_first(report, "openbao.auth", "audience", "bound_audiences")
    assert "bound_audiences" in as_administrator(node.tenant.bao, report.commands("openbao.auth")[0])


def test_another_subject(node):
    node.tenant.write_jwt(sub="other")
    assert_first(Report(node.config), "openbao.auth", "subject", "bound_subject")


def test_another_signer(node):
    write_private(node.tenant.jwt_file, JwtSigner().sign())
    assert_first(Report(node.config), "openbao.auth", "signature", "jwt_validation_pubkeys")


def test_another_auth_mount(node):
    report = Report(reconfigure(node, **{"auth.jwt.mountPath": "auth/absent"}))
    assert_first(report, "openbao.auth", "permission denied", "auth.jwt.mountPath", "bao auth list")


def test_another_namespace(node):
    report = Report(reconfigure(node, **{"openbao.namespace": "absent"}))
    assert_first(report, "openbao.auth", "namespace not found", "openbao.namespace")


def test_a_sealed_openbao(make_provider, durable_tenant, durable_openbao):
    provider = make_provider(durable_tenant)
    os.chmod(provider.directory, 0o2750)
    durable_openbao.seal()
    report = Report(provider.config, "--before-start")
    assert_first(report, "openbao.auth", "is sealed", "bao operator unseal")


def test_a_lease_that_is_short(node):
    node.tenant.write_role(token_ttl="60s")
    report = Report(node.config)
    assert report.results["openbao.auth"] == "warn"
    assert "token_ttl" in as_administrator(node.tenant.bao, report.commands("openbao.auth")[0])
    assert "token_ttl" in report.remedies("openbao.auth")


def test_a_token_of_few_uses(node):
    node.tenant.write_role(token_num_uses=1)
    report = Report(node.config)
    assert_first(report, "openbao.auth", "end after 1 uses", "token_num_uses to 0")
    assert "token_num_uses" in as_administrator(node.tenant.bao, report.commands("openbao.auth")[0])
    assert report.results["transit.capabilities"] == report.results["transit.probe"] == "skip"
    node.tenant.write_role(token_num_uses=0)
    assert Report(node.config).exit == 0


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
    "wide": (lambda text: 'path "*" { capabilities = ["create","read","update","delete","list","sudo"] }',
             "delete,sudo"),
}


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_that_does_not_fit(node, name):
    change, part = POLICIES[name]
    write_policy(node.tenant, change)
    # What is denied is tried again with a fresh login, which may take its time.
    report = Report(reconfigure(node, **{"openbao.timeout": "20s"}))
    assert_first(report, "transit.capabilities", part, "policy openbao")
    read, write = report.commands("transit.capabilities")
    assert node.tenant.policy_name in as_administrator(node.tenant.bao, read)
    as_administrator(node.tenant.bao, write.replace("POLICY", node.tenant.policy_name))
    assert Report(node.config).results["transit.capabilities"] == "ok"


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
    assert_first(report, "transit.metadata", "404", "transit.keyName")
    as_administrator(tenant.bao, report.commands("transit.metadata")[1])
    assert Report(node.config).results["transit.metadata"] == "ok"


@pytest.mark.parametrize("field", ["transit.keyName", "transit.mountPath"])
def test_another_key_or_mount(node, field):
    report = Report(reconfigure(node, **{field: "absent"}))
    assert_first(report, "transit.capabilities", f"{field} is wrong", "correct the field")


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


# The state

@pytest.mark.parametrize("field", ["clusterId", "keyLineageId", "transitMountId"])
def test_the_state_of_another_cluster(node, field):
    report = Report(reconfigure(node, **{f"transit.keyIdScope.{field}": "another"}))
    assert_first(report, "registry.state", str(node.state_path), "set that field of the configuration back")
    assert report.commands("registry.state") == []


def test_a_damaged_state(node):
    node.stop()
    node.state_path.write_text("{")
    assert_first(Report(node.config, "--before-start"), "registry.state", "recover-state")


def test_no_state_of_a_rotated_key(make_provider, fresh_tenant):
    fresh_tenant.rotate()
    provider = make_provider(fresh_tenant)
    os.chmod(provider.directory, 0o2750)
    assert_first(Report(provider.config, "--before-start"), "registry.state", "recover-state")


def test_no_state_yet(make_provider, fresh_tenant):
    provider = make_provider(fresh_tenant)
    os.chmod(provider.directory, 0o2750)
    report = Report(provider.config, "--before-start")
    assert report.exit == 0, report.text
    assert report.results["kms.status_encrypt"] == "skip"
    assert not provider.state_path.exists()


# The running provider

def test_no_provider(node):
    node.stop()
    report = Report(node.config)
    assert_first(report, "kms.status_encrypt", "No such file", "systemctl enable --now")


SYSTEMD = """mount -t tmpfs systemd /run && mkdir -p /run/systemd/system && PATH=$1:$PATH && export PATH && shift && exec "$@"
"""


def test_a_service_in_a_crash_loop(node, directory):
    """As systemd has it: the socket is there, and the service never stays."""
    node.stop()
    properties = ["LoadState=loaded", "ActiveState=activating", "SubState=auto-restart", "Result=exit-code", "NRestarts=31",
                  "ExecMainStatus=5", "MainPID=0", "UnitFileState=enabled", "After=network-online.target"]
    systemctl = directory / "programs" / "systemctl"
    systemctl.parent.mkdir()
    systemctl.write_text("#!/bin/sh\ncase \"$*\" in *.service) printf '%s\\n' " + " ".join(properties) + ";; esac\n")
    os.chmod(systemctl, 0o755)
    with socket.socket(socket.AF_UNIX) as of_systemd:
        of_systemd.bind(str(node.socket))
        os.chmod(node.socket, 0o660)
        report = Report(node.config, prefix=["unshare", "--mount", "sh", "-c", SYSTEMD, "sh", str(systemctl.parent)])
    for check in ("kms.status_encrypt", "systemd.unit"):
        assert report.results[check] == "fail"
        assert "does not run" in report.texts(check) and "31 times so far (exit-code, exit code 5)" in report.texts(check)
        assert any("journalctl -u" in command for command in report.commands(check)), report.text


@pytest.mark.parametrize("field", ["server.healthAddress", "server.metricsAddress"])
def test_an_address_that_another_process_has(node, field):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        config = reconfigure(node, **{field: f"127.0.0.1:{port}"})
        assert Report(config).exit == 0  # while the provider runs, it may be the provider's
        node.stop()
        assert_first(Report(config, "--before-start"), "kms.status_encrypt", field, "in use", f"ss -ltnp sport = :{port}")
        report = Report(config)
        assert field in report.texts("kms.status_encrypt") and "systemctl enable" in report.text
    assert Report(config, "--before-start").exit == 0


def test_a_state_that_is_gone_under_the_provider(node):
    node.state_path.unlink()
    pathlib.Path(f"{node.state_path}.checkpoint").unlink()
    report = Report(node.config)
    assert report.results["kms.status_encrypt"] == "warn" and report.exit == 0
    assert "are gone" in report.texts("kms.status_encrypt") and "before it is restarted" in report.remedies("kms.status_encrypt")


def test_a_dead_socket(node):
    node.expect_exit = -9
    node.kill()
    assert_first(Report(node.config), "kms.status_encrypt", "nobody listens", "systemctl enable --now")


def test_another_process_on_the_socket(node):
    node.stop()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(node.socket))
        os.chmod(node.socket, 0o660)
        other.listen(8)
        assert_first(Report(node.config), "kms.status_encrypt", f"process {os.getpid()}", "not the provider")


def test_a_provider_that_is_not_well(node):
    node.tenant.request("POST", f"{node.tenant.mount}/config/keys", {"disable_upsert": False})
    node.wait_unhealthy()
    report = Report(node.config)
    assert_first(report, "transit.disable_upsert")
    assert report.results["kms.status_encrypt"] == "fail"


def test_a_provider_with_another_configuration(node, make_provider, openbao, directory):
    other = Tenant(openbao, directory / "other", scope=Scope(cluster_id="other"), mount="other", auth="jwt-other")
    other.set_up(policy_for(other))
    provider = make_provider(other, directory / "second").start(wait="healthy")
    os.chmod(provider.directory, 0o2750)
    node.stop()
    report = Report(reconfigure(node, **{"server.socketPath": str(provider.socket)}))
    assert_first(report, "kms.status_encrypt", "not in the state of this configuration")


# EncryptionConfiguration

def write_encryption(node, **changes):
    kms = {"apiVersion": "v2", "name": node.tenant.scope.provider_name, "endpoint": f"unix://{node.socket}",
           "timeout": "5s", **changes}
    return write_private(node.directory / "encryption.json", json.dumps({
        "apiVersion": "apiserver.config.k8s.io/v1", "kind": "EncryptionConfiguration",
        "resources": [{"resources": ["secrets"], "providers": [{"kms": kms}]}]}))


def test_an_encryption_configuration_that_is_wrong(node):
    report = Report(node.config, "--encryption-config", write_encryption(node, endpoint="unix:///run/other.sock"))
    assert_first(report, "kubernetes.encryption_config", "/run/other.sock", f"write endpoint: unix://{node.socket}")
    report = Report(node.config, "--encryption-config", write_encryption(node, apiVersion="v1"))
    assert_first(report, "kubernetes.encryption_config", "apiVersion: v2")
    path = write_encryption(node)
    os.chmod(path, 0o644)
    report = Report(node.config, "--encryption-config", path)
    assert report.results["kubernetes.encryption_config"] == "warn" and report.exit == 0
    run_all(report.commands("kubernetes.encryption_config"))
    assert Report(node.config, "--encryption-config", path).results["kubernetes.encryption_config"] == "ok"
    report = Report(node.config, "--encryption-config", node.directory / "absent.yaml")
    assert_first(report, "kubernetes.encryption_config", "absent.yaml")


# Whom it runs as

SERVICE = 61234
AS_SERVICE = ["setpriv", f"--reuid={SERVICE}", f"--regid={SERVICE}", f"--groups={SERVICE + 1}"]


@pytest.fixture
def service_node(make_provider, openbao):
    """Of a service that is not root, on a machine whose user database does not know it."""
    directory = private_directory()
    tenant = Tenant(openbao, directory / "tenant", mount="transit-service", auth="jwt-service")
    tenant.set_up(policy_for(tenant))
    provider = make_provider(tenant, directory / "node", **{"server.socketGroup": str(SERVICE + 1)})
    for path in (directory, tenant.directory, openbao.directory.parent):
        os.chmod(path, 0o711)
    os.chmod(openbao.authority.directory, 0o711)
    os.chown(provider.directory, SERVICE, SERVICE + 1)
    os.chmod(provider.directory, 0o2750)
    os.chown(provider.state_path.parent, SERVICE, SERVICE)
    for path in (provider.config, tenant.jwt_file):
        os.chown(path, 0, SERVICE)
        os.chmod(path, 0o640)
    yield provider
    openbao.request("DELETE", "sys/mounts/transit-service")
    openbao.request("DELETE", "sys/auth/jwt-service")
    subprocess.run(["rm", "-rf", directory], check=True)


def test_root_checks_as_the_service(service_node):
    report = Report(service_node.config, "--before-start")
    assert report.exit == 0, report.text
    assert report.report["user"] == f"uid {SERVICE}" and report.report["asService"]
    os.chmod(service_node.tenant.jwt_file, 0o600)  # root's alone: the service cannot read it
    report = Report(service_node.config, "--before-start")
    assert_first(report, "jwt.local", "Permission denied", "chmod 0640")
    run_all(report.commands("jwt.local"))
    os.chown(service_node.state_path.parent, 0, 0)
    report = Report(service_node.config, "--before-start", "--user", f"{SERVICE}:{SERVICE}")
    assert_first(report, "registry.state", "may not write", "install -d")
    run_all(report.commands("registry.state"))
    assert Report(service_node.config, "--before-start").results["registry.state"] == "ok"


def test_the_service_itself_and_somebody_else(service_node):
    report = Report(service_node.config, "--before-start", prefix=AS_SERVICE)
    assert report.exit == 0 and report.report["asService"], report.text
    os.chmod(service_node.config, 0o640)
    as_other = ["setpriv", "--reuid=61999", f"--regid={SERVICE}", f"--groups={SERVICE + 1}"]
    os.chown(service_node.tenant.jwt_file, 0, 0)
    report = Report(service_node.config, "--before-start", "--user", str(SERVICE), prefix=as_other)
    assert not report.report["asService"] and "Run it as root" in report.complaints
    assert report.results["jwt.local"] == report.results["openbao.auth"] == "skip"
    assert report.results["openbao.tls"] == "ok", report.text


def refused_until_done(node, check, *parts, exit=4):
    """The check fails as it must, and is well when what it says is done."""
    report = Report(node.config, "--before-start")
    assert_first(report, check, *parts, exit=exit)
    run_all(report.commands(check))
    assert Report(node.config, "--before-start").results[check] == "ok"


@pytest.mark.parametrize("check, field, name", [
    ("config.load", None, "config.yaml"), ("jwt.local", "auth.jwt.jwtFile", "identity.jwt"),
    ("openbao.tls", "openbao.caCertFile", "ca.crt"), ("registry.state", "state.path", "state/registry.json"),
])
@pytest.mark.parametrize("mode", [0o700, 0o750], ids=oct)
def test_a_directory_on_the_way_is_closed(service_node, check, field, name, mode):
    closed = service_node.directory.parent / "closed"
    closed.mkdir()
    if check == "registry.state":
        (closed / "state").mkdir(mode=0o750)
        os.chown(closed / "state", SERVICE, SERVICE)
    if field is not None:
        set_as_service(service_node, **{field: str(closed / name)})
    if check == "jwt.local":
        service_node.tenant.jwt_file.rename(closed / name)
    if check == "openbao.tls":
        shutil.copy(service_node.tenant.bao.authority.file, closed / name)
        os.chmod(closed / name, 0o644)
    if check == "config.load":
        service_node.config = service_node.config.rename(closed / name)
    os.chmod(closed, mode)
    refused_until_done(service_node, check, f'the directory "{closed}"', "chmod", exit=3 if field is None else 4)


def set_as_service(node, **overrides):
    node.configure(**{"server.socketGroup": str(SERVICE + 1), **overrides})
    os.chown(node.config, 0, SERVICE)
    os.chmod(node.config, 0o640)


@pytest.mark.parametrize("mode, part", [(0o600, "Permission denied"), (0o666, "mode 0666")], ids=["closed", "wide"])
def test_an_authority_of_a_wrong_mode(service_node, mode, part):
    authority = str(service_node.directory.parent / "ca.crt")
    shutil.copy(service_node.tenant.bao.authority.file, authority)
    os.chmod(authority, mode)
    set_as_service(service_node, **{"openbao.caCertFile": authority})
    refused_until_done(service_node, "openbao.tls", part, "readable by all", f"chmod 0644 {authority}")


def test_a_jwt_that_is_a_link(node):
    node.tenant.jwt_file.rename(node.directory / "true.jwt")
    node.tenant.jwt_file.symlink_to(node.directory / "true.jwt")
    assert_first(Report(node.config), "jwt.local", "is a symbolic link", "put a regular file there", "renames that over it")


def test_a_lock_that_the_service_cannot_take(service_node):
    lock = pathlib.Path(f"{service_node.state_path}.lock")
    lock.touch()
    os.chmod(lock, 0o600)
    refused_until_done(service_node, "registry.state", "cannot open the lock file", f"chown {SERVICE}:{SERVICE} {lock}")
    os.chmod(lock, 0o640)
    refused_until_done(service_node, "registry.state", "another mode than 0600", f"chmod 0600 {lock}")
    lock.rename(lock.with_suffix(".away"))
    lock.symlink_to(lock.with_suffix(".away"))
    refused_until_done(service_node, "registry.state", "is a symbolic link", f"rm {lock}")


@pytest.mark.parametrize("suffix", ["", ".checkpoint"], ids=["state", "checkpoint"])
def test_a_state_that_the_service_cannot_read(service_node, suffix):
    (service_node.directory / "runtime").mkdir(mode=0o700)
    os.chown(service_node.directory / "runtime", SERVICE, SERVICE)
    service_node.start(wait="healthy", command=[*AS_SERVICE, *service_node.command()]).stop()
    path = f"{service_node.state_path}{suffix}"
    os.chown(path, 0, 0)
    os.chmod(path, 0o600)
    refused_until_done(service_node, "registry.state", f'may not read "{path}"', f"chown {SERVICE}:{SERVICE} {path}")
    os.chmod(path, 0o666)
    refused_until_done(service_node, "registry.state", "mode 0666", f"chmod 0640 {path}")


def test_wrong_usage(node):
    assert run_command("doctor", "--config", node.config, "--user", "no-such-user").returncode == 2
    assert run_command("doctor", "--nonsense").returncode == 2


# The clock

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


# On a terminal

def on_terminal(columns, *arguments, **environment):
    """What is shown on a terminal of that width."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen([find_binary(), "doctor", *map(str, arguments)], stdin=slave, stdout=slave,
                               stderr=slave, env={**os.environ, "TERM": "xterm", **environment})
    os.close(slave)
    shown = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(master)
    process.wait(timeout=30)
    return shown.decode().replace("\r\n", "\n")


COLOUR = re.compile("\033\\[[0-9;]*m")


@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.parametrize("good", [True, False], ids=["good", "bad"])
def test_a_terminal(make_provider, fresh_tenant, columns, good):
    provider = make_provider(fresh_tenant)
    os.chmod(provider.directory, 0o2750 if good else 0o777)
    arguments = ["--config", provider.config, "--before-start"]
    shown = on_terminal(columns, *arguments)
    assert "\033[32m[ok]\033[0m" in shown and ("\033[1;31m[fail]\033[0m" in shown) == (not good)
    plain = on_terminal(columns, *arguments, NO_COLOR="1")
    assert "\033[" not in plain.replace("\r\033[K", "")
    lines = [line for line in COLOUR.sub("", shown).replace("\r\033[K", "").splitlines()
             if not line.startswith(" " * 14)]
    longest = max(lines, key=len)
    assert len(longest) <= columns or " " not in longest.strip()[40:], longest
    if columns == 200:  # one line each
        assert sum(line.startswith("[") for line in lines) == len(lines) - 2 - (0 if good else 1), shown
    for stable in ("[ok]   config.load                   ", "[skip] kms.status_encrypt            not looked at"):
        assert stable in plain
    assert ("[fail] socket.parent                 " in plain) == (not good)
    assert plain.splitlines()[0] == "Checked as root (uid 0)" and re.fullmatch(
        r"\d+ checks: \d+ ok, \d+ warned, [01] failed, \d+ skipped", plain.splitlines()[-1])


def test_progress_of_what_takes_long(make_provider, fresh_tenant):
    """OpenBao's port takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        provider = make_provider(fresh_tenant, **{
            "openbao.address": f"https://127.0.0.1:{silent.getsockname()[1]}", "openbao.timeout": "1s"})
        os.chmod(provider.directory, 0o2750)
        shown = on_terminal(80, "--config", provider.config, "--before-start")
    assert "\r\033[K       openbao.tls ... 0 s" in shown, shown
    assert "[fail]" in shown and "in time" in shown
