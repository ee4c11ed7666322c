# SPDX-License-Identifier: Apache-2.0
"""SIGHUP: each field that a reload may change is changed, and changed back, and no call fails. What each of them does is
seen in test_reload_fields.py."""

import pathlib
import shutil
import signal

import pytest
from rig.load import Load
from rig.pki import write_private
from rig.process import free_port, wait_until
from rig.proxy import Proxy
from rig.relay import Relay
from rig.reload import fields_of, names, reload, reload_way
from rig.token import Faults, Token, by_labels, cert_overrides, enable_cert_auth, issue_client, new_key
from rig.token_endpoint import TokenEndpoint

pytestmark = pytest.mark.timeout(240)

NOTHING_TO_CHANGE = {"configVersion", "rotation.mode", "auth.cert.source"}  # there is one of each


class Alias(Proxy):
    """Leads to the key by another mount path and another name, too."""

    def __init__(self, tenant):
        super().__init__(tenant.bao)
        self._names = {"other-mount": tenant.mount, "other-key": tenant.key}

    def forward(self, method, path, body, headers):
        return super().forward(method, "/".join(self._names.get(part, part) for part in path.split("/")), body, headers)


def copy_of(directory, file):
    copy = directory / f"copy-of-{pathlib.Path(file).name}"
    shutil.copyfile(file, copy)
    copy.chmod(0o600)
    return str(copy)


# Ways to log in: the configuration to begin with, and what else each field may be; a dictionary where others must change,
# too.


@pytest.fixture
def by_file(fresh_tenant, directory):
    tenant = fresh_tenant
    role = tenant.request("GET", f"auth/{tenant.auth}/role/{tenant.role}")["data"]
    tenant.request("POST", f"auth/{tenant.auth}/role/other", role)
    tenant.request("POST", f"sys/auth/{tenant.auth}-other", {"type": "jwt"})
    tenant.request("POST", f"auth/{tenant.auth}-other/config", {"jwt_validation_pubkeys": [tenant.signer.public_pem()]})
    tenant.request("POST", f"auth/{tenant.auth}-other/role/{tenant.role}", role)
    relay = Relay(tenant.bao.port)
    with Alias(tenant) as alias:
        yield {"openbao.address": alias.address}, {
            "server.allowedUids": [0, 12345],
            "server.metricsAddress": f"127.0.0.1:{free_port()}",
            "server.healthAddress": f"127.0.0.1:{free_port()}",
            "server.maxConcurrentStatus": 1,
            "server.maxConcurrentEncrypt": 1,
            "server.maxConcurrentDecrypt": 1,
            "openbao.address": f"https://127.0.0.1:{relay.port}",
            "openbao.additionalAddresses": [f"https://127.0.0.1:{relay.port}"],
            "openbao.caCertFile": copy_of(directory, tenant.bao.authority.file),
            "openbao.tlsServerName": "127.0.0.1",
            "openbao.timeout": "3s",
            "auth.loginBeforeTokenExpiry": "59m",
            "auth.tokenRenewalIncrement": "50m",
            "auth.loginTimeout": "7s",
            "auth.jwt.mountPath": f"auth/{tenant.auth}-other",
            "auth.jwt.role": "other",
            "auth.jwt.jwtFile": copy_of(directory, tenant.jwt_file),
            "auth.jwt.minRemainingTtl": "3m",
            "auth.jwt.clockSkewLeeway": "31s",
            "auth.jwt.expectedIssuer": tenant.signer.issuer,
            "auth.jwt.expectedAudience": [tenant.signer.audience],
            "auth.jwt.expectedSubject": tenant.signer.subject,
            "transit.mountPath": "other-mount",
            "transit.keyName": "other-key",
            "bootstrap.graceTimeout": "70s",
            "bootstrap.retryInterval": "600ms",
            "status.probeInterval": "700ms",
            "status.deepProbeInterval": "900ms",
            "status.statusMaxStaleness": "20s",
            "rotation.activationDelay": "3m",
            "rotation.requireStableObservationCount": 4,
            "rotation.rejectVersionRollback": False,
            "logging.level": "info",
            "logging.format": "text",
            "logging.logOpenBaoRequestIDs": False,
            "logging.debugCorrelation.enabled": {"logging.debugCorrelation.enabled": True,
                                                 "logging.debugCorrelation.incidentId": "INC-7"},
            "logging.debugCorrelation.ttl": "14m",
            "logging.debugCorrelation.incidentId": "INC-8",
        }
    relay.close()


