# SPDX-License-Identifier: Apache-2.0
"""SIGHUP: what a reload does of each field that it may change."""

import concurrent.futures
import datetime
import os
import shutil
import signal
import socket
import time

import grpc
import pytest
import test_reload_oauth2
from rig.http2 import Http2
from rig.kms import refusal
from rig.pki import Authority
from rig.process import free_port, wait_until
from rig.provider import policy_for
from rig.proxy import Answer, Proxy
from rig.relay import Relay
from rig.reload import fields_of, names, reload, reload_way, sighup, works
from rig.transit import Tenant
from rig.web import page_of
from test_peers import NOBODY, status_as


def at(record):
    """Unix seconds of a record."""
    return datetime.datetime.fromisoformat(record["ts"].replace("Z", "+00:00")).timestamp()


@pytest.fixture(scope="module")
def relay(openbao):
    relay = Relay(openbao.port)
    yield relay
    relay.close()


class Subject:
    """A provider, and what the effects are looked for in."""

    def __init__(self, make_provider, tenant, audit, relay):
        self.make_provider = make_provider
        self.provider = make_provider(tenant).start(wait="healthy")
        self.tenant = tenant
        self.audit = audit
        self.relay = relay
        self.overrides = {}

    def reload(self, **overrides):
        """On top of what was changed before."""
        self.overrides.update(overrides)
        record = reload(self.provider, **self.overrides)
        assert record["status"] == "ok", record
        return record

    def reload_way(self, **overrides):
        self.overrides.update(overrides)
        return reload_way(self.provider, **self.overrides)

    def wait_asked(self, path, mark, **options):
        return self.audit.wait_for(path, mark, **options)


def allowed_uids(s):
    s.provider.directory.chmod(0o711)
    assert status_as(s.provider, NOBODY, NOBODY, os.getgid()) == "ok"
    assert names(s.reload(**{"server.allowedUids": [12345]})) == ["server.allowedUids"]
    assert status_as(s.provider, NOBODY, NOBODY, os.getgid()) == "UNAVAILABLE"
    s.reload(**{"server.allowedUids": [NOBODY]})
    assert status_as(s.provider, NOBODY, NOBODY) == "ok"
    s.reload(**{"server.allowedUids": None})
    assert status_as(s.provider, NOBODY, NOBODY) == "UNAVAILABLE"


def endpoint(field, page, expected):
    def check(s):
        port = free_port()
        first, second, unix = f"127.0.0.1:{free_port()}", f"127.0.0.1:{port}", f"unix:{s.provider.directory}/page.sock"
        assert names(s.reload(**{field: first})) == [field]
        assert expected in page_of(first, page)
        with socket.create_server(("127.0.0.1", port)):
            s.provider.configure(**{**s.overrides, field: second, "openbao.timeout": "7s"})
            record = sighup(s.provider)
            assert record["status"] == "error" and field in record["cause"]
            assert expected in page_of(first, page)
        s.reload(**{field: second})
        assert expected in page_of(second, page) and page_of(first, page) is None
        s.reload(**{field: unix})
        assert expected in page_of(unix, page) and page_of(second, page) is None
        s.reload(**{field: ""})
        assert page_of(unix, page) is None
    return check


def limit(operation, field):
    def check(s):
        client = s.provider.client()
        encrypted = client.encrypt(b"text")
        calls = {"encrypt": lambda: client.encrypt(b"text"), "decrypt": lambda: client.decrypt(encrypted)}

        def pause_of_two():
            """Between the ends of two calls which OpenBao does not answer: each has openbao.timeout, by turns or together."""
            before = len(s.provider.records("kms.request", operation=operation, status="error"))
            s.tenant.bao.process.freeze()
            try:
                with concurrent.futures.ThreadPoolExecutor(2) as pool:
                    for call in [pool.submit(refusal, calls[operation]) for _ in range(2)]:
                        assert call.result()[0] == grpc.StatusCode.DEADLINE_EXCEEDED
            finally:
                s.tenant.bao.process.thaw()
            first, second = s.provider.wait_record("kms.request", count=before + 2, operation=operation, status="error")[before:]
            return at(second) - at(first)
        assert names(s.reload(**{field: 1, "openbao.timeout": "1s"})) == sorted([field, "openbao.timeout"], reverse=True)
        assert pause_of_two() > 0.9
        s.reload(**{field: 2})
        assert pause_of_two() < 0.9
    return check


