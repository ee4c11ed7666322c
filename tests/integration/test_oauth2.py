# SPDX-License-Identifier: Apache-2.0
"""The JWT from an OAuth 2.0 token endpoint, which a real OpenBao takes, and what goes wrong on the way to it."""

import contextlib
import os
import socket
import time

import grpc
import pytest
from rig.kms import refusal
from rig.network import with_files
from rig.pki import Authority, write_private
from rig.process import wait_until
from rig.token_endpoint import TokenEndpoint

CODE = grpc.StatusCode
REFUSED = (CODE.UNAUTHENTICATED, "transit authentication failed")
SYSTEM_TRUST = "/etc/ssl/certs/ca-certificates.crt"


@pytest.fixture
def endpoint(authority, tenant):
    with TokenEndpoint(authority, tenant.signer) as endpoint:
        yield endpoint


@pytest.fixture
def secret_file(directory, endpoint):
    return write_private(directory / "client-secret", endpoint.client_secret + "\n")


def expect_silent(provider, endpoint):
    """No secret and no token in the log."""
    log = provider.log_path.read_text()
    for secret in (endpoint.client_secret, "s3cret", *endpoint.granted):
        assert secret not in log


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_login(make_provider, tenant, endpoint, secret_file, audit, method):
    """Asked for once a login, with all that is configured; and the token is one that OpenBao takes."""
    mark = audit.mark()
    provider = make_provider(tenant, **endpoint.settings(
        secret_file, method, scopes=["kms", "a/b"], audience="urn:openbao",
        resources=["https://bao.test/?a=b&c", "urn:x"]))
    provider.start(wait="healthy")
    client = provider.client()
    assert client.decrypt(client.encrypt(b"text")) == b"text"
    assert endpoint.requests == [{
        "method": method, "host": f"127.0.0.1:{endpoint.port}", "grant_type": ["client_credentials"],
        "scope": ["kms a/b"], "audience": ["urn:openbao"], "resource": ["https://bao.test/?a=b&c", "urn:x"]}]
    logins = audit.requests(mark, path=f"auth/{tenant.auth}/login")
    assert [login["data"]["jwt"] for login in logins] == endpoint.granted
    expect_silent(provider, endpoint)


def test_each_login_asks_anew(make_provider, tenant, endpoint, secret_file):
    """A token that is good needs no endpoint; one that is revoked needs another JWT."""
    provider = make_provider(tenant, **endpoint.settings(secret_file)).start(wait="healthy")
    client = provider.client()
    endpoint.answer = (500, {})
    encrypted = client.encrypt(b"text")
    assert len(endpoint.requests) == 1
    endpoint.answer = None
    revoke_tokens(tenant)
    assert client.decrypt(encrypted) == b"text"
    assert len(endpoint.requests) == 2 and len(set(endpoint.granted)) == 2


def revoke_tokens(tenant):
    """All that its logins have brought."""
    for accessor in tenant.request("LIST", "auth/token/accessors")["data"]["keys"]:
        token = tenant.request("POST", "auth/token/lookup-accessor", {"accessor": accessor})["data"]
        if token["path"] == f"auth/{tenant.auth}/login":
            tenant.request("POST", "auth/token/revoke-accessor", {"accessor": accessor})


def hang(handler):
    handler.connection.settimeout(30)
    with contextlib.suppress(OSError):
        handler.connection.recv(1)


