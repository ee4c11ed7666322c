# SPDX-License-Identifier: Apache-2.0
"""Login with a certificate whose key is in a PKCS#11 token."""

import os
import socket
import time

import grpc
import pytest
from cryptography.hazmat.primitives import hashes

from rig.kms import refusal
from rig.openbao import OpenBao
from rig.pki import Authority, write_private
from rig.process import free_port
from rig.provider import policy_for, run_command
from rig.process import wait_until
from rig.relay import Relay
from rig.reload import reload, sighup
from rig.transit import Tenant
from rig.token import (PIN, SERVER_AUTH, Faults, Token, by_labels, cert_overrides, enable_cert_auth,
                       issue_client, new_key)
from rig.web import Scrape

LOGIN = "auth.login"


@pytest.fixture(scope="module")
def cert_tenant(tenant, authority):
    enable_cert_auth(tenant, authority)
    return tenant


@pytest.fixture
def token(directory):
    return Token(directory / "token")


@pytest.fixture
def faults(directory, token):
    faults = Faults(directory)
    faults.environment.update(token.environment)
    return faults


def put_certificate(token, authority, key, **fields):
    return write_private(token.directory / "client.pem", issue_client(authority, key.public_key(), **fields))


def set_up(token, authority, kind="P-256", **fields):
    """A key in the token and the file with its certificate."""
    key = new_key(kind)
    token.add_key(key)
    return put_certificate(token, authority, key, **fields)


def refused(provider, cause, error_class="credential_invalid"):
    """Waits for a login that failed for that cause."""
    record = provider.wait_record(LOGIN, status="error", error_class=error_class)[0]
    assert cause in record["cause"], record["cause"]
    return record


@pytest.mark.parametrize("kind", ["rsa:2048", "rsa:4096", "P-256", "P-384"])
def test_keys(make_provider, cert_tenant, authority, token, kind):
    certificate = set_up(token, authority, kind)
    provider = make_provider(cert_tenant, **cert_overrides(**by_labels(token, certificate)))
    client = provider.start(wait="healthy", environment=token.environment).client()
    assert client.decrypt(client.decrypt_request(client.encrypt(b"text"))) == b"text"
    assert provider.records(LOGIN, status="ok", openbao_operation="cert login")


def test_metrics(make_provider, cert_tenant, authority, token):
    address = f"127.0.0.1:{free_port()}"
    certificate = set_up(token, authority)
    provider = make_provider(cert_tenant, **cert_overrides(**by_labels(token, certificate)),
                             **{"server.metricsAddress": address})
    provider.start(wait="healthy", environment=token.environment)
    page = Scrape(address)
    assert page.get("auth_method_info", method="cert") == page.get("certificate_source_info", source="pkcs11") == 1
    assert page.get("openbao_requests_total", operation="cert_login", status="ok") == 1
    assert page.get("auth_login_total", status="ok") == 1
    assert page.get("certificate_ttl_seconds") > 3600 and page.get("jwt_ttl_seconds") is None
    assert 0 < page.get("credential_horizon_seconds") <= page.get("certificate_ttl_seconds")


def test_certificate_that_ends_soon(make_provider, cert_tenant, authority, token):
    key = new_key("P-256")
    token.add_key(key)
    certificate = put_certificate(token, authority, key)
    provider = make_provider(cert_tenant, **cert_overrides(**by_labels(token, certificate)))
    provider.start(wait="healthy", environment=token.environment)
    assert not provider.records("warning")
    assert provider.stop() == 0
    put_certificate(token, authority, key, valid_to=6.5)
    provider.start(wait="healthy", environment=token.environment)
    warning = provider.wait_record("warning")[0]
    assert "client certificate" in warning["detail"] and "ends in 6 days" in warning["detail"]


def test_uri_through_p11_kit(make_provider, cert_tenant, authority, token):
    """Modules that p11-kit knows; certificate and PIN file from the URI's token."""
    key = new_key("P-256")
    token.add_key(key)
    token.add_certificate(issue_client(authority, key.public_key()))
    uri = f"pkcs11:token={token.label};object=key;type=private?pin-source=file:{token.pin_file}"
    provider = make_provider(cert_tenant, **cert_overrides(uri=uri))
    provider.start(wait="healthy", environment=token.environment)