def max_status(s):
    """A client that takes no answer is refused what is beyond the limit and the queue of each method."""
    field, waiting = "server.maxConcurrentStatus", 1024

    def refused_of(n):
        with Http2(s.provider.socket) as peer:
            return peer.refused("/v2.KeyManagementService/Status", n)
    assert refused_of(waiting + 16) == 0
    assert names(s.reload(**{field: 3})) == [field]
    # Once the former peer's calls are over.
    wait_until(lambda: refused_of(waiting + 16) == 13, 20, "13 are refused")
    assert s.provider.records("kms.request", operation="status", error_class="concurrency_limit")
    s.reload(**{field: None})
    wait_until(lambda: refused_of(waiting + 16) == 0, 20, "none is refused")


def address(s):
    mark = s.audit.mark()
    assert names(s.reload_way(**{"openbao.address": f"https://127.0.0.1:{s.relay.port}"})) == ["openbao.address"]
    s.relay.cut()
    assert refusal(s.provider.client().encrypt, b"text")[0] == grpc.StatusCode.UNAVAILABLE
    s.reload_way(**{"openbao.address": s.tenant.bao.address})
    works(s.provider)
    s.relay.mend()
    assert not s.audit.requests(mark, f"auth/{s.tenant.auth}/login")  # the token is good at all addresses


def additional_addresses(s):
    s.reload_way(**{"openbao.additionalAddresses": [f"https://127.0.0.1:{s.relay.port}"]})
    assert names(s.reload_way(**{"openbao.address": f"https://127.0.0.1:{free_port()}"})) == ["openbao.address"]
    works(s.provider)  # by the additional one
    s.reload_way(**{"openbao.address": s.tenant.bao.address, "openbao.additionalAddresses": None})
    works(s.provider)


def ca_cert_file(s):
    copy = s.provider.directory / "ca-copy.pem"
    shutil.copyfile(s.tenant.bao.authority.file, copy)
    copy.chmod(0o644)
    assert names(s.reload_way(**{"openbao.caCertFile": str(copy)})) == ["openbao.caCertFile"]
    works(s.provider)
    waits(s, "openbao.caCertFile", str(Authority(s.provider.directory / "other-pki").file), "unknown issuer")


def waits(s, field, value, why):
    """The new way does not work: the former one goes on, and the next reload ends the waiting."""
    before = len(s.provider.records("session.changed", status="error"))
    former = s.overrides.get(field)
    record = s.reload(**{field: value})
    assert record["status"] == "ok" and names(record) == [field]
    failed = s.provider.wait_record("session.changed", count=before + 1, status="error")[-1]
    assert why in failed["cause"], failed
    works(s.provider)
    s.reload(**{field: former})
    time.sleep(0.7)  # longer than bootstrap.retryInterval
    count = len(s.provider.records("session.changed"))
    time.sleep(0.7)
    assert len(s.provider.records("session.changed")) == count
    works(s.provider)


def tls_server_name(s):
    assert names(s.reload_way(**{"openbao.tlsServerName": "127.0.0.1"})) == ["openbao.tlsServerName"]
    works(s.provider)
    waits(s, "openbao.tlsServerName", "another.test", "name mismatch")


def timeout(s):
    def time_of_a_call():
        """As the provider has taken it, in ms."""
        before = len(s.provider.records("kms.request", operation="decrypt", status="error"))
        s.tenant.bao.process.freeze()
        try:
            assert refusal(client.decrypt, encrypted)[0] == grpc.StatusCode.DEADLINE_EXCEEDED
        finally:
            s.tenant.bao.process.thaw()
        records = s.provider.wait_record("kms.request", count=before + 1, operation="decrypt", status="error")
        return records[before]["duration_ms"]
    client = s.provider.client()
    encrypted = client.encrypt(b"text")
    assert names(s.reload(**{"openbao.timeout": "300ms"})) == ["openbao.timeout"]
    assert 299 < time_of_a_call() < 1900
    s.reload(**{"openbao.timeout": None})
    assert time_of_a_call() > 1900


