# SPDX-License-Identifier: Apache-2.0
"""Boots the machine beside an OpenBao and tells what its tests said. Root's: it takes a network of its own.

Within the machine 10.0.2.2 is the loopback of that network: OpenBao on 8200, and a DNS server that knows its name.
"""

import argparse
import contextlib
import pathlib
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))

from rig import network, openbao, pki, process, provider, token, transit  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
NAME = "openbao.test"
ADDRESS = "10.0.2.2"  # of the host, for the machine
TIMEOUT = 1200  # on a busy host; two minutes and a half on an idle one


def start_names(stack, directory):
    names = process.Process("dnsmasq", [
        "dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--user=root",
        "--pid-file", "--listen-address=127.0.0.1", "--bind-interfaces", f"--address=/{NAME}/{ADDRESS}"],
        directory / "dnsmasq.log")
    stack.callback(names.stop)
    time.sleep(0.5)
    names.require_running()


def start_openbao(stack, directory):
    bao = openbao.OpenBao(directory / "openbao", pki.Authority(directory / "tls"))
    bao.port, bao.address = 8200, "https://127.0.0.1:8200"
    stack.callback(bao.stop)
    return bao.up()


def write_files(bao, directory):
    """What an administrator has at hand when the package is installed."""
    tenant = transit.Tenant(bao, directory / "tenant")
    tenant.set_up(provider.policy_for(tenant))
    files = directory / "files"
    (files / "upgrade").mkdir(parents=True)
    shutil.copy(bao.authority.file, files / "ca.crt")
    shutil.copy(tenant.jwt_file, files / "identity.jwt")
    pki.write_private(files / "root-token", bao.root_token + "\n")
    configuration = {
        "server": {"socketGroup": "openbao-kms-socket"},
        "openbao.address": f"https://{NAME}:8200",
        "openbao.caCertFile": "/etc/openbao-kms/tls/ca.crt",
        "openbao.timeout": "10s",  # the machine is an emulated one
        "auth.jwt.jwtFile": "/var/lib/openbao-kms/identity.jwt",
        "rotation": {"activationDelay": "3s"},
        "status.statusMaxStaleness": "60s",
        "logging": {"level": "info"},
        "state": {}}
    tenant.write_configuration(files / "config.yaml", **configuration)
    tenant.write_configuration(files / "cert.yaml", **configuration, **write_token(tenant, files, directory))
    return files


def write_token(tenant, files, directory):
    """A SoftHSM token with a key that OpenBao takes; returns what its configuration has to say."""
    authority = tenant.bao.authority
    token.enable_cert_auth(tenant, authority)
    made = token.Token(directory / "softhsm")
    key = token.new_key("P-256")
    made.add_key(key)
    (files / "client.crt").write_bytes(token.issue_client(authority, key.public_key()))
    shutil.copy(made.pin_file, files / "pin")
    shutil.copytree(made.directory / "tokens", files / "softhsm")
    return token.cert_overrides(
        modulePath=token.SOFTHSM, tokenLabel=made.label, keyLabel="key", pinFile="/var/lib/openbao-kms/pin",
        certificateFile="/etc/openbao-kms/tls/client.crt")


def boot(image, kernel, directory, security):
    """Until the machine powers off. Returns what its tests printed."""
    result, console = directory / "result", directory / "console"
    # Without auditd the kernel prints denials, and would leave out all but ten in five seconds.
    arguments = (f"rw console=ttyS0 quiet net.ifnames=0 {security} audit=1 "
                 "audit_backlog_limit=8192 sysctl.kernel.printk_ratelimit=0 log_buf_len=16M printk.devkmsg=on panic=-1 "
                 "systemd.unit=kms-test.target systemd.show_status=0")
    subprocess.run([
        "qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1024",
        "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-kernel", kernel / "vmlinuz", "-initrd", kernel / "initrd.img", "-append", arguments,
        "-drive", f"file={image},if=none,id=disk,format=raw,snapshot=on,cache=unsafe",
        "-device", "virtio-blk-pci,drive=disk",
        "-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile=",
        "-device", "virtio-serial-pci", "-chardev", f"file,id=result,path={result}",
        "-device", "virtserialport,chardev=result,name=test.result", "-serial", f"file:{console}"],
        stdin=subprocess.DEVNULL, timeout=TIMEOUT, check=True)
    return result.read_text(errors="replace")


def run(stack, options):
    directory = provider.private_directory()
    stack.callback(shutil.rmtree, directory)
    network.enter_private_network()
    start_names(stack, directory)
    files = write_files(start_openbao(stack, directory), directory)
    image = directory / "image"
    for package in options.upgrade:
        shutil.copy(package, files / "upgrade")
    subprocess.run([HERE / "make-image", options.root, options.kernel, options.build, files, image, *options.packages],
                   check=True, stdin=subprocess.DEVNULL)
    print(f"# image after {time.monotonic() - options.started:.0f} s", flush=True)
    try:
        text = boot(image, options.kernel, directory, "security=apparmor apparmor=1" if options.apparmor else
                    f"security=selinux enforcing={int(not options.permissive)}")
    finally:
        if options.keep:
            for name in ("result", "console"):
                shutil.copy(directory / name, options.keep)
    print(text, end="")
    print(f"# {time.monotonic() - options.started:.0f} s in all")
    return text


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--kernel", type=pathlib.Path, required=True)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--keep", type=pathlib.Path, help="folder for the console and the result")
    parser.add_argument("--permissive", action="store_true", help="boot so: the refusals have to fail then")
    parser.add_argument("--apparmor", action="store_true", help="boot with that instead of SELinux")
    parser.add_argument("--upgrade", type=pathlib.Path, action="append", default=[], help="package of a later version")
    parser.add_argument("packages", nargs="+")
    options = parser.parse_args()
    options.started = time.monotonic()
    with contextlib.ExitStack() as stack:
        text = run(stack, options)
    lines = text.splitlines()
    if any(line.startswith("not ok") for line in lines) or lines[-1:] != ["exit code 0"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
