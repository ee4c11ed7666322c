# SPDX-License-Identifier: Apache-2.0
"""A real kube-apiserver with its etcd, that encrypts Secrets through a KMS v2 socket."""

import base64
import json
import os
import pathlib
import ssl
import urllib.error
import urllib.request

from .pki import service_account_key, write_private
from .process import Process, free_port, wait_until


def find_binaries():
    """The folder that KUBEBUILDER_ASSETS names; None without one."""
    named = os.environ.get("KUBEBUILDER_ASSETS")
    return pathlib.Path(named) if named else None


class ApiServer:
    """etcd and kube-apiserver on loopback; `secrets` go through the KMS socket and nothing else. One that names another
    as its `peer` is of the same cluster: it uses that one's etcd and keys."""

    token = "rig-admin"

    def __init__(self, directory, socket, binaries, kms_name="openbao", timeout="3s", peer=None):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.binaries = binaries
        self.kms_name = kms_name
        self.peer = peer
        self.port, self.etcd_port, self.peer_port = free_port(), free_port(), free_port()
        self.etcd = self.process = None
        self.shared = self.directory
        if peer:
            self.etcd_port, self.shared = peer.etcd_port, peer.shared
        self._tls = ssl._create_unverified_context()  # the API server made its own certificate, on loopback
        if not peer:
            service_account_key(self.shared / "sa.key")
            write_private(self.shared / "tokens.csv", f"{self.token},admin,admin,system:masters\n")
        kms = {"apiVersion": "v2", "name": kms_name, "endpoint": f"unix://{socket}", "timeout": timeout}
        write_private(self.directory / "encryption.json", json.dumps({
            "apiVersion": "apiserver.config.k8s.io/v1", "kind": "EncryptionConfiguration",
            "resources": [{"resources": ["secrets"], "providers": [{"kms": kms}]}]}))

    def start(self, wait=True):
        if not self.peer:
            self.start_etcd()
        return self.start_apiserver(wait)

    def start_etcd(self):
        client, peer = f"http://127.0.0.1:{self.etcd_port}", f"http://127.0.0.1:{self.peer_port}"
        self.etcd = Process("etcd", [
            self.binaries / "etcd", "--data-dir", self.directory / "etcd", "--listen-client-urls", client,
            "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", f"default={peer}", "--log-level", "error", "--unsafe-no-fsync"],
            self.directory / "etcd.log")

    def start_apiserver(self, wait=True):
        key = self.shared / "sa.key"
        self.process = Process("kube-apiserver", [
            self.binaries / "kube-apiserver", f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
            f"--secure-port={self.port}", "--bind-address=127.0.0.1", f"--cert-dir={self.directory}/certs",
            "--service-account-issuer=https://rig.test", f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}", "--authorization-mode=RBAC",
            f"--token-auth-file={self.shared}/tokens.csv", "--service-cluster-ip-range=10.96.0.0/16",
            "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none",
            *self.encryption_flags()],
            self.directory / "apiserver.log")
        return self.wait_ready() if wait else self

    def encryption_flags(self):
        return [f"--encryption-provider-config={self.directory}/encryption.json"]

    def wait_ready(self, timeout=90):
        etcd = (self.peer or self).etcd
        wait_until(lambda: self.process.require_running() and etcd.require_running() and self.ready(),
                   timeout, "kube-apiserver is ready")
        return self

    def stop(self):
        for process in (self.process, self.etcd):
            if process:
                process.stop()

    def ready(self):
        try:
            self.request("GET", "/readyz")
            return True
        except OSError:
            return False

    # Calls

    def request(self, method, path, body=None):
        """The parsed answer; raises OSError (urllib's HTTPError is one) when it is not 2xx."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}{path}", data, headers, method=method)
        with urllib.request.urlopen(request, context=self._tls, timeout=30) as answer:
            content = answer.read()
        return json.loads(content) if content.startswith(b"{") else {}

    def write_secret(self, name, value):
        data = {"value": base64.b64encode(value).decode()}
        self.request("POST", "/api/v1/namespaces/default/secrets",
                     {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data})

    def read_secret(self, name):
        answer = self.request("GET", f"/api/v1/namespaces/default/secrets/{name}")
        return base64.b64decode(answer["data"]["value"])

    def read_secrets(self):
        """All of the default namespace, by name."""
        answer = self.request("GET", "/api/v1/namespaces/default/secrets")
        return {item["metadata"]["name"]: base64.b64decode(item["data"]["value"]) for item in answer["items"]}

    def stored(self, prefix="/registry/secrets/default/"):
        """What etcd holds: key to raw bytes."""
        start = prefix.encode()
        body = {"key": base64.b64encode(start).decode(),
                "range_end": base64.b64encode(start[:-1] + bytes([start[-1] + 1])).decode()}
        request = urllib.request.Request(f"http://127.0.0.1:{self.etcd_port}/v3/kv/range", json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=30) as answer:
            found = json.load(answer).get("kvs", [])
        return {base64.b64decode(entry["key"]).decode(): base64.b64decode(entry["value"]) for entry in found}
