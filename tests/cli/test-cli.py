#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The command line from outside: exit codes, where things are printed, help, reports, the schema. Needs no OpenBao.

Usage: test-cli.py PROVIDER EXAMPLE_CONFIG
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import jsonschema
import yaml

PROVIDER, EXAMPLE = sys.argv[1:3]
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith('BAO_KMS_PROVIDER_')}

# The commands, as "--help" lists them
COMMAND = re.compile(r'^  ([a-z][a-z-]*(?: [a-z-]+)?)  +\S', re.MULTILINE)


def run(*arguments, stdout=subprocess.PIPE, **environment):
    return subprocess.run([PROVIDER, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=stdout,
                          stderr=subprocess.PIPE, text=True, check=False, timeout=30, env=CLEAN | environment)


def commands():
    listed = run('--help').stdout.split('Commands:\n')[1].split('\n\n')[0]
    return [name.split() for name in COMMAND.findall(listed)]


class CommandLine(unittest.TestCase):
    def assert_usage(self, result, *parts):
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertEqual(result.stdout, '')
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertTrue(result.stderr.startswith('bao-kms-provider: '), result.stderr)
        for part in parts:
            self.assertIn(part, result.stderr)

    def test_help_of_the_whole(self):
        for arguments in (['--help'], ['-h'], ['--config', '/x', '--help']):
            result = run(*arguments)
            self.assertEqual((result.returncode, result.stderr), (0, ''))
            self.assertTrue(result.stdout.startswith('Usage:\n  bao-kms-provider COMMAND [OPTION'))
            for name in ('--config', '--log-level', '--metrics-address', '--health-address', '--help', '--version'):
                self.assertIn(name, result.stdout)
        for name in (['config'], ['config', 'schema'], ['policy', 'openbao'], ['version']):
            self.assertIn(name, commands())

    def test_help_of_each_command(self):
        for command in commands():
            with self.subTest(command):
                result = run(*command, '--help')
                self.assertEqual((result.returncode, result.stderr), (0, ''))
                self.assertTrue(result.stdout.startswith(f'Usage:\n  bao-kms-provider {" ".join(command)} [OPTION'))
                self.assertRegex(result.stdout, r'\nExample:\n  \S*bao-kms-provider ' + ' '.join(command))
                self.assertEqual(result.stdout, run('--help', *command).stdout)
                self.assertEqual(result.stdout, run(*command, '-h').stdout)

    def test_every_report_has_a_schema(self):
        listed = run('schema', '--list').stdout.split()
        reports = [' '.join(command) for command in commands() if '--output=' in run(*command, '--help').stdout]
        self.assertGreater(len(reports), 5)
        self.assertEqual(listed, sorted(reports))

    def test_help_of_a_group(self):
        result = run('policy', '--help')
        self.assertEqual(result.returncode, 0)
        self.assertIn('policy openbao', result.stdout)
        self.assertNotIn('\n  version', result.stdout)

    def test_version_option(self):
        for arguments in (['--version'], ['--version', 'config'], ['config', '--version']):
            result = run(*arguments)
            self.assertEqual(result.returncode, 0)
            self.assertEqual(result.stdout, run('version').stdout)

    def test_wrong_usage(self):
        self.assert_usage(run(), 'a command is missing', '--help')
        self.assert_usage(run('versoin'), 'unknown command "versoin"', 'did you mean "version"?')
        self.assert_usage(run('zzzzzzzz'), 'unknown command "zzzzzzzz"', 'bao-kms-provider --help')
        self.assert_usage(run(''), 'unknown command ""')
        self.assert_usage(run('policy'), '"policy" needs a subcommand')
        self.assert_usage(run('policy', 'openboa'), 'did you mean "policy openbao"?')
        self.assert_usage(run('--nonsense'), '--nonsense', 'bao-kms-provider --help')
        self.assert_usage(run('version', '--nonsense'), '--nonsense', 'bao-kms-provider version --help')
        self.assert_usage(run('version', 'more'), 'unexpected argument "more"')
        self.assert_usage(run('version', '--', 'more'), 'unexpected argument')
        self.assert_usage(run('config', '--config'), '--config')
        self.assert_usage(run('version', '--output', 'xml'), '"xml"')
        self.assert_usage(run('config', 'schema', '--output', 'json'), '--output')
        self.assert_usage(run('policy', 'openbao', '--include-token-renewal=maybe'), '"maybe"')

    def test_output_that_cannot_be_written(self):
        with open('/dev/full', 'w', encoding='utf-8') as full:
            for command in (['version'], ['config', 'schema'], ['--help']):
                result = run(*command, stdout=full)
                self.assertEqual(result.returncode, 1)
                self.assertIn('No space left on device', result.stderr)

    def test_version(self):
        text = run('version').stdout
        report = json.loads(run('version', '--output=json').stdout)
        self.assertEqual(set(report), {'version', 'commit', 'buildDate', 'libraries'})
        self.assertEqual(set(report['libraries']), {'grpcCore', 'nss', 'curl', 'glib'})
        self.assertRegex(report['version'], r'^\d+\.\d+\.\d+')
        self.assertRegex(report['commit'], r'^([0-9a-f]{12,40}(-dirty)?|(deb|rpm)-\d\S+|unknown)$')
        self.assertRegex(report['buildDate'], r'^\d{4}-\d\d-\d\d$')
        for value in [report['version'], report['commit'], report['buildDate'], *report['libraries'].values()]:
            self.assertRegex(value, r'^\S+$')
            self.assertIn(value, text)

    def test_untranslated_language(self):
        """A locale without a translation, or one that is not there, changes nothing and disturbs nothing."""
        for language in ('C', 'de_DE.UTF-8', 'nonsense'):
            result = run('version', '--output', 'json', LC_ALL=language)
            self.assertEqual((result.returncode, result.stderr), (0, ''))
            json.loads(result.stdout)


class Configuration(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.path = pathlib.Path(self.directory.name, 'config.yaml')
        self.document = yaml.safe_load(pathlib.Path(EXAMPLE).read_text(encoding='utf-8'))
        self.write()

    def write(self, text=None):
        self.path.write_text(yaml.safe_dump(self.document) if text is None else text, encoding='utf-8')
        self.path.chmod(0o640)

    def report(self, *arguments, **environment):
        result = run('config', '--output', 'json', '--config', self.path, *arguments, **environment)
        self.assertEqual((result.returncode, result.stderr), (0, ''))
        return json.loads(result.stdout)

    def test_report(self):
        report = self.report()
        self.assertEqual(set(report), {'configFile', 'fingerprint', 'fields'})
        self.assertEqual(report['configFile'], str(self.path))
        self.assertRegex(report['fingerprint'], r'^cfg1\.[A-Za-z0-9_-]{43}$')
        fields = report['fields']
        self.assertEqual(fields['transit.keyName'],
                         {'value': self.document['transit']['keyName'], 'origin': 'file', 'reload': 'when-proved'})
        self.assertEqual(fields['server.maxConcurrentDecrypt'], {'value': 64, 'origin': 'default', 'reload': 'at-once'})
        self.assertEqual(fields['rotation.rejectVersionRollback'],
                         {'value': True, 'origin': 'default', 'reload': 'at-once'})
        self.assertEqual(fields['state.path']['reload'], 'refused')
        self.assertEqual(fields['server.allowedUids'], {'value': [], 'origin': 'default', 'reload': 'at-once'})
        self.assertEqual(fields['auth.loginTimeout'], {'value': '5s', 'origin': 'default', 'reload': 'at-once'})
        text = run('config', '--config', self.path).stdout
        self.assertIn(report['fingerprint'], text)
        self.assertRegex(text, r'(?m)^transit\.keyName +kubernetes +file$')
        self.assertRegex(text, r'(?m)^openbao\.timeout +2s +default$')
        self.assertNotIn('auth.cert.pkcs11.uri', text)

    def test_the_fingerprint_depends_on_the_identity_alone(self):
        before = self.report()['fingerprint']
        self.document['openbao']['timeout'] = '9s'
        self.write()
        self.assertEqual(self.report()['fingerprint'], before)
        self.document['transit']['keyIdScope']['clusterId'] = 'another'
        self.write()
        self.assertNotEqual(self.report()['fingerprint'], before)

    def test_origins(self):
        self.document['logging'] = {'level': 'error'}
        self.write()
        level = 'BAO_KMS_PROVIDER_LOG_LEVEL'

        def fields(*arguments, **environment):
            return self.report(*arguments, **environment)['fields']
        self.assertEqual(fields()['logging.level'], {'value': 'error', 'origin': 'file', 'reload': 'at-once'})
        self.assertEqual(fields(**{level: 'warn'})['logging.level'],
                         {'value': 'warn', 'origin': 'environment', 'reload': 'at-once'})
        self.assertEqual(fields('--log-level', 'debug', **{level: 'warn'})['logging.level'],
                         {'value': 'debug', 'origin': 'flag', 'reload': 'at-once'})
        self.assertEqual(fields('--metrics-address=')['server.metricsAddress'],
                         {'value': '', 'origin': 'flag', 'reload': 'at-once'})

    def test_global_options_before_the_command(self):
        result = run('--config', self.path, '--health-address', 'unix:/x', 'config', '--output', 'json')
        self.assertEqual(json.loads(result.stdout)['fields']['server.healthAddress'],
                         {'value': 'unix:/x', 'origin': 'flag', 'reload': 'at-once'})

    def test_path_from_the_environment(self):
        for name in ('BAO_KMS_PROVIDER_CONFIG', 'BAO_KMS_PROVIDER_CONFIG_PATH'):
            result = run('config', '--output', 'json', **{name: str(self.path)})
            self.assertEqual(json.loads(result.stdout)['configFile'], str(self.path))

    def test_problems(self):
        self.write('configVersion: v1alpha1\nserver:\n  socketGruop: x\nnonsense: 1\n')
        for command in (['config'], ['policy', 'openbao']):
            result = run(*command, '--config', self.path, '--log-level', 'loud')
            self.assertEqual((result.returncode, result.stdout), (3, ''))
            lines = result.stderr.splitlines()
            self.assertIn('--log-level: logging.level: must be "debug", "info", "warn" or "error"', lines)
            self.assertIn(f'{self.path}:3:3: server.socketGruop: unknown field; did you mean "server.socketGroup"?',
                          lines)
            self.assertIn(f'{self.path}:2:1: server.socketGroup: is missing; it is required', lines)
            self.assertIn(f'{self.path}:4:1: nonsense: unknown field', lines)
            self.assertEqual(lines[-1], f'bao-kms-provider: {len(lines) - 1} problems in "{self.path}"')

    def test_a_file_that_cannot_be_read(self):
        for path, reason in ((self.path.with_name('absent'), 'No such file'), (self.path.parent, 'regular file')):
            result = run('config', '--config', path)
            self.assertEqual((result.returncode, result.stdout), (3, ''))
            self.assertEqual(len(result.stderr.splitlines()), 1)
            self.assertIn(reason, result.stderr)
        self.path.chmod(0o644)
        self.assertIn('0004', run('config', '--config', self.path).stderr)

    def test_policy(self):
        with_renewal = run('policy', 'openbao', '--config', self.path)
        self.assertEqual((with_renewal.returncode, with_renewal.stderr), (0, ''))
        self.assertEqual(with_renewal.stdout,
                         run('policy', 'openbao', '--include-token-renewal=true', '--config', self.path).stdout)
        without = run('policy', 'openbao', '--include-token-renewal', 'false', '--config', self.path).stdout
        paths = re.findall(r'(?m)^path "(.*)"', with_renewal.stdout)
        self.assertEqual(paths, ['transit/keys/kubernetes', 'transit/config/keys', 'transit/encrypt/kubernetes',
                                 'transit/decrypt/kubernetes', 'sys/capabilities-self', 'auth/token/renew-self'])
        self.assertEqual(re.findall(r'(?m)^path "(.*)"', without), paths[:-1])


class Schema(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.schema = json.loads(run('config', 'schema').stdout)
        cls.validator = jsonschema.Draft202012Validator(cls.schema)

    def setUp(self):
        self.document = yaml.safe_load(pathlib.Path(EXAMPLE).read_text(encoding='utf-8'))

    def wrong(self):
        """Returns: what the schema finds, as "PATH: KEYWORD"."""
        return sorted(f'{".".join(map(str, error.absolute_path))}: {error.validator}'
                      for error in self.validator.iter_errors(self.document))

    def test_it_is_a_schema(self):
        jsonschema.Draft202012Validator.check_schema(self.schema)
        self.assertEqual(self.schema['$schema'], 'https://json-schema.org/draft/2020-12/schema')

    def test_it_takes_the_example(self):
        self.assertEqual(self.wrong(), [])

    def test_it_takes_what_config_shows(self):
        """Every default has the form that its field must have."""
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory, 'config.yaml')
            path.write_text(yaml.safe_dump(self.document), encoding='utf-8')
            path.chmod(0o600)
            fields = json.loads(run('config', '--output', 'json', '--config', path).stdout)['fields']
        document = {}
        for name, field in fields.items():
            *sections, leaf = name.split('.')
            if name == 'auth.cert.pkcs11.maxSessions':  # not given, and no default
                continue
            at = document
            for section in sections:
                at = at.setdefault(section, {})
            at[leaf] = field['value']
        self.document = document
        self.assertEqual(self.wrong(), [])

    def test_it_describes_every_field(self):
        fields = []

        def walk(schema, path):
            for name, member in schema['properties'].items():
                if 'properties' in member:
                    self.assertIs(member['additionalProperties'], False)
                    walk(member, [*path, name])
                else:
                    fields.append('.'.join([*path, name]))
                    self.assertTrue(member['description'].endswith('.'))
        walk(self.schema, [])
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory, 'config.yaml')
            path.write_text(yaml.safe_dump(self.document), encoding='utf-8')
            path.chmod(0o600)
            shown = json.loads(run('config', '--output', 'json', '--config', path).stdout)['fields']
        self.assertEqual(fields, list(shown))

    def test_it_refuses(self):
        server, auth = self.document['server'], self.document['auth']
        server['socketGrup'] = 'x'
        server['maxConcurrentStatus'] = 0
        server['socketMode'] = '0999'
        self.document['openbao']['address'] = 'http://x'
        self.document['openbao']['timeout'] = '5'
        del auth['jwt']['jwtFile']
        self.assertEqual(self.wrong(), ['auth.jwt: required', 'openbao.address: pattern', 'openbao.timeout: pattern',
                                        'server.maxConcurrentStatus: minimum', 'server.socketMode: pattern',
                                        'server: additionalProperties'])

    def test_conditions(self):
        auth = self.document['auth']
        auth['jwt'] |= {'source': 'oauth2'}
        self.assertEqual(self.wrong(), ['auth.jwt: required'] * 3)  # two here, and the section inside
        auth['method'] = 'cert'
        auth['cert'] = {'mountPath': 'auth/cert', 'source': 'pkcs11', 'pkcs11': {'maxSessions': 2, 'uri': ''}}
        self.assertEqual(self.wrong(), ['auth.cert.pkcs11: required'] * 5)
        auth['cert']['pkcs11']['uri'] = 'pkcs11:object=a'
        self.assertEqual(self.wrong(), [])
        del auth['cert']
        self.assertEqual(self.wrong(), ['auth: required'] * 2)


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
