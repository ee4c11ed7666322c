# SPDX-License-Identifier: Apache-2.0
"""doctor run on a node, what it has said, and its remedies carried out."""

import json
import os
import pathlib
import re
import subprocess

import jsonschema
import pytest

from .provider import find_binary, private_directory

SCHEMA = json.loads(
    (pathlib.Path(__file__).resolve().parents[3] / "data/schemas/doctor.schema.json").read_text(encoding="utf-8"))
LINE = re.compile(r"^\[(ok|warn|fail|skip)\] +(\S+) +(.*)$")


class Report:
    """What doctor says in JSON, valid by its schema, and as text, which must say the same."""

    def __init__(self, config, *arguments, environment=None, prefix=()):
        self._command = [*prefix, find_binary(), "doctor", "--config", str(config), *map(str, arguments)]
        self._variables = {**os.environ, **(environment or {})}
        for _ in range(3):  # a node may get well between one and the other
            if self._run():
                break
        else:
            raise AssertionError(f"one report says what the other does not:\n{self.text}\n{json.dumps(self.report)}")
        assert self.report["passed"] == ("fail" not in self.results.values()) == (self.exit == 0)
        for check in self.report["checks"]:
            failed = [finding for finding in check["findings"] if finding["result"] == "fail"]
            silent = [finding for finding in failed if not finding.get("remedy") and not finding.get("commands")]
            together = check["id"] in ("config.validate", "transit.capabilities")  # one remedy for all that it found
            assert not silent or (together and len(silent) < len(failed)), (check["id"], silent)
        assert "CRITICAL" not in self.complaints and "Sanitizer" not in self.complaints, self.complaints

    def _run(self):
        """Returns: whether both say the same"""
        result, text = (subprocess.run([*self._command, *options], stdin=subprocess.DEVNULL, capture_output=True,
                                       text=True, timeout=60, env=self._variables)
                        for options in (("--output", "json"), ()))
        self.exit = result.returncode
        self.text = text.stdout
        self.complaints = result.stderr + text.stderr
        self.report = json.loads(result.stdout)
        jsonschema.validate(self.report, SCHEMA)
        self.checks = {check["id"]: check for check in self.report["checks"]}
        self.results = {check["id"]: check["result"] for check in self.report["checks"]}
        said = [LINE.match(line).groups()[:2] for line in self.text.splitlines() if line.startswith("[")]
        found = [(finding["result"], check["id"]) for check in self.report["checks"] for finding in check["findings"]]
        # What comes after a denial may or may not be in time for the login that it makes necessary.
        denied = [index for index, item in enumerate(found) if item == ("fail", "transit.capabilities")]
        return text.returncode == self.exit and (said[:denied[-1]] == found[:denied[-1]] if denied else said == found)

    @property
    def first(self):
        """The first check that failed: its id and what it says."""
        for check in self.report["checks"]:
            for finding in check["findings"]:
                if finding["result"] == "fail":
                    return check["id"], finding
        return None, {}

    def texts(self, check):
        return " / ".join(finding["text"] for finding in self.checks[check]["findings"])

    def remedies(self, check):
        return " / ".join(finding.get("remedy", "") for finding in self.checks[check]["findings"])

    def commands(self, check):
        """As the text gives them: with all names filled in."""
        remedies = [finding.get("remedy") for finding in self.checks[check]["findings"]]
        found, inside = [], False
        for line in self.text.splitlines():
            match = LINE.match(line)
            inside = match[2] == check if match else inside
            said = line.strip().removeprefix("fix: ")
            if inside and not match and said not in remedies:
                found.append(said)
        return found


def assert_first(report, check, *parts, exit=4):
    found, finding = report.first
    assert found == check, report.text
    said = " ".join([finding["text"], finding.get("remedy", ""), *finding.get("commands", [])])
    for part in parts:
        assert part in said, (part, said)
    assert report.exit == exit


def as_administrator(openbao, command):
    """Runs a command that doctor has printed, with OpenBao's own `bao`."""
    directory = private_directory()
    (directory / "bao").symlink_to(openbao.binary)
    (directory / "bao-kms-provider").symlink_to(find_binary())
    environment = {**os.environ, "PATH": f"{directory}:/usr/bin:/bin:/usr/sbin:/sbin", "BAO_ADDR": openbao.address,
                   "BAO_TOKEN": openbao.root_token, "BAO_CACERT": str(openbao.authority.file), "HOME": str(directory)}
    return subprocess.run(["sh", "-ec", command], check=True, capture_output=True, text=True, env=environment,
                          timeout=30).stdout


@pytest.fixture
def node(make_provider, directory, fresh_tenant):
    """A node in good order: the provider runs, its directory is as the package makes it."""
    provider = make_provider(fresh_tenant, directory / "node").start(wait="healthy")
    os.chmod(provider.directory, 0o2750)
    os.chmod(directory, 0o711)
    return provider


def reconfigure(node, **overrides):
    node.configure(**overrides)
    return node.config


def run_all(commands):
    assert commands
    for command in commands:
        subprocess.run(["sh", "-ec", command], check=True)
