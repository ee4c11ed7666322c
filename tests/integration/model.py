# SPDX-License-Identifier: Apache-2.0
"""An independent model of key_id, annotations and associated data, written from spec identity.md alone.

This shares no code and no table with src/identity/.
"""

import base64
import hashlib

PREFIX = "kms.openbao.org"


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def hashed(text):
    return b64url(hashlib.sha256(text.encode()).digest())


def key_id(scope, version, created_at):
    parts = ["openbao-kubernetes-kms/key-id/v1", scope.provider_name, scope.cluster_id, scope.instance_id]
    if scope.namespace:
        parts.append(scope.namespace)
    parts += [scope.mount_id, scope.key_lineage_id, str(version), str(created_at)]
    return "obk2." + hashed("".join(part + "\0" for part in parts))


def annotations(scope, version, created_at):
    """All but plugin-version, which is informative."""
    found = {
        f"provider.{PREFIX}": "openbao-transit",
        f"key-id-hash.{PREFIX}": hashed(key_id(scope, version, created_at)),
        f"transit-key-version.{PREFIX}": str(version),
        f"transit-mount-hash.{PREFIX}": hashed(scope.mount_id),
        f"transit-key-hash.{PREFIX}": hashed(scope.key_lineage_id),
        f"aad-version.{PREFIX}": "v1",
    }
    if scope.namespace:
        found[f"openbao-namespace-hash.{PREFIX}"] = hashed(scope.namespace)
    return found


_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def json_string(text):
    """As Go's encoding/json writes it, HTML escaping on."""
    def escaped(character):
        if character in _SHORT:
            return _SHORT[character]
        if character < " " or character in "<>&\u2028\u2029":
            return f"\\u{ord(character):04x}"
        return character
    return '"' + "".join(map(escaped, text)) + '"'


def associated_data(scope, version, created_at):
    members = [
        ("aad_version", "v1"),
        ("purpose", "kubernetes-etcd-kms-v2"),
        ("provider", "openbao-transit"),
        ("provider_name", scope.provider_name),
        ("cluster_id_hash", hashed(scope.cluster_id)),
        ("openbao_instance_hash", hashed(scope.instance_id)),
    ]
    if scope.namespace:
        members.append(("openbao_namespace_hash", hashed(scope.namespace)))
    members += [
        ("transit_mount_hash", hashed(scope.mount_id)),
        ("transit_key_hash", hashed(scope.key_lineage_id)),
        ("key_id_hash", hashed(key_id(scope, version, created_at))),
        ("key_version", str(version)),
    ]
    return ("{" + ",".join(f'"{name}":{json_string(value)}' for name, value in members) + "}").encode()
