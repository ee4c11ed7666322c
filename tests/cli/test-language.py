#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Texts for people follow the reader's language; JSON, logs and names never do. Needs no OpenBao.

Usage: test-language.py PROVIDER EXAMPLE_CONFIG LOCALE_SHIM LOCALE_FOLDER
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import yaml

PROVIDER, EXAMPLE, SHIM, LOCALES = sys.argv[1:5]
COMMAND = re.compile(r'^  ([a-z][a-z-]*(?: [a-z-]+)?)  +\S', re.MULTILINE)


def run(*arguments, language='de', check=None):
    kept = {name: os.environ[name] for name in os.environ if name == 'PATH' or name.endswith('SAN_OPTIONS')}
    with tempfile.TemporaryDirectory() as locales:
        # C.UTF-8 is there on every machine, but under that name glibc 2.41 translates nothing.
        os.symlink('/usr/lib/locale/C.utf8', f'{locales}/xx_XX.utf8')
        environment = {**kept, 'LC_ALL': 'xx_XX.UTF-8', 'LOCPATH': locales, 'LANGUAGE': language,
                       'LD_PRELOAD': SHIM, 'LOCALE_SHIM': LOCALES}
        return subprocess.run([PROVIDER, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False, timeout=30, env=environment)


class Language(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        self.config = self.directory / 'config.yaml'
        self.document = yaml.safe_load(pathlib.Path(EXAMPLE).read_text(encoding='utf-8'))
        self.document['state'] = {'path': str(self.directory / 'absent' / 'state.json')}
        # where every build allows it
        self.document['server'] |= {'socketPath': '/run/openbao-kms/absent/kms.sock', 'socketGroup': os.getgid()}
        self.write(yaml.safe_dump(self.document))

    def write(self, text):
        self.config.write_text(text, encoding='utf-8')
        self.config.chmod(0o640)

    def test_help_is_translated(self):
        whole = run('--help').stdout
        self.assertIn('\nBefehle:\n', whole)
        names = COMMAND.findall(whole.split('Befehle:\n')[1].split('\n\n')[0])
        self.assertGreater(len(names), 10)
        english = run('--help', language='en').stdout
        self.assertEqual(names, COMMAND.findall(english.split('Commands:\n')[1].split('\n\n')[0]))
        for name in names:
            text = run(*name.split(), '--help').stdout
            self.assertIn('\nBeispiel:\n  ', text)
            self.assertIn('Diese Hilfe anzeigen', text)

    def test_messages_are_translated(self):
        self.assertEqual(run('versoin').stderr, 'bao-kms-provider: unbekannter Befehl »versoin«; war »version« gemeint?\n')
        self.write('configVersion: v1alpha1\nserver:\n  socketGruop: x\n')
        lines = run('config', '--config', self.config).stderr.splitlines()
        self.assertIn(f'{self.config}:3:3: server.socketGruop: unbekanntes Feld; war »server.socketGroup« gemeint?', lines)
        self.assertEqual(lines[-1], f'bao-kms-provider: {len(lines) - 1} Probleme in »{self.config}«')

    def test_reports_for_people_are_translated(self):
        text = run('config', '--config', self.config).stdout
        self.assertTrue(text.startswith('Konfiguration  '))
        self.assertRegex(text, r'(?m)^transit\.keyName +kubernetes +file$')
        self.assertIn('Erstellt am', run('version').stdout)

    def judge(self, encryption_config, language):
        """What doctor makes of a machine: verdicts and commands, which are the same in every language."""
        path = self.directory / 'encryption.yaml'
        path.write_text(encryption_config, encoding='utf-8')
        result = run('doctor', '--before-start', '--config', self.config, '--encryption-config', path, language=language)
        return {'exit': result.returncode, 'verdicts': re.findall(r'(?m)^\[(\w+)\] +([a-z0-9_.]+)', result.stdout),
                'commands': re.findall(r'(?m)^ {14}(.*)', result.stdout)}, result.stdout

    def test_doctor_judges_alike_in_every_language(self):
        self.document['openbao']['address'] = 'https://127.0.0.1:1'
        self.write(yaml.safe_dump(self.document))
        head = 'apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n'
        for entry in ('- resources: &all [secrets]\n  providers:\n  - identity: {}\n',
                      '- resources: *all\n  providers:\n  - identity: {}\n', '- resources: [secrets]\n  providers: [\n',
                      '- resources: [secrets, secrets]\n  providers:\n  - identity: {}\n'):
            with self.subTest(entry=entry):
                (german, text), (english, _) = (self.judge(head + entry, language) for language in ('de', 'en'))
                self.assertEqual(german, english)
                self.assertIn(('skip' if 'all' in entry else 'fail', 'kubernetes.encryption_config'), german['verdicts'], text)
                self.assertTrue(german['commands'], text)
                self.assertNotIn(' checks: ', text)

    def assert_same(self, *arguments, code=0):
        """For programs: byte for byte, but for times."""
        found = []
        for language in ('de', 'en'):
            result = run(*arguments, language=language)
            self.assertEqual(result.returncode, code, result.stderr)
            found.append(re.sub(r'"(ts|duration_?ms|durationMs|pid)": ?[^,\n}]+', '', result.stdout + result.stderr))
        self.assertEqual(*found)
        self.assertGreater(len(found[0]), 20)

    def test_json_is_not(self):
        self.assert_same('version', '--output', 'json')
        self.assert_same('config', '--output', 'json', '--config', self.config)
        self.assert_same('probe', '--output', 'json', '--socket', self.directory / 'absent.sock', code=4)
        self.assert_same('config', 'schema')
        self.assert_same('init', '--schema')
        self.assert_same('schema')
        self.assert_same('policy', 'openbao', '--config', self.config)

    def test_logs_are_not(self):
        self.assert_same('serve', '--config', self.config, code=5)


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