def test_p11_kit_proxy_by_path(make_provider, cert_tenant, authority, token):
    certificate = set_up(token, authority, "rsa:2048")
    proxy = f"/usr/lib/{os.uname().machine}-linux-gnu/p11-kit-proxy.so"
    provider = make_provider(cert_tenant, **cert_overrides(**by_labels(token, certificate, proxy)))
    provider.start(wait="healthy", environment=token.environment)


def test_credentials(make_provider, cert_tenant, authority, token):
    """Certificate and PIN as systemd's credentials."""
    certificate = set_up(token, authority)
    provider = make_provider(cert_tenant, **cert_overrides(
        **by_labels(token, f"credential:{certificate.name}", pinFile=f"credential:{token.pin_file.name}")))
    provider.start(wait="healthy",
                   environment={**token.environment, "CREDENTIALS_DIRECTORY": str(token.directory)})


def test_token_without_pss(make_provider, cert_tenant, authority, token, faults):
    """An RSA key that signs the old way only: TLS 1.2."""
    certificate = set_up(token, authority, "rsa:2048")
    faults.tell("no-pss")
    provider = make_provider(cert_tenant, **cert_overrides(**by_labels(token, certificate, faults.module)))
    provider.start(wait="healthy", environment=faults.environment)


def test_commands_log_in_the_same_way(make_provider, cert_tenant, authority, token):
    certificate = set_up(token, authority)
    provider = make_provider(cert_tenant, **cert_overrides(**by_labels(token, certificate)))
    provider.start(wait="healthy", environment=token.environment)
    result = run_command("rotation-plan", "--config", provider.config, env={**os.environ, **token.environment})
    assert result.returncode == 0, result.stderr


def test_renewal(make_provider, tenant, authority, token):
    """OpenBao binds the token to the certificate: a renewal over any other connection would be refused."""
    enable_cert_auth(tenant, authority, mount="cert-short", token_ttl="6s")
    certificate = set_up(token, authority)
    provider = make_provider(tenant, **{
        **cert_overrides("cert-short", **by_labels(token, certificate)),
        "auth.loginBeforeTokenExpiry": "4s", "auth.tokenRenewalIncrement": "6s"})
    provider.start(wait="healthy", environment=token.environment)
    provider.wait_record("auth.renewal", status="ok", count=2)
    assert len(provider.records(LOGIN)) == 1


def test_bad_certificates(make_provider, cert_tenant, authority, token):
    """What must not be used is not; a good one in its place heals at once."""
    key = new_key("P-256")
    token.add_key(key)
    rows = [
        ("has expired", {"valid_from": -3, "valid_to": -1}),
        ("is not yet valid", {"valid_from": 1, "valid_to": 3}),
        ("minRemainingTtl", {"valid_to": 0.02}),
        ("lacks clientAuth", {"usage": SERVER_AUTH}),
        ("MD5 or SHA-1", {"algorithm": hashes.SHA1()}),
    ]
    certificate = put_certificate(token, authority, key, **rows[0][1])
    provider = make_provider(cert_tenant, **cert_overrides(**by_labels(token, certificate)))
    provider.start(environment=token.environment)
    for cause, fields in rows:
        put_certificate(token, authority, key, **fields)
        deadline = time.monotonic() + 10
        while not any(cause in record.get("cause", "") for record in provider.records(LOGIN, status="error")):
            assert time.monotonic() < deadline, cause
            time.sleep(0.1)
    put_certificate(token, authority, new_key("P-256"))
    provider.wait_record(LOGIN, status="error")
    deadline = time.monotonic() + 10
    while "does not belong to the certificate" not in provider.records(LOGIN)[-1].get("cause", ""):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    put_certificate(token, authority, key)
    started = time.monotonic()
    provider.wait_healthy()
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("kind, cause", [
    ("rsa:1024", "cannot be used"), ("P-521", "cannot be used"),
])
def test_keys_that_are_refused(make_provider, cert_tenant, authority, token, kind, cause):
    certificate = set_up(token, authority, kind)
    provider = make_provider(cert_tenant, **cert_overrides(**by_labels(token, certificate)))
    refused(provider.start(environment=token.environment), cause)


