/* SPDX-License-Identifier: Apache-2.0 */
/* "version": what was built, from what, and with which libraries. */
#include "cli/command.h"

#include "base/canonical-json.h"
#include "base/names.h"
#include "build-date.h"
#include "commit.h"
#include "config-build.h"

#include <curl/curl.h>
#include <glib/gi18n.h>
#include <grpc/grpc.h>
#include <nss.h>

#include <stdio.h>

typedef struct
{
  const char *name;  /* for people; a proper name */
  const char *field; /* in JSON */
  const char *version;
} Library;

static void
print_text (const Library *libraries, gsize n)
{
  printf ("%s %s\n", OBK_PROGRAM, OBK_VERSION);
  printf (_ ("commit      %s\n"), OBK_COMMIT);
  printf (_ ("build date  %s\n"), OBK_BUILD_DATE);
  for (gsize i = 0; i < n; i++)
    printf ("%-11s %s\n", libraries[i].name, libraries[i].version);
}

static void
print_json (const Library *libraries, gsize n)
{
  g_autoptr (ObkCanonicalJson) json = obk_canonical_json_new (2);
  g_autofree char *text = NULL;

  obk_canonical_json_begin_object (json, NULL);
  obk_canonical_json_string (json, "version", OBK_VERSION);
  obk_canonical_json_string (json, "commit", OBK_COMMIT);
  obk_canonical_json_string (json, "buildDate", OBK_BUILD_DATE);
  obk_canonical_json_begin_object (json, "libraries");
  for (gsize i = 0; i < n; i++)
    obk_canonical_json_string (json, libraries[i].field, libraries[i].version);
  obk_canonical_json_end_object (json);
  obk_canonical_json_end_object (json);
  text = obk_canonical_json_steal (json, NULL);
  puts (text);
}

static ObkExit
run (const ObkGlobals *globals)
{
  g_autofree char *glib = g_strdup_printf ("%u.%u.%u", glib_major_version, glib_minor_version, glib_micro_version);
  /* All as loaded, not as compiled against. */
  const Library libraries[] = {
    { "gRPC core", "grpcCore", grpc_version_string () },
    { "NSS", "nss", NSS_GetVersion () },
    { "curl", "curl", curl_version_info (CURLVERSION_NOW)->version },
    { "GLib", "glib", glib },
  };

  if (globals->json)
    print_json (libraries, G_N_ELEMENTS (libraries));
  else
    print_text (libraries, G_N_ELEMENTS (libraries));
  return OBK_EXIT_OK;
}

const ObkCommand obk_command_version = {
  .name = "version",
  .summary = N_ ("Show version, commit, build date and the versions of the libraries."),
  .example = OBK_PROGRAM " version --output json",
  .run = run,
  .has_report = TRUE,
};
