# SPDX-License-Identifier: Apache-2.0
"""doctor against a real OpenBao: what a node logs in with. Each way to break it is named in the first line
that fails, and its remedy works."""

import os
import subprocess
import time

import pytest
from rig.doctor import Report, as_administrator, assert_first, reconfigure, run_all
from rig.openbao import OpenBao
from rig.pki import JwtSigner, write_private
from rig.provider import policy_for
from rig.token import ROLE, Token, by_labels, cert_overrides, enable_cert_auth, issue_client, new_key
from rig.token_endpoint import TokenEndpoint
from rig.transit import Scope, Tenant


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


GRANTS = {
    "no-such-path": (lambda endpoint: (404, b"<html>"), "status 404", "tokenUrl is no token endpoint"),
    "no-json": (lambda endpoint: (200, b"<html>"), "is not valid JSON", "tokenUrl is no token endpoint"),
    "redirect": (lambda endpoint: (302, b"", ("Location", "https://localhost/")), "it redirects", "in auth.jwt.oauth2.tokenUrl"),
    "client": (lambda endpoint: (401, {"error": "invalid_client"}), "invalid_client", "clientId, authMethod"),
    "scope": (lambda endpoint: (400, {"error": "invalid_scope"}), "invalid_scope", "auth.jwt.oauth2.scopes"),
    "resource": (lambda endpoint: (400, {"error": "invalid_target"}), "invalid_target", "resources or audience"),
    "opaque": (lambda endpoint: (200, {"access_token": "abc", "token_type": "bearer"}), "three parts", "opaque tokens"),
    "issuer": (lambda endpoint: granted(endpoint, iss="other"), '"iss"', "auth.jwt.expectedIssuer"),
    "short": (lambda endpoint: granted(endpoint, exp=int(time.time()) + 60), "minRemainingTtl", "grant longer ones"),
    "busy": (lambda endpoint: (503, b""), "status 503", "that it is well"),
}


def granted(endpoint, **claims):
    return 200, {"access_token": endpoint.signer.sign(**claims), "token_type": "bearer"}


@pytest.mark.parametrize("name", GRANTS)
def test_a_token_endpoint_that_grants_none(make_provider, tenant, authority, directory, name):
    answer, *parts = GRANTS[name]
    with TokenEndpoint(authority, tenant.signer) as endpoint:
        secret = write_private(directory / "client-secret", endpoint.client_secret)
        provider = make_provider(tenant, **endpoint.settings(secret))
        os.chmod(provider.directory, 0o2750)
        endpoint.answer = answer(endpoint)
        assert_first(Report(provider.config, "--before-start"), "oauth2.acquire", *parts)


def test_a_client_secret_that_is_missing(make_provider, tenant, authority, directory):
    with TokenEndpoint(authority, tenant.signer) as endpoint:
        provider = make_provider(tenant, **endpoint.settings(directory / "client-secret"))
        os.chmod(provider.directory, 0o2750)
        report = Report(provider.config, "--before-start")
        assert_first(report, "oauth2.local", "No such file", "clientSecretFile")
        subprocess.run(["sh", "-ec", report.commands("oauth2.local")[0]], check=True, input=endpoint.client_secret.encode())
        assert Report(provider.config, "--before-start").exit == 0


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


def test_a_certificate_that_ends_soon(card, make_provider, cert_tenant, authority):
    write_private(card.certificate, issue_client(authority, card.key.public_key(), valid_to=6.5))
    report = report_with(card, make_provider, cert_tenant)
    assert report.results["auth.cert.local"] == "warn" and report.results["auth.cert.signer"] == "ok"
    assert "6 days" in report.texts("auth.cert.local") and "new certificate" in report.remedies("auth.cert.local")


def test_a_certificate_that_nobody_takes(card, make_provider, cert_tenant):
    assert_first(report_with(card, make_provider, cert_tenant, **{"auth.cert.mountPath": "auth/absent"}), "openbao.auth",
                 "permission denied", "no auth method is mounted at auth.cert.mountPath", "bao auth list")
    cert_tenant.request("POST", f"auth/cert/certs/{ROLE}", {"allowed_common_names": ["node-2"]})
    try:
        assert_first(report_with(card, make_provider, cert_tenant), "openbao.auth", "status 400", "allowed_ names")
    finally:
        cert_tenant.request("POST", f"auth/cert/certs/{ROLE}", {"allowed_common_names": ["node-1"]})