def test_certificate_that_openbao_refuses(make_provider, cert_tenant, token, directory):
    """Of another authority."""
    certificate = set_up(token, Authority(directory / "other"))
    provider = make_provider(cert_tenant, **cert_overrides(**by_labels(token, certificate)))
    provider.start(environment=token.environment)
    record = provider.wait_record(LOGIN, status="error")[0]
    assert record["error_class"] in ("auth_failed", "openbao_tls_failed"), record


def test_openbao_that_does_not_ask(make_provider, authority, token, directory):
    bao = OpenBao(directory / "openbao", authority, client_certificates=False).up()
    try:
        tenant = Tenant(bao, directory / "tenant")
        tenant.set_up(policy_for(tenant))
        enable_cert_auth(tenant, authority)
        certificate = set_up(token, authority)
        provider = make_provider(tenant, **cert_overrides(**by_labels(token, certificate)))
        provider.start(environment=token.environment)
        record = provider.wait_record(LOGIN, status="error")[0]
        assert "has not asked for a client certificate" in record["cause"], record["cause"]
        assert provider.stop() == 0
    finally:
        bao.stop()


@pytest.mark.parametrize("change, cause", [
    ({"modulePath": "/usr/lib/no-such-module.so"}, "cannot load the PKCS#11 module"),
    ({"tokenLabel": "other"}, "no PKCS#11 token is there"),
    ({"keyLabel": "other"}, "no private key that fits"),
    ({"pinFile": "/no/such/file"}, "PIN file"),
    ({"certificateFile": "/no/such/file"}, "certificate file"),
])
def test_what_is_missing(make_provider, cert_tenant, authority, token, change, cause):
    certificate = set_up(token, authority)
    provider = make_provider(cert_tenant, **cert_overrides(**{**by_labels(token, certificate), **change}))
    refused(provider.start(environment=token.environment), cause)


def test_two_tokens_fit(make_provider, cert_tenant, authority, token):
    certificate = set_up(token, authority)
    token.initialize()
    provider = make_provider(cert_tenant, **cert_overrides(**by_labels(token, certificate)))
    refused(provider.start(environment=token.environment), "2 PKCS#11 tokens fit")


def test_token_that_hangs_comes_back(make_provider, cert_tenant, authority, token, faults):
    """It hangs from the start; nobody else is sent after it, and what it was asked comes to nothing."""
    certificate = set_up(token, authority)
    faults.tell("sleep=C_Login:60")
    provider = make_provider(cert_tenant, **{
        **cert_overrides(**by_labels(token, certificate, faults.module)), "auth.loginTimeout": "500ms"})
    provider.start(environment=faults.environment)
    causes = [record["cause"] for record in provider.wait_record(LOGIN, count=2, error_class="timeout")]
    assert "no answer of the PKCS#11 token" in causes[0]
    assert "still busy" in causes[1]
    assert faults.count("C_Login") == 1
    faults.tell()
    provider.wait_healthy(40)
    assert faults.count("C_Login") == 2


def test_no_more_sessions_than_allowed(make_provider, cert_tenant, authority, token, faults):
    """Each new way to OpenBao asks the token that hangs, until it has all that it allows us."""
    certificate = set_up(token, authority)
    faults.tell("sleep=C_Sign:60")
    settings = {**cert_overrides(**by_labels(token, certificate, faults.module)), "auth.loginTimeout": "500ms"}
    provider = make_provider(cert_tenant, **settings).start(environment=faults.environment)
    for number in range(3):
        wait_until(lambda: faults.count("C_Sign") == min(number + 1, 2), 10, "the token is asked")
        reload(provider, **settings, **{"openbao.tlsServerName": ("127.0.0.1", "localhost")[number % 2]})
    wait_until(lambda: any("maxSessions" in record.get("cause", "") for record in provider.records(LOGIN)), 10, "no third")
    assert faults.count("C_Sign") == 2
    faults.tell()
    provider.wait_healthy(60)


