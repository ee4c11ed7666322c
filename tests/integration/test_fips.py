# SPDX-License-Identifier: Apache-2.0
"""FIPS mode: what is allowed works, what is not is refused with its reason."""

import os
import subprocess

import pytest

from rig.network import with_files
from rig.pki import write_private
from rig.process import free_port
from rig.token import Token, by_labels, cert_overrides, enable_cert_auth, issue_client, new_key

FIPS = {"openbao.fipsMode": "on"}


def in_fips_mode(provider):
    return "FIPS" in provider.wait_record("service.started")[0].get("detail", "")


def test_jwt_login_and_calls(make_provider, tenant):
    provider = make_provider(tenant, **FIPS).start(wait="healthy")
    assert in_fips_mode(provider)
    client = provider.client()
    assert client.decrypt(client.decrypt_request(client.encrypt(b"text"))) == b"text"


def start_under_a_kernel(provider, flag, directory, **options):
    """One whose FIPS flag is that; others do not see it."""
    if os.geteuid() != 0:
        pytest.skip("a mount of its own needs root")
    system = directory / f"sys-{flag}"
    (system / "crypto").mkdir(parents=True)
    (system / "crypto" / "fips_enabled").write_text(f"{flag}\n")  # all of the folder: not every kernel has the file
    return provider.start(command=with_files(provider.command(), {"/proc/sys": system}), **options)


@pytest.mark.parametrize("flag", [0, 1])
def test_as_the_kernel_says(make_provider, tenant, directory, flag):
    provider = start_under_a_kernel(make_provider(tenant), flag, directory, wait="healthy")
    assert in_fips_mode(provider) == bool(flag)
    client = provider.client()
    assert client.decrypt(client.decrypt_request(client.encrypt(b"text"))) == b"text"


def test_not_unless_asked_for(make_provider, tenant):
    assert not in_fips_mode(make_provider(tenant).start(wait="healthy"))


@pytest.mark.parametrize("kind", ["rsa:2048", "P-256", "P-384"])
def test_pkcs11_login(make_provider, tenant, authority, directory, kind):
    mount = f"cert-{kind.replace(':', '')}"
    enable_cert_auth(tenant, authority, mount=mount)
    token, key = Token(directory / "token"), new_key(kind)
    token.add_key(key)
    certificate = write_private(token.directory / "client.pem", issue_client(authority, key.public_key()))
    provider = make_provider(tenant, **FIPS, **cert_overrides(mount, **by_labels(token, certificate)))
    provider.start(wait="healthy", environment=token.environment)
    assert in_fips_mode(provider)


@pytest.mark.parametrize("options", [
    ("-groups", "X25519"),
    ("-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"),
    ("-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"),
])
def test_what_is_not_allowed(make_provider, tenant, authority, directory, options):
    """A server that has nothing else to offer; without FIPS mode it is reached, and is no OpenBao."""
    certificate, key = authority.issue("elsewhere")
    port = free_port()
    server = subprocess.Popen(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-www", "-quiet",
                               "-cert", certificate, "-key", key, *options],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = {"openbao.address": f"https://127.0.0.1:{port}", "auth.loginTimeout": "1s"}
        reached = make_provider(tenant, **address).start()
        record = reached.wait_record("auth.login", status="error")[0]
        assert record["error_class"] != "openbao_tls_failed", record["cause"]
        for refused in (make_provider(tenant, **FIPS, **address).start(),
                        start_under_a_kernel(make_provider(tenant, **address), 1, directory)):
            record = refused.wait_record("auth.login", status="error", error_class="openbao_tls_failed")[0]
            assert "FIPS mode" in record["cause"], record["cause"]
    finally:
        server.kill()
        server.wait()
