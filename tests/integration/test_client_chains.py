# SPDX-License-Identifier: Apache-2.0
"""Which certificates are presented: issuers between ours and the root, and what renewals leave in a token."""

import re

import pytest

from rig.pki import write_private
from rig.process import free_port
from rig.provider import run_command
from rig.reload import reload_way
from rig.token import Issuer, Token, by_labels, cert_overrides, enable_cert_auth, issue_client, new_key
from rig.web import Scrape

LOGIN = "auth.login"
MOUNT = "cert-chains"
DAY = 86400


@pytest.fixture(scope="module")
def root():
    return Issuer("clients' root")


@pytest.fixture(scope="module")
def middle(root):
    return Issuer("clients' issuer", root)


@pytest.fixture(scope="module")
def chain_tenant(tenant, authority, root):
    """OpenBao knows the root alone."""
    enable_cert_auth(tenant, authority, mount=MOUNT, certificate=root.pem.decode())
    return tenant


@pytest.fixture
def token(directory):
    return Token(directory / "token")


@pytest.fixture
def key(token):
    key = new_key("P-256")
    token.add_key(key)
    return key


def in_file(token, *pems):
    return by_labels(token, write_private(token.directory / "client.pem", b"".join(pems)))


def in_token(token, *pems):
    """Certificates of one label and id, in that order; an authority's has others."""
    for pem in pems:
        token.add_certificate(pem)
    return {"uri": f"pkcs11:token={token.label};object=key?pin-source=file:{token.pin_file}"}


def issuers_in_token(token, *issuers):
    for number, issuer in enumerate(issuers):
        token.add_certificate(issuer.pem, label=f"issuer {number}", identity=f"a{number}")


def start(make_provider, tenant, token, place, wait="healthy", **overrides):
    provider = make_provider(tenant, **cert_overrides(MOUNT, **place), **overrides)
    return provider.start(wait=wait, environment=token.environment)


def test_issuers_in_the_file(make_provider, chain_tenant, token, key, middle):
    start(make_provider, chain_tenant, token, in_file(token, issue_client(middle, key.public_key()), middle.pem))


def test_without_the_issuer(make_provider, chain_tenant, token, key, middle):
    place = in_file(token, issue_client(middle, key.public_key()))
    provider = start(make_provider, chain_tenant, token, place, wait="socket")
    assert provider.wait_record(LOGIN, status="error")[0]["error_class"] == "auth_failed"


def test_issuers_in_the_token(make_provider, chain_tenant, token, key, root, middle):
    """Two of them, and the root, which is none of the chain's business but does no harm."""
    lower = Issuer("lower issuer", middle)
    issuers_in_token(token, root, lower, middle)
    start(make_provider, chain_tenant, token, in_token(token, issue_client(lower, key.public_key())))


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("issued_by", ["older", "newer"])
def test_an_issuer_with_a_new_key(make_provider, chain_tenant, token, key, root, order, issued_by):
    """Of one name: the key tells which of them it was."""
    issuers = {"older": Issuer("renewed issuer", root, age=3), "newer": Issuer("renewed issuer", root)}
    issuers_in_token(token, *list(issuers.values())[::order])
    place = in_token(token, issue_client(issuers[issued_by], key.public_key()))
    start(make_provider, chain_tenant, token, place)


def test_a_file_with_the_wrong_issuer(make_provider, chain_tenant, token, key, root):
    own, other = Issuer("renewed issuer", root), Issuer("renewed issuer", root)
    place = in_file(token, issue_client(own, key.public_key()), other.pem)
    provider = start(make_provider, chain_tenant, token, place, wait="socket")
    record = provider.wait_record(LOGIN, status="error")[0]
    assert record["error_class"] == "credential_invalid" and "are no chain" in record["cause"], record


OTHERS = {
    "expired": {"valid_from": -5, "valid_to": -1},
    "of tomorrow": {"valid_from": 1, "valid_to": 20},
    "older": {"valid_from": -3, "valid_to": 20},
    "of another key": {"valid_from": -0.5, "valid_to": 20},
    "of another kind of key": {"valid_from": -0.5, "valid_to": 20},
}


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("other", OTHERS)
def test_two_certificates_of_one_name(make_provider, chain_tenant, token, key, root, other, order):
    """Of those that are valid and fit the key the newest one is presented: ours ends in 10 days, the other one does not."""
    others_key = {"of another key": new_key("P-256"), "of another kind of key": new_key("rsa:2048")}.get(other, key)
    pems = [issue_client(root, key.public_key(), valid_to=10),
            issue_client(root, others_key.public_key(), **OTHERS[other])]
    place = in_token(token, *pems[::order])
    address = f"127.0.0.1:{free_port()}"
    start(make_provider, chain_tenant, token, place, **{"server.metricsAddress": address})
    assert 9 * DAY < Scrape(address).get("certificate_ttl_seconds") < 11 * DAY


def test_a_renewed_one_of_another_label(make_provider, chain_tenant, token, key, root):
    """It has the key's id, which is enough; doctor sees the same."""
    token.add_certificate(issue_client(root, key.public_key(), valid_from=-5, valid_to=-1))
    token.add_certificate(issue_client(root, key.public_key()), label="key, renewed")
    provider = start(make_provider, chain_tenant, token, in_token(token))
    report = run_command("doctor", "--config", provider.config, env={**token.environment})
    assert re.search(r"\[ok\] +auth.cert.local", report.stdout), report.stdout


def test_none_of_them_will_do(make_provider, chain_tenant, token, key, root):
    other = new_key("P-256")
    place = in_token(token, issue_client(root, other.public_key()), issue_client(root, other.public_key()))
    provider = start(make_provider, chain_tenant, token, place, wait="socket")
    record = provider.wait_record(LOGIN, status="error", error_class="credential_invalid")[0]
    assert "does not belong to the certificate" in record["cause"], record


def test_certificate_and_key_are_replaced_together(make_provider, chain_tenant, token, key, root):
    """The file first, which by itself does not fit; then a reload names the key that it belongs to."""
    successor = new_key("rsa:2048")
    token.add_key(successor, label="successor", identity="02")
    place = in_file(token, issue_client(root, key.public_key()))
    provider = start(make_provider, chain_tenant, token, place)
    in_file(token, issue_client(root, successor.public_key()))
    record = reload_way(provider, **cert_overrides(MOUNT, **{**place, "keyLabel": "successor"}))
    assert "auth.cert.pkcs11.keyLabel" in record["config_fields"]
    client = provider.client()
    assert client.decrypt(client.encrypt(b"text")) == b"text"
