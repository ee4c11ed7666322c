/* SPDX-License-Identifier: Apache-2.0 */
/* Prints docs/doctor.md, made from the table of checks. Part of the build, not of the product. */
#include "cli/doctor/check.h"

#include <stdio.h>

static const char introduction[]
    = "# doctor\n"
      "\n"
      "<!-- Made from src/cli/doctor/checks.c: change that, or docs/doctor-page.c, then run \"meson compile -C build "
      "doctor-page\". -->\n"
      "\n"
      "    bao-kms-provider doctor --encryption-config /etc/kubernetes/encryption.yaml\n"
      "\n"
      "checks all that the provider needs, from its files to OpenBao and the API server's configuration, and prints a "
      "line\n"
      "for each finding: `[ok]`, `[warn]`, `[fail]` or `[skip]`, the check, what was found; below a failure what to "
      "do about\n"
      "it, with the very commands. The first `[fail]` is where to begin: what depends on it is skipped. It changes "
      "nothing:\n"
      "no file, no socket, no lock, and in OpenBao nothing but a login (one that is denied is tried without a "
      "credential, "
      "which\n"
      "tells why), and bytes of its own encrypted and decrypted.\n"
      "\n"
      "Run it as root. It then works as the service's user would (a process of its own takes that user's ids): the "
      "user "
      "of\n"
      "the systemd unit, else the owner of the state's directory, as with a static pod, else `openbao-kms`; `--user` "
      "names\n"
      "another one. Run by somebody else it skips what that user may not see, and says so.\n"
      "\n"
      "| option | meaning |\n"
      "|---|---|\n"
      "| `--encryption-config FILE` | an EncryptionConfiguration of the API server; may be given several times |\n"
      "| `--before-start` | for provisioning: the provider need not run, nor be enabled, yet |\n"
      "| `--user USER[:GROUP]` | check as this user, by name or number |\n"
      "| `--output json` | for programs, by the schema that `bao-kms-provider schema --report doctor` prints |\n"
      "\n"
      "Exit code: 0 nothing has failed (warnings and skips may be there); 3 the configuration cannot be used "
      "(`config.load`,\n"
      "`config.validate`); 4 another check has failed.\n"
      "\n"
      "On a terminal commands hold the configured names of mount, key, auth method and role, to be copied; so does the "
      "text in\n"
      "a pipe. The JSON report leaves `<mount>`, `<key>`, `<auth>`, `<role>` and `<namespace>` in their "
      "place, since\n"
      "reports are kept and sent around. Colours are left out with `NO_COLOR` set.\n"
      "\n"
      "## Checks\n"
      "\n"
      "In this order.\n";

static void
print_needs (const ObkCheck *check)
{
  for (gsize i = 0; i < OBK_MAX_PREREQUISITES && check->needs[i] != NULL; i++)
    printf ("%s`%s`", i == 0 ? "\nNeeds: " : ", ", check->needs[i]);
  if (check->needs[0] != NULL)
    printf (".\n");
}

int
main (void)
{
  fputs (introduction, stdout);
  for (gsize i = 0; i < obk_n_checks (); i++)
    {
      const ObkCheck *check = &obk_checks[i];

      printf ("\n### %s\n\n%s\n", check->id, check->meaning);
      print_needs (check);
      printf ("\nWhat to do: %s\n", check->remedy);
    }
  return fflush (stdout) == 0 ? 0 : 1;
}
