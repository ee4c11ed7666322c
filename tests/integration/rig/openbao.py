# SPDX-License-Identifier: Apache-2.0
"""A real OpenBao server, one node, with TLS and an audit log."""

import json
import os
import pathlib
import shutil
import signal
import ssl
import subprocess
import urllib.error
import urllib.request

from .process import Process, free_port, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[3]

_CONFIG = """
{storage}
listener "tcp" {{
  address = "{host}:{port}"
  cluster_address = "{host}:{cluster_port}"
  tls_cert_file = "{certificate}"
  tls_key_file = "{key}"
  tls_disable_client_certs = {no_client_certificates}
}}
api_addr = "https://{host}:{port}"
cluster_addr = "https://{host}:{advertised_port}"
default_lease_ttl = "1h"
max_lease_ttl = "24h"
log_level = "info"
{audit}
"""

_AUDIT = """
audit "file" "file" {{
  options {{
    file_path = "{path}"
    log_raw = "true"
  }}
}}
"""


def find_binary():
    """`bao` as OBK_BAO names it, else as scripts/fetch-openbao finds or fetches it."""
    if "OBK_BAO" in os.environ:
        return os.environ["OBK_BAO"]
    command = [ROOT / "scripts" / "fetch-openbao", *filter(None, [os.environ.get("OBK_OPENBAO_VERSION")])]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


class OpenBaoError(Exception):
    """An answer that is not 2xx."""

    def __init__(self, method, path, status, body):
        super().__init__(f"{method} {path}: {status}: {body}")
        self.status = status
        self.body = body


class OpenBao:
    """One node, on loopback or on a Machine. `storage` is "inmem" (fast, forgets all) or "raft" (survives kill and
    restart). Nodes of one cluster have names of their own and are reached by the others at a port that may be a relay's."""

    def __init__(self, directory, authority, storage="inmem", audit=True, binary=None, name="a",
                 client_certificates=True, machine=None):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.authority = authority
        self.binary = binary or find_binary()
        self.storage = storage
        self.name = name
        self.port, self.cluster_port = free_port(), free_port()
        self.advertised_port = self.cluster_port
        self.machine = machine
        self.host = machine.address if machine else "127.0.0.1"
        self.address = f"https://{self.host}:{self.port}"
        self.audit_path = self.directory / "audit.log"
        self.process = None
        self.unseal_key = self.root_token = None
        self._tls = ssl.create_default_context(cafile=str(authority.file))
        self.audit = audit
        self.client_certificates = client_certificates
        self.config = self.directory / "openbao.hcl"

    def _write_config(self):
        certificate, key = self.authority.issue(f"openbao-{self.name}", ("localhost", self.host))
        storage = 'storage "inmem" {}'
        if self.storage == "raft":
            storage = (f'storage "raft" {{\n  path = "{self.directory}/raft"\n  node_id = "{self.name}"\n'
                       '  performance_multiplier = "1"\n}')
        self.config.write_text(_CONFIG.format(
            storage=storage, port=self.port, cluster_port=self.cluster_port, advertised_port=self.advertised_port,
            host=self.host, certificate=certificate, key=key,
            no_client_certificates=str(not self.client_certificates).lower(), audit=_AUDIT.format(path=self.audit_path) if self.audit else ""))

    # The node's life

    def start(self):
        """Starts the process only: a node with data comes up sealed, one without is to be initialized."""
        if not self.config.exists():
            self._write_config()
        if self.storage == "raft":
            (self.directory / "raft").mkdir(exist_ok=True)
        environment = {**os.environ, "HOME": str(self.directory)}
        command = [self.binary, "server", f"-config={self.config}"]
        self.process = Process("openbao", self.machine.command(command) if self.machine else command,
                               self.directory / "openbao.log", environment)
        wait_until(lambda: self.process.require_running() and self.health_code() != 0, 20, "openbao answers")
        return self

    def initialize(self):
        answer = self.request("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1}, token="")
        self.unseal_key, self.root_token = answer["keys"][0], answer["root_token"]
        return self.unseal()

    def unseal(self):
        self.request("PUT", "sys/unseal", {"key": self.unseal_key}, token="")
        wait_until(lambda: self.health_code() == 200, 30, "openbao is active")
        return self

    def up(self):
        """Start, initialize, unseal: a node that is ready to be set up."""
        return self.start().initialize()

    def present(self, stem, issuer=None, **options):
        """Another certificate, for the connections that are made from now on."""
        issuer = issuer or self.authority
        options.setdefault("names", ("localhost", self.host))
        for made, suffix in zip(issuer.issue(stem, **options), ("crt", "key")):
            shutil.copy(made, self.authority.directory / f"openbao-{self.name}.{suffix}")
        self._tls.load_verify_locations(cafile=str(issuer.file))
        self.process.signal(signal.SIGHUP)
        wanted = (issuer.directory / f"{stem}.crt").read_text()
        wait_until(lambda: ssl.get_server_certificate((self.host, self.port)) == wanted, 10, f"{stem} is served")

    def seal(self):
        self.request("PUT", "sys/seal")

    def kill(self):
        self.process.kill()

    def stop(self):
        if self.process:
            self.process.stop()

    def restart(self):
        """Kills the node and brings it back, unsealed, with its data (raft)."""
        self.kill()
        return self.start().unseal()

    def put_data_aside(self):
        """Hides the data of a stopped node, so that the next up() is another OpenBao at the same address."""
        os.rename(self.directory / "raft", self.directory / "raft.aside")
        self._aside = (self.unseal_key, self.root_token)

    def take_data_back(self):
        """Throws away what came since put_data_aside()."""
        shutil.rmtree(self.directory / "raft")
        os.rename(self.directory / "raft.aside", self.directory / "raft")
        self.unseal_key, self.root_token = self._aside

    def health_code(self):
        """200 active, 429 standby, 501 not initialized, 503 sealed, 0 no answer."""
        try:
            with urllib.request.urlopen(f"{self.address}/v1/sys/health", context=self._tls, timeout=2) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    # Calls

    def request(self, method, path, body=None, token=None, namespace=""):
        """One API call as root, or with another token; returns the parsed answer, {} without one."""
        headers = {"X-Vault-Request": "true", "Content-Type": "application/json"}
        token = self.root_token if token is None else token
        if token:
            headers["X-Vault-Token"] = token
        if namespace:
            headers["X-Vault-Namespace"] = namespace.encode().decode("latin-1")  # UTF-8 on the wire
        data = None if body is None else json.dumps(body).encode()
        content = self.transfer(method, path, data, headers)
        return json.loads(content) if content else {}

    def transfer(self, method, path, data, headers):
        """One API call with bytes as its body; returns the answer's bytes."""
        request = urllib.request.Request(f"{self.address}/v1/{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, context=self._tls, timeout=20) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            raise OpenBaoError(method, path, error.code, error.read().decode(errors="replace")) from None

    def read(self, path, **options):
        return self.request("GET", path, **options)

    def write(self, path, body=None, **options):
        return self.request("POST", path, body or {}, **options)

    def delete(self, path, **options):
        return self.request("DELETE", path, **options)
