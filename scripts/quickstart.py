# SPDX-License-Identifier: Apache-2.0
"""The part of quickstart that comes after the build: OpenBao, provider, calls, and the end of it all."""

import argparse
import contextlib
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "integration"))

from rig import apiserver, openbao, pki, provider, transit  # noqa: E402

SAMPLES = 50


def say(text):
    print(f"==> {text}", file=sys.stderr, flush=True)


def times(call):
    """The median of a few calls, as text."""
    taken = []
    for _ in range(SAMPLES):
        started = time.perf_counter()
        call()
        taken.append(time.perf_counter() - started)
    return f"{statistics.median(taken) * 1000:.2f} ms"


def start_openbao(stack, directory):
    authority = pki.Authority(directory / "tls", "quickstart")
    bao = openbao.OpenBao(directory / "openbao", authority, binary=os.environ["OBK_BAO"])
    stack.callback(bao.stop)
    say(f"starting OpenBao at {bao.address}")
    bao.up()
    pki.write_private(directory / "openbao" / "root-token", bao.root_token + "\n")
    return bao


def set_up(bao, directory):
    say("setting up a Transit key, the policy, a JWT role and an identity token")
    scope = transit.Scope("quickstart", "quickstart-cluster", "quickstart-openbao", "", "transit-1", "k8s-1")
    tenant = transit.Tenant(bao, directory / "etc", scope)
    return tenant.set_up(provider.policy_for(tenant))


def start_provider(stack, tenant, directory):
    say("starting the provider and waiting until Status is healthy")
    daemon = provider.Provider(tenant, directory / "run")
    stack.callback(daemon.stop)
    return daemon.start(wait="healthy")


def probe(daemon):
    result = provider.run_command("probe", "--socket", daemon.socket)
    if result.returncode != 0:
        raise RuntimeError(f"probe: exit code {result.returncode}\n{result.stdout}{result.stderr}")
    return (result.stdout.strip().splitlines() or [""])[-1]


def start_kubernetes(stack, daemon, directory):
    say("starting etcd and kube-apiserver, and writing a Secret")
    api = apiserver.ApiServer(directory / "kubernetes", daemon.socket, apiserver.find_binaries(), "quickstart")
    stack.callback(api.stop)
    api.start()
    api.write_secret("example", b"correct horse battery staple")
    assert api.read_secret("example") == b"correct horse battery staple"
    return api


def show_kubernetes(api):
    raw = api.stored()["/registry/secrets/default/example"]
    if not raw.startswith(b"k8s:enc:kms:v2:quickstart:") or b"correct horse" in raw:
        raise RuntimeError("the Secret is not encrypted in etcd")
    head = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in raw[:64])
    return [("Secret", "default/example, written and read through kube-apiserver"),
            ("in etcd", f"{head}... ({len(raw)} bytes)"),
            ("API server", f"curl -k -H 'Authorization: Bearer {api.token}' https://127.0.0.1:{api.port}/api/v1/secrets")]


def call(daemon):
    """Calls the provider and returns what there is to say about it."""
    client = daemon.client()
    plaintext = os.urandom(32)
    encrypted = client.encrypt(plaintext)
    if client.decrypt(encrypted) != plaintext:
        raise RuntimeError("Decrypt did not give back what Encrypt was given")
    return [
        ("key_id", client.status().key_id),
        ("ciphertext", f"{encrypted.ciphertext.decode()[:40]}... ({len(encrypted.ciphertext)} bytes for 32)"),
        ("a call takes", f"Status {times(client.status)}, Encrypt {times(lambda: client.encrypt(plaintext))}, "
                         f"Decrypt {times(lambda: client.decrypt(encrypted))} (median of {SAMPLES}, from Python)"),
        ("probe", probe(daemon))]


def show(lines):
    width = max(len(name) for name, _ in lines)
    print("\n" + "\n".join(f"  {name.ljust(width)}  {text}" for name, text in lines) + "\n", flush=True)


def run(stack, options):
    directory = provider.private_directory()
    stack.callback(shutil.rmtree, directory)
    bao = start_openbao(stack, directory)
    version = subprocess.run([bao.binary, "version"], stdout=subprocess.PIPE, text=True, check=True).stdout.split(",")[0]
    daemon = start_provider(stack, set_up(bao, directory), directory)
    lines = [("OpenBao", f"{version}, root token in {directory}/openbao/root-token"), *call(daemon)]
    if options.kubernetes:
        api = start_kubernetes(stack, daemon, directory)
        lines += show_kubernetes(api)
    show([*lines, ("socket", daemon.socket), ("configuration", daemon.config), ("state", daemon.state_path),
          ("log", daemon.log_path), ("by hand", f"{os.environ['OBK_PROVIDER']} probe --socket {daemon.socket}")])
    if not options.once:
        say("running; Ctrl-C ends it and removes all of this")
        while daemon.process.require_running() and bao.process.require_running():
            time.sleep(0.5)


def end(number, _frame):
    """SIGINT, SIGTERM, SIGHUP: unwinds once; a second one does not disturb the unwinding."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--kubernetes", action="store_true")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    started = time.monotonic()
    try:
        with contextlib.ExitStack() as stack:
            run(stack, options)
    except (RuntimeError, TimeoutError, OSError, openbao.OpenBaoError) as error:
        sys.exit(f"quickstart: {error}")
    say(f"all of it worked, in {time.monotonic() - started:.0f} s, and nothing is left running")


if __name__ == "__main__":
    main()
