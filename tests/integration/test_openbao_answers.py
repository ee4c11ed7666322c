# SPDX-License-Identifier: Apache-2.0
"""What a real OpenBao refuses: codes, texts and classes, and how the provider gets well again."""

import concurrent.futures
import time

import grpc
import pytest
from rig.audit import AuditLog
from rig.kms import refusal
from rig.openbao import OpenBao, OpenBaoError
from rig.process import wait_until
from rig.provider import policy_for
from rig.transit import Scope, Tenant

CODE = grpc.StatusCode


@pytest.fixture
def bao(directory, authority):
    """One that a test may spoil."""
    bao = OpenBao(directory / "openbao", authority)
    yield bao.up()
    bao.stop()


@pytest.fixture
def spoiled(bao, directory):
    tenant = Tenant(bao, directory / "tenant")
    return tenant.set_up(policy_for(tenant))


@pytest.fixture
def provider(make_provider, spoiled):
    return make_provider(spoiled, **{
        "status.probeInterval": "1h", "status.deepProbeInterval": "1h", "status.statusMaxStaleness": "2h",
    }).start(wait="healthy")


def refused(provider, call, *arguments):
    before = len(provider.records("kms.request", status="error"))
    code, text = refusal(call, *arguments)
    return code, text, provider.wait_record("kms.request", count=before + 1, status="error")[-1]["error_class"]


def revoke_tokens(tenant):
    tenant.request("PUT", f"sys/leases/revoke-prefix/auth/{tenant.auth}")


def test_a_revoked_token_is_replaced_unseen(provider, spoiled, bao):
    client = provider.client()
    encrypted = client.encrypt(b"text")
    mark = AuditLog(bao.audit_path).mark()
    revoke_tokens(spoiled)
    assert client.decrypt(encrypted) == b"text"
    assert len(AuditLog(bao.audit_path).requests(mark, f"auth/{spoiled.auth}/login")) == 1


def test_many_calls_with_a_revoked_token_share_one_login(provider, spoiled, bao):
    client = provider.client()
    encrypted = client.encrypt(b"text")
    mark = AuditLog(bao.audit_path).mark()
    revoke_tokens(spoiled)
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        assert set(pool.map(lambda _: client.decrypt(encrypted), range(100))) == {b"text"}
    assert len(AuditLog(bao.audit_path).requests(mark, f"auth/{spoiled.auth}/login")) == 1


def test_a_policy_that_was_taken_away(provider, spoiled):
    client = provider.client()
    encrypted = client.encrypt(b"text")
    policy = policy_for(spoiled)
    spoiled.request("PUT", f"sys/policies/acl/{spoiled.policy_name}", {"policy": 'path "none" { capabilities = [] }'})
    expected = (CODE.PERMISSION_DENIED, "transit permission denied", "transit_policy_denied")
    assert refused(provider, client.decrypt, encrypted) == expected
    assert refused(provider, client.encrypt, b"text") == expected
    spoiled.request("PUT", f"sys/policies/acl/{spoiled.policy_name}", {"policy": policy})
    assert client.decrypt(encrypted) == b"text"


def test_a_login_that_is_refused(provider, spoiled):
    client = provider.client()
    encrypted = client.encrypt(b"text")
    spoiled.request("DELETE", f"auth/{spoiled.auth}/role/{spoiled.role}")
    revoke_tokens(spoiled)
    assert refused(provider, client.decrypt, encrypted) == (
        CODE.UNAUTHENTICATED, "transit authentication failed", "auth_failed")
    spoiled.write_role()
    wait_until(lambda: not is_refused(client, encrypted), 40, "a login passes again")


def is_refused(client, encrypted):
    try:
        return client.decrypt(encrypted) != b"text"
    except grpc.RpcError:
        return True


