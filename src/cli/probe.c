/* SPDX-License-Identifier: Apache-2.0 */
/* "probe": Status, Encrypt and Decrypt of random bytes through the running socket, as the calling user. */
#include "cli/command.h"

#include "base/canonical-json.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/error.h"
#include "base/names.h"
#include "base/process.h"
#include "cli/sample.h"
#include "kms/client.h"

#include <glib/gi18n.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define UID "probe"

static char *socket_path = NULL;
static char *timeout_text = NULL;
static char *expected_key_id = NULL;

typedef enum
{
  STEP_CONNECT,
  STEP_STATUS,
  STEP_ENCRYPT,
  STEP_DECRYPT,
  N_STEPS
} StepId;

typedef enum
{
  STEP_SKIPPED,
  STEP_OK,
  STEP_FAILED
} StepResult;

typedef struct
{
  StepResult result;
  gint64 duration_us;
  char *detail; /* what was found, or why it failed */
} Step;

typedef struct
{
  const char *path;
  gint64 deadline_us; /* of all steps together */
  ObkKmsClient *client;
  ObkKmsStatus status;
  ObkSecret *plaintext;
  ObkKmsEncrypted encrypted;
  Step steps[N_STEPS];
} Probe;

static const char *const step_names[N_STEPS] = { "connect", "status", "encrypt", "decrypt" };
static const char *const result_names[] = { "skip", "ok", "fail" };

static void
probe_clear (Probe *probe)
{
  g_clear_pointer (&probe->client, obk_kms_client_free);
  g_clear_pointer (&probe->plaintext, obk_secret_unref);
  obk_kms_status_clear (&probe->status);
  obk_kms_encrypted_clear (&probe->encrypted);
  for (guint i = 0; i < N_STEPS; i++)
    g_free (probe->steps[i].detail);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Probe, probe_clear)

static gint64
time_left (const Probe *probe)
{
  return MAX (probe->deadline_us - obk_clock_boot_us (), 1);
}

/* The steps: each sets what it found, or an error. */

static gboolean
run_connect (Probe *probe, char **found, GError **error)
{
  probe->client = obk_kms_client_new (probe->path, time_left (probe), error);
  *found = g_strdup (probe->path);
  return probe->client != NULL;
}

static gboolean
check_key_id (const char *key_id, GError **error)
{
  if (expected_key_id == NULL || strcmp (key_id, expected_key_id) == 0)
    return TRUE;
  return obk_refuse (error, OBK_ERROR_UNKNOWN, _ ("key_id is \"%s\" and not \"%s\" as expected"), key_id,
                     expected_key_id);
}

static gboolean
run_status (Probe *probe, char **found, GError **error)
{
  const ObkKmsStatus *status = &probe->status;

  if (!obk_kms_client_status (probe->client, time_left (probe), &probe->status, error))
    {
      /* Status itself never is: it is the connection. */
      if (g_error_matches (*error, OBK_ERROR, OBK_ERROR_UNAVAILABLE))
        g_prefix_error (error, "%s: ", _ ("the provider closed the connection; may this user connect?"));
      return FALSE;
    }
  if (strcmp (status->version, OBK_KMS_API_VERSION) != 0)
    return obk_refuse (error, OBK_ERROR_UNKNOWN, _ ("version is \"%s\" and not \"%s\""), status->version,
                       OBK_KMS_API_VERSION);
  if (strcmp (status->healthz, OBK_HEALTHZ_OK) != 0)
    return obk_refuse (error, OBK_ERROR_UNKNOWN, _ ("healthz is \"%s\" and not \"%s\"; the provider's log says why"),
                       status->healthz, OBK_HEALTHZ_OK);
  if (*status->key_id == '\0')
    return obk_refuse (error, OBK_ERROR_UNKNOWN, "%s", _ ("key_id is empty"));
  *found = g_strdup_printf (_ ("healthz ok, key_id %s"), status->key_id);
  return check_key_id (status->key_id, error);
}

