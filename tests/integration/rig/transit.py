# SPDX-License-Identifier: Apache-2.0
"""One cluster's place in OpenBao: the Transit key, the policy, the JWT role and the configuration that fits them."""

import copy
import dataclasses
import json
import pathlib
import urllib.parse

from .pki import JwtSigner, write_private


@dataclasses.dataclass
class Scope:
    """The identity fields of the configuration."""

    provider_name: str = "openbao-kms-test"
    cluster_id: str = "test-cluster"
    instance_id: str = "bao-test"
    namespace: str = ""
    mount_id: str = "transit-test"
    key_lineage_id: str = "lineage-test-1"


def merge(base, overrides):
    """The configuration with dotted overrides; None takes a field out."""
    result = copy.deepcopy(base)
    for name, value in overrides.items():
        *parents, last = name.split(".")
        place = result
        for parent in parents:
            place = place.setdefault(parent, {})
        if value is None:
            place.pop(last, None)
        else:
            place[last] = copy.deepcopy(value)
    return result


class Tenant:
    """A Transit key and all that a provider needs to use it."""

    role = "kms"

    def __init__(self, bao, directory, scope=None, mount="transit", key="k8s", auth="jwt",
                 key_type="aes256-gcm96", token_ttl="1h"):
        self.bao = bao
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.scope = scope or Scope()
        self.mount = mount
        self.key = key
        self.key_type = key_type
        self.auth = auth
        self.policy_name = f"kms-{auth}"
        self.token_ttl = token_ttl
        self.signer = JwtSigner()
        self.jwt_file = self.directory / "identity.jwt"

    # In OpenBao

    def request(self, method, path, body=None):
        return self.bao.request(method, path, body, namespace=self.scope.namespace)

    def set_up(self, policy):
        """Everything, policy being the text that `bao-kms-provider policy openbao` prints."""
        self.create_namespace()
        self.request("POST", f"sys/mounts/{self.mount}", {"type": "transit"})
        self.request("POST", f"{self.mount}/config/keys", {"disable_upsert": True})
        self.request("POST", f"{self.mount}/keys/{self.key}", {"type": self.key_type})
        self.request("PUT", f"sys/policies/acl/{self.policy_name}", {"policy": policy})
        self.request("POST", f"sys/auth/{self.auth}", {"type": "jwt"})
        self.request("POST", f"auth/{self.auth}/config", {"jwt_validation_pubkeys": [self.signer.public_pem()]})
        self.write_role()
        self.write_jwt()
        return self

    def create_namespace(self):
        done = ""
        for segment in filter(None, self.scope.namespace.split("/")):
            self.bao.request("POST", f"sys/namespaces/{urllib.parse.quote(segment)}", {}, namespace=done)
            done = f"{done}/{segment}".lstrip("/")

    def write_role(self, **fields):
        self.request("POST", f"auth/{self.auth}/role/{self.role}", {
            "role_type": "jwt", "user_claim": "sub", "bound_audiences": [self.signer.audience],
            "bound_subject": self.signer.subject, "token_policies": [self.policy_name],
            "token_ttl": self.token_ttl, "token_no_default_policy": True, **fields})

    def write_jwt(self, lifetime=3600, **claims):
        return self.signer.write(self.jwt_file, lifetime, **claims)

    def metadata(self):
        return self.request("GET", f"{self.mount}/keys/{self.key}")["data"]

    def created_at(self, version=1):
        """The creation time of a key version, Unix seconds."""
        return int(self.metadata()["keys"][str(version)])

    def creation_times(self):
        """Of all versions that OpenBao has: version to Unix seconds."""
        return {int(version): int(created_at) for version, created_at in self.metadata()["keys"].items()}

    def rotate(self):
        self.request("POST", f"{self.mount}/keys/{self.key}/rotate", {})

    def set_minimum(self, **versions):
        """set_minimum(decryption=2): Transit's min_decryption_version; likewise encryption."""
        self.request("POST", f"{self.mount}/keys/{self.key}/config",
                     {f"min_{name}_version": version for name, version in versions.items()})

    def login(self):
        """A token like the provider's, from a JWT of our own."""
        answer = self.bao.request("POST", f"auth/{self.auth}/login", {"role": self.role, "jwt": self.signer.sign()},
                                  token="", namespace=self.scope.namespace)
        return answer["auth"]["client_token"]

    # In the provider's configuration

    def configuration(self):
        """All required fields; short probe intervals, so that tests see changes soon."""
        configuration = {
            "configVersion": "v1alpha1",
            "server": {"socketPath": str(self.directory / "kms.sock"), "socketGroup": "0",
                       "metricsAddress": "", "healthAddress": ""},
            "openbao": {"address": self.bao.address, "caCertFile": str(self.bao.authority.file),
                        "tlsServerName": "localhost", "instanceId": self.scope.instance_id},
            "auth": {"jwt": {"mountPath": f"auth/{self.auth}", "role": self.role, "jwtFile": str(self.jwt_file)}},
            "transit": {"mountPath": self.mount, "keyName": self.key, "keyIdScope": {
                "providerName": self.scope.provider_name, "clusterId": self.scope.cluster_id,
                "transitMountId": self.scope.mount_id, "keyLineageId": self.scope.key_lineage_id}},
            "bootstrap": {"retryInterval": "500ms"},
            "status": {"probeInterval": "1s", "deepProbeInterval": "2s", "statusMaxStaleness": "30s"},
            "state": {"path": str(self.directory / "state" / "key-registry.json")},
            "logging": {"level": "debug"},
        }
        if self.scope.namespace:
            configuration["openbao"]["namespace"] = self.scope.namespace
        return configuration

    def write_configuration(self, path, **overrides):
        """JSON, which a YAML reader takes too. Overrides are dotted names: {"status.probeInterval": "1s"}."""
        return write_private(path, json.dumps(
            merge(self.configuration(), overrides), indent=2, ensure_ascii=False).replace("\x7f", "\\u007f") + "\n")