@pytest.mark.parametrize("name, shown", [(ROLE, "token_ttl"), ("", ROLE)], ids=["named", "chosen"])
def test_a_role_for_certificates(card, make_provider, cert_tenant, name, shown):
    """Its commands are those of the certificates' method, whether it is named or chosen by the certificate."""
    def write(**fields):
        cert_tenant.request("POST", f"auth/cert/certs/{ROLE}", fields)

    def commands(check):
        report = report_with(card, make_provider, cert_tenant, **{"auth.cert.name": name})
        assert report.results[check] != "ok", report.text
        return report.commands(check)

    try:
        write(token_ttl="60s")
        assert shown in as_administrator(cert_tenant.bao, commands("openbao.auth")[0])
        write(token_num_uses=1)
        assert shown in as_administrator(cert_tenant.bao, commands("openbao.auth")[0])
        write(token_num_uses=0, token_ttl=cert_tenant.token_ttl, token_policies=[])
        for command in commands("transit.capabilities"):
            as_administrator(cert_tenant.bao, command)
        read = as_administrator(cert_tenant.bao, f"bao read -field=token_policies auth/cert/certs/{ROLE}")
        assert (f"bao-kms-provider-{cert_tenant.mount}-{cert_tenant.key}" in read) == (name == ROLE)
        write(allowed_common_names=["node-2"])
        for command in commands("openbao.auth"):
            assert ROLE in as_administrator(cert_tenant.bao, command)
    finally:
        write(allowed_common_names=["node-1"], token_policies=[cert_tenant.policy_name], token_ttl=cert_tenant.token_ttl,
              token_num_uses=0)


def test_a_listener_that_asks_for_no_certificate(card, make_provider, authority, directory):
    bao = OpenBao(directory / "openbao", authority, client_certificates=False)
    try:
        tenant = Tenant(bao.up(), directory / "tenant")
        enable_cert_auth(tenant.set_up(policy_for(tenant)), authority)
        assert_first(report_with(card, make_provider, tenant), "openbao.auth", "has not asked for a client certificate",
                     "take tls_disable_client_certs out of")
    finally:
        bao.stop()


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
    assert_first(report, "openbao.auth", "permission denied", "no auth method is mounted at auth.jwt.mountPath", "bao auth list")
    report = Report(reconfigure(node, **{"auth.jwt.mountPath": node.tenant.auth}))
    assert_first(report, "openbao.auth", "permission denied", 'begins with "auth/"')


def test_keys_that_openbao_cannot_get(node):
    node.tenant.request("POST", f"auth/{node.tenant.auth}/config", {
        "jwks_url": "https://127.0.0.1:1/keys", "jwt_validation_pubkeys": [], "skip_jwks_validation": True})
    report = Report(node.config)
    assert_first(report, "openbao.auth", "fetching keys", "jwks_url or oidc_discovery_url")
    assert "127.0.0.1:1/keys" in as_administrator(node.tenant.bao, report.commands("openbao.auth")[0])


ROLES = {
    "for-browsers": ({"role_type": "oidc", "allowed_redirect_uris": ["https://x"]}, "role_type is not allowed", "role_type jwt"),
    "of-another-claim": ({"user_claim": "email"}, "not found in token", "user_claim"),
    "of-groups": ({"groups_claim": "groups"}, "not found in token", "groups_claim"),
    "without-audience": ({"bound_audiences": []}, "no audiences bound to the role", "name it there"),
    "of-bound-claims": ({"bound_claims": {"team": "x"}}, "error validating claims", "bound_claims"),
    "of-other-networks": ({"token_bound_cidrs": ["192.0.2.0/24"]}, "permission denied", "the role's token_bound_cidrs leave"),
}


@pytest.mark.parametrize("name", ROLES)
def test_a_role_that_does_not_fit(node, name):
    fields, *parts = ROLES[name]
    node.tenant.write_role(**fields)
    report = Report(node.config)
    assert_first(report, "openbao.auth", *parts)
    for command in report.commands("openbao.auth"):
        as_administrator(node.tenant.bao, command)


@pytest.mark.parametrize("kind, part", [("cert", "no client certificate found"), ("approle", "missing role_id"),
                                        ("userpass", "permission denied"),
                                        ("kubernetes", "invalid role name")])
def test_an_auth_mount_of_another_kind(node, kind, part):
    node.tenant.request("POST", f"sys/auth/{node.tenant.auth}-{kind}", {"type": kind})
    report = Report(reconfigure(node, **{"auth.jwt.mountPath": f"auth/{node.tenant.auth}-{kind}"}))
    assert_first(report, "openbao.auth", part, "name one of type jwt")
    assert f"{node.tenant.auth}/" in as_administrator(node.tenant.bao, report.commands("openbao.auth")[0])


def test_an_auth_mount_that_was_never_configured(node):
    node.tenant.request("POST", f"sys/auth/{node.tenant.auth}-new", {"type": "jwt"})
    report = Report(reconfigure(node, **{"auth.jwt.mountPath": f"auth/{node.tenant.auth}-new"}))
    assert_first(report, "openbao.auth", "could not load configuration", "write its config", "jwt_validation_pubkeys")