def test_token_that_hangs_without_an_openbao_token(make_provider, tenant, authority, token, faults):
    """To the callers no credential is left, between the logins and while one is under way."""
    enable_cert_auth(tenant, authority, mount="cert-hangs")
    certificate = set_up(token, authority)
    provider = make_provider(tenant, **{
        **cert_overrides("cert-hangs", **by_labels(token, certificate, faults.module)), "auth.loginTimeout": "1s",
        "openbao.timeout": "500ms"})
    provider.start(wait="healthy", environment=faults.environment)
    faults.tell("sleep=C_Login:60")
    tenant.request("PUT", "sys/leases/revoke-prefix/auth/cert-hangs")
    client = provider.client()
    refusal(client.encrypt, b"text")  # the one that finds it out may not wait for the login's end
    provider.wait_record(LOGIN, status="error", error_class="timeout")
    while len(provider.records(LOGIN, status="error")) < 3:
        assert refusal(client.encrypt, b"text")[0] == grpc.StatusCode.UNAUTHENTICATED
        assert provider.records("kms.request", operation="encrypt")[-1]["error_class"] == "auth_expired"
        time.sleep(0.05)
    faults.tell()
    provider.wait_healthy(40)


def test_wrong_pin_is_tried_once(make_provider, cert_tenant, authority, token, faults):
    certificate = set_up(token, authority)
    write_private(token.pin_file, "654321\n")
    provider = make_provider(cert_tenant, **cert_overrides(**by_labels(token, certificate, faults.module)))
    provider.start(environment=faults.environment)
    refused(provider, "has refused the PIN")
    write_private(token.pin_file, "654321\n")  # the same again, as by an agent
    provider.wait_record(LOGIN, count=3, status="error")
    assert faults.count("C_Login") == 1
    assert "not tried again" in provider.records(LOGIN)[-1]["cause"]
    assert "654321" not in provider.log_path.read_text()
    write_private(token.pin_file, PIN + "\n")
    provider.wait_healthy(5)
    assert faults.count("C_Login") == 2


def insist(provider):
    """A reload, and the login that it brings."""
    before = len(provider.records(LOGIN))
    assert sighup(provider)["status"] == "ok"
    wait_until(lambda: len(provider.records(LOGIN)) > before, 10, "a login follows the reload")


def test_reload_and_a_refused_pin(make_provider, cert_tenant, authority, token, faults):
    """Only a token that shows that its count was reset gets the same PIN again, and that once."""
    certificate = set_up(token, authority)
    write_private(token.pin_file, "654321\n")
    provider = make_provider(cert_tenant, **cert_overrides(**by_labels(token, certificate, faults.module)))
    provider.start(environment=faults.environment)
    refused(provider, "has refused the PIN")
    insist(provider)
    insist(provider)
    assert faults.count("C_Login") == 1
    token.log_in()  # as its officer, or anyone who knows the PIN: SoftHSM counts anew
    provider.wait_record(LOGIN, count=len(provider.records(LOGIN)) + 1)
    assert faults.count("C_Login") == 1
    insist(provider)
    insist(provider)
    assert faults.count("C_Login") == 2


def asked_by(command, provider, faults):
    return run_command(command, "--config", provider.config, env={**os.environ, **faults.environment})


@pytest.mark.parametrize("flags", [(), ("no-flags",)])
def test_wrong_pin_and_the_next_process(make_provider, cert_tenant, authority, token, faults, flags):
    """What one process was refused is not tried by the next one, until the file holds another PIN."""
    certificate = set_up(token, authority)
    faults.tell(*flags)
    write_private(token.pin_file, "654321\n")
    provider = make_provider(cert_tenant, **cert_overrides(**by_labels(token, certificate, faults.module)))
    provider.start(environment=faults.environment)
    refused(provider, "has refused the PIN")
    provider.kill()
    provider.log_path.write_text("")
    provider.start(environment=faults.environment)
    refused(provider, "not tried again")
    insist(provider)
    assert provider.stop() == 0
    assert faults.count("C_Login") == 1
    write_private(token.pin_file, PIN + "\n")
    provider.start(wait="healthy", environment=faults.environment)
    assert faults.count("C_Login") == 2