def test_a_jwt_that_has_run_out_is_not_sent(make_provider, spoiled, bao):
    audit = AuditLog(bao.audit_path)
    spoiled.write_jwt(lifetime=-60)
    mark = audit.mark()
    provider = make_provider(spoiled).start(wait="socket")
    provider.wait_record("auth.login", status="error", error_class="credential_invalid")
    assert provider.client().status().healthz == "unhealthy"
    assert audit.requests(mark, f"auth/{spoiled.auth}/login") == []


def test_a_new_jwt_heals_at_once(make_provider, spoiled):
    """The file is watched: no wait for the next try, which by then is 8 s away or more."""
    spoiled.write_jwt(lifetime=-60)
    provider = make_provider(spoiled).start(wait="socket")
    provider.wait_record("auth.login", status="error", count=4, timeout=30)
    spoiled.write_jwt()
    started = time.monotonic()
    provider.wait_healthy(40)
    provider_login = provider.records("auth.login", status="ok")
    assert provider_login and time.monotonic() - started < 5


def test_the_key_was_deleted(provider, spoiled):
    client = provider.client()
    encrypted = client.encrypt(b"text")
    spoiled.request("POST", f"{spoiled.mount}/keys/{spoiled.key}/config", {"deletion_allowed": True})
    spoiled.request("DELETE", f"{spoiled.mount}/keys/{spoiled.key}")
    assert refused(provider, client.decrypt, encrypted) == (
        CODE.NOT_FOUND, "transit key not found", "transit_key_missing")


def test_the_version_may_no_longer_decrypt(provider, spoiled):
    client = provider.client()
    encrypted = client.encrypt(b"text")
    spoiled.rotate()
    spoiled.request("POST", f"{spoiled.mount}/keys/{spoiled.key}/config", {"min_decryption_version": 2})
    assert refused(provider, client.decrypt, encrypted) == (
        CODE.INVALID_ARGUMENT, "transit decrypt failed", "transit_version_unusable")


def test_the_version_may_no_longer_encrypt(provider, spoiled):
    client = provider.client()
    encrypted = client.encrypt(b"text")
    spoiled.rotate()
    spoiled.request("POST", f"{spoiled.mount}/keys/{spoiled.key}/config", {"min_encryption_version": 2})
    assert refused(provider, client.encrypt, b"text") == (
        CODE.INVALID_ARGUMENT, "transit encrypt failed", "transit_version_unusable")
    assert client.decrypt(encrypted) == b"text"
    # the refusal has started a probe, and that one blocks encryption
    provider.wait_unhealthy(10)
    assert refused(provider, client.encrypt, b"text") == (
        CODE.FAILED_PRECONDITION, "status unhealthy", "status_stale")


def test_a_rate_limit(provider, spoiled, bao):
    client = provider.client()
    encrypted = client.encrypt(b"text")
    bao.write("sys/quotas/rate-limit/tight", {"rate": 1, "interval": "60s", "path": spoiled.mount})
    wait_until(lambda: is_refused(client, encrypted), 10, "the quota is in force")
    assert refused(provider, client.decrypt, encrypted) == (
        CODE.RESOURCE_EXHAUSTED, "transit rate limited", "openbao_rate_limited")
    bao.delete("sys/quotas/rate-limit/tight")
    wait_until(lambda: not is_refused(client, encrypted), 10, "the quota is gone")


def test_a_sealed_node(provider, bao):
    client = provider.client()
    encrypted = client.encrypt(b"text")
    bao.seal()
    assert refused(provider, client.decrypt, encrypted) == (
        CODE.UNAVAILABLE, "transit unavailable", "openbao_sealed")


def test_a_node_that_is_not_there(provider, bao):
    client = provider.client()
    encrypted = client.encrypt(b"text")
    bao.kill()
    assert refused(provider, client.decrypt, encrypted) == (
        CODE.UNAVAILABLE, "transit unavailable", "openbao_connection_failed")


PROFILE = {
    "exportable": {"exportable": True},
    "plaintext backup": {"allow_plaintext_backup": True},
    "deletion allowed": {"deletion_allowed": True},
}


