# SPDX-License-Identifier: Apache-2.0
"""key_id, annotations and associated data at the socket and in OpenBao's requests, against the model."""

import base64

import model
import pytest
from rig.audit import AuditLog
from rig.provider import policy_for, run_command
from rig.transit import Scope, Tenant

SCOPES = {
    "plain": Scope(),
    "unicode": Scope("anbieter-ß-日本", "кластер-🔐", "bao-ñ", "", "mount-é", "lineage-e\u0301"),
    "quotes": Scope('say "hi"', "back\\slash", "'single'", "", 'a"b\\c', "`tick`"),
    "html": Scope("<provider>&co", "<&>", "&amp;", "", "a<b>c", "x&y"),
    "line separators": Scope("a\u2028b", "c\u2029d", "x\u2028\u2028y", "", "e\u2029f", "f\u2028g"),
    "not normalized": Scope("\ufb01\u00a0x", "\u212b", "A\u030a", "", "\U0001f469\u200d\U0001f680", "\ufffd"),
    "namespace": Scope(namespace="team"),
    "nested namespace": Scope(namespace="division/team"),
    "odd namespace": Scope("p<q>", "c", "i", 'n<&>ü"s', "m", "l"),
}


@pytest.fixture(params=SCOPES.items(), ids=SCOPES.keys())
def scoped_tenant(request, openbao, directory):
    """A key, a mount and a login of its own for each scope."""
    name, scope = request.param
    slug = name.replace(" ", "-")
    tenant = Tenant(openbao, directory / "tenant", scope, mount=f"kms/{slug}", auth=f"jwt-{slug}")
    return tenant.set_up(policy_for(tenant))


def test_at_the_socket_and_in_the_requests(scoped_tenant, make_provider, audit):
    scope = scoped_tenant.scope
    provider = make_provider(scoped_tenant).start(wait="healthy")
    client = provider.client()
    created_at = scoped_tenant.created_at()
    key_id = model.key_id(scope, 1, created_at)
    mark = audit.mark()

    assert client.status().key_id == key_id
    encrypted = client.encrypt(b"plaintext of this test")
    assert encrypted.key_id == key_id
    annotations = {name: value.decode() for name, value in encrypted.annotations.items()}
    assert annotations.pop(f"plugin-version.{model.PREFIX}")
    assert annotations == model.annotations(scope, 1, created_at)
    assert client.decrypt(encrypted) == b"plaintext of this test"

    associated_data = base64.b64encode(model.associated_data(scope, 1, created_at)).decode()
    plaintext = base64.b64encode(b"plaintext of this test").decode()
    sent = [request for request in audit.requests(mark, f"{scoped_tenant.mount}/encrypt/{scoped_tenant.key}")
            if request["data"]["plaintext"] == plaintext]
    assert [request["data"] for request in sent] == [
        {"plaintext": plaintext, "key_version": 1, "associated_data": associated_data}]
    sent = [request for request in audit.requests(mark, f"{scoped_tenant.mount}/decrypt/{scoped_tenant.key}")
            if request["data"]["ciphertext"] == encrypted.ciphertext.decode()]
    assert [request["data"] for request in sent] == [
        {"ciphertext": encrypted.ciphertext.decode(), "associated_data": associated_data}]
    assert sent[0]["namespace"].get("path", "") == (scope.namespace + "/" if scope.namespace else "")


def test_the_same_after_a_restart_and_on_another_node(tenant, make_provider):
    one, other = make_provider(tenant).start(wait="healthy"), make_provider(tenant).start(wait="healthy")
    encrypted = one.client().encrypt(b"text")
    assert other.client().decrypt(encrypted) == b"text"
    assert other.client().status().key_id == encrypted.key_id
    assert one.stop() == 0
    one.start(wait="healthy")
    assert one.client().status().key_id == encrypted.key_id
    assert one.client().decrypt(encrypted) == b"text"


def test_openbao_is_asked_for_nothing_else(tenant, make_provider, openbao):
    """All that a provider ever sends, from its start to its end, is in the table of calls."""
    audit = AuditLog(openbao.audit_path)
    mark = audit.mark()
    provider = make_provider(tenant).start(wait="healthy")
    client = provider.client()
    client.decrypt(client.encrypt(b"text"))
    provider.stop()
    allowed = {
        ("update", "auth/jwt/login"), ("update", "auth/token/renew-self"),
        ("read", f"{tenant.mount}/keys/{tenant.key}"), ("read", f"{tenant.mount}/config/keys"),
        ("update", f"{tenant.mount}/encrypt/{tenant.key}"), ("update", f"{tenant.mount}/decrypt/{tenant.key}")}
    requests = audit.requests(mark)
    assert {(request["operation"], request["path"]) for request in requests} <= allowed
    for request in requests:
        if request["path"].startswith(f"{tenant.mount}/encrypt/"):
            assert request["data"]["key_version"] == 1 and request["data"]["associated_data"]
        if request["path"].startswith(f"{tenant.mount}/decrypt/"):
            assert request["data"]["associated_data"]


def test_the_deep_probe_has_associated_data_of_its_own(tenant, provider, audit):
    expected = base64.b64encode(b"openbao-kubernetes-kms/status-probe/v1").decode()
    mark = audit.mark()
    found = audit.wait_for(f"{tenant.mount}/encrypt/{tenant.key}", mark, timeout=15)
    assert {request["data"]["associated_data"] for request in found} == {expected}


@pytest.mark.parametrize("field", ["provider_name", "cluster_id", "instance_id", "mount_id", "key_lineage_id"])
@pytest.mark.parametrize("value", ["a\nb", "\x7f", "a\x00b", "\x1b[31m", " a", "a ", "\u0085", ""], ids=ascii)
def test_control_characters_and_outer_white_space_are_refused(tenant, directory, field, value):
    names = {"provider_name": "transit.keyIdScope.providerName", "cluster_id": "transit.keyIdScope.clusterId",
             "instance_id": "openbao.instanceId", "mount_id": "transit.keyIdScope.transitMountId",
             "key_lineage_id": "transit.keyIdScope.keyLineageId"}
    configuration = tenant.write_configuration(directory / "config.json", **{names[field]: value})
    result = run_command("config", "--config", configuration)
    assert result.returncode == 3
    assert names[field] in result.stderr