def test_wrong_pin_and_commands(make_provider, cert_tenant, authority, token, faults):
    """They cannot know which PIN the token has counted, and so try none until it shows no wrong one any more."""
    certificate = set_up(token, authority)
    write_private(token.pin_file, "654321\n")
    provider = make_provider(cert_tenant, **cert_overrides(**by_labels(token, certificate, faults.module)))
    os.chmod(provider.directory, 0o2750)
    provider.start(environment=faults.environment)
    refused(provider, "has refused the PIN")
    for command in ("doctor", "verify-key", "rotation-plan"):
        result = asked_by(command, provider, faults)
        assert result.returncode != 0
        assert "the PIN is not tried" in result.stdout + result.stderr, command
    assert "let the provider log in with it" in asked_by("doctor", provider, faults).stdout
    assert sighup(provider)["status"] == "ok"
    assert faults.count("C_Login") == 1
    write_private(token.pin_file, PIN + "\n")
    provider.wait_healthy(5)
    assert asked_by("verify-key", provider, faults).returncode == 0


def test_reload_and_a_token_without_flags(make_provider, cert_tenant, authority, token, faults):
    """Nobody can see whether its count was reset."""
    certificate = set_up(token, authority)
    faults.tell("no-flags")
    write_private(token.pin_file, "654321\n")
    provider = make_provider(cert_tenant, **cert_overrides(**by_labels(token, certificate, faults.module)))
    provider.start(environment=faults.environment)
    refused(provider, "has refused the PIN")
    insist(provider)
    assert faults.count("C_Login") == 1


def test_new_way_and_a_refused_pin(make_provider, cert_tenant, authority, token, faults):
    """Each way to OpenBao, also one that waits to be proved, asks the same token."""
    certificate = set_up(token, authority)
    overrides = cert_overrides(**by_labels(token, certificate, faults.module))
    write_private(token.pin_file, "654321\n")
    provider = make_provider(cert_tenant, **overrides).start(environment=faults.environment)
    refused(provider, "has refused the PIN")
    before = len(provider.records(LOGIN))
    reload(provider, **overrides, **{"openbao.tlsServerName": "another.test"})
    provider.wait_record(LOGIN, count=before + 2)
    assert faults.count("C_Login") == 1
    before = len(provider.records(LOGIN))
    write_private(token.pin_file, "111111\n")  # both ways see it
    provider.wait_record(LOGIN, count=before + 2)
    time.sleep(1.5)
    assert faults.count("C_Login") == 2


def test_login_of_another_session_proves_no_pin(make_provider, cert_tenant, authority, token, faults):
    certificate = set_up(token, authority)
    write_private(token.pin_file, "654321\n")
    provider = make_provider(cert_tenant, **cert_overrides(**by_labels(token, certificate, faults.module)))
    provider.start(environment=faults.environment)
    refused(provider, "has refused the PIN")
    faults.tell("already")
    write_private(token.pin_file, PIN + "\n")
    wait_until(lambda: faults.count("C_Login") == 2, 10, "the other PIN is tried")
    write_private(token.pin_file, "654321\n")
    wait_until(lambda: "has refused the PIN" in provider.records(LOGIN)[-1].get("cause", ""), 10, "still known")
    assert faults.count("C_Login") == 2


@pytest.mark.parametrize("flag, cause", [("FINAL_TRY", "PIN is not tried"), ("LOCKED", "is locked")])
def test_flags_of_the_token(make_provider, cert_tenant, authority, token, faults, flag, cause):
    """Before the last try none is made, whatever the PIN; a wrong one changes nothing about that."""
    certificate = set_up(token, authority)
    write_private(token.pin_file, "654321\n")
    provider = make_provider(cert_tenant, **cert_overrides(**by_labels(token, certificate, faults.module)))
    provider.start(environment=faults.environment)
    refused(provider, "has refused the PIN")
    faults.tell(f"flag={flag}")
    write_private(token.pin_file, PIN + "\n")
    wait_until(lambda: cause in provider.records(LOGIN)[-1].get("cause", ""), 10, cause)
    assert faults.count("C_Login") == 1
    faults.tell("flag=COUNT_LOW")
    provider.wait_healthy(40)
    assert faults.count("C_Login") == 2


