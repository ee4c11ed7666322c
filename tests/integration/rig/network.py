# SPDX-License-Identifier: Apache-2.0
"""A loopback of our own, on which packets may get lost: nothing outside of this process and its children sees it."""

import contextlib
import ctypes
import os
import subprocess

_CLONE_NEWNET = 0x40000000


def _run(*command):
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def enter_private_network():
    """Moves the calling thread, and what it starts from now on, into a network namespace that has a loopback alone."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    _run("ip", "link", "set", "lo", "up")


@contextlib.contextmanager
def loss(port, share):
    """Within it that share of the packets to and from a TCP port is lost; 1 is a partition."""
    chance = [] if share == 1 else ["-m", "statistic", "--mode", "random", "--probability", str(share)]
    rules = [["INPUT", "-p", "tcp", end, str(port), *chance, "-j", "DROP"] for end in ("--dport", "--sport")]
    for rule in rules:
        _run("iptables", "-w", "-A", *rule)
    try:
        yield
    finally:
        for rule in rules:
            _run("iptables", "-w", "-D", *rule)
