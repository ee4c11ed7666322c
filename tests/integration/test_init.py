# SPDX-License-Identifier: Apache-2.0
"""What `init` makes works as it is: its script sets a real OpenBao up, its configuration runs a provider."""

import json
import os
import pathlib
import subprocess

import pytest
import yaml
from rig.pki import JwtSigner
from rig.process import Process, wait_until
from rig.provider import find_binary, run_command


class Place:
    """Values for `init` whose paths lie in a directory of the test."""

    def __init__(self, openbao, directory, name):
        self.bao = openbao
        self.directory = directory
        self.signer = JwtSigner()
        self.socket = directory / "kms.sock"
        self.jwt = directory / "identity.jwt"
        public = directory / "issuer.pub"
        public.write_text(self.signer.public_pem())
        (directory / "state").mkdir(mode=0o750)
        self.out = directory / "out"
        self.values = {
            "server": {"socketPath": str(self.socket), "metricsAddress": "", "healthAddress": ""},
            "openbao": {"address": openbao.address, "caCertFile": str(openbao.authority.file),
                        "tlsServerName": "localhost", "instanceId": "bao-test"},
            "auth": {"jwt": {"mountPath": f"auth/jwt-{name}", "jwtFile": str(self.jwt),
                             "expectedAudience": [self.signer.audience]}},
            "transit": {"mountPath": f"transit-{name}", "keyName": "k8s", "keyIdScope": {
                "providerName": "openbao", "clusterId": "test", "transitMountId": "transit-test",
                "keyLineageId": "lineage-1"}},
            "status": {"probeInterval": "1s"},
            "state": {"path": str(directory / "state" / "key-registry.json")},
            "setup": {"policyName": f"kms-{name}",
                      "jwt": {"subjects": [self.signer.subject, "another node"], "publicKeyFiles": [str(public)]}},
        }

    def init(self, *options):
        values = self.directory / "values.yaml"
        values.write_text(yaml.safe_dump(self.values))
        values.chmod(0o644)
        result = run_command("init", "--values", values, "--out", self.out, "--socket-gid", os.getgid(), *options)
        assert result.returncode == 0, result.stderr
        return result

    def set_up(self, **environment):
        programs = self.directory / "bin"  # the rig's binary may have another name
        programs.mkdir(exist_ok=True)
        if not (programs / "bao").exists():
            (programs / "bao").symlink_to(pathlib.Path(self.bao.binary).resolve())
        variables = {"PATH": f"{programs}:/usr/bin:/bin",
                     "HOME": str(self.directory), "BAO_TOKEN": self.bao.root_token,
                     "BAO_CACERT": str(self.bao.authority.file), **environment}
        return subprocess.run([self.out / "openbao-setup.sh"], env=variables, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)

    def read(self, path):
        return self.bao.read(path)["data"]


@pytest.fixture
def place(openbao, directory, request):
    return Place(openbao, directory, str(abs(hash(request.node.name)) % 10**6))


def test_a_node_of_what_it_makes(place):
    """Made, set up, started, probed: nothing is edited in between."""
    place.init("--new-key")
    assert (place.out / "config.yaml").stat().st_mode & 0o777 == 0o640
    result = place.set_up()
    assert result.returncode == 0, result.stdout
    place.signer.write(place.jwt, 3600)
    process = Process("provider", [find_binary(), "serve", "--config", place.out / "config.yaml"],
                      place.directory / "provider.log")
    try:
        wait_until(lambda: process.require_running() and run_command(
            "probe", "--socket", place.socket, "--timeout", "2s").returncode == 0, 20, "the provider is healthy")
    finally:
        assert process.stop() == 0

    # once more: nothing changes, and nothing is refused
    mount = place.values["transit"]["mountPath"]
    before = place.read(f"{mount}/keys/k8s")
    assert place.set_up().returncode == 0
    assert place.read(f"{mount}/keys/k8s") == before
    assert place.read(f"{mount}/config/keys")["disable_upsert"] is True
    role = place.read(place.values["auth"]["jwt"]["mountPath"] + "/role/bao-kms-provider")
    assert role["bound_claims"] == {"sub": [place.signer.subject, "another node"]}
    assert role["token_policies"] == [place.values["setup"]["policyName"]]
    assert role["token_no_default_policy"] is True and role["token_ttl"] == 3600
    assert place.read("sys/policies/acl/" + place.values["setup"]["policyName"])["policy"].strip() == (
        place.out / "policy.hcl").read_text().strip()


