# SPDX-License-Identifier: Apache-2.0
"""SIGHUP: another way to log in, while calls go on."""

import pytest
from rig.load import Load
from rig.pki import write_private
from rig.process import free_port, wait_until
from rig.reload import reload, reload_way, sighup, works
from rig.token import Token, by_labels, cert_overrides, enable_cert_auth, issue_client, new_key
from rig.web import Scrape


@pytest.fixture(scope="module")
def cert_auth(tenant, authority):
    enable_cert_auth(tenant, authority)


@pytest.fixture
def token(directory, authority, cert_auth):
    token = Token(directory / "token")
    key = new_key("P-256")
    token.add_key(key)
    token.certificate = write_private(token.directory / "client.pem", issue_client(authority, key.public_key()))
    return token


def logins(provider, operation):
    return len(provider.records("auth.login", status="ok", openbao_operation=operation))


def test_from_jwt_to_certificate_and_back(make_provider, tenant, token):
    provider = make_provider(tenant).start(wait="healthy", environment=token.environment)
    by_certificate = cert_overrides(**by_labels(token, token.certificate))
    with Load(provider.socket, callers=2) as load:
        for number in range(3):
            load.wait_calls(20)
            record = reload_way(provider, **by_certificate)
            assert "auth.method" in record["config_fields"]
            assert logins(provider, "cert login") == number + 1
            load.wait_calls(20)
            reload_way(provider)
            assert logins(provider, "jwt login") == number + 2
        load.wait_calls(20)
    assert not load.failures


def test_the_token_outlives_another_address(make_provider, tenant, token):
    """The module is in use all the time, and the login is not made anew."""
    by_certificate = cert_overrides(**by_labels(token, token.certificate))
    provider = make_provider(tenant, **by_certificate).start(wait="healthy", environment=token.environment)
    with Load(provider.socket, callers=2) as load:
        for number in range(6):
            reload_way(provider, **by_certificate, **{"openbao.tlsServerName": ("127.0.0.1", "localhost")[number % 2]})
            load.wait_calls(20)
    assert not load.failures
    assert logins(provider, "cert login") == 1
    # And a renewal by the new way, over a connection with the same certificate.
    reload(provider, **by_certificate, **{"auth.loginBeforeTokenExpiry": "59m59s", "openbao.tlsServerName": "localhost"})
    provider.wait_record("auth.renewal", status="ok")


@pytest.mark.parametrize("case", ["module", "key", "pin"])
def test_what_does_not_work_is_waited_for(make_provider, tenant, token, directory, case):
    provider = make_provider(tenant).start(wait="healthy", environment=token.environment)
    wrong_pin = write_private(directory / "wrong-pin", b"9999")
    labels = by_labels(token, token.certificate)
    labels.update({"module": {"modulePath": "/nowhere/module.so"}, "key": {"keyLabel": "of-nobody"},
                   "pin": {"pinFile": str(wrong_pin)}}[case])
    assert reload(provider, **cert_overrides(**labels))["status"] == "ok"
    provider.wait_record("session.changed", 15, status="error")
    works(provider)
    assert not logins(provider, "cert login")
    assert reload(provider)["status"] == "ok"
    works(provider)
    wait_until(lambda: len(list((provider.directory / "runtime").glob("tunnel-*"))) == 1, 10, "what was proposed is closed")
    assert not provider.records("session.changed", status="ok")


def test_a_login_that_is_waited_for(make_provider, tenant, authority, token):
    """Why it does not come up is told at once and not over and over; metrics are those of the way in use; another
    SIGHUP, which changes nothing, tries it at once."""
    address = f"127.0.0.1:{free_port()}"
    provider = make_provider(tenant, **{"server.metricsAddress": address})
    provider.start(wait="healthy", environment=token.environment)
    overrides = {**cert_overrides("later", **by_labels(token, token.certificate)), "server.metricsAddress": address}
    assert reload(provider, **overrides)["status"] == "ok"
    record = provider.wait_record("session.changed", 5, status="error")[0]
    assert record["level"] == "warn" and "permission denied" in record["cause"], record
    provider.wait_record("auth.login", 20, count=4, status="error")
    assert len(provider.records("session.changed")) == 1
    page = Scrape(address)
    assert page.get("auth_method_info", method="jwt") == 1 and page.get("auth_method_info", method="cert") is None
    assert page.get("certificate_ttl_seconds") is None and page.get("jwt_ttl_seconds") > 0
    enable_cert_auth(tenant, authority, mount="later")  # nothing here can see that; the next try is 6 s away
    assert sighup(provider)["status"] == "ok"
    provider.wait_record("session.changed", 4, status="ok")
    page = Scrape(address)
    assert page.get("auth_method_info", method="cert") == 1 and page.get("auth_method_info", method="jwt") is None
    assert page.get("certificate_ttl_seconds") > 3600 and page.get("jwt_ttl_seconds") is None
    works(provider)
