# SPDX-License-Identifier: Apache-2.0
"""The guide on a machine with the package and systemd: what it has an operator do on a node up to the API server, and what
then helps to look."""

import os
import pathlib
import shutil
import subprocess

from rig import guide
from rig.provider import find_binary

from machine import SERVICE

PAGE = "first-secret.md"


def administer(openbao, directory):
    """Steps 1 to 3, on the administrator's machine, which is this one. Returns where their files are."""
    home, programs = directory / "home", directory / "bin"
    home.mkdir()
    programs.mkdir()
    for name, target in (("bao", openbao.binary), ("bao-kms-provider", find_binary())):
        (programs / name).symlink_to(pathlib.Path(target).resolve())
    script = "".join(guide.script(PAGE, name) for name in ("address", "issuer", "values", "init", "ca", "setup", "jwt"))
    done = subprocess.run(["bash", "-e", "-c", script], cwd=home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60, env={
                              "PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(home), "BAO_ADDR": openbao.address,
                              "BAO_SERVER_NAME": "localhost", "BAO_CACERT": str(openbao.authority.file),
                              "BAO_TOKEN": openbao.root_token})
    assert done.returncode == 0, done.stdout
    return home


def test_from_the_package_to_a_healthy_provider(openbao, directory, machine):
    home = administer(openbao, directory)
    shutil.copytree(home / "cluster-a", machine.path("/root/cluster-a"))
    shutil.copy(home / "control-plane-1.jwt", machine.path("/root/identity.jwt"))
    for name in ("files", "identity", "doctor", "start", "probe"):
        machine.run(f"set -e; cd /root\n{guide.script(PAGE, name)}")
    machine.wait_healthy()
    assert "healthy, key version 1" in machine.run(f"systemctl status --no-pager {SERVICE}")
    assert "0 failed" in machine.run("bao-kms-provider doctor")

    # the log: as init leaves it, and in the journal's own form
    assert '"status":"ok"' in machine.run(f"journalctl --no-pager -u {SERVICE} -g auth.login")
    machine.run("printf 'logging: {format: journal}\\n' >>/etc/openbao-kms/config.yaml")
    machine.run(f"systemctl restart {SERVICE}")
    machine.wait_healthy()
    for match in ("-g 'auth.login status=ok'", "EVENT=auth.login STATUS=ok"):
        assert "ttl_seconds=" in machine.run(f"journalctl --no-pager -u {SERVICE} {match}")
    assert "See the runbook" in machine.run(f"journalctl --no-pager -x -u {SERVICE} EVENT=auth.login")
