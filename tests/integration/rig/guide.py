# SPDX-License-Identifier: Apache-2.0
"""A page of docs/guide as the steps that it gives: shell blocks to run, and what is said about those that are not run.

A block has a comment before it: <!-- run: NAME --> or <!-- not run: REASON -->. <!-- apiserver: start --> and
<!-- apiserver: reload --> stand where the text has the reader do something with kube-apiserver.
"""

import dataclasses
import pathlib
import re

GUIDE = pathlib.Path(__file__).resolve().parents[3] / "docs" / "guide"
_STEP = re.compile(r"^<!-- (run|not run|apiserver): (.+?) -->\n(?:```sh\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)
_FENCE = re.compile(r"^```sh$", re.MULTILINE)


@dataclasses.dataclass
class Step:
    kind: str  # "run", "not run" or "apiserver"
    name: str  # or the reason
    script: str


def pages():
    return sorted(GUIDE.glob("*.md"))


def steps(page):
    """All steps of a page, in order. Raises ValueError for a shell block of which nothing is said."""
    text = (GUIDE / page).read_text(encoding="utf-8")
    found = [Step(kind, name, script or "") for kind, name, script in _STEP.findall(text)]
    if len(_FENCE.findall(text)) != len([step for step in found if step.script]):
        raise ValueError(f"{page}: a shell block without <!-- run: --> or <!-- not run: --> right before it")
    return found


def script(page, name):
    return next(step.script for step in steps(page) if step.kind == "run" and step.name == name)