def test_pin_of_each_signature(make_provider, cert_tenant, authority, token, faults):
    """CKA_ALWAYS_AUTHENTICATE: what the token refuses there is refused like that of the login."""
    certificate = set_up(token, authority)
    faults.tell("always", "refuse-signature")
    provider = make_provider(cert_tenant, **cert_overrides(**by_labels(token, certificate, faults.module)))
    provider.start(environment=faults.environment)
    refused(provider, "has refused the PIN")
    provider.wait_record(LOGIN, count=2, status="error")
    assert (faults.count("C_Login"), faults.count("C_Login:signature")) == (1, 1)
    faults.tell("always")
    token.change_pin("112233")
    write_private(token.pin_file, "112233\n")
    provider.wait_healthy(5)
    assert faults.count("C_Login:signature") == 3  # the probe's, and TLS's


def test_locked_pin(make_provider, cert_tenant, authority, token, faults):
    certificate = set_up(token, authority)
    faults.tell("locks")
    write_private(token.pin_file, "654321\n")
    provider = make_provider(cert_tenant, **cert_overrides(**by_labels(token, certificate, faults.module)))
    provider.start(environment=faults.environment)
    refused(provider, "has refused the PIN")
    write_private(token.pin_file, PIN + "\n")
    deadline = time.monotonic() + 10
    while "is locked" not in provider.records(LOGIN)[-1].get("cause", ""):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert faults.count("C_Login") == 1


def test_token_pulled_and_returned(make_provider, cert_tenant, authority, token):
    """While it is away the OpenBao token serves; when that is refused, and the token is back, a login heals it."""
    certificate = set_up(token, authority)
    token.pull()
    provider = make_provider(cert_tenant, **cert_overrides(**by_labels(token, certificate)),
                             **{"status.probeInterval": "1s", "status.statusMaxStaleness": "5s"})
    provider.start(environment=token.environment)
    refused(provider, "no PKCS#11 token is there")
    token.put_back()
    provider.wait_healthy(40)
    client = provider.client()
    token.pull()
    encrypted = client.encrypt(b"text")
    assert client.decrypt(client.decrypt_request(encrypted)) == b"text"
    cert_tenant.request("PUT", "sys/leases/revoke-prefix/auth/cert")
    assert refusal(client.encrypt, b"text")[0] == grpc.StatusCode.UNAUTHENTICATED
    record = provider.records("kms.request", operation="encrypt")[-1]
    assert record["error_class"] == "auth_expired"
    provider.wait_unhealthy()
    token.put_back()
    provider.wait_healthy(40)
    assert client.decrypt(client.decrypt_request(encrypted)) == b"text"


def test_token_vanishes_while_it_signs(make_provider, cert_tenant, authority, token, faults):
    certificate = set_up(token, authority)
    faults.tell("fail=C_Sign")
    provider = make_provider(cert_tenant, **cert_overrides(**by_labels(token, certificate, faults.module)))
    provider.start(environment=faults.environment)
    refused(provider, "cannot sign with the PKCS#11 token")
    faults.tell()
    provider.wait_healthy(40)


def test_login_that_comes_too_late(make_provider, tenant, authority, token, faults, audit):
    """The token signs when the time is over: no login is sent any more, of which OpenBao would keep the token."""
    enable_cert_auth(tenant, authority, mount="cert-late")
    certificate = set_up(token, authority)
    faults.tell("sleep=C_Sign:2")  # the first signature is our own, to see that the key can
    provider = make_provider(tenant, **{
        **cert_overrides("cert-late", **by_labels(token, certificate, faults.module)), "auth.loginTimeout": "3s"})

    def logins():
        return [request for request in audit.requests() if request["path"].endswith("auth/cert-late/login")]
    provider.start(environment=faults.environment)
    provider.wait_record(LOGIN, status="error", error_class="timeout")
    wait_until(lambda: faults.count("C_Sign") >= 2, 10, "the signature for TLS")
    time.sleep(3)
    assert not logins()
    faults.tell()
    provider.wait_healthy(40)
    assert logins()


