# SPDX-License-Identifier: Apache-2.0
"""This machine as a bare control-plane node: what is written below /etc, /var/lib and /run is seen by this process and
its children alone, and goes with them. Programs that the machine lacks (systemctl, kubectl, etcdctl) are stood in for by
ones that do what the guide uses of them; what they ask is the real provider, kube-apiserver and etcd."""

import ctypes
import os
import pathlib
import subprocess
import sys

from .provider import find_binary

_CLONE_NEWNS = 0x00020000

_CALL = r"""#!{python}
import base64, json, os, ssl, sys, urllib.request

def call(method, url, body=None, headers=()):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {{"Content-Type": "application/json", **dict(headers)}}, method=method)
    return urllib.request.urlopen(request, context=ssl._create_unverified_context(), timeout=30).read()

def api(method, path, body=None):
    return json.loads(call(method, os.environ["NODE_API"] + path, body,
                           {{"Authorization": "Bearer " + os.environ["NODE_TOKEN"]}}))
"""

_KUBECTL = _CALL + r"""
words = sys.argv[1:]
if words[:3] == ["create", "secret", "generic"]:
    data = dict(word[len("--from-literal="):].split("=", 1) for word in words[4:])
    api("POST", "/api/v1/namespaces/default/secrets", {{"apiVersion": "v1", "kind": "Secret", "metadata": {{"name": words[3]}},
        "data": {{name: base64.b64encode(value.encode()).decode() for name, value in data.items()}}}})
elif words == ["get", "secrets", "--all-namespaces", "-o", "json"]:
    print(json.dumps(api("GET", "/api/v1/secrets")))
elif words == ["replace", "-f", "-"]:
    for item in json.load(sys.stdin)["items"]:
        place = item["metadata"]
        api("PUT", f"/api/v1/namespaces/{{place['namespace']}}/secrets/{{place['name']}}",
            {{"apiVersion": "v1", "kind": "Secret", **item}})
elif words[:2] == ["get", "secret"] and words[3] == "-o":
    field = words[4].removeprefix("jsonpath={{.data.").removesuffix("}}")
    print(api("GET", f"/api/v1/namespaces/default/secrets/{{words[2]}}")["data"][field], end="")
else:
    sys.exit(f"kubectl: the tests do not know {{words}}")
"""

_ETCDCTL = _CALL + r"""
key = sys.argv[2].encode()
assert sys.argv[1] == "get" and sys.argv[-1] == "--print-value-only"
end = key[:-1] + bytes([key[-1] + 1]) if "--prefix" in sys.argv else b""
body = {{"key": base64.b64encode(key).decode(), "range_end": base64.b64encode(end).decode()}}
for found in json.loads(call("POST", os.environ["NODE_ETCD"] + "/v3/kv/range", body)).get("kvs", []):
    sys.stdout.buffer.write(base64.b64decode(found["value"]) + b"\n")
"""

# Starts and stops the service as its unit does: as its user, and until its socket answers.
_SYSTEMCTL = r"""#!/bin/bash
set -eu
pidfile={directory}/provider.pid
stop() {{
  [ -e "$pidfile" ] || return 0
  kill "$(cat "$pidfile")"
  while kill -0 "$(cat "$pidfile")" 2>/dev/null; do sleep 0.05; done
  rm "$pidfile"
}}
start() {{
  [ ! -e "$pidfile" ] || return 0
  setpriv --reuid=openbao-kms --regid=openbao-kms --init-groups bao-kms-provider serve \
    2>>{directory}/provider.log </dev/null >/dev/null &
  echo $! >"$pidfile"
  for _ in $(seq 100); do
    [ ! -S /run/openbao-kms/kms.sock ] || return 0
    sleep 0.05
  done
  tail -5 {directory}/provider.log >&2
  exit 1
}}
case $1 in
  enable | start) start ;;
  disable | stop) stop ;;
esac
"""


