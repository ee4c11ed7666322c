/* SPDX-License-Identifier: Apache-2.0 */
/* The PIN of a token: read from its file, and what tokens have refused, which is not tried again, since they lock. */
#include "openbao/pin.h"

#include "base/error.h"
#include "base/safe-file.h"

#include <glib/gstdio.h>

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

ObkSecret *
obk_pin_read (const char *path, GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_autoptr (ObkSecret) pin = obk_safe_file_read_secret (path, OBK_PIN_MAX_BYTES + 1, &cause);
  gsize length = 0;

  if (pin == NULL)
    {
      obk_refuse (error, obk_safe_file_secret_failure (cause), OBK_PIN_SAYS_FILE ": %s", cause->message);
      return NULL;
    }
  length = obk_secret_length (pin);
  if (length > 0 && length <= OBK_PIN_MAX_BYTES)
    return g_steal_pointer (&pin);
  g_set_error (error, OBK_ERROR, OBK_ERROR_CREDENTIAL_INVALID, OBK_PIN_SAYS_FILE " \"%s\": a PIN has 1 to %d bytes",
               path, OBK_PIN_MAX_BYTES);
  return NULL;
}

/* --- what was refused --- */

#define MAX_REFUSALS 64 /* the oldest one goes: its token has locked long since */
#define HASH_KEY_BYTES 32
#define MAX_FILE_BYTES (256 * 1024)

typedef struct
{
  char *token;
  char *hash;
  char *source;
  gboolean counted; /* the token has shown that it counts */
  gboolean asked;   /* an operator has since asked for another try */
} Refusal;

static GMutex mutex;
static GCond trial_ended;
static GQueue trials = G_QUEUE_INIT;   /* of tokens; borrowed from those who try */
static GQueue refusals = G_QUEUE_INIT; /* of Refusal */
static guint8 hash_key[HASH_KEY_BYTES];
static gboolean has_hash_key;
static gboolean is_provider;
static char *file_path; /* (nullable) */

static void
refusal_free (gpointer data)
{
  Refusal *refusal = data;

  g_free (refusal->token);
  g_free (refusal->hash);
  g_free (refusal->source);
  g_free (refusal);
}

static char *
hash (const char *token, ObkSecret *pin)
{
  GHmac *hmac = NULL;
  char *text = NULL;

  if (!has_hash_key && TEMP_FAILURE_RETRY (getrandom (hash_key, sizeof hash_key, 0)) != sizeof hash_key)
    memset (hash_key, 0, sizeof hash_key); /* cannot be; it would still be remembered */
  has_hash_key = TRUE;
  hmac = g_hmac_new (G_CHECKSUM_SHA256, hash_key, sizeof hash_key);
  g_hmac_update (hmac, (const guchar *)token, (gssize)strlen (token) + 1);
  g_hmac_update (hmac, (const guchar *)obk_secret_data (pin), (gssize)obk_secret_length (pin));
  text = g_strdup (g_hmac_get_string (hmac));
  g_hmac_unref (hmac);
  return text;
}

static GList *
find_trial (const char *token)
{
  return g_queue_find_custom (&trials, token, (GCompareFunc)strcmp);
}

static GList *
find_refusal (const char *token, ObkSecret *pin)
{
  g_autofree char *wanted = hash (token, pin);
  GList *link = refusals.head;

  while (link != NULL && strcmp (((Refusal *)link->data)->hash, wanted) != 0)
    link = link->next;
  return link;
}

static void
forget (GList *link)
{
  refusal_free (link->data);
  g_queue_delete_link (&refusals, link);
}

static void
forget_all_from (const char *token, const char *source)
{
  for (GList *link = refusals.head, *next = NULL; link != NULL; link = next)
    {
      const Refusal *refusal = link->data;

      next = link->next;
      if (strcmp (refusal->token, token) == 0 && strcmp (refusal->source, source) == 0)
        forget (link);
    }
}

static void
remember (const char *token, ObkSecret *pin, const char *source, gboolean counted)
{
  Refusal *refusal = g_new0 (Refusal, 1);

  refusal->token = g_strdup (token);
  refusal->hash = hash (token, pin);
  refusal->source = g_strdup (source);
  refusal->counted = counted;
  g_queue_push_tail (&refusals, refusal);
  if (refusals.length > MAX_REFUSALS)
    forget (refusals.head);
}

/* --- beyond the end of the process --- */

/* A group for each refusal, named by the hash, and one for the key of the hashes. */
#define KEY_GROUP "key"
#define KEY_NAME "hmac"