def role(s):
    mark = s.audit.mark()
    s.tenant.role = "other"
    s.tenant.write_role()
    assert names(s.reload_way(**{"auth.jwt.role": "other"})) == ["auth.jwt.role"]
    assert s.wait_asked(f"auth/{s.tenant.auth}/login", mark)[0]["data"]["role"] == "other"
    works(s.provider)
    waits(s, "auth.jwt.role", "of-nobody", "login was refused")


def auth_mount(s):
    other = Tenant(s.tenant.bao, s.provider.directory / "other-tenant", auth="jwt-other")
    s.tenant.request("POST", "sys/auth/jwt-other", {"type": "jwt"})
    s.tenant.request("POST", "auth/jwt-other/config", {"jwt_validation_pubkeys": [s.tenant.signer.public_pem()]})
    other.signer, other.policy_name, other.role = s.tenant.signer, s.tenant.policy_name, s.tenant.role
    other.write_role()
    mark = s.audit.mark()
    assert names(s.reload_way(**{"auth.jwt.mountPath": "auth/jwt-other"})) == ["auth.jwt.mountPath"]
    s.wait_asked("auth/jwt-other/login", mark)
    works(s.provider)


def jwt_file(s):
    path = s.provider.directory / "other.jwt"
    mark = s.audit.mark()
    s.reload(**{"auth.jwt.jwtFile": str(path)})
    before = len(s.provider.records("session.changed", status="ok"))
    s.provider.wait_record("session.changed", status="error")
    works(s.provider)
    s.tenant.signer.write(path, jti="another")
    s.provider.wait_record("session.changed", 15, count=before + 1, status="ok")
    assert s.wait_asked(f"auth/{s.tenant.auth}/login", mark)[0]["data"]["jwt"] == path.read_text().strip()
    works(s.provider)


def jwt_rule(field, good, bad, why):
    def check(s):
        assert names(s.reload_way(**{field: good})) == [field]
        works(s.provider)
        waits(s, field, bad, why)
    return check


def clock_skew_leeway(s):
    """Of a JWT that holds from 300 s on only, which OpenBao does not mind."""
    s.tenant.write_role(clock_skew_leeway=900)
    s.tenant.write_jwt(nbf=int(time.time()) + 300)
    jwt_rule("auth.jwt.clockSkewLeeway", "400s", "20s", "\"nbf\"")(s)


def login_before_expiry(s):
    renewals = len(s.provider.records("auth.renewal", status="ok"))
    record = s.reload(**{"auth.loginBeforeTokenExpiry": "59m59s"})
    assert names(record) == ["auth.loginBeforeTokenExpiry"]
    s.provider.wait_record("auth.renewal", count=renewals + 1, status="ok")
    s.reload(**{"auth.loginBeforeTokenExpiry": None})


def renewal_increment(s):
    s.reload(**{"auth.tokenRenewalIncrement": "50m"})
    mark = s.audit.mark()
    s.reload(**{"auth.loginBeforeTokenExpiry": "49m"})
    time.sleep(0.2)
    s.reload(**{"auth.loginBeforeTokenExpiry": "45m"})
    s.reload(**{"auth.tokenRenewalIncrement": "62m", "auth.loginBeforeTokenExpiry": "61m"})
    assert s.wait_asked("auth/token/renew-self", mark)[-1]["data"]["increment"] == "3720s"
    s.reload(**{"auth.tokenRenewalIncrement": None, "auth.loginBeforeTokenExpiry": None})


def login_timeout(s):
    s.reload(**{"auth.loginTimeout": "300ms"})
    before = len(s.provider.records("auth.login", status="error"))
    s.tenant.bao.process.freeze()
    try:
        s.reload(**{"auth.jwt.clockSkewLeeway": "31s"})
        failed = s.provider.wait_record("auth.login", count=before + 1, status="error")[before]
        assert 250 < failed["duration_ms"] < 8000  # of 10 s
    finally:
        s.tenant.bao.process.thaw()
    s.provider.wait_record("session.changed", 15, status="ok")
    s.reload(**{"auth.loginTimeout": None})
    s.provider.wait_healthy()


def transit_mount(s):
    s.tenant.request("POST", "sys/remount", {"from": s.tenant.mount, "to": "moved"})
    s.tenant.mount = "moved"
    s.tenant.request("PUT", f"sys/policies/acl/{s.tenant.policy_name}", {"policy": policy_for(s.tenant)})
    assert names(s.reload_way(**{"transit.mountPath": "moved"})) == ["transit.mountPath"]
    s.provider.wait_healthy()
    works(s.provider)


