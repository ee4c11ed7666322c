/* SPDX-License-Identifier: Apache-2.0 */
/* A JWT from a file: read before each login, and watched for replacement. */
#include "openbao/jwt-file.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/file-watch.h"
#include "base/safe-file.h"

typedef struct
{
  ObkJwtSupply base;
  char *path;
  ObkJwtRules rules;
  ObkFileWatch *watch;
  gint64 expires_unix; /* of the JWT as last read; 0 when unknown */
} JwtFile;

static ObkSecret *
read_file (const char *path, GError **error)
{
  g_autoptr (GError) cause = NULL;
  ObkSecret *jwt = obk_safe_file_read_secret (path, OBK_JWT_MAX_BYTES, &cause);

  if (jwt == NULL)
    obk_refuse (error, obk_safe_file_secret_failure (cause), "JWT file: %s", cause->message);
  return jwt;
}

/* Returns: (transfer full): what may be sent */
static ObkSecret *
read_jwt (JwtFile *file, GError **error)
{
  g_autoptr (ObkSecret) jwt = NULL;

  file->expires_unix = 0;
  jwt = read_file (file->path, error);
  if (jwt == NULL)
    return NULL;
  if (obk_jwt_check (obk_secret_data (jwt), obk_secret_length (jwt), &file->rules, obk_clock_unix (),
                     &file->expires_unix, error))
    return g_steal_pointer (&jwt);
  g_prefix_error (error, "JWT file \"%s\": ", file->path);
  return NULL;
}

static void
fetch (ObkJwtSupply *supply, gint64 deadline_us, ObkJwtSupplyDone done, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ObkSecret) jwt = read_jwt ((JwtFile *)supply, &error);

  done (jwt, error, user_data);
}

static gint64
ttl_seconds (ObkJwtSupply *supply)
{
  const JwtFile *file = (JwtFile *)supply;

  return file->expires_unix == 0 ? -1 : MAX (file->expires_unix - obk_clock_unix (), 0);
}

/* How long it lasts is told of the file that is there, not of what the last login had: that may be a day old. */
static void
note_expiry (JwtFile *file)
{
  g_autoptr (ObkSecret) jwt = read_jwt (file, NULL); /* what is wrong with it, the login that needs it will say */
}

static void
file_changed (gpointer user_data)
{
  JwtFile *file = user_data;

  note_expiry (file);
  if (file->base.changed != NULL)
    file->base.changed (file->base.changed_data);
}

static void
jwt_file_free (ObkJwtSupply *supply)
{
  JwtFile *file = (JwtFile *)supply;

  obk_file_watch_free (file->watch);
  obk_jwt_rules_clear (&file->rules);
  g_free (file->path);
  g_free (file);
}

ObkJwtSupply *
obk_jwt_file_new (const char *path, const ObkJwtRules *rules, GError **error)
{
  char *resolved = NULL;
  JwtFile *file = NULL;

  g_return_val_if_fail (path != NULL && rules != NULL, NULL);

  resolved = obk_credential_path (path, error);
  if (resolved == NULL)
    return NULL;
  file = g_new0 (JwtFile, 1);
  file->base = (ObkJwtSupply){ .fetch = fetch, .ttl_seconds = ttl_seconds, .free = jwt_file_free };
  file->path = resolved;
  obk_jwt_rules_copy (&file->rules, rules);
  file->watch = obk_file_watch_new (file->path, file_changed, file);
  note_expiry (file); /* after the watch began: no replacement is missed */
  return &file->base;
}