@pytest.fixture
def by_endpoint(fresh_tenant, authority, directory):
    def endpoint(stem):
        return TokenEndpoint(authority, fresh_tenant.signer, stem)
    with endpoint("first") as first, endpoint("second") as second, endpoint("renamed") as renamed:
        renamed.client_id = "node 2"
        secret = write_private(directory / "client-secret", first.client_secret)
        settings = first.settings(secret)
        prefix = "auth.jwt.oauth2."
        yield settings, {
            "auth.jwt.source": dict.fromkeys(settings),
            prefix + "tokenUrl": second.url,
            prefix + "clientId": {prefix + "clientId": renamed.client_id, prefix + "tokenUrl": renamed.url},
            prefix + "authMethod": "client_secret_post",
            prefix + "clientSecretFile": copy_of(directory, secret),
            prefix + "caCertFile": copy_of(directory, authority.file),
            prefix + "scopes": ["kms"],
            prefix + "audience": "urn:openbao",
            prefix + "resources": ["urn:x"],
        }


@pytest.fixture
def module(directory):
    return Faults(directory)


@pytest.fixture
def token(directory, authority):
    """The key is in it twice, and in another token once."""
    token = Token(directory / "token", label="other")
    key = new_key("P-256")
    token.add_key(key)
    token.label = "node"
    token.initialize()
    token.add_key(key)
    token.add_key(key, "other-key", "02")
    token.certificate = write_private(token.directory / "client.pem", issue_client(authority, key.public_key()))
    return token


@pytest.fixture
def by_certificate(fresh_tenant, authority, directory, module, token):
    mounts = [f"cert-{fresh_tenant.auth}", f"cert-{fresh_tenant.auth}-other"]
    for mount in mounts:
        enable_cert_auth(fresh_tenant, authority, mount)
    labels = by_labels(token, token.certificate)
    prefix = "auth.cert.pkcs11."
    return cert_overrides(mounts[0], **labels), {
        "auth.method": {"auth.method": "jwt", "auth.jwt": fresh_tenant.configuration()["auth"]["jwt"], "auth.cert": None},
        "auth.cert.mountPath": f"auth/{mounts[1]}",
        "auth.cert.name": None,
        "auth.cert.minRemainingTtl": "2h",
        "auth.cert.clockSkewLeeway": "31s",
        prefix + "certificateFile": copy_of(directory, token.certificate),
        prefix + "modulePath": module.module,
        prefix + "tokenLabel": "other",
        prefix + "keyLabel": "other-key",
        prefix + "pinFile": copy_of(directory, token.pin_file),
        prefix + "uri": {
            **{prefix + name: None for name in labels if name != "certificateFile"},
            prefix + "uri": f"pkcs11:token=node;object=key;type=private?pin-source=file:{token.pin_file}"},
        prefix + "maxSessions": 3,
    }


def change_to_text(provider, overrides):
    """The record of that reload cannot be read as the others are."""
    provider.configure(**overrides)
    provider.process.signal(signal.SIGHUP)
    wait_until(lambda: "config.reloaded status=ok" in provider.process.log(), 10, "a line of text")


def drop_text(provider):
    """It is not foreign output."""
    lines = [line for line in provider.log_path.read_text().splitlines() if line.startswith("{")]
    provider.log_path.write_text("".join(f"{line}\n" for line in lines))


def test_each_field_under_load(make_provider, fresh_tenant, by_file, by_endpoint, by_certificate, token, module):
    ways = [by_file, by_endpoint, by_certificate]
    provider = make_provider(fresh_tenant, **by_file[0])
    table = fields_of(provider.config)
    reloadable = {name for name, field in table.items() if field["reload"] != "refused"}
    assert set().union(*(others for _, others in ways)) | NOTHING_TO_CHANGE == reloadable
    provider.start(wait="healthy", environment={**token.environment, **module.environment})
    with Load(provider.socket) as load:
        for settings, others in ways:
            if settings is not by_file[0]:
                reload_way(provider, **settings)
            for field, value in others.items():
                load.wait_calls(20)
                changed = {**settings, **(value if isinstance(value, dict) else {field: value})}
                change = reload_way if table[field]["reload"] == "when-proved" else reload
                if field == "logging.format":
                    change_to_text(provider, changed)
                else:
                    change(provider, **changed)
                load.wait_calls(20)
                back = change(provider, **settings)
                assert back["status"] == "ok" and field in names(back)
                assert not load.failures, field
    drop_text(provider)
    assert not load.failures
    wait_until(lambda: len(list((provider.directory / "runtime").iterdir())) == 1, 10, "former ways are closed")