/* A version may have been promoted since Status was asked. */
static gboolean
check_same_key (Probe *probe, GError **error)
{
  if (strcmp (probe->encrypted.key_id, probe->status.key_id) == 0)
    return TRUE;
  obk_kms_status_clear (&probe->status);
  if (!obk_kms_client_status (probe->client, time_left (probe), &probe->status, error))
    return FALSE;
  if (strcmp (probe->encrypted.key_id, probe->status.key_id) == 0)
    return TRUE;
  return obk_refuse (error, OBK_ERROR_UNKNOWN, _ ("key_id is \"%s\", and Status says \"%s\""), probe->encrypted.key_id,
                     probe->status.key_id);
}

static gboolean
run_encrypt (Probe *probe, char **found, GError **error)
{
  const char *bytes = NULL;
  gsize length = 0;

  if (!obk_kms_client_encrypt (probe->client, time_left (probe), probe->plaintext, UID, &probe->encrypted, error))
    return FALSE;
  bytes = g_bytes_get_data (probe->encrypted.ciphertext, &length);
  if (length >= OBK_SAMPLE_LENGTH
      && memmem (bytes, length, obk_secret_data (probe->plaintext), OBK_SAMPLE_LENGTH) != NULL)
    return obk_refuse (error, OBK_ERROR_UNKNOWN, "%s", _ ("the ciphertext holds the plaintext"));
  *found = g_strdup_printf (_ ("%d random bytes became %zu, with %u annotations"), OBK_SAMPLE_LENGTH, length,
                            g_hash_table_size (probe->encrypted.annotations));
  return check_key_id (probe->encrypted.key_id, error) && check_same_key (probe, error);
}

static gboolean
run_decrypt (Probe *probe, char **found, GError **error)
{
  g_autoptr (ObkSecret) back = obk_kms_client_decrypt (probe->client, time_left (probe), &probe->encrypted, UID, error);

  if (back == NULL || !obk_sample_check (probe->plaintext, back, error))
    return FALSE;
  *found = g_strdup (_ ("the same bytes came back"));
  return TRUE;
}

/* Returns: whether all passed; a failed one skips what comes after it */
static gboolean
run_steps (Probe *probe)
{
  static gboolean (*const runs[N_STEPS]) (Probe * probe, char **found, GError **error)
      = { run_connect, run_status, run_encrypt, run_decrypt };

  for (guint i = 0; i < N_STEPS; i++)
    {
      Step *step = &probe->steps[i];
      gint64 start_us = obk_clock_boot_us ();
      g_autofree char *found = NULL;
      g_autoptr (GError) error = NULL;
      gboolean passed = runs[i](probe, &found, &error);

      step->duration_us = obk_clock_boot_us () - start_us;
      step->result = passed ? STEP_OK : STEP_FAILED;
      step->detail = passed ? g_steal_pointer (&found) : g_strdup (error->message);
      if (!passed)
        return FALSE;
    }
  return TRUE;
}

/* The report */

static void
print_text (const Probe *probe)
{
  for (guint i = 0; i < N_STEPS; i++)
    {
      const Step *step = &probe->steps[i];
      g_autofree char *label = g_strdup_printf ("[%s]", result_names[step->result]);

      if (step->result == STEP_SKIPPED)
        printf ("%-6s %s\n", label, step_names[i]);
      else
        printf ("%-6s %-8s %8.2f ms  %s\n", label, step_names[i], (double)step->duration_us / 1000, step->detail);
    }
}

static void
add_step (ObkCanonicalJson *json, const char *name, const Step *step)
{
  obk_canonical_json_begin_object (json, NULL);
  obk_canonical_json_string (json, "name", name);
  obk_canonical_json_string (json, "result", result_names[step->result]);
  if (step->result != STEP_SKIPPED)
    {
      obk_canonical_json_double (json, "durationMs", (double)step->duration_us / 1000);
      obk_canonical_json_string (json, "detail", step->detail);
    }
  obk_canonical_json_end_object (json);
}

