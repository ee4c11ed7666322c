# SPDX-License-Identifier: Apache-2.0
"""A machine to install packages on: systemd as pid 1 of a container, on a root file system that is thrown away."""

import os
import pathlib
import shlex
import shutil
import subprocess

import grpc

from rig.kms import KmsClient
from rig.process import Process, wait_until

SERVICE, SOCKET = "bao-kms-provider.service", "bao-kms-provider.socket"
SOCKET_PATH = "/run/openbao-kms/kms.sock"
_CGROUPS = [path for path in map(pathlib.Path, ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"))
            if (path / "cgroup.procs").exists()]


class Machine:
    """Its network is the caller's, so that an OpenBao of the tests is on its loopback. Survives reboots."""

    def __init__(self, directory, root):
        self.directory = pathlib.Path(directory)
        self.root = self.directory / "root"
        self.process = None
        self.leader = None
        self._name = f"obk-machine-{os.getpid()}"
        for name in ("root", "disk"):
            (self.directory / name).mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "disk", self.directory / "disk"], check=True)
        for name in ("upper", "work"):
            (self.directory / "disk" / name).mkdir()
        subprocess.run(["mount", "-t", "overlay", "-o",
                        f"lowerdir={root},upperdir={self.directory}/disk/upper,workdir={self.directory}/disk/work",
                        "root", self.root], check=True)

    def boot(self, **environment):
        """Returns once systemd has started all that it wants to. `environment` is its own."""
        enter = "".join(f"mkdir -p {path}/{self._name}; echo $$ >{path}/{self._name}/cgroup.procs; "
                        for path in _CGROUPS)
        nspawn = ["systemd-nspawn", "--register=no", "--keep-unit", "--directory", str(self.root), "--boot",
                  "--console=pipe", "--resolv-conf=off", "--timezone=off",
                  "--capability=CAP_IPC_LOCK",  # nspawn refuses mlock() to all without it
                  *(f"--setenv={name}={value}" for name, value in environment.items())]
        self.process = Process("machine", ["sh", "-c", enter + "exec " + shlex.join(nspawn)],
                               self.directory / "console.log")
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")

        def leader():
            self.process.require_running()
            for pid in children.read_text().split():
                try:
                    if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "systemd":
                        return int(pid)
                except FileNotFoundError:
                    continue  # it has gone meanwhile
            return None
        self.leader = wait_until(leader, 20, "systemd is there")
        wait_until(lambda: self.run("systemctl is-system-running", check=False).strip() in ("running", "degraded"), 60,
                   "the machine is up")
        return self

    def shut_down(self):
        if self.process is None:
            return
        self.run("systemctl poweroff", check=False)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.process = None
        for path in _CGROUPS:
            for below, _, _ in os.walk(path / self._name, topdown=False):
                try:
                    os.rmdir(below)
                except OSError:
                    pass  # of a process that is on its way out: the kernel lets go of it in a moment

    def throw_away(self):
        self.shut_down()
        for name in ("root", "disk"):
            subprocess.run(["umount", "--lazy", self.directory / name], check=True)

    def run(self, command, check=True, timeout=120):
        """A line for the machine's shell, as root. Returns what it prints."""
        done = subprocess.run(
            ["nsenter", "--target", str(self.leader), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup",
             "--root", "--wd", "--", "sh", "-c", command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"})
        if check and done.returncode != 0:
            raise AssertionError(f"{command}: exit code {done.returncode}:\n{done.stdout}")
        return done.stdout

    def path(self, inside):
        """How a path inside is called outside, while the machine is up."""
        return pathlib.Path(f"/proc/{self.leader}/root{inside}")

    def write(self, inside, content, owner="root:root", mode="0644"):
        self.run(f"mkdir -p $(dirname {inside})")
        self.path(inside).write_text(content)
        self.run(f"chown {owner} {inside} && chmod {mode} {inside}")

    # What is on it

    def install(self, *packages, options=""):
        """As `dpkg -i` does, which an upgrade is too."""
        for package in packages:
            shutil.copy(package, self.path("/root"))
        return self.run(f"dpkg -i {options} " + " ".join(f"/root/{pathlib.Path(package).name}" for package in packages))

    def configure(self, tenant, path="/etc/openbao-kms/config.yaml", **overrides):
        """What the operator does by hand: the configuration, the CA and the identity token."""
        source = tenant.directory / "machine.yaml"
        tenant.write_configuration(source, **{
            "server.socketPath": SOCKET_PATH, "server.socketGroup": "openbao-kms-socket",
            "openbao.caCertFile": "/etc/openbao-kms/tls/ca.crt", "logging.level": "info",
            "auth.jwt.jwtFile": "/var/lib/openbao-kms/identity.jwt",
            "state.path": "/var/lib/openbao-kms/state/key-registry.json", **overrides})
        self.write("/etc/openbao-kms/tls/ca.crt", tenant.bao.authority.file.read_text())
        self.write("/var/lib/openbao-kms/identity.jwt", tenant.jwt_file.read_text(), "root:openbao-kms", "0640")
        self.write(path, source.read_text(), "root:openbao-kms", "0640")

    def drop_in(self, unit, text):
        self.write(f"/etc/systemd/system/{unit}.d/test.conf", text)
        self.run("systemctl daemon-reload")

    def show(self, unit, name):
        return self.run(f"systemctl show --property={name} --value {unit}").strip()

    def main_pid(self, unit=SERVICE):
        return int(self.show(unit, "MainPID"))

    def journal(self, unit=SERVICE):
        return self.run(f"journalctl --no-pager --output=cat --unit={unit}")

    def client(self, path=SOCKET_PATH, **options):
        return KmsClient(self.path(path), **options)

    def wait_healthy(self, path=SOCKET_PATH, timeout=30):
        def asked():
            try:
                with self.client(path) as client:
                    return client.stub.Status(client.messages.StatusRequest(), timeout=5,
                                              wait_for_ready=True).healthz == "ok"
            except grpc.RpcError:
                return False
        return wait_until(asked, timeout, "Status is ok")


class Tpm:
    """A TPM 2.0 in software, and what systemd needs to reach it."""

    PORT = 2321  # and the next one, for control
    device = f"swtpm:host=127.0.0.1,port={PORT}"

    def __init__(self, directory):
        directory.mkdir()
        subprocess.run(["swtpm_setup", "--tpm2", "--tpmstate", directory, "--createek", "--overwrite"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.process = Process("swtpm", [
            "swtpm", "socket", "--tpm2", "--tpmstate", f"dir={directory}", "--flags", "not-need-init,startup-clear",
            "--server", f"type=tcp,port={self.PORT}", "--ctrl", f"type=tcp,port={self.PORT + 1}"],
            directory / "log")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stop()

    @staticmethod
    def libraries():
        return sorted(pathlib.Path("/usr/lib").glob("*-linux-gnu/libtss2-*.so.?"))