/* A failure costs the next process one try, and there is nobody here to tell. */
static void
save (void)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autofree char *key = NULL;
  g_autofree char *text = NULL;
  gsize length = 0;

  if (file_path == NULL)
    return;
  if (refusals.length == 0)
    {
      g_unlink (file_path);
      return;
    }
  key = g_base64_encode (hash_key, sizeof hash_key);
  g_key_file_set_string (file, KEY_GROUP, KEY_NAME, key);
  for (const GList *link = refusals.head; link != NULL; link = link->next)
    {
      const Refusal *refusal = link->data;

      g_key_file_set_string (file, refusal->hash, "token", refusal->token);
      g_key_file_set_string (file, refusal->hash, "source", refusal->source);
      g_key_file_set_boolean (file, refusal->hash, "counted", refusal->counted);
    }
  text = g_key_file_to_data (file, &length, NULL);
  (void)g_file_set_contents_full (file_path, text, (gssize)length, G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL);
}

static gboolean
load_key (GKeyFile *file)
{
  g_autofree char *text = g_key_file_get_string (file, KEY_GROUP, KEY_NAME, NULL);
  gsize length = 0;
  g_autofree guchar *key = text != NULL ? g_base64_decode (text, &length) : NULL;

  if (length != sizeof hash_key)
    return FALSE;
  memcpy (hash_key, key, sizeof hash_key);
  has_hash_key = TRUE;
  return TRUE;
}

static void
load_refusal (GKeyFile *file, const char *group)
{
  g_autofree char *token = g_key_file_get_string (file, group, "token", NULL);
  g_autofree char *source = g_key_file_get_string (file, group, "source", NULL);
  Refusal *refusal = NULL;

  if (token == NULL || source == NULL || refusals.length == MAX_REFUSALS)
    return;
  refusal = g_new0 (Refusal, 1);
  refusal->token = g_steal_pointer (&token);
  refusal->hash = g_strdup (group);
  refusal->source = g_steal_pointer (&source);
  refusal->counted = g_key_file_get_boolean (file, group, "counted", NULL);
  refusal->asked = TRUE; /* who starts us anew asks for it */
  g_queue_push_tail (&refusals, refusal);
}

static void
load (void)
{
  g_autoptr (ObkSecret) text = obk_safe_file_read_secret (file_path, MAX_FILE_BYTES, NULL);
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_auto (GStrv) groups = NULL;

  if (text == NULL
      || !g_key_file_load_from_data (file, obk_secret_data (text), obk_secret_length (text), G_KEY_FILE_NONE, NULL)
      || !load_key (file))
    return;
  groups = g_key_file_get_groups (file, NULL);
  for (gsize i = 0; groups[i] != NULL; i++)
    if (strcmp (groups[i], KEY_GROUP) != 0)
      load_refusal (file, groups[i]);
}

void
obk_pin_set_provider (const char *path)
{
  g_mutex_lock (&mutex);
  is_provider = TRUE;
  g_free (file_path);
  file_path = g_strdup (path);
  if (path != NULL)
    load ();
  g_mutex_unlock (&mutex);
}

gboolean
obk_pin_is_provider (void)
{
  gboolean is = FALSE;

  g_mutex_lock (&mutex);
  is = is_provider;
  g_mutex_unlock (&mutex);
  return is;
}

/* --- trials --- */

void
obk_pin_trial_begin (const char *token)
{
  g_mutex_lock (&mutex);
  while (find_trial (token) != NULL)
    g_cond_wait (&trial_ended, &mutex);
  g_queue_push_tail (&trials, (gpointer)token);
  g_mutex_unlock (&mutex);
}

gboolean
obk_pin_is_refused (const char *token, ObkSecret *pin, gboolean counted)
{
  GList *link = NULL;

  g_mutex_lock (&mutex);
  link = find_refusal (token, pin);
  if (link != NULL)
    {
      Refusal *refusal = link->data;

      if (refusal->asked && refusal->counted && !counted)
        {
          forget (link);
          link = NULL;
          save ();
        }
      else
        refusal->asked = FALSE;
    }
  g_mutex_unlock (&mutex);
  return link != NULL;
}

void
obk_pin_trial_end (const char *token, ObkSecret *pin, const char *source, ObkPinOutcome outcome, gboolean counted)
{
  g_mutex_lock (&mutex);
  if (outcome == OBK_PIN_RIGHT)
    forget_all_from (token, source);
  else if (outcome == OBK_PIN_WRONG)
    remember (token, pin, source, counted);
  if (outcome != OBK_PIN_NOT_PROVED)
    save ();
  g_queue_delete_link (&trials, find_trial (token));
  g_cond_broadcast (&trial_ended);
  g_mutex_unlock (&mutex);
}

void
obk_pin_ask_again (void)
{
  g_mutex_lock (&mutex);
  for (GList *link = refusals.head; link != NULL; link = link->next)
    ((Refusal *)link->data)->asked = TRUE;
  g_mutex_unlock (&mutex);
}
