# SPDX-License-Identifier: Apache-2.0
"""SIGHUP: what a reload changes of the way to a token endpoint, and that its files are watched from then on."""

import shutil

import pytest
from rig.pki import Authority, write_private
from rig.process import wait_until
from rig.reload import reload, reload_way
from rig.token_endpoint import TokenEndpoint
from test_oauth2 import REJECTED, UNAVAILABLE, expect_login_failure, expect_silent, revoke_tokens, try_again

PREFIX = "auth.jwt.oauth2."


class Subject:
    """A provider that logs in by a token endpoint."""

    def __init__(self, make_provider, tenant, endpoint, directory):
        self.tenant = tenant
        self.endpoint = endpoint
        self.directory = directory
        self.secret_file = write_private(directory / "client-secret", endpoint.client_secret)
        self.overrides = endpoint.settings(self.secret_file)
        self.provider = make_provider(tenant, **self.overrides).start(wait="healthy")
        self.open = self.count_open()

    def reload_way(self, name, value):
        """The field alone, which brings a login with what it changes."""
        self.overrides[PREFIX + name] = value
        record = reload_way(self.provider, **self.overrides)
        assert record["config_fields"] == PREFIX + name
        self.works()

    def works(self):
        client = self.provider.client()
        assert client.decrypt(client.encrypt(b"text")) == b"text"
        client.close()

    def waits(self, name, value, error_class, why):
        """What does not work is not used, and the next reload ends the waiting."""
        record = reload(self.provider, **{**self.overrides, PREFIX + name: value})
        assert record["status"] == "ok" and record["config_fields"] == PREFIX + name
        failed = self.provider.wait_record("session.changed", status="error", error_class=error_class)
        assert why in failed[-1]["cause"]
        self.works()
        assert reload(self.provider, **self.overrides)["status"] == "ok"
        self.works()

    def count_open(self):
        """Trusts in use: of OpenBao and of the endpoint, for each way."""
        return len(list((self.provider.directory / "runtime").iterdir()))

    def wait_former_closed(self):
        wait_until(lambda: self.count_open() == self.open, 10, "the former way is closed")


@pytest.fixture
def subject(make_provider, tenant, authority, directory):
    with TokenEndpoint(authority, tenant.signer) as endpoint:
        subject = Subject(make_provider, tenant, endpoint, directory)
        yield subject
        expect_silent(subject.provider, endpoint)


def token_url(s):
    with TokenEndpoint(s.endpoint.authority, s.tenant.signer, stem="other-endpoint") as other:
        s.reload_way("tokenUrl", other.url)
        assert len(other.requests) == len(s.endpoint.requests) == 1
    s.reload_way("tokenUrl", s.endpoint.url)
    assert len(s.endpoint.requests) == 2


def client_id(s):
    s.endpoint.client_id = "node 2"
    s.reload_way("clientId", "node 2")
    s.waits("clientId", "node 3", REJECTED, "invalid_client")


def auth_method(s):
    s.reload_way("authMethod", "client_secret_post")
    assert [request["method"] for request in s.endpoint.requests] == ["client_secret_basic", "client_secret_post"]


def client_secret_file(s):
    """Each replacement of the new file is a reason to try again, whatever the wait has grown to."""
    s.endpoint.client_secret = "another s3cret"
    s.waits("clientSecretFile", str(write_private(s.directory / "wrong", "wrong s3cret")), REJECTED, "invalid_client")
    s.secret_file = write_private(s.directory / "second-secret", s.endpoint.client_secret)
    s.reload_way("clientSecretFile", str(s.secret_file))
    s.wait_former_closed()
    try_again(s.secret_file, s.endpoint, "wrong")
    revoke_tokens(s.tenant)
    expect_login_failure(s.provider, s.secret_file, s.endpoint, REJECTED, "invalid_client", "wrong again")
    for number in range(6):
        asked = len(s.endpoint.requests)
        try_again(s.secret_file, s.endpoint, f"wrong {number}")
        wait_until(lambda: len(s.endpoint.requests) > asked, 5, "it tries again")
    good = len(s.provider.records("auth.login", status="ok"))
    try_again(s.secret_file, s.endpoint)
    s.provider.wait_record("auth.login", 5, count=good + 1, status="ok")
    s.works()


def ca_cert_file(s):
    """The new file counts and is watched; the old one is not any more."""
    s.waits("caCertFile", str(Authority(s.directory / "stranger", "of nobody").file), UNAVAILABLE, "unknown issuer")
    first, second = s.directory / "first.pem", s.directory / "second.pem"
    for copy in (first, second):
        shutil.copyfile(s.endpoint.authority.file, copy)
        copy.chmod(0o644)
        s.reload_way("caCertFile", str(copy))
    s.wait_former_closed()
    first.write_text("nothing of ours")
    shutil.copyfile(s.directory / "stranger" / "ca.crt", second)
    s.provider.wait_record("trust.reloaded", 15)
    good = len(s.provider.records("auth.login", status="ok"))
    revoke_tokens(s.tenant)
    s.provider.wait_record("auth.login", 15, status="error", error_class=UNAVAILABLE)
    shutil.copyfile(s.endpoint.authority.file, second)
    s.provider.wait_record("trust.reloaded", 15, count=2)
    s.provider.wait_record("auth.login", 30, count=good + 1, status="ok")
    s.works()
    assert not any("old trust" in record.get("detail", "") for record in s.provider.records("warning"))


def asked_for(name, value, form):
    def check(s):
        s.reload_way(name, value)
        assert form.items() <= s.endpoint.requests[-1].items()
        s.reload_way(name, None)
        assert not form.keys() & s.endpoint.requests[-1].keys()
    return check


def source(s):
    """From the endpoint to a file and back, without a restart."""
    requests = len(s.endpoint.requests)
    record = reload_way(s.provider)
    assert "auth.jwt.source" in record["config_fields"]
    s.works()
    assert len(s.endpoint.requests) == requests
    reload_way(s.provider, **s.overrides)
    s.works()
    assert len(s.endpoint.requests) == requests + 1


EFFECTS = {
    "auth.jwt.source": source,
    PREFIX + "tokenUrl": token_url,
    PREFIX + "clientId": client_id,
    PREFIX + "authMethod": auth_method,
    PREFIX + "clientSecretFile": client_secret_file,
    PREFIX + "caCertFile": ca_cert_file,
    PREFIX + "scopes": asked_for("scopes", ["kms", "a/b"], {"scope": ["kms a/b"]}),
    PREFIX + "audience": asked_for("audience", "urn:openbao", {"audience": ["urn:openbao"]}),
    PREFIX + "resources": asked_for("resources", ["urn:x", "urn:y"], {"resource": ["urn:x", "urn:y"]}),
}


@pytest.mark.parametrize("field", EFFECTS)
def test_field(subject, field):
    EFFECTS[field](subject)
