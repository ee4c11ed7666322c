#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The commands on the key's history and "schema" from outside, as far as they need no OpenBao.

Usage: test-registry-commands.py PROVIDER EXAMPLE_CONFIG SCHEMAS
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import jsonschema
import yaml

PROVIDER, EXAMPLE, SCHEMAS = sys.argv[1:4]
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith('BAO_KMS_PROVIDER_')}
FILES = {path.name.removesuffix('.schema.json'): path for path in pathlib.Path(SCHEMAS).glob('*.schema.json')}
COMMANDS = (['rotation-plan'], ['verify-rotation'], ['retire-versions', '--before-version', '2'],
            ['restore-versions', '--versions', '1'], ['recover-state'])


def run(*arguments):
    return subprocess.run([PROVIDER, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False, timeout=30, env=CLEAN)


def validate(name, report):
    jsonschema.Draft202012Validator(json.loads(FILES[name].read_text(encoding='utf-8')),
                                    format_checker=jsonschema.FormatChecker()).validate(report)


class Schema(unittest.TestCase):
    def test_all(self):
        result = run('schema')
        self.assertEqual((result.returncode, result.stderr), (0, ''))
        self.assertEqual(json.loads(result.stdout),
                         {name: json.loads(path.read_text(encoding='utf-8')) for name, path in FILES.items()})

    def test_list(self):
        self.assertEqual(run('schema', '--list').stdout.split(), sorted(FILES))

    def test_one(self):
        for name, path in FILES.items():
            self.assertEqual(run('schema', '--report', name).stdout, path.read_text(encoding='utf-8'))

    def test_unknown(self):
        for name in ('nonsense', '', '../config', 'config.schema.json'):
            result = run('schema', '--report', name)
            self.assertEqual((result.returncode, result.stdout), (2, ''))
            self.assertEqual(len(result.stderr.splitlines()), 1)

    def test_every_report_has_one(self):
        listed = run('--help').stdout.split('Commands:\n')[1].split('\n\n')[0].splitlines()
        commands = [line[2:22].strip() for line in listed]
        reports = [command for command in commands if '--output=text|json' in run(*command.split(), '--help').stdout]
        self.assertEqual(sorted(reports), sorted(FILES))

    def test_they_are_schemas(self):
        for path in FILES.values():
            schema = json.loads(path.read_text(encoding='utf-8'))
            jsonschema.Draft202012Validator.check_schema(schema)
            self.assertEqual(schema['$schema'], 'https://json-schema.org/draft/2020-12/schema')

    def test_objects_are_closed(self):
        """So that a member which the schema does not name shows."""
        def walk(value):
            if isinstance(value, dict):
                if value.get('type') in ('object', ['object', 'null']):
                    self.assertIn('additionalProperties', value)
                for member in value.values():
                    walk(member)
            elif isinstance(value, list):
                for member in value:
                    walk(member)
        for path in FILES.values():
            walk(json.loads(path.read_text(encoding='utf-8')))

    def test_reports_that_need_nothing(self):
        validate('version', json.loads(run('version', '--output', 'json').stdout))
        validate('probe', json.loads(run('probe', '--socket', '/absent', '--output', 'json').stdout))


class Commands(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        self.document = yaml.safe_load(pathlib.Path(EXAMPLE).read_text(encoding='utf-8'))
        self.document['state'] = {'path': str(self.directory / 'state' / 'registry.json')}
        self.document['openbao']['address'] = 'https://127.0.0.1:1'
        self.config = self.directory / 'config.yaml'
        self.write()

    def write(self):
        self.config.write_text(yaml.safe_dump(self.document), encoding='utf-8')
        self.config.chmod(0o640)

    def test_config_report(self):
        validate('config', json.loads(run('config', '--output', 'json', '--config', self.config).stdout))

    def test_a_configuration_that_is_wrong(self):
        self.document['nonsense'] = 1
        self.write()
        for command in COMMANDS:
            result = run(*command, '--config', self.config)
            self.assertEqual((result.returncode, result.stdout), (3, ''), command)
            self.assertIn('nonsense: unknown field', result.stderr)

    def test_a_state_directory_that_is_missing(self):
        for command in COMMANDS:
            result = run(*command, '--config', self.config)
            self.assertEqual(result.returncode, 4, (command, result))
            self.assertRegex(result.stdout + result.stderr, 'state directory ".*" is missing: make it')

    def test_reports_of_nothing(self):
        """All that can fail fails, and the form is kept."""
        for command in ('rotation-plan', 'verify-rotation'):
            result = run(command, '--config', self.config, '--output', 'json')
            self.assertEqual((result.returncode, result.stderr), (4, ''))
            report = json.loads(result.stdout)
            validate(command, report)
            self.assertEqual({check['id']: check['result'] for check in report['checks']}['transit.profile'], 'skip')
            self.assertFalse(report['passed'])


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