def test_slow_token_and_many_addresses(make_provider, tenant, authority, token, faults):
    """They take nothing from a login at one that is well."""
    enable_cert_auth(tenant, authority, mount="cert-many")
    certificate = set_up(token, authority)
    faults.tell("sleep=C_Sign:1.4")
    relays = [Relay(tenant.bao.port) for _ in range(3)]
    try:
        provider = make_provider(tenant, **{
            **cert_overrides("cert-many", **by_labels(token, certificate, faults.module)),
            "openbao.additionalAddresses": [f"https://127.0.0.1:{relay.port}" for relay in relays]})
        provider.start(wait="healthy", environment=faults.environment)
        assert not provider.records(LOGIN, status="error")
    finally:
        for relay in relays:
            relay.close()


def test_a_dead_first_address(make_provider, tenant, authority, token):
    """It takes a login its share of the time once; what is known of it then is known to the next logins, too."""
    enable_cert_auth(tenant, authority, mount="cert-dead")
    certificate = set_up(token, authority)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        provider = make_provider(tenant, **{
            **cert_overrides("cert-dead", **by_labels(token, certificate)), "auth.loginTimeout": "4s",
            "openbao.address": f"https://127.0.0.1:{silent.getsockname()[1]}",
            "openbao.additionalAddresses": [tenant.bao.address], "openbao.timeout": "1s"})
        provider.start(wait="healthy", environment=token.environment)
        tenant.request("PUT", "sys/leases/revoke-prefix/auth/cert-dead")
        provider.client().encrypt(b"text")
        assert provider.wait_record(LOGIN, status="ok", count=2)[1]["duration_ms"] < 1500
        assert provider.records(LOGIN)[0]["duration_ms"] > 1500
        assert not provider.records(LOGIN, status="error")


def test_reload_reaches_the_renewals(make_provider, tenant, authority, token):
    """They have a client of their own, which lasts longer than a configuration."""
    enable_cert_auth(tenant, authority, mount="cert-tuned", token_ttl="20s")
    settings = {**cert_overrides("cert-tuned", **by_labels(token, set_up(token, authority))),
                "auth.loginBeforeTokenExpiry": "18s", "auth.tokenRenewalIncrement": "19s", "logging.level": "debug"}
    provider = make_provider(tenant, **settings).start(wait="healthy", environment=token.environment)

    def renewals():
        return provider.records("openbao.request", openbao_operation="token renew self")
    wait_until(renewals, 10, "a renewal")
    assert "openbao_request_id" in renewals()[-1]
    provider.configure(**settings, **{"logging.logOpenBaoRequestIDs": False})
    assert sighup(provider)["status"] == "ok"
    before = len(renewals())
    wait_until(lambda: len(renewals()) > before + 1, 10, "two more")  # the first may have begun before
    assert "openbao_request_id" not in renewals()[-1]


def test_slow_token_holds_up_nobody(make_provider, tenant, authority, token, faults):
    """30 s for a signature: Status and Encrypt do not notice while the OpenBao token lives; neither does the end."""
    enable_cert_auth(tenant, authority, mount="cert-slow", token_ttl="20s")
    certificate = set_up(token, authority)
    provider = make_provider(tenant, **{
        **cert_overrides("cert-slow", **by_labels(token, certificate, faults.module)),
        "auth.loginBeforeTokenExpiry": "18s", "auth.tokenRenewalIncrement": "19s", "auth.loginTimeout": "1s"})
    provider.start(wait="healthy", environment=faults.environment)
    faults.tell("sleep=C_Sign:30")
    before = faults.count("C_Sign")
    deadline = time.monotonic() + 15
    while faults.count("C_Sign") == before:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    client = provider.client()
    started = time.monotonic()
    for _ in range(50):
        assert client.status().healthz == "ok"
        client.encrypt(b"text")
    assert time.monotonic() - started < 5
    provider.wait_record("auth.renewal", status="error", error_class="timeout")
    assert "PKCS#11 token" in provider.records("auth.renewal", status="error")[0]["cause"]
    assert faults.count("C_Sign") == before + 1  # nobody else was sent after it
    started = time.monotonic()
    assert sighup(provider)["status"] == "ok"
    assert time.monotonic() - started < 2
    started = time.monotonic()
    assert provider.stop() == 0
    assert time.monotonic() - started < 5