def test_it_makes_no_key_unless_told(place):
    place.init()
    result = place.set_up()
    assert result.returncode == 1
    assert "--new-key" in result.stdout
    assert "transit" not in place.read("sys/mounts").get(place.values["transit"]["mountPath"] + "/", {}).values()


def test_it_leaves_a_shared_mount_alone(place):
    mount = place.values["transit"]["mountPath"]
    place.bao.write(f"sys/mounts/{mount}", {"type": "transit"})
    place.bao.write(f"{mount}/keys/others", {})
    place.init("--new-key")
    result = place.set_up()
    assert result.returncode == 1
    assert "ALLOW_SHARED_MOUNT" in result.stdout
    assert place.read(f"{mount}/config/keys")["disable_upsert"] is False
    assert place.set_up(ALLOW_SHARED_MOUNT="yes").returncode == 0
    assert place.read(f"{mount}/config/keys")["disable_upsert"] is True


def test_it_refuses_a_key_that_the_provider_would_refuse(place):
    mount = place.values["transit"]["mountPath"]
    place.bao.write(f"sys/mounts/{mount}", {"type": "transit"})
    place.bao.write(f"{mount}/keys/k8s", {"exportable": True})
    place.init()
    result = place.set_up()
    assert result.returncode == 1
    assert 'exportable "true"' in result.stdout


def test_without_a_token(place):
    place.init("--new-key")
    result = place.set_up(BAO_TOKEN="nonsense")
    assert result.returncode == 1
    assert "bao login" in result.stdout


def test_a_namespace(place):
    """Everything of it stays in there."""
    place.bao.write("sys/namespaces/init-team", {})
    place.values["openbao"]["namespace"] = "init-team"
    place.init("--new-key")
    result = place.set_up()
    assert result.returncode == 0, result.stdout
    mount = place.values["transit"]["mountPath"]
    assert mount + "/" not in place.read("sys/mounts")
    assert place.bao.read(f"{mount}/keys/k8s", namespace="init-team")["data"]["type"] == "aes256-gcm96"


def test_certificates(place):
    """The role of a certificate login."""
    name = place.values["transit"]["mountPath"].replace("transit", "cert")
    place.values["auth"] = {"method": "cert", "cert": {
        "mountPath": f"auth/{name}", "name": "kms", "source": "pkcs11",
        "pkcs11": {"uri": "pkcs11:token=a;object=b", "pinFile": "/nowhere/pin", "maxSessions": 2}}}
    place.values["setup"] = {"cert": {"caCertFile": str(place.bao.authority.file), "commonNames": ["node, the first"]}}
    place.init("--new-key")
    result = place.set_up()
    assert result.returncode == 0, result.stdout
    role = place.read(f"auth/{name}/certs/kms")
    assert role["allowed_common_names"] == ["node, the first"]
    assert role["certificate"].strip() == place.bao.authority.file.read_text().strip()


def test_the_script_is_clean(place):
    """shellcheck, as for our own scripts."""
    place.init("--new-key")
    result = subprocess.run(["shellcheck", place.out / "openbao-setup.sh"], stdout=subprocess.PIPE, text=True,
                            check=False)
    assert result.returncode == 0, result.stdout


def test_its_report(place):
    report = json.loads(place.init("--output", "json").stdout)
    assert report == json.loads((place.out / "installation.json").read_text())
    for file in report["files"]:
        path = place.out / file["name"]
        checked = subprocess.run(["sha256sum", path], stdout=subprocess.PIPE, text=True, check=True).stdout
        assert checked.split()[0] == file["sha256"]
        assert f"{path.stat().st_mode & 0o777:04o}" == file["mode"]
