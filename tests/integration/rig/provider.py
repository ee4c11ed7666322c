# SPDX-License-Identifier: Apache-2.0
"""The provider under test: a process, its files, its log."""

import json
import os
import pathlib
import subprocess
import tempfile

import grpc

from .kms import KmsClient
from .process import Process, wait_until

_REPORT_MARKS = ("AddressSanitizer", "LeakSanitizer", "runtime error:", "-CRITICAL **", "-WARNING **")


def find_binary():
    return os.environ["OBK_PROVIDER"]


def private_directory():
    """A directory of mode 0700 whose path is short enough for a socket; the caller removes it."""
    return pathlib.Path(tempfile.mkdtemp(prefix="obk-", dir="/tmp"))


def run_command(*arguments, timeout=30, **options):
    """A command of the product that ends by itself: its exit code and output."""
    return subprocess.run([find_binary(), *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=timeout, **options)


def policy_for(tenant):
    """The text of `policy openbao` for a tenant that is about to be set up."""
    configuration = tenant.write_configuration(tenant.directory / "policy-config.json")
    result = run_command("policy", "openbao", "--config", configuration)
    if result.returncode != 0:
        raise RuntimeError(f"policy openbao: exit code {result.returncode}: {result.stderr}")
    return result.stdout


class Provider:
    """`serve` with a configuration made for a tenant; overrides are dotted field names."""

    def __init__(self, tenant, directory=None, overrides=None):
        self.tenant = tenant
        self.directory = pathlib.Path(directory or tenant.directory)
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.socket = self.directory / "kms.sock"
        self.state_path = self.directory / "state" / "key-registry.json"
        self.state_path.parent.mkdir(mode=0o750, exist_ok=True)
        self.log_path = self.directory / "provider.log"
        self.config = self.directory / "config.json"
        self.process = None
        self._clients = []
        self.configure(**(overrides or {}))

    def configure(self, **overrides):
        self.tenant.write_configuration(self.config, **{
            "server.socketPath": str(self.socket), "server.socketGroup": str(os.getgid()),
            "state.path": str(self.state_path), **overrides})

    # Life

    def start(self, wait="socket", environment=None, command=None, pass_fds=()):
        """Starts `serve`; waits for "socket", for "healthy", or for nothing."""
        runtime = self.directory / "runtime"
        runtime.mkdir(mode=0o700, exist_ok=True)
        variables = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "RUNTIME_DIRECTORY": str(runtime),
                     **{name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")},
                     **(environment or {})}
        self.process = Process("provider", command or self.command(), self.log_path, variables, pass_fds=pass_fds)
        if wait == "socket":
            self.wait_socket()
        elif wait == "healthy":
            self.wait_healthy()
        return self

    def command(self):
        return [find_binary(), "serve", "--config", self.config]

    def stop(self, timeout=20):
        """SIGTERM. Returns the exit code."""
        for client in self._clients:
            client.close()
        self._clients.clear()
        return self.process.stop(timeout) if self.process else 0

    def kill(self):
        self.process.kill()

    @property
    def pid(self):
        return self.process.pid

    # At the socket

    def client(self, **options):
        """A new connection of its own; closed with the provider."""
        client = KmsClient(self.socket, **options)
        self._clients.append(client)
        return client

    def wait_socket(self, timeout=10):
        wait_until(lambda: self.process.require_running() and self.socket.exists(), timeout, "the socket is there")

    def wait_healthz(self, wanted, timeout):
        """Waits until Status says so, and returns that Status."""
        self.wait_socket()

        def asked():
            self.process.require_running()
            try:
                with KmsClient(self.socket, timeout=2) as client:
                    status = client.status()
            except grpc.RpcError:  # as while the socket that a killed one left is still in its place
                return None
            return status if status.healthz == wanted else None
        return wait_until(asked, timeout, f"Status is {wanted}")

    def wait_healthy(self, timeout=20):
        return self.wait_healthz("ok", timeout)

    def wait_unhealthy(self, timeout=20):
        return self.wait_healthz("unhealthy", timeout)

    # In the log

    def _log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""  # it was never started

    def records(self, message=None, **fields):
        """The log's records, as they came, that have the message and all the fields."""
        found = []
        for line in self._log().split("\n")[:-1]:  # the last may be half written
            if line.startswith("{") and (message is None or f'"{message}"' in line):
                record = json.loads(line)
                if (message in (None, record.get("message"))
                        and all(record.get(name) == value for name, value in fields.items())):
                    found.append(record)
        return found

    def wait_record(self, message, timeout=10, count=1, **fields):
        def enough():
            found = self.records(message, **fields)
            return found if len(found) >= count else None
        return wait_until(enough, timeout, f"{count} log records {message} {fields}")

    def foreign_output(self):
        """Lines that are no log record, and reports of sanitizers and of GLib: a test that stops with some failed."""
        return [line for line in self._log().splitlines()
                if not line.startswith("{") or any(mark in line for mark in _REPORT_MARKS)]
