/* SPDX-License-Identifier: Apache-2.0 */
/* "status": the running provider at one glance, from its health and metrics addresses. */
#include "cli/command.h"

#include "base/canonical-json.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/error.h"
#include "base/json.h"
#include "base/names.h"
#include "cli/registry-command.h"
#include "observe/metrics-reading.h"
#include "observe/web-client.h"

#include <glib/gi18n.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_MS 3000
#define SAMPLE_SECONDS 1 /* between the two readings that a rate needs */
#define WATCH_SECONDS 2
#define CLEAR_SCREEN "\033[H\033[2J"
#define MAX_ADDRESSES 64

static gboolean want_watch = FALSE;
static volatile sig_atomic_t interrupted = 0;

/* One look. */
typedef struct
{
  json_t *ready;              /* (nullable): the page's object */
  GError *failure;            /* (nullable): why there is none */
  ObkMetricsReading *reading; /* (nullable) */
  gint64 read_us;
} Look;

static void
look_clear (Look *look)
{
  g_clear_pointer (&look->ready, json_decref);
  g_clear_error (&look->failure);
  g_clear_pointer (&look->reading, obk_metrics_reading_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Look, look_clear)

static void
read_metrics (Look *look, const ObkConfig *config)
{
  g_autofree char *text = NULL;
  guint status = 0;

  if (*config->server.metrics_address == '\0')
    return;
  text = obk_web_client_get (config->server.metrics_address, "/metrics", ANSWER_MS, &status, NULL);
  if (text != NULL && status == 200)
    look->reading = obk_metrics_reading_new (text);
  look->read_us = obk_clock_boot_us ();
}

static void
read_ready (Look *look, const ObkConfig *config)
{
  g_autofree char *text = NULL;
  guint status = 0;

  if (*config->server.health_address == '\0')
    {
      g_set_error_literal (&look->failure, OBK_ERROR, OBK_ERROR_CONFIG_INVALID,
                           "server.healthAddress is empty: there is nothing to ask");
      return;
    }
  text = obk_web_client_get (config->server.health_address, "/ready", ANSWER_MS, &status, &look->failure);
  if (text == NULL)
    return;
  look->ready = obk_json_parse (text, strlen (text), &look->failure);
  if (look->ready != NULL && (json_object_get (look->ready, "conditions") == NULL || (status != 200 && status != 503)))
    {
      g_clear_pointer (&look->ready, json_decref);
      g_set_error (&look->failure, OBK_ERROR, OBK_ERROR_CONNECTION_FAILED, "what answers at \"%s\" is no provider",
                   config->server.health_address);
    }
}

/* Identifiers and times, all of them plain words: what is not might do something to a terminal. */
static const char *
text_of (const json_t *object, const char *name)
{
  const char *text = json_string_value (json_object_get (object, name));

  for (const char *at = text; at != NULL && *at != '\0'; at++)
    if (!g_ascii_isgraph (*at))
      return "?";
  return text != NULL ? text : "";
}

static guint
version_of (const json_t *object)
{
  json_int_t version = json_integer_value (json_object_get (object, "version"));

  return (guint)CLAMP (version, 0, G_MAXUINT32);
}

static gboolean
is_healthy (const Look *look)
{
  return look->ready != NULL && g_str_equal (text_of (look->ready, "status"), OBK_HEALTHZ_OK);
}

/* What both forms of the report show */

static const char *const methods[] = { OBK_METHOD_NAME_STATUS, OBK_METHOD_NAME_ENCRYPT, OBK_METHOD_NAME_DECRYPT };

static const struct
{
  ObkMetric metric;
  const char *member; /* of the JSON form */
  const char *label;
} lifetimes[] = {
  { OBK_METRIC_TOKEN_TTL, "tokenSeconds", N_ ("token") },
  { OBK_METRIC_JWT_TTL, "identityTokenSeconds", N_ ("identity token") },
  { OBK_METRIC_CERTIFICATE_TTL, "certificateSeconds", N_ ("client certificate") },
  { OBK_METRIC_CREDENTIAL_HORIZON, "horizonSeconds", N_ ("first to run out") },
};

static const char *
auth_method (const Look *look)
{
  double one = 0;

  if (obk_metrics_reading_get (look->reading, OBK_METRIC_AUTH_METHOD, "cert", &one))
    return "cert";
  return obk_metrics_reading_get (look->reading, OBK_METRIC_AUTH_METHOD, "jwt", &one) ? "jwt" : NULL;
}

/* Returns: whether there is an address of that index; @healthy: (out) */
static gboolean
address_of (const Look *look, guint index, gboolean *healthy)
{
  g_autofree char *text = g_strdup_printf ("%u", index);
  double value = 0;

  if (index >= MAX_ADDRESSES
      || !obk_metrics_reading_get (look->reading, OBK_METRIC_OPENBAO_ADDRESS_HEALTHY, text, &value))
    return FALSE;
  *healthy = value > 0;
  return TRUE;
}

static double
seconds_between (const Look *before, const Look *now)
{
  return (double)MAX (now->read_us - before->read_us, 1) / G_USEC_PER_SEC;
}

/* Text */

static void
print_conditions (const Look *look)
{
  const json_t *condition = NULL;
  size_t i = 0;

  json_array_foreach (json_object_get (look->ready, "conditions"), i, condition)
    if (g_str_equal (text_of (condition, "status"), OBK_STATUS_ERROR))
      obk_registry_command_print_row ("", "%s: %s", text_of (condition, "name"), text_of (condition, "reason"));
  if (json_is_true (json_object_get (look->ready, "persistence_degraded")))
    obk_registry_command_print_row ("", "%s", _ ("the registry cannot be saved"));
}

static void
print_key (const Look *look)
{
  const json_t *key = json_object_get (look->ready, "key");
  const json_t *pending = json_object_get (look->ready, "pending");

  if (key != NULL)
    obk_registry_command_print_row (_ ("key version"), "%u (%s)", version_of (key), text_of (key, "key_id_hash"));
  if (pending != NULL && json_object_get (pending, "expected_promotion") != NULL)
    obk_registry_command_print_row (_ ("pending version"), _ ("%u, used from %s on at the earliest"),
                                    version_of (pending), text_of (pending, "expected_promotion"));
  else if (pending != NULL)
    obk_registry_command_print_row (_ ("pending version"), "%u", version_of (pending));
}

static void
print_way (const Look *look)
{
  g_autoptr (GString) addresses = g_string_new (NULL);
  g_autoptr (GString) credential = g_string_new (auth_method (look));
  gboolean healthy = FALSE;

  for (guint i = 0; address_of (look, i, &healthy); i++)
    g_string_append_printf (addresses, healthy ? _ ("%s#%u in use") : _ ("%s#%u out"), i > 0 ? ", " : "", i);
  obk_registry_command_print_row (_ ("addresses"), "%s", addresses->str);
  for (gsize i = 0; i < G_N_ELEMENTS (lifetimes); i++)
    {
      double seconds = 0;
      g_autofree char *duration = NULL;

      if (!obk_metrics_reading_get (look->reading, lifetimes[i].metric, NULL, &seconds))
        continue;
      duration = obk_duration_format ((gint64)seconds * G_USEC_PER_SEC);
      g_string_append_printf (credential, "%s%s %s", credential->len > 0 ? ", " : "", _ (lifetimes[i].label), duration);
    }
  obk_registry_command_print_row (_ ("credential"), "%s", credential->str);
}

static void
print_calls (const Look *before, const Look *look)
{
  for (gsize i = 0; i < G_N_ELEMENTS (methods); i++)
    {
      g_autofree char *label = g_strconcat ("kms ", methods[i], NULL);
      double n = 0, p99_s = 0;

      if (!obk_metrics_reading_calls (look->reading, before->reading, OBK_METRIC_GRPC_DURATION, methods[i], &n, &p99_s))
        continue;
      if (n > 0)
        obk_registry_command_print_row (label, _ ("%.1f a second, p99 %.1f ms"), n / seconds_between (before, look),
                                        p99_s * 1000);
      else
        obk_registry_command_print_row (label, "%s", _ ("no calls"));
    }
}

static void
print_text (const Look *before, const Look *look)
{
  if (look->ready == NULL)
    obk_registry_command_print_row (_ ("status"), _ ("unknown: %s"), look->failure->message);
  else if (is_healthy (look))
    obk_registry_command_print_row (_ ("status"), "%s", _ ("healthy"));
  else
    obk_registry_command_print_row (_ ("status"), _ ("unhealthy: %s"), text_of (look->ready, "reason"));
  if (look->ready != NULL)
    {
      print_conditions (look);
      print_key (look);
    }
  if (look->reading == NULL)
    return;
  print_way (look);
  if (before->reading != NULL)
    print_calls (before, look);
}

/* JSON */

static void
add_ready (ObkCanonicalJson *json, const Look *look)
{
  const json_t *key = json_object_get (look->ready, "key");
  const json_t *pending = json_object_get (look->ready, "pending");
  const json_t *condition = NULL;
  size_t i = 0;

  obk_canonical_json_begin_array (json, "failing");
  json_array_foreach (json_object_get (look->ready, "conditions"), i, condition)
    {
      if (!g_str_equal (text_of (condition, "status"), OBK_STATUS_ERROR))
        continue;
      obk_canonical_json_begin_object (json, NULL);
      obk_canonical_json_string (json, "condition", text_of (condition, "name"));
      obk_canonical_json_string (json, "reason", text_of (condition, "reason"));
      obk_canonical_json_end_object (json);
    }
  obk_canonical_json_end_array (json);
  obk_canonical_json_boolean (json, "persistenceDegraded",
                              json_is_true (json_object_get (look->ready, "persistence_degraded")));
  if (key != NULL)
    {
      obk_canonical_json_int (json, "keyVersion", version_of (key));
      obk_canonical_json_string (json, "keyIdHash", text_of (key, "key_id_hash"));
    }
  if (pending == NULL)
    return;
  obk_canonical_json_begin_object (json, "pending");
  obk_canonical_json_int (json, "version", version_of (pending));
  if (json_object_get (pending, "expected_promotion") != NULL)
    obk_canonical_json_string (json, "expectedPromotion", text_of (pending, "expected_promotion"));
  obk_canonical_json_end_object (json);
}

static void
add_way (ObkCanonicalJson *json, const Look *look)
{
  gboolean healthy = FALSE;

  obk_canonical_json_begin_array (json, "addresses");
  for (guint i = 0; address_of (look, i, &healthy); i++)
    {
      obk_canonical_json_begin_object (json, NULL);
      obk_canonical_json_int (json, "index", i);
      obk_canonical_json_boolean (json, "healthy", healthy);
      obk_canonical_json_end_object (json);
    }
  obk_canonical_json_end_array (json);
  obk_canonical_json_begin_object (json, "credential");
  if (auth_method (look) != NULL)
    obk_canonical_json_string (json, "method", auth_method (look));
  for (gsize i = 0; i < G_N_ELEMENTS (lifetimes); i++)
    {
      double seconds = 0;

      if (obk_metrics_reading_get (look->reading, lifetimes[i].metric, NULL, &seconds))
        obk_canonical_json_int (json, lifetimes[i].member, (gint64)seconds);
    }
  obk_canonical_json_end_object (json);
}

static void
add_calls (ObkCanonicalJson *json, const Look *before, const Look *look)
{
  obk_canonical_json_begin_object (json, "calls");
  for (gsize i = 0; i < G_N_ELEMENTS (methods); i++)
    {
      double n = 0, p99_s = 0;

      if (!obk_metrics_reading_calls (look->reading, before->reading, OBK_METRIC_GRPC_DURATION, methods[i], &n, &p99_s))
        continue;
      obk_canonical_json_begin_object (json, methods[i]);
      obk_canonical_json_double (json, "perSecond", n / seconds_between (before, look));
      if (n > 0)
        obk_canonical_json_double (json, "p99Ms", p99_s * 1000);
      obk_canonical_json_end_object (json);
    }
  obk_canonical_json_end_object (json);
}

static void
print_json (const Look *before, const Look *look)
{
  g_autoptr (ObkCanonicalJson) json = obk_canonical_json_new (2);
  g_autofree char *text = NULL;

  obk_canonical_json_begin_object (json, NULL);
  obk_canonical_json_boolean (json, "healthy", is_healthy (look));
  if (look->ready != NULL)
    {
      obk_canonical_json_string (json, "reason", text_of (look->ready, "reason"));
      add_ready (json, look);
    }
  else
    {
      g_autofree char *message = g_utf8_make_valid (look->failure->message, -1);

      obk_canonical_json_string (json, "error", message);
    }
  if (look->reading != NULL)
    {
      add_way (json, look);
      if (before->reading != NULL)
        add_calls (json, before, look);
    }
  obk_canonical_json_end_object (json);
  text = obk_canonical_json_steal (json, NULL);
  puts (text);
}

/* The command */

static void
note_interrupt (int number)
{
  interrupted = 1;
}

static void
paint (const ObkGlobals *globals, const Look *before, const Look *look)
{
  if (want_watch && !globals->json && isatty (STDOUT_FILENO))
    fputs (CLEAR_SCREEN, stdout);
  if (globals->json)
    print_json (before, look);
  else
    print_text (before, look);
  fflush (stdout);
}

/* Until it is interrupted; a pause ends then, too. */
static gboolean
watch (const ObkGlobals *globals, const ObkConfig *config, Look *before)
{
  const struct sigaction action = { .sa_handler = note_interrupt };
  gboolean healthy = FALSE;

  (void)sigaction (SIGINT, &action, NULL);
  (void)sigaction (SIGTERM, &action, NULL);
  while (!interrupted && !ferror (stdout))
    {
      Look look = { NULL };

      (void)sleep (before->read_us == 0 ? SAMPLE_SECONDS : WATCH_SECONDS);
      if (interrupted)
        break;
      read_metrics (&look, config);
      read_ready (&look, config);
      paint (globals, before, &look);
      healthy = is_healthy (&look);
      look_clear (before);
      *before = look;
    }
  return healthy;
}

static ObkExit
run (const ObkGlobals *globals)
{
  g_autoptr (ObkConfig) config = obk_command_load_config (globals);
  g_auto (Look) before = { NULL };
  g_auto (Look) look = { NULL };

  if (config == NULL)
    return OBK_EXIT_CONFIG;
  read_metrics (&before, config);
  if (want_watch)
    return watch (globals, config, &before) ? OBK_EXIT_OK : OBK_EXIT_CHECK;
  if (before.reading != NULL)
    {
      (void)sleep (SAMPLE_SECONDS);
      read_metrics (&look, config);
    }
  read_ready (&look, config);
  paint (globals, &before, &look);
  return is_healthy (&look) ? OBK_EXIT_OK : OBK_EXIT_CHECK;
}

static const GOptionEntry *
options (void)
{
  static const GOptionEntry entries[] = {
    { "watch", 0, 0, G_OPTION_ARG_NONE, &want_watch, N_ ("Go on until interrupted, every two seconds"), NULL },
    G_OPTION_ENTRY_NULL,
  };

  return entries;
}

const ObkCommand obk_command_status = {
  .name = "status",
  .summary = N_ ("Show the running provider at one glance; exit code 4 when it is not healthy."),
  .details = N_ ("It asks server.healthAddress and server.metricsAddress of the configuration, not the socket and not "
                 "OpenBao. Calls a second and their p99 are of the time between two looks, a second apart without "
                 "--watch. A reason that is shown is one of /ready's; doctor finds its cause."),
  .example = OBK_PROGRAM " status --watch",
  .options = options,
  .run = run,
  .has_report = TRUE,
};