def cut(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")


GOOD = {"access_token": "x", "token_type": "Bearer"}
REJECTED, UNAVAILABLE = "oauth2_rejected", "oauth2_unavailable"
ANSWERS = [
    ((400, {"error": "invalid_scope", "error_description": "s3cret"}), REJECTED, "status 400: invalid_scope"),
    ((403, b"<html>s3cret"), REJECTED, "status 403"),
    ((404, b""), REJECTED, "status 404"),
    ((201, GOOD), REJECTED, "status 201"),
    ((307, b"", ("Location", "/elsewhere")), REJECTED, "redirects (status 307)"),
    ((429, {"error": "slow_down"}, ("Retry-After", "1")), UNAVAILABLE, "status 429: slow_down"),
    ((500, {"error": "server_error"}), UNAVAILABLE, "status 500: server_error"),
    ((503, b"<html>"), UNAVAILABLE, "status 503"),
    ((200, b"access_token=s3cret"), REJECTED, "not valid JSON"),
    ((200, {"token_type": "Bearer"}), REJECTED, 'no "access_token"'),
    ((200, {**GOOD, "token_type": "mac"}), REJECTED, '"token_type" is not Bearer'),
    ((200, {"access_token": "x"}), REJECTED, 'no "token_type"'),
    ((200, {**GOOD, "expires_in": "soon"}), REJECTED, '"expires_in" is not a number'),
    ((200, GOOD), REJECTED, "does not have three parts"),
    ((200, b" " * 1100000), REJECTED, "the answer is too large"),
    ((200, {}, *(("X-Filler", "x" * 1000) for _ in range(80))), REJECTED, "headers are too large"),
    (cut, UNAVAILABLE, "cut short"),
    (hang, UNAVAILABLE, "no answer within the deadline"),
]


def test_answers_that_will_not_do(make_provider, tenant, endpoint, secret_file):
    """Each by its class and cause; a replaced secret tries again at once, whatever the wait had grown to."""
    endpoint.answer = ANSWERS[0][0]
    provider = make_provider(tenant, **endpoint.settings(secret_file), **{"auth.loginTimeout": "1s"})
    provider.start()
    for answer, error_class, cause in ANSWERS:
        endpoint.answer = answer
        expect_login_failure(provider, secret_file, endpoint, error_class, cause)
    assert refusal(provider.client().encrypt, b"text")[0] == CODE.FAILED_PRECONDITION
    endpoint.answer = None
    try_again(secret_file, endpoint)
    provider.wait_healthy(5)
    expect_silent(provider, endpoint)


def test_tokens_that_will_not_do(make_provider, tenant, endpoint, secret_file):
    cases = [
        (-10, {}, '"exp" has passed'),
        (60, {}, "leaves no more than auth.jwt.minRemainingTtl"),
        (3600, {"iss": "https://other.test"}, '"iss" is not the expected one'),
        (3600, {"aud": "other"}, '"aud" is not the expected one'),
        (3600, {"nbf": int(time.time()) + 600}, '"nbf" is further ahead'),
    ]
    endpoint.lifetime, endpoint.claims, _ = cases[0]
    provider = make_provider(tenant, **endpoint.settings(secret_file)).start()
    for endpoint.lifetime, endpoint.claims, cause in cases:
        expect_login_failure(provider, secret_file, endpoint, REJECTED, cause)
    endpoint.lifetime, endpoint.claims = 3600, {"sub": "stranger"}  # which only OpenBao minds
    expect_login_failure(provider, secret_file, endpoint, "auth_failed", "the login was refused")
    endpoint.claims = {}
    try_again(secret_file, endpoint)
    provider.wait_healthy(5)
    expect_silent(provider, endpoint)


def try_again(secret_file, endpoint, secret=None):
    write_private(secret_file.with_suffix(".new"), secret or endpoint.client_secret)
    os.rename(secret_file.with_suffix(".new"), secret_file)


def expect_login_failure(provider, secret_file, endpoint, error_class, cause, secret=None):
    seen = len(provider.records("auth.login"))
    try_again(secret_file, endpoint, secret)

    def failed():
        return [record for record in provider.records("auth.login")[seen:]
                if record.get("error_class") == error_class and cause in record["cause"]]
    record = wait_until(failed, 5, f"a login fails: {error_class}: {cause}")[0]
    assert record["openbao_operation"] == "jwt login" and record["status"] == "error"


def test_a_wrong_secret(make_provider, tenant, endpoint, secret_file):
    """What a caller gets, and that the right file heals it at once."""
    provider = make_provider(tenant, **endpoint.settings(secret_file)).start(wait="healthy")
    client = provider.client()
    encrypted = client.encrypt(b"text")
    try_again(secret_file, endpoint, "wrong")
    revoke_tokens(tenant)
    assert refusal(client.decrypt, encrypted) == REFUSED
    assert provider.wait_record("kms.request", operation="decrypt", error_class=REJECTED)
    expect_login_failure(provider, secret_file, endpoint, REJECTED, "status 401: invalid_client", "wrong")
    secret_file.chmod(0o644)
    expect_login_failure(provider, secret_file, endpoint, REJECTED, "status 401: invalid_client", "wrong too")
    secret_file.unlink()
    provider.wait_record("auth.login", error_class="credential_invalid", timeout=5)
    try_again(secret_file, endpoint)
    wait_until(lambda: provider.records("auth.login", status="ok")[1:], 3, "it logs in again")
    assert client.decrypt(encrypted) == b"text"
    expect_silent(provider, endpoint)


def test_the_endpoint_cannot_be_reached(make_provider, tenant, authority, directory):
    stranger = Authority(directory / "stranger", "of nobody")
    secret_file = write_private(directory / "client-secret", TokenEndpoint.client_secret)
    with TokenEndpoint(authority, tenant.signer, stem="misnamed", names=("elsewhere.test",)) as misnamed, \
            TokenEndpoint(stranger, tenant.signer) as unknown, TokenEndpoint(authority, tenant.signer) as gone:
        cases = [
            (misnamed, {}, "name mismatch"),
            (unknown, {"caCertFile": str(authority.file)}, "unknown issuer"),
            (unknown, {"caCertFile": None}, "unknown issuer"),
            (gone, {"tokenUrl": "https://idp.invalid/token"}, "cannot resolve the name"),
            (gone, {"tokenUrl": f"https://127.0.0.1:{closed_port()}/"}, "Connection refused"),
        ]
        for endpoint, more, cause in cases:
            provider = make_provider(tenant, **endpoint.settings(secret_file, **more)).start()
            record = provider.wait_record("auth.login", status="error", timeout=5)[0]
            assert record["error_class"] == UNAVAILABLE and cause in record["cause"]
            assert endpoint.requests == []


def closed_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_trust_of_the_system(make_provider, tenant, endpoint, secret_file):
    """Without caCertFile what the distribution trusts counts; here the test's authority is all of that."""
    provider = make_provider(tenant, **endpoint.settings(secret_file, caCertFile=None))
    if os.geteuid() != 0:
        pytest.skip("another file in the place of the system's needs root")
    provider.start(wait="healthy", command=with_files(provider.command(), {SYSTEM_TRUST: endpoint.authority.file}))
    assert len(endpoint.requests) == 1
