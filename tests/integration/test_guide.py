# SPDX-License-Identifier: Apache-2.0
"""The guide, followed to the letter: from a bare node to a Secret in a real kube-apiserver, by what its pages say."""

import base64
import os
import pathlib

import pytest
import yaml
from rig import guide
from rig.apiserver import ApiServer, find_binaries
from rig.node import Node
from rig.process import wait_until

ENCRYPTION = pathlib.Path("/etc/kubernetes/encryption/config.yaml")

pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="only root can give this process an /etc of its own"),
              pytest.mark.skipif(find_binaries() is None,
                                 reason="KUBEBUILDER_ASSETS names no folder with kube-apiserver and etcd "
                                        "(scripts/build-kube)"),
              pytest.mark.timeout(600)]


class GuidedApiServer(ApiServer):
    """One that has the flags of the guide: its file, read again when it changes."""

    def encryption_flags(self):
        return [f"--encryption-provider-config={ENCRYPTION}", "--encryption-provider-config-automatic-reload=true"]


@pytest.fixture(scope="module")
def node(module_directory, openbao):
    node = Node(module_directory / "node")
    node.directory.mkdir()
    yield node.up(openbao)
    node.down()


@pytest.fixture(scope="module")
def api(node, module_directory):
    api = GuidedApiServer(module_directory / "kubernetes", "/run/openbao-kms/kms.sock", find_binaries())
    yield api
    api.stop()


def writes_encrypted(api):
    """A Secret that is written now; the API server has taken up the file when it is encrypted."""
    try:
        api.request("DELETE", "/api/v1/namespaces/default/secrets/is-it")
    except OSError:
        pass
    api.write_secret("is-it", b"clear")
    return api.stored()["/registry/secrets/default/is-it"].startswith(b"k8s:enc:kms:v2:openbao:")


def follow(node, api, page):
    """Runs the steps of a page. Returns: the names of the blocks that ran."""
    done = []
    for step in guide.steps(page):
        if step.kind == "run":
            node.run(step.script, step.name)
            done.append(step.name)
        elif step.kind == "apiserver" and step.name == "start":
            api.start()
            node.know(api)
            api.write_secret("older", b"in clear at first")
            assert b"in clear at first" in api.stored()["/registry/secrets/default/older"]
        elif step.kind == "apiserver":
            wait_until(lambda: writes_encrypted(api), 90, "kube-apiserver has read the second phase")
    return done


def test_the_first_secret_and_what_comes_after(node, api):
    done = follow(node, api, "first-secret.md")
    assert done == ["address", "issuer", "values", "init", "ca", "setup", "jwt", "own-jwt", "files", "identity", "doctor", "start",
                    "probe", "read-phase", "write-phase", "rewrite", "verify"]
    stored = api.stored()
    assert len(stored) >= 3
    assert all(raw.startswith(b"k8s:enc:kms:v2:openbao:") for raw in stored.values())
    assert api.read_secret("older") == b"in clear at first"

    assert follow(node, api, "moving.md") == ["rewrite", "look"]
    assert follow(node, api, "recovery.md") == ["lost-state"]
    wait_until(lambda: not probe_fails(node), 30, "the provider is healthy again")
    assert base64.b64decode(api.request("GET", "/api/v1/namespaces/default/secrets/first")["data"]["password"]) == (
        b"correct-horse")

    # the static pod's files, of the same values; there is no kubelet here to run it
    assert follow(node, api, "static-pod.md") == ["init", "directories", "tmpfiles", "manifest"]
    assert_pod_is_valid(api, pathlib.Path("/etc/kubernetes/manifests/bao-kms-provider.yaml"))


def assert_pod_is_valid(api, manifest):
    """kube-apiserver takes it for a pod, with no field that it does not know."""
    path = "/api/v1/namespaces/kube-system"
    api.request("POST", f"{path}/serviceaccounts", {"metadata": {"name": "default"}})
    pod = yaml.safe_load(manifest.read_text())
    made = api.request("POST", f"{path}/pods?dryRun=All&fieldValidation=Strict", pod)
    assert made["spec"]["priority"] >= 2 * 10**9


def probe_fails(node):
    try:
        node.run(guide.script("first-secret.md", "probe"))
    except AssertionError:
        return True
    return False