def key_name(s):
    """Another key, made within the same second or not, and one that is not there."""
    s.tenant.request("PUT", f"sys/policies/acl/{s.tenant.policy_name}",
                     {"policy": policy_for(s.tenant) + f"""
                      path "{s.tenant.mount}/*" {{ capabilities = ["read", "update"] }}"""})
    s.tenant.request("POST", f"{s.tenant.mount}/keys/another", {"type": "aes256-gcm96"})
    for name in ("another", "of-nobody"):
        before = len(s.provider.records("config.reloaded"))
        s.provider.configure(**s.overrides, **{"transit.keyName": name, "logging.logOpenBaoRequestIDs": False})
        s.provider.process.signal(signal.SIGHUP)
        first, second = s.provider.wait_record("config.reloaded", count=before + 2)[before:]
        assert first["status"] == "ok" and "transit.keyName" in names(first)
        assert second["status"] == "error" and second["level"] == "warn"
        if name == "another":
            assert "another key" in second["cause"]
        works(s.provider)
        assert s.provider.wait_record("openbao.request", status="ok")[-1].get("openbao_request_id")
    s.reload()


def grace_timeout(s):
    """As the first health is over it counts for nothing any more: of providers that have none yet."""
    field = "bootstrap.graceTimeout"
    for message, never in (("auth.login", {"openbao.address": f"https://127.0.0.1:{free_port()}"}),
                           ("status.probe", {"transit.keyName": "of-nobody"})):
        provider = s.make_provider(s.tenant, **never, **{field: "1h"}).start()
        provider.wait_record(message, level="info", status="error")
        for value, level in (("0s", "warn"), ("2h", "info")):
            assert names(reload(provider, **never, **{field: value})) == [field]
            before = len(provider.records(message, status="error"))
            assert provider.wait_record(message, 30, count=before + 1, status="error")[before]["level"] == level


def version_rollback(s):
    """OpenBao has lost a version that has been seen: refused, or accepted with a warning."""
    field = "rotation.rejectVersionRollback"

    def forget_second(method, path, body, forward):
        answer = forward()
        if method == "GET" and path == f"{s.tenant.mount}/keys/{s.tenant.key}" and answer.status == 200:
            content = answer.json()
            content["data"]["latest_version"] = 1
            content["data"]["keys"].pop("2", None)
            return Answer.of_json(200, content)
        return answer
    with Proxy(s.tenant.bao) as proxy:
        s.reload_way(**{"openbao.address": proxy.address, "status.statusMaxStaleness": "2s"})
        s.tenant.rotate()
        s.provider.wait_record("key.observed")
        proxy.intercept = forget_second
        s.provider.wait_record("status.changed", 20, healthz="unhealthy", reason="version_lost")
        assert names(s.reload(**{field: False})) == [field]
        s.provider.wait_healthy()
        s.provider.wait_record("warning", detail="OpenBao has lost this version, and rotation.rejectVersionRollback is "
                                                 "false: it is used no more")
        s.reload_way(**{"openbao.address": s.tenant.bao.address, "status.statusMaxStaleness": None, field: None})


