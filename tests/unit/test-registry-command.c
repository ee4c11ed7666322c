/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands on the key's history tell people: units and times. */
#include "cli/registry-command.h"

#define USUAL "bao-kms-provider.socket bao-kms-provider.service"

/* Spec deployment.md, "Several instances" */
static void
test_units (void)
{
  static const struct
  {
    const char *config_path;
    const char *units;
  } cases[] = {
    { "/etc/openbao-kms/config.yaml", USUAL },
    { "/etc/openbao-kms/new-key.yaml", "bao-kms-provider@new-key.socket bao-kms-provider@new-key.service" },
    { "/etc/openbao-kms/a.b_2.yaml", "bao-kms-provider@a.b_2.socket bao-kms-provider@a.b_2.service" },
    { "/etc/openbao-kms/.yaml", USUAL },
    { "/etc/openbao-kms/config.json", USUAL },
    { "/etc/openbao-kms/a b.yaml", USUAL },
    { "/etc/openbao-kms/below/other.yaml", USUAL },
    { "other.yaml", USUAL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *units = obk_registry_command_name_units (cases[i].config_path);

      g_assert_cmpstr (units, ==, cases[i].units);
    }
}

/* What a shell makes one word of. */
static void
test_config_option (void)
{
  g_autofree char *none = obk_registry_command_config_option (NULL);
  g_autofree char *some = obk_registry_command_config_option ("/etc/openbao-kms/a b.yaml");

  g_assert_cmpstr (none, ==, "");
  g_assert_cmpstr (some, ==, " --config '/etc/openbao-kms/a b.yaml'");
}

/* As date(1) says them; what RFC 3339 has no form for becomes the nearest that it has. */
static void
test_times (void)
{
  static const struct
  {
    gint64 unix_s;
    const char *text;
  } cases[] = {
    { 0, "1970-01-01T00:00:00Z" },          { 1764094265, "2025-11-25T18:11:05Z" },
    { 951782400, "2000-02-29T00:00:00Z" },  { 253402300799, "9999-12-31T23:59:59Z" },
    { G_MAXINT64, "9999-12-31T23:59:59Z" }, { -1, "1970-01-01T00:00:00Z" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = obk_registry_command_time (cases[i].unix_s);

      g_assert_cmpstr (text, ==, cases[i].text);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cli/registry-command/units", test_units);
  g_test_add_func ("/cli/registry-command/config-option", test_config_option);
  g_test_add_func ("/cli/registry-command/times", test_times);
  return g_test_run ();
}
