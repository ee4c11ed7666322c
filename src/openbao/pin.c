/* SPDX-License-Identifier: Apache-2.0 */
/* The PIN of a token: read from its file, and what tokens have refused, which is not tried again, since they lock. */
#include "openbao/pin.h"

#include "base/error.h"
#include "base/safe-file.h"

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
static guint8 hash_key[32];

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
  static gboolean has_key = FALSE;
  GHmac *hmac = NULL;
  char *text = NULL;

  if (!has_key && TEMP_FAILURE_RETRY (getrandom (hash_key, sizeof hash_key, 0)) != sizeof hash_key)
    memset (hash_key, 0, sizeof hash_key); /* cannot be; it would still be remembered */
  has_key = TRUE;
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
