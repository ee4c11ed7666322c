# SPDX-License-Identifier: Apache-2.0
"""The other end of sd_notify()."""

import contextlib
import socket
import time


class NotifySocket:
    """What systemd listens on."""

    def __init__(self, path):
        self.path = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.lines = []

    def drain(self):
        """Forgets what has come until now."""
        self.lines.clear()
        self.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while self.socket.recv(4096):
                pass

    def wait(self, prefix, timeout=10):
        """The first line not yet taken that begins so; earlier ones are kept."""
        deadline = time.monotonic() + timeout
        while True:
            for line in self.lines:
                if line.startswith(prefix):
                    self.lines.remove(line)
                    return line
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                self.lines += self.socket.recv(4096).decode().splitlines()
            except TimeoutError:
                raise AssertionError(f"no {prefix} within {timeout} s; {self.lines}") from None