static void
print_json (const Probe *probe, gboolean passed)
{
  g_autoptr (ObkCanonicalJson) json = obk_canonical_json_new (2);
  g_autofree char *path = g_utf8_make_valid (probe->path, -1);
  g_autofree char *text = NULL;

  obk_canonical_json_begin_object (json, NULL);
  obk_canonical_json_boolean (json, "passed", passed);
  obk_canonical_json_string (json, "socket", path);
  if (probe->status.key_id != NULL)
    {
      obk_canonical_json_string (json, "version", probe->status.version);
      obk_canonical_json_string (json, "healthz", probe->status.healthz);
      obk_canonical_json_string (json, "keyId", probe->status.key_id);
    }
  obk_canonical_json_begin_array (json, "steps");
  for (guint i = 0; i < N_STEPS; i++)
    add_step (json, step_names[i], &probe->steps[i]);
  obk_canonical_json_end_array (json);
  obk_canonical_json_end_object (json);
  text = obk_canonical_json_steal (json, NULL);
  puts (text);
}

/* That they get through says little about the API server's user. */
static void
warn_about_user (const char *path)
{
  struct stat status;

  if (geteuid () == 0)
    obk_command_complain (_ ("warning: run as root, which may connect to any socket: this proves little about the "
                             "API server's access"));
  else if (stat (path, &status) == 0 && status.st_uid == geteuid ())
    obk_command_complain (_ ("warning: run as the owner of the socket: this proves little about the API server's "
                             "access"));
}

/* Returns: whether there is a valid one, in @timeout_us */
static gboolean
read_timeout (gint64 *timeout_us)
{
  g_autoptr (GError) error = NULL;

  if (!obk_duration_parse (timeout_text != NULL ? timeout_text : "10s", timeout_us, &error))
    obk_command_complain ("--timeout: %s", error->message);
  else if (*timeout_us == 0)
    obk_command_complain (_ ("--timeout must be more than 0"));
  else
    return TRUE;
  return FALSE;
}

static ObkExit
run (const ObkGlobals *globals)
{
  g_auto (Probe) probe = { .path = socket_path != NULL ? socket_path : OBK_DEFAULT_SOCKET };
  g_autoptr (GError) error = NULL;
  gint64 timeout_us = 0;
  gboolean passed = FALSE;

  if (!read_timeout (&timeout_us))
    return OBK_EXIT_USAGE;
  if (!obk_process_harden (&error))
    {
      obk_command_complain ("%s", error->message);
      return OBK_EXIT_FAILED;
    }
  probe.plaintext = obk_sample_new (&error);
  if (probe.plaintext == NULL)
    {
      obk_command_complain ("%s", error->message);
      return OBK_EXIT_FAILED;
    }
  warn_about_user (probe.path);
  probe.deadline_us = obk_clock_boot_us () + timeout_us;
  passed = run_steps (&probe);
  if (globals->json)
    print_json (&probe, passed);
  else
    print_text (&probe);
  return passed ? OBK_EXIT_OK : OBK_EXIT_CHECK;
}

static const GOptionEntry *
options (void)
{
  static const GOptionEntry entries[] = {
    { "socket", 0, 0, G_OPTION_ARG_FILENAME, &socket_path, N_ ("Socket of the running provider"), N_ ("PATH") },
    { "timeout", 0, 0, G_OPTION_ARG_STRING, &timeout_text, N_ ("How long all calls may take together, 10s by default"),
      N_ ("DURATION") },
    { "expected-key-id", 0, 0, G_OPTION_ARG_STRING, &expected_key_id, N_ ("Fail when the key_id is another"),
      N_ ("ID") },
    G_OPTION_ENTRY_NULL,
  };

  return entries;
}

const ObkCommand obk_command_probe = {
  .name = "probe",
  .summary = N_ ("Ask the running provider: Status, Encrypt and Decrypt of random bytes."),
  .details = N_ ("It needs no configuration. Run it as the API server's user: root may connect to any socket, which "
                 "proves little."),
  .example = OBK_PROGRAM " probe --socket " OBK_DEFAULT_SOCKET,
  .options = options,
  .run = run,
  .has_report = TRUE,
};