def assert_pace(s, kind, least, most, n=4):
    """Between the probes of a kind that are begun from now on, by their own times."""
    before = len(s.provider.records("status.probe", probe_kind=kind))
    # The one that is about to come has the pace of before.
    records = s.provider.wait_record("status.probe", 30, count=before + n + 2, probe_kind=kind)[before + 1:]
    pauses = [at(second) - at(first) for first, second in zip(records, records[1:])]
    assert sorted(pauses)[len(pauses) // 2] < most and min(pauses) > least, pauses


def probe_interval(s):
    field = "status.probeInterval"
    assert names(s.reload(**{field: "100ms"})) == [field]
    assert_pace(s, "metadata", 0.05, 0.9)
    s.reload(**{field: "3s"})
    assert_pace(s, "metadata", 2, 30, n=1)
    s.reload(**{field: "25s"})
    before = len(s.provider.records("status.probe", probe_kind="metadata"))
    s.reload(**{field: "100ms"})  # not after 25 s
    s.provider.wait_record("status.probe", 10, count=before + 3, probe_kind="metadata")
    s.reload(**{field: "1s"})


def deep_probe_interval(s):
    assert names(s.reload(**{"status.deepProbeInterval": "100ms"})) == ["status.deepProbeInterval"]
    assert_pace(s, "deep", 0.05, 1.5)
    s.reload(**{"status.deepProbeInterval": None})


def staleness(s):
    s.tenant.bao.process.freeze()
    try:
        time.sleep(2.5)
        assert s.provider.client().status().healthz == "ok"
        assert names(s.reload(**{"status.statusMaxStaleness": "1100ms"})) == ["status.statusMaxStaleness"]
        s.provider.wait_unhealthy(10)
        s.reload(**{"status.statusMaxStaleness": None})
        s.provider.wait_healthy(10)
    finally:
        s.tenant.bao.process.thaw()
    s.provider.wait_healthy()


def retry_interval(s):
    field = "bootstrap.retryInterval"
    s.reload(**{"openbao.timeout": "50ms", "status.statusMaxStaleness": "1100ms", field: "60s"})
    s.tenant.bao.process.freeze()
    try:
        s.provider.wait_unhealthy(20)
        s.provider.wait_record("status.probe", probe_kind="metadata", status="error")
        failed = len(s.provider.records("status.probe", probe_kind="metadata", status="error"))
        assert names(s.reload(**{field: "100ms"})) == [field]
        s.provider.wait_record("status.probe", 15, count=failed + 2, probe_kind="metadata", status="error")  # not after 60 s
    finally:
        s.tenant.bao.process.thaw()
    s.reload(**{"openbao.timeout": None, "status.statusMaxStaleness": None, field: None})
    s.provider.wait_healthy(45)


def rotation(s):
    s.tenant.rotate()
    s.provider.wait_record("key.observed")
    time.sleep(1.5)
    assert not s.provider.records("key.promoted")
    record = s.reload(**{"rotation.activationDelay": "10ms", "rotation.requireStableObservationCount": 1})
    assert names(record) == ["rotation.activationDelay", "rotation.requireStableObservationCount"]
    s.provider.wait_record("key.promoted", 5)
    s.provider.wait_healthy()


def log_level(s):
    assert names(s.reload(**{"logging.level": "warn"})) == ["logging.level"]
    works(s.provider)
    count = len(s.provider.records())
    works(s.provider)
    assert len(s.provider.records()) == count
    s.reload(**{"logging.level": "debug"})
    works(s.provider)
    s.provider.wait_record("kms.request", operation="decrypt")


def log_format(s):
    s.overrides["logging.format"] = "text"
    s.provider.configure(**s.overrides)
    s.provider.process.signal(signal.SIGHUP)
    wait_until(lambda: "config.reloaded status=ok" in s.provider.process.log(), 5, "a line of text")
    s.reload(**{"logging.format": None})
    lines = [line for line in s.provider.log_path.read_text().splitlines() if line.startswith("{")]
    s.provider.log_path.write_text("".join(f"{line}\n" for line in lines))  # no foreign output
    works(s.provider)


def request_ids(s):
    def asked():
        before = len(s.provider.records("openbao.request", openbao_operation="transit encrypt"))
        works(s.provider)
        return s.provider.wait_record("openbao.request", count=before + 1, openbao_operation="transit encrypt")[before]
    assert "openbao_request_id" in asked()
    assert names(s.reload(**{"logging.logOpenBaoRequestIDs": False})) == ["logging.logOpenBaoRequestIDs"]
    assert "openbao_request_id" not in asked()
    s.reload(**{"logging.logOpenBaoRequestIDs": None})
    assert "openbao_request_id" in asked()


def correlation(s):
    def told():
        """What both sides of a few requests tell of them."""
        found = []
        for message, fields in (("kms.request", {"operation": "encrypt"}),
                                ("openbao.request", {"openbao_operation": "transit encrypt"})):
            before = len(s.provider.records(message, **fields))
            works(s.provider)
            s.provider.wait_record(message, count=before + 1, **fields)
            found.append([record for record in s.provider.records(message, **fields)[before:]
                          if "request_uid_hash" in record])
        return found
    field = "logging.debugCorrelation."
    assert told() == [[], []]
    record = s.reload(**{field + "enabled": True, field + "incidentId": "INC-7", field + "ttl": "2s"})
    assert names(record) == [field + "enabled", field + "ttl", field + "incidentId"]
    for (record, *_) in told():
        assert len(record["request_uid_hash"]) == 43
        assert record["debug_correlation_incident"] == "INC-7"
        assert record["debug_correlation_expires_at"] > record["ts"][:19]
    time.sleep(2.1)
    assert told() == [[], []]
    s.reload(**{"status.probeInterval": "900ms"})  # another reload is no reason to go on
    assert told() == [[], []]
    s.reload(**{field + "ttl": "1m", "status.probeInterval": "1s"})
    assert all(told())
    s.reload(**{field + "enabled": None, field + "incidentId": None, field + "ttl": None})
    assert told() == [[], []]


EFFECTS = {
    "server.allowedUids": allowed_uids,
    "server.maxConcurrentStatus": max_status,
    "server.maxConcurrentEncrypt": limit("encrypt", "server.maxConcurrentEncrypt"),
    "server.maxConcurrentDecrypt": limit("decrypt", "server.maxConcurrentDecrypt"),
    "server.metricsAddress": endpoint("server.metricsAddress", "/metrics",
                                      "openbao_kms_config_last_reload_success_timestamp_seconds"),
    "server.healthAddress": endpoint("server.healthAddress", "/ready", "\"status\""),
    "openbao.address": address,
    "openbao.additionalAddresses": additional_addresses,
    "openbao.caCertFile": ca_cert_file,
    "openbao.tlsServerName": tls_server_name,
    "openbao.timeout": timeout,
    "auth.loginBeforeTokenExpiry": login_before_expiry,
    "auth.tokenRenewalIncrement": renewal_increment,
    "auth.loginTimeout": login_timeout,
    "auth.jwt.mountPath": auth_mount,
    "auth.jwt.role": role,
    "auth.jwt.jwtFile": jwt_file,
    "auth.jwt.minRemainingTtl": jwt_rule("auth.jwt.minRemainingTtl", "3m", "2h", "minRemainingTtl"),
    "auth.jwt.clockSkewLeeway": clock_skew_leeway,
    "auth.jwt.expectedIssuer": jwt_rule("auth.jwt.expectedIssuer", "https://issuer.test", "of-nobody", "\"iss\""),
    "auth.jwt.expectedAudience": jwt_rule("auth.jwt.expectedAudience", ["openbao-kms", "x"], ["of-nobody"], "\"aud\""),
    "auth.jwt.expectedSubject": jwt_rule("auth.jwt.expectedSubject", "node-1", "of-nobody", "\"sub\""),
    "transit.mountPath": transit_mount,
    "transit.keyName": key_name,
    "bootstrap.graceTimeout": grace_timeout,
    "bootstrap.retryInterval": retry_interval,
    "status.probeInterval": probe_interval,
    "status.deepProbeInterval": deep_probe_interval,
    "status.statusMaxStaleness": staleness,
    "rotation.activationDelay": rotation,
    "rotation.requireStableObservationCount": None,  # with the delay
    "rotation.rejectVersionRollback": version_rollback,
    "logging.level": log_level,
    "logging.format": log_format,
    "logging.logOpenBaoRequestIDs": request_ids,
    "logging.debugCorrelation.enabled": correlation,
    "logging.debugCorrelation.ttl": None,  # with enabled
    "logging.debugCorrelation.incidentId": None,
}


@pytest.fixture
def subject(make_provider, fresh_tenant, audit, relay):
    return Subject(make_provider, fresh_tenant, audit, relay)


@pytest.mark.parametrize("field", [field for field, check in EFFECTS.items() if check])
def test_field(subject, field):
    EFFECTS[field](subject)
    works(subject.provider)


NOTHING_TO_CHANGE = {
    "configVersion",  # there is one
    "rotation.mode",  # likewise
}


def test_every_field_has_its_check(provider):
    """But for those of certificates, which test_reload_login.py changes together."""
    reloadable = {name for name, field in fields_of(provider.config).items()
                  if field["reload"] != "refused" and name != "auth.method" and not name.startswith("auth.cert.")}
    assert set(EFFECTS) | set(test_reload_oauth2.EFFECTS) | NOTHING_TO_CHANGE == reloadable