def test_an_algorithm_that_is_not_taken(node):
    node.tenant.request("POST", f"auth/{node.tenant.auth}/config", {
        "jwt_validation_pubkeys": [node.tenant.signer.public_pem()], "jwt_supported_algs": ["RS256"]})
    assert_first(Report(node.config), "openbao.auth", "unexpected algorithm", "jwt_supported_algs")


def test_a_login_with_a_second_factor(node):
    request, enforcement = node.tenant.request, "identity/mfa/login-enforcement/people"
    method = request("POST", "identity/mfa/method/totp", {"issuer": "x"})["data"]["method_id"]
    accessor = request("GET", "sys/auth")["data"][f"{node.tenant.auth}/"]["accessor"]
    request("POST", enforcement, {"mfa_method_ids": [method], "auth_method_accessors": [accessor]})
    try:
        report = Report(node.config)
        assert_first(report, "openbao.auth", "a second factor", "login MFA")
        assert "people" in as_administrator(node.tenant.bao, report.commands("openbao.auth")[0])
    finally:
        request("DELETE", enforcement)
    assert Report(node.config).exit == 0


def test_a_jwt_without_a_beginning(node):
    node.tenant.write_jwt(iat=None, nbf=None)
    assert_first(Report(node.config), "openbao.auth", "not yet valid", 'neither "nbf" nor "iat"')


def test_a_namespace_that_is_locked(openbao, make_provider, directory):
    tenant = Tenant(openbao, directory / "tenant", scope=Scope(namespace="team"))
    tenant.create_namespace()
    provider = make_provider(tenant.set_up(policy_for(tenant)), directory / "node")
    os.chmod(provider.directory, 0o2750)
    openbao.request("POST", "sys/namespaces/api-lock/lock/team", {})
    report = Report(provider.config, "--before-start")
    assert_first(report, "openbao.auth", "has been locked", "unlock the namespace")
    openbao.request("POST", "sys/namespaces/api-lock/unlock/team", {})
    tenant.write_jwt(aud="other")
    asked, = Report(provider.config, "--before-start").checks["openbao.auth"]["findings"]
    assert asked["commands"] == ["BAO_NAMESPACE=<namespace> bao read <auth>/role/<role>"]
    tenant.write_jwt()
    openbao.request("POST", "sys/namespaces/api-lock/lock/team", {})
    as_administrator(openbao, report.commands("openbao.auth")[0])
    assert Report(provider.config, "--before-start").exit == 0


def test_a_namespace_that_is_sealed(openbao, make_provider, directory):
    made = openbao.request("POST", "sys/namespaces/vault", {"seal": 'seal "shamir" {\n shares = 1\n threshold = 1\n}'})
    key, = made["data"]["key_shares"]
    openbao.request("POST", "sys/namespaces/vault/unseal", {"key": key})
    tenant = Tenant(openbao, directory / "tenant", scope=Scope(namespace="vault"))
    provider = make_provider(tenant.set_up(policy_for(tenant)), directory / "node")
    os.chmod(provider.directory, 0o2750)
    openbao.request("POST", "sys/namespaces/vault/seal", {})
    report = Report(provider.config, "--before-start")
    assert_first(report, "openbao.auth", "namespace is sealed", "unseal the namespace")
    as_administrator(openbao, f"{report.commands('openbao.auth')[0]} {key}")
    assert Report(provider.config, "--before-start").exit == 0


def test_an_openbao_that_was_never_initialized(make_provider, durable_tenant, durable_openbao):
    provider = make_provider(durable_tenant)
    os.chmod(provider.directory, 0o2750)
    durable_openbao.kill()
    durable_openbao.put_data_aside()
    durable_openbao.start()
    report = Report(provider.config, "--before-start")
    assert_first(report, "openbao.auth", "is sealed", "was never initialized", "bao operator init -status")
    durable_openbao.initialize()
    assert_first(Report(provider.config, "--before-start"), "openbao.auth", "no auth method is mounted")
    durable_openbao.kill()
    durable_openbao.take_data_back()
    durable_openbao.start().unseal()
    assert Report(provider.config, "--before-start").exit == 0


def test_another_namespace(node):
    report = Report(reconfigure(node, **{"openbao.namespace": "absent"}))
    assert_first(report, "openbao.auth", "namespace not found", "openbao.namespace")


def test_a_sealed_openbao(make_provider, durable_tenant, durable_openbao):
    provider = make_provider(durable_tenant, **{"openbao.namespace": "team"})
    os.chmod(provider.directory, 0o2750)
    durable_openbao.seal()
    report = Report(provider.config, "--before-start")
    assert_first(report, "openbao.auth", "is sealed", "bao operator unseal")
    as_administrator(durable_openbao, f"{report.commands('openbao.auth')[0]} {durable_openbao.unseal_key}")
    provider.configure(**{"openbao.namespace": ""})
    assert Report(provider.config, "--before-start").exit == 0


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
