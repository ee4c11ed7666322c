# SPDX-License-Identifier: Apache-2.0
"""Latency distributions as a plain SVG: one panel for each number of callers, latency on a logarithmic axis."""

import math
from xml.sax.saxutils import escape

from figures import percentile

PANEL_WIDTH, PANEL_HEIGHT, GAP = 262, 220, 46
LEFT, TOP, BOTTOM = 62, 78, 62
FONT = "font-family=\"system-ui, 'Segoe UI', Helvetica, Arial, sans-serif\""
INK, QUIET, GRID = "#222222", "#666666", "#e2e2e2"
SHARES = [0.001, *(share / 200 for share in range(1, 200)), 0.999]
MARKS = (0.50, 0.95, 0.99)


def _time_label(us):
    if us < 1000:
        return f"{us:g} µs"
    return f"{us / 1000:g} ms" if us < 1e6 else f"{us / 1e6:g} s"


def _text(x, y, content, size=12, fill=INK, anchor="start", extra=""):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{fill}" text-anchor="{anchor}"{extra}>'
            f"{escape(content)}</text>")


class Panel:
    """One pair of axes."""

    def __init__(self, index, title, low, high):
        self.left = LEFT + index * (PANEL_WIDTH + GAP)
        self.title, self.low, self.high = title, low, high
        self.is_first = index == 0

    def x(self, us):
        span = math.log10(self.high) - math.log10(self.low)
        share = (math.log10(min(max(us, self.low), self.high)) - math.log10(self.low)) / span
        return self.left + share * PANEL_WIDTH

    def y(self, share):
        return TOP + (1 - share) * PANEL_HEIGHT

    def axes(self):
        parts = [_text(self.left + PANEL_WIDTH / 2, TOP - 12, self.title, 13, anchor="middle", extra=' font-weight="600"')]
        for share in (0, 0.25, 0.5, 0.75, 1):
            parts.append(f'<line x1="{self.left}" x2="{self.left + PANEL_WIDTH}" y1="{self.y(share):.1f}" '
                         f'y2="{self.y(share):.1f}" stroke="{GRID}"/>')
            if self.is_first:
                parts.append(_text(self.left - 8, self.y(share) + 4, f"{share:.0%}", 11, QUIET, "end"))
        for power in range(round(math.log10(self.low)), round(math.log10(self.high)) + 1):
            us = 10 ** power
            parts.append(f'<line x1="{self.x(us):.1f}" x2="{self.x(us):.1f}" y1="{TOP}" y2="{TOP + PANEL_HEIGHT}" '
                         f'stroke="{GRID}"/>')
            parts.append(_text(self.x(us), TOP + PANEL_HEIGHT + 18, _time_label(us), 11, QUIET, "middle"))
        return parts

    def curve(self, latencies, colour, dashed):
        points = " ".join(f"{self.x(percentile(latencies, share)):.1f},{self.y(share):.1f}" for share in SHARES)
        dash = ' stroke-dasharray="5 3"' if dashed else ""
        marks = [f'<circle cx="{self.x(percentile(latencies, share)):.1f}" cy="{self.y(share):.1f}" r="2.6" '
                 f'fill="{colour}"/>' for share in MARKS]
        return [f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.8"{dash}/>', *marks]


def draw(panels, curves, subtitle):
    """The SVG's text.

    panels: title -> name of a curve -> its latencies in microseconds, sorted.
    curves: name -> (colour, dashed), in the order of the legend.
    """
    everything = [(values[0], percentile(values, 0.999)) for curve in panels.values() for values in curve.values()]
    low = 10 ** math.floor(math.log10(min(first for first, _ in everything)))
    high = 10 ** math.ceil(math.log10(max(last for _, last in everything)))
    width = LEFT + len(panels) * (PANEL_WIDTH + GAP)
    height = TOP + PANEL_HEIGHT + BOTTOM
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
             f'height="{height}" {FONT} role="img" aria-label="Latency distributions">',
             f'<rect width="{width}" height="{height}" fill="#ffffff"/>']

    x = LEFT
    for name, (colour, dashed) in curves.items():
        dash = ' stroke-dasharray="5 3"' if dashed else ""
        parts.append(f'<line x1="{x}" x2="{x + 24}" y1="24" y2="24" stroke="{colour}" stroke-width="2.4"{dash}/>')
        parts.append(_text(x + 30, 28, name))
        x += 46 + 6.6 * len(name)

    for index, (title, values) in enumerate(panels.items()):
        panel = Panel(index, title, low, high)
        parts += panel.axes()
        for name, (colour, dashed) in curves.items():
            if name in values:
                parts += panel.curve(values[name], colour, dashed)

    middle = TOP + PANEL_HEIGHT / 2
    parts.append(_text(16, middle, "calls answered within", 12, QUIET, "middle", f' transform="rotate(-90 16 {middle})"'))
    parts.append(_text(width / 2, TOP + PANEL_HEIGHT + 38, "latency (logarithmic); dots: p50, p95, p99", 12, QUIET,
                       "middle"))
    parts.append(_text(width / 2, TOP + PANEL_HEIGHT + 55, subtitle, 11, QUIET, "middle"))
    return "\n".join(parts) + "\n</svg>\n"
