/* SPDX-License-Identifier: Apache-2.0 */
/* The CA file: the bundle that is in force, read again when the file changes. */
#include "openbao/trust.h"

#include "base/error.h"
#include "base/file-watch.h"
#include "base/log.h"
#include "base/names.h"
#include "base/safe-file.h"

struct _ObkTrust
{
  char *path;
  ObkCaBundle *bundle;
  ObkFileWatch *watch;
  void (*changed) (gpointer user_data);
  gpointer user_data;
};

static ObkCaBundle *
read_bundle (const char *path, GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_autoptr (ObkSecret) pem = obk_safe_file_read (path, OBK_FILE_MASK_PUBLIC, OBK_CA_BUNDLE_MAX_BYTES, &cause);
  ObkCaBundle *bundle = NULL;

  if (pem == NULL)
    {
      obk_refuse (error, obk_safe_file_secret_failure (cause), "CA file: %s", cause->message);
      return NULL;
    }
  bundle = obk_ca_bundle_new (obk_secret_data (pem), obk_secret_length (pem), error);
  if (bundle == NULL)
    g_prefix_error (error, "CA file \"%s\": ", path);
  return bundle;
}

static void
file_changed (gpointer user_data)
{
  ObkTrust *trust = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (ObkCaBundle) bundle = read_bundle (trust->path, &error);
  ObkLogRecord record;

  if (bundle == NULL)
    {
      obk_log_begin (&record, OBK_LOG_WARN, OBK_EVENT_WARNING);
      obk_log_string (&record, OBK_FIELD_DETAIL, "the changed CA file cannot be used; the old trust stays");
      obk_log_error (&record, error);
      obk_log_emit (&record);
      return;
    }
  obk_log_begin (&record, OBK_LOG_INFO, OBK_EVENT_TRUST_RELOADED);
  obk_log_string (&record, OBK_FIELD_DETAIL, "the CA file has changed; new connections are held against it");
  obk_log_string (&record, OBK_FIELD_PATH, trust->path);
  obk_log_emit (&record);
  obk_ca_bundle_unref (trust->bundle);
  trust->bundle = g_steal_pointer (&bundle);
  trust->changed (trust->user_data);
}

ObkTrust *
obk_trust_new (const char *ca_cert_file, void (*changed) (gpointer user_data), gpointer user_data, GError **error)
{
  g_autoptr (ObkTrust) trust = g_new0 (ObkTrust, 1);

  g_return_val_if_fail (ca_cert_file != NULL && changed != NULL, NULL);

  trust->changed = changed;
  trust->user_data = user_data;
  trust->path = obk_credential_path (ca_cert_file, error);
  if (trust->path == NULL)
    return NULL;
  /* Watched before it is read, so that no change falls between. */
  trust->watch = obk_file_watch_new (trust->path, file_changed, trust);
  trust->bundle = read_bundle (trust->path, error);
  return trust->bundle != NULL ? g_steal_pointer (&trust) : NULL;
}

void
obk_trust_free (ObkTrust *trust)
{
  if (trust == NULL)
    return;
  obk_file_watch_free (trust->watch);
  obk_ca_bundle_unref (trust->bundle);
  g_free (trust->path);
  g_free (trust);
}

ObkCaBundle *
obk_trust_bundle (ObkTrust *trust)
{
  return trust->bundle;
}
