/* SPDX-License-Identifier: Apache-2.0 */
/* Prints docs/configuration.md, made from the field table. Part of the build, not of the product. */
#include "field-text.h"

#include "base/names.h"

#include <stdio.h>
#include <string.h>

static const char introduction[]
    = "# Configuration\n"
      "\n"
      "<!-- Made from src/config/field-table.c: change that, then run \"meson compile -C build reference-page\". -->\n"
      "\n"
      "One YAML file, `" OBK_DEFAULT_CONFIG
      "` unless `--config` or `BAO_KMS_PROVIDER_CONFIG` names another one, of at\n"
      "most 256 KiB of UTF-8; JSON is YAML too. It must belong to root or to the service's user, must not be a "
      "symbolic\n"
      "link, and nobody but its owner may write it, nor anyone outside its group read it.\n"
      "\n"
      "Unknown and duplicate fields, anchors, aliases, tags and further documents are refused. `bao-kms-provider "
      "config`\n"
      "lists everything that is wrong, with line and column, or shows the resolved configuration with the origin of "
      "each\n"
      "value; `bao-kms-provider config schema` prints a JSON Schema for editors.\n"
      "\n"
      "Durations are written like `90s`, `1h30m`, `500ms`, `0s`; a number needs its unit. A string that looks like a "
      "number\n"
      "or like `true`, `yes`, `off` is written in quotes. A field without a value is as if it were not there.\n"
      "\n"
      "`credential:NAME` stands for the systemd credential of that name, `$CREDENTIALS_DIRECTORY/NAME`. systemd copies "
      "it\n"
      "when the service starts: for a JWT that something renews it is the wrong choice.\n"
      "\n"
      "These override the file, an option before a variable; an empty variable counts as none:\n"
      "\n"
      "| field | option | variable |\n"
      "|---|---|---|\n"
      "| `logging.level` | `--log-level` | `BAO_KMS_PROVIDER_LOG_LEVEL`, else `BAO_KMS_PROVIDER_LOGGING_LEVEL` |\n"
      "| `server.metricsAddress` | `--metrics-address` | `BAO_KMS_PROVIDER_SERVER_METRICS_ADDRESS`, else "
      "`BAO_KMS_PROVIDER_SERVER_METRICSADDRESS` |\n"
      "| `server.healthAddress` | `--health-address` | `BAO_KMS_PROVIDER_SERVER_HEALTH_ADDRESS`, else "
      "`BAO_KMS_PROVIDER_SERVER_HEALTHADDRESS` |\n"
      "\n"
      "Approved directories for `server.socketPath` are `/run/openbao-kms` and `/var/run/openbao-kms`, unless meson "
      "was\n"
      "given other `socket_directories`.\n"
      "\n"
      "## Reload\n"
      "\n"
      "SIGHUP, as `systemctl reload bao-kms-provider` sends it, has the running provider read the file again, under "
      "the "
      "options and\n"
      "environment that it was started with. No connection and no call is dropped. The column \"reload\" below says "
      "what\n"
      "becomes of a field that has changed:\n"
      "\n"
      "- `at-once`: in force with the reload.\n"
      "- `when-proved`: a new way to OpenBao is opened beside the one in use: it logs in if anything of `auth` has "
      "changed,\n"
      "  reads the key, and shows that it is the key of the state. Then all new calls take it, and the former way is "
      "closed "
      "when\n"
      "  its last call is over. Until then the former way goes on. So a reload passes while OpenBao is away, and a "
      "mistake "
      "does\n"
      "  not take the API server down: the log (`session.changed`, the same reason once a minute) and `systemctl "
      "status` "
      "tell\n"
      "  what the new way waits for, and another SIGHUP tries it at once. When it leads to another key, or to none, "
      "the "
      "former\n"
      "  configuration is put back in force as a whole.\n"
      "- `refused`: needs a restart. Identity fields never change for a key that has written anything.\n"
      "\n"
      "A file with any error, a file that it names and that cannot be used (a CA file, a credential), or a change of "
      "a\n"
      "`refused` field leaves the configuration as it was, whole. Each problem is logged with its field "
      "(`config_field`), "
      "and\n"
      "one record `config.reloaded` says how it ended (`status`) and which fields changed (`config_fields`), never "
      "their\n"
      "values.\n"
      "\n"
      "Files that are named here are watched, or read anew for each use: a JWT, a client secret, a PIN, a client "
      "certificate or\n"
      "a CA file may be replaced at any time without a reload, also as Kubernetes does it, by a symbolic link to "
      "another\n"
      "directory on the way. A new CA file that cannot be used is logged, and the old trust stays.\n";

static const char values_introduction[]
    = "\n# Values for `init`\n"
      "\n"
      "`bao-kms-provider init --values FILE` takes all fields above, and a section `setup`, which a configuration "
      "does\n"
      "not have. The same rules and messages hold; environment and options do not count, and the file may be readable "
      "by\n"
      "all. `data/init-values.example.yaml` is one; `bao-kms-provider init --schema` prints a JSON Schema. These "
      "fields need\n"
      "not be given there:\n"
      "\n";

static gsize
section_length (const char *name)
{
  const char *dot = strrchr (name, '.');

  return dot != NULL ? (gsize)(dot - name) : 0;
}

static void
print_heading (const char *name, gsize length)
{
  if (length > 0)
    printf ("\n## %.*s\n", (int)length, name);
  else
    printf ("\n## Top\n");
  printf ("\n| field | type | default | rule | reload | meaning |\n|---|---|---|---|---|---|\n");
}

/* The rows from @row up to @end */
static void
print_rows (gsize row, gsize end)
{
  const char *last = NULL;

  for (gsize i = row; i < end; i++)
    {
      const ObkConfigField *field = &obk_config_fields[i];
      gsize length = section_length (field->name);
      g_autofree char *preset = field_default_text (field);
      g_autofree char *rules = field_rules_text (field);

      if (last == NULL || section_length (last) != length || strncmp (last, field->name, length) != 0)
        print_heading (field->name, length);
      printf ("| `%s` | %s | %s | %s | %s | %s |\n", field->name, field_type_text (field), preset, rules,
              obk_reload_name (field->reload), field->help);
      last = field->name;
    }
}

static void
print_suggested (void)
{
  printf ("| field | default in a values file |\n|---|---|\n");
  for (gsize i = 0; i < obk_config_n_fields (); i++)
    if (obk_config_fields[i].suggested != NULL)
      printf ("| `%s` | `%s` |\n", obk_config_fields[i].name, obk_config_fields[i].suggested);
}

int
main (void)
{
  fputs (introduction, stdout);
  print_rows (0, obk_config_n_fields ());
  fputs (values_introduction, stdout);
  print_suggested ();
  print_rows (obk_config_n_fields (), obk_config_n_fields_of_values ());
  return fflush (stdout) == 0 ? 0 : 1;
}