class Node:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.home = self.directory / "home"
        self.programs = self.directory / "bin"
        self.environment = {"PATH": f"{self.programs}:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.home),
                            "LC_ALL": "C.UTF-8"}

    def up(self, bao):
        """Parts with the machine's /etc, /var/lib and /run, makes what the package makes, and knows the OpenBao."""
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(_CLONE_NEWNS) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        self._run("mount", "--make-rprivate", "/")
        layers = self.directory / "layers"
        layers.mkdir()
        self._run("mount", "-t", "tmpfs", "layers", layers)
        for place in ("/etc", "/var/lib", "/run"):
            upper, work = layers / place.strip("/").replace("/", "-"), layers / (place.replace("/", "-") + "-work")
            upper.mkdir()
            work.mkdir()
            self._run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={place},upperdir={upper},workdir={work}", place)
        self._install_package()
        self.home.mkdir()
        self.programs.mkdir()
        self.directory.chmod(0o755)  # the service's user runs the binary from here
        for name, target in (("bao", bao.binary), ("bao-kms-provider", find_binary())):
            (self.programs / name).symlink_to(pathlib.Path(target).resolve())
        python = sys.executable
        self._program("kubectl", _KUBECTL.format(python=python))
        self._program("etcdctl", _ETCDCTL.format(python=python))
        self._program("systemctl", _SYSTEMCTL.format(directory=self.directory))
        self.environment |= {"BAO_ADDR": bao.address, "BAO_SERVER_NAME": "localhost", "BAO_TOKEN": bao.root_token,
                             "BAO_CACERT": str(bao.authority.file)}
        return self

    def _install_package(self):
        """Users and directories, as sysusers.d and tmpfiles.d of the package have them."""
        uid = 64900
        for path, lines in (("/etc/passwd", [f"openbao-kms:x:{uid}:{uid}::/:/usr/sbin/nologin"]),
                            ("/etc/group", [f"openbao-kms:x:{uid}:", f"openbao-kms-socket:x:{uid + 1}:openbao-kms"])):
            old = [line for line in pathlib.Path(path).read_text().splitlines() if not line.startswith("openbao-kms")]
            pathlib.Path(path).write_text("\n".join(old + lines) + "\n")
        for path, group, mode, owner in (("/etc/openbao-kms", uid, 0o750, 0), ("/etc/openbao-kms/tls", 0, 0o755, 0),
                                         ("/var/lib/openbao-kms", uid, 0o750, uid),
                                         ("/var/lib/openbao-kms/state", uid, 0o750, uid),
                                         ("/run/openbao-kms", uid + 1, 0o2750, uid)):
            os.makedirs(path, exist_ok=True)
            os.chown(path, owner, group)
            os.chmod(path, mode)

    def know(self, api):
        """From now on kubectl and etcdctl ask this API server."""
        self.environment |= {"NODE_API": f"https://127.0.0.1:{api.port}", "NODE_TOKEN": api.token,
                             "NODE_ETCD": f"http://127.0.0.1:{api.etcd_port}"}

    def _program(self, name, text):
        path = self.programs / name
        path.write_text(text)
        path.chmod(0o755)

    @staticmethod
    def _run(*command):
        subprocess.run([str(word) for word in command], check=True)

    def run(self, script, name="block"):
        """A shell block as a reader runs it, in a shell that remembers what the ones before have exported."""
        kept = self.home / ".exported"
        kept.touch()
        whole = f"set -eu\n. {kept}\ncd {self.home}\n{script}\nexport -p > {kept}\n"
        result = subprocess.run(["bash", "-c", whole], env=self.environment, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
        if result.returncode != 0:
            raise AssertionError(f"{name}: exit code {result.returncode}\n{result.stdout}")
        return result.stdout

    def down(self):
        subprocess.run([self.programs / "systemctl", "stop"], check=True)
        for place in ("/etc", "/var/lib", "/run", self.directory / "layers"):
            self._run("umount", "--lazy", place)
