# SPDX-License-Identifier: Apache-2.0
"""Log records held against docs/observability.md."""

import functools
import pathlib
import re

_PAGE = pathlib.Path(__file__).resolve().parents[3] / "docs" / "observability.md"
ALWAYS = {"ts", "level", "message"}


@functools.cache
def documented():
    """Events to their fields, and all fields, as the page has them."""
    page = _PAGE.read_text(encoding="utf-8")
    logs = page[page.index("\n## Logs"):page.index("\n## Alerts")]
    events = {}
    for event, _, _, fields in re.findall(r"^\| `([a-z._]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", logs, re.MULTILINE):
        named = set(re.findall(r"`(\w+)`", fields))
        events[event] = events["auth.login"] if fields.startswith("as ") else named
    fields = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| [^|]+ \|$", logs, re.MULTILINE))))
    return events, fields


def undocumented(records):
    """What the page does not have: events, and fields of an event. Each once."""
    events, _ = documented()
    found = set()
    for record in records:
        event = record["message"]
        if event not in events:
            found.add(f"{event} is not documented")
        else:
            found |= {f"{event} is not documented to have {field}" for field in record.keys() - ALWAYS - events[event]}
    return sorted(found)
