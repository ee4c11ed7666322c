#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each shell block of docs/guide says whether the tests run it, each link leads somewhere: test-guide-blocks.py ROOT"""

import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(ROOT / "tests" / "integration"))

from rig import guide  # noqa: E402

LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def main():
    faults = []
    names = []
    for page in guide.pages():
        try:
            names += [(page.name, step.name) for step in guide.steps(page.name) if step.kind == "run"]
        except ValueError as error:
            faults.append(str(error))
        for link in LINK.findall(page.read_text(encoding="utf-8")):
            if not (page.parent / link).exists():
                faults.append(f"{page.name}: \"{link}\" is not there")
    if not names:
        faults.append("no block is run")
    print("\n".join(faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