@pytest.mark.parametrize("case", PROFILE)
def test_a_key_that_breaks_the_profile(make_provider, spoiled, case):
    provider = make_provider(spoiled).start(wait="healthy")
    spoiled.request("POST", f"{spoiled.mount}/keys/{spoiled.key}/config", PROFILE[case])
    provider.wait_unhealthy(10)
    provider.wait_record("status.changed", healthz="unhealthy", reason="profile_invalid")


def test_upsert_is_allowed(make_provider, spoiled):
    provider = make_provider(spoiled).start(wait="healthy")
    spoiled.request("POST", f"{spoiled.mount}/config/keys", {"disable_upsert": False})
    provider.wait_unhealthy(10)
    provider.wait_record("status.changed", healthz="unhealthy", reason="upsert_allowed")
    spoiled.request("POST", f"{spoiled.mount}/config/keys", {"disable_upsert": True})
    provider.wait_healthy(40)


@pytest.mark.parametrize("kind", ["chacha20-poly1305", "aes128-gcm96", "rsa-2048"])
def test_a_key_of_another_type(make_provider, bao, directory, kind):
    tenant = Tenant(bao, directory / "other", Scope(), mount="other", auth="jwt-other", key_type=kind)
    tenant.set_up(policy_for(tenant))
    provider = make_provider(tenant).start()
    record = provider.wait_record("status.probe", status="error", probe_kind="metadata")[0]
    assert record["reason"] == "profile_invalid"
    assert provider.client().status().healthz == "unhealthy"


def test_a_locked_namespace(make_provider, bao, directory):
    tenant = Tenant(bao, directory / "ns", Scope(namespace="team"))
    tenant.set_up(policy_for(tenant))
    provider = make_provider(tenant).start(wait="healthy")
    client = provider.client()
    encrypted = client.encrypt(b"text")
    bao.request("PUT", "sys/namespaces/api-lock/lock/team")
    assert refused(provider, client.decrypt, encrypted) == (
        CODE.UNAVAILABLE, "transit unavailable", "openbao_unavailable")


def test_a_sealed_namespace(make_provider, bao, directory):
    """One with a seal of its own, while the rest of OpenBao serves; it gets well when it is unsealed."""
    made = bao.request("POST", "sys/namespaces/vault", {"seal": 'seal "shamir" {\n shares = 1\n threshold = 1\n}'})
    key = {"key": made["data"]["key_shares"][0]}
    bao.request("POST", "sys/namespaces/vault/unseal", key)
    tenant = Tenant(bao, directory / "ns", Scope(namespace="vault"))
    tenant.set_up(policy_for(tenant))
    provider = make_provider(tenant, **{"status.statusMaxStaleness": "3s"}).start(wait="healthy")
    client = provider.client()
    encrypted = client.encrypt(b"text")
    bao.request("POST", "sys/namespaces/vault/seal", {})
    assert refused(provider, client.decrypt, encrypted) == (
        CODE.UNAVAILABLE, "transit unavailable", "openbao_sealed")
    provider.wait_unhealthy(15)
    bao.request("POST", "sys/namespaces/vault/unseal", key)
    provider.wait_healthy(40)
    assert client.decrypt(encrypted) == b"text"


def test_a_namespace_that_is_gone(make_provider, bao, directory):
    tenant = Tenant(bao, directory / "ns", Scope(namespace="gone"))
    tenant.set_up(policy_for(tenant))
    provider = make_provider(tenant).start(wait="healthy")
    client = provider.client()
    encrypted = client.encrypt(b"text")
    bao.request("DELETE", "sys/namespaces/gone")

    def missing():
        try:
            return bao.request("GET", "sys/namespaces/gone") is None
        except OpenBaoError as error:
            return error.status == 404
    wait_until(missing, 20, "the namespace is gone")
    assert refused(provider, client.decrypt, encrypted) == (
        CODE.NOT_FOUND, "transit key not found", "transit_key_missing")
