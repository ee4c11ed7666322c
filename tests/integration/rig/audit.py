# SPDX-License-Identifier: Apache-2.0
"""What OpenBao was asked, by its own audit log (raw, so that values can be compared)."""

import json

from .process import wait_until


class AuditLog:
    """Reads an audit file from a mark on; a mark is a place in the file."""

    def __init__(self, path):
        self.path = path

    def mark(self):
        return self.path.stat().st_size if self.path.exists() else 0

    def entries(self, mark=0, kind="request"):
        """Whole entries of a kind ("request", "response") since the mark."""
        if not self.path.exists():
            return []
        with open(self.path, "rb") as file:
            file.seek(mark)
            lines = file.read().split(b"\n")[:-1]
        return [entry for entry in map(json.loads, lines) if entry["type"] == kind]

    def requests(self, mark=0, path=None, operation=None):
        """The requests since the mark: dicts with path, operation, data, namespace and so on."""
        found = [entry["request"] for entry in self.entries(mark)]
        return [request for request in found
                if (path is None or request["path"] == path)
                and (operation is None or request["operation"] == operation)]

    def wait_for(self, path, mark=0, count=1, timeout=10):
        return wait_until(lambda: (found := self.requests(mark, path)) and len(found) >= count and found,
                          timeout, f"{count} requests of {path}")
