#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The names that others depend on, in the specification's tables and in the program: metrics with their labels, buckets,
log events and fields, reasons, checks, commands. None is missing, and what the program has beyond them has its line in
docs/. What docs/observability.md says of metrics is held to the program by a test of the metrics' own.

Usage: test-specified.py SOURCE_ROOT
"""

import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(sys.argv[1])


def read(*path):
    return ROOT.joinpath(*path).read_text(encoding='utf-8')


SPEC, CLI, PAGE = (read('docs', *path) for path in (('spec', 'observability.md'), ('spec', 'cli.md'), ('observability.md',)))
NAMES = read('src', 'base', 'names.h')
UNIT_US = {'ms': 1000, 's': 1000000}


def between(text, start, end):
    return text.split(start, 1)[1].split(end, 1)[0]


def words(text):
    """What stands in backticks, without what is in parentheses: an example or a value."""
    return re.findall(r'`([^`]+)`', re.sub(r'\([^()]*\)', '', text))


def metrics(text):
    """Name to type and labels."""
    found = {}
    for names, kind, labels in re.findall(r'^\| ((?:`\w+`(?:, )?)+) \| (counter|gauge|histogram)[ 1]* \| ([^|\n]*)\|', text,
                                          re.MULTILINE):
        found |= {name: (kind, frozenset(words(labels))) for name in words(names)}
    return {name: value for name, value in found.items() if not name.startswith('process_')}


def defined(kind):
    return re.findall(rf'#define OBK_{kind}_\w+ "([^"]+)"', NAMES)


def first_column(text):
    return {name for cell in re.findall(r'^\| (`[^|]*) \|', text, re.MULTILINE) for name in words(cell)}


class Specified(unittest.TestCase):
    def test_metrics(self):
        self.assertGreater(len(metrics(SPEC)), 30)
        self.assertEqual(metrics(SPEC), metrics(PAGE))

    def test_buckets(self):
        table = between(read('src', 'base', 'metric.c'), 'obk_metric_buckets_us', ';')
        found = [int(number) for number in re.findall(r'\b\d+\b', between(table, '{', '}'))]
        wanted = []
        for numbers, unit in re.findall(r'([\d., ]+)(ms|s)\b', between(SPEC, 'Duration buckets:', '.\n')):
            wanted += [int(float(number) * UNIT_US[unit]) for number in numbers.split(',') if number.strip()]
        self.assertEqual(len(wanted), 14)
        self.assertEqual(found, wanted)

    def test_events(self):
        wanted, found = set(words(between(SPEC, 'Events: ', '.\n\n'))), set(defined('EVENT'))
        self.assertGreater(len(wanted), 10)
        self.assertEqual(wanted - found, set())
        self.assertEqual(found, first_column(between(PAGE, '| event |', '\n\n')))

    def test_fields(self):
        wanted = set(words(between(SPEC, 'Stable fields: ', '.\n\n').replace('and with debug', '')))
        found = set(defined('FIELD'))
        self.assertGreater(len(wanted), 10)
        self.assertEqual(wanted - found, set())
        self.assertEqual(found, first_column(between(PAGE, '| field |', '\n\n')))

    def test_reasons(self):
        wanted = words(between(SPEC, 'condition with its reason: ', '; and'))
        self.assertGreater(len(wanted), 15)
        self.assertEqual(sorted(wanted), sorted(defined('REASON')))
        listed = {reason for row in re.findall(r'^\| `\w+` \| [^|]* \| ([^|]*) \|$', between(PAGE, '| condition', '\n\n'),
                                               re.MULTILINE) for reason in words(row)}
        self.assertEqual(listed, set(wanted))

    def test_checks(self):
        wanted = words(between(CLI, 'Long waits show progress', '`kubernetes.encryption_config` accepts'))
        found = re.findall(r'\{ \.id = "([^"]+)"', read('src', 'cli', 'doctor', 'checks.c'))
        self.assertGreater(len(wanted), 20)
        self.assertEqual(wanted, found)

    def test_commands(self):
        rows = re.findall(r'^\| (`[^|]*) \| ', CLI.replace('\\|', '/'), re.MULTILINE)
        wanted = {' '.join(re.match(r'[a-z-]+(?: [a-z]+)?', name)[0].split()) for row in rows for name in words(row)}
        listed = between(read('tests', 'cli', 'help.txt'), 'Commands:\n', '\n\n')
        found = set(re.findall(r'^  ([a-z][a-z-]*(?: [a-z-]+)?)  +\S', listed, re.MULTILINE))
        self.assertGreater(len(wanted), 15)
        self.assertEqual(*({re.sub(r'^completion .*', 'completion', name) for name in names} for names in (wanted, found)))


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=1)
