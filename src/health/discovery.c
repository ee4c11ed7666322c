/* SPDX-License-Identifier: Apache-2.0 */
/* A Decrypt with a key_id that no snapshot has: one shared, rate-limited look whether a peer has promoted a version. */
#include "health/discovery.h"

#include "base/clock.h"
#include "base/error.h"
#include "health/metadata-read.h"

#define AFTER_FAILURE_US (2 * G_USEC_PER_SEC)
#define MAX_WAITING 1024

struct _ObkDiscovery
{
  ObkDiscoveryOptions options;
  ObkMetadataRead *read; /* (nullable): the one under way */
  guint round;           /* counts the reads: a callback may ask again, and then waits for the next */
  GQueue waiting;        /* of ObkDiscoveryWait */
  guint32 wanted;        /* the highest version that the read was asked for, by clients that left as well */
  gint64 next_us;        /* when another read may start, on the boot clock */
  gboolean failed;       /* the last read */
};

struct _ObkDiscoveryWait
{
  ObkDiscovery *discovery;
  guint32 wanted;
  guint round;
  ObkDiscoveryDone done;
  gpointer user_data;
  GList link; /* in the discovery's waiting */
};

ObkDiscovery *
obk_discovery_new (const ObkDiscoveryOptions *options)
{
  ObkDiscovery *discovery = NULL;

  g_return_val_if_fail (options != NULL && options->transit != NULL && options->found != NULL, NULL);

  discovery = g_new0 (ObkDiscovery, 1);
  discovery->options = *options;
  return discovery;
}

void
obk_discovery_free (ObkDiscovery *discovery)
{
  GList *link = NULL;

  if (discovery == NULL)
    return;
  g_clear_pointer (&discovery->read, obk_metadata_read_cancel);
  while ((link = g_queue_pop_head_link (&discovery->waiting)) != NULL)
    g_free (link->data);
  g_free (discovery);
}

void
obk_discovery_set_interval (ObkDiscovery *discovery, gint64 interval_us)
{
  discovery->options.interval_us = interval_us;
}

static GError *
refresh_failed (const char *cause)
{
  return g_error_new (OBK_ERROR, OBK_ERROR_KEY_METADATA_REFRESH_FAILED, "key metadata could not be read anew: %s",
                      cause);
}

static void
answer (ObkDiscoveryWait *wait, guint32 latest, const GError *error)
{
  g_autoptr (GError) own_error = NULL;

  if (error != NULL)
    own_error = refresh_failed (error->message);
  else if (wait->wanted > latest)
    own_error = refresh_failed ("it does not know the version yet, as on a standby that lags");
  wait->done (own_error, wait->user_data);
  g_free (wait);
}

static void
read_done (const ObkKeyMetadata *metadata, const char *reason, const GError *error, gpointer user_data)
{
  ObkDiscovery *discovery = user_data;
  guint32 latest = metadata != NULL ? metadata->latest_version : 0;
  guint round = discovery->round;
  ObkDiscoveryWait *wait = NULL;

  discovery->read = NULL;
  discovery->failed = error != NULL || discovery->wanted > latest;
  discovery->next_us = obk_clock_boot_us () + (discovery->failed ? AFTER_FAILURE_US : discovery->options.interval_us);
  if (metadata != NULL)
    discovery->options.found (metadata, discovery->options.user_data);
  while ((wait = g_queue_peek_head (&discovery->waiting)) != NULL && wait->round == round)
    {
      g_queue_unlink (&discovery->waiting, &wait->link);
      answer (wait, latest, error);
    }
}

/* Whether there is a read to wait for. */
static gboolean
join_read (ObkDiscovery *discovery, GError **error)
{
  if (discovery->read != NULL)
    return TRUE;
  if (obk_clock_boot_us () >= discovery->next_us)
    {
      discovery->round++;
      discovery->wanted = 0;
      discovery->read = obk_metadata_read_start (discovery->options.transit, read_done, discovery);
      return TRUE;
    }
  if (discovery->failed)
    g_set_error_literal (error, OBK_ERROR, OBK_ERROR_KEY_METADATA_REFRESH_FAILED,
                         "key metadata could not be read anew a moment ago");
  else
    g_set_error_literal (error, OBK_ERROR, OBK_ERROR_KEY_ID_UNKNOWN,
                         "no version has this key_id, by key metadata that was read a moment ago");
  return FALSE;
}

ObkDiscoveryWait *
obk_discovery_ask (ObkDiscovery *discovery, guint32 wanted, ObkDiscoveryDone done, gpointer user_data, GError **error)
{
  ObkDiscoveryWait *wait = NULL;

  g_return_val_if_fail (discovery != NULL && done != NULL, NULL);

  if (discovery->waiting.length >= MAX_WAITING)
    {
      g_set_error_literal (error, OBK_ERROR, OBK_ERROR_CONCURRENCY_LIMIT,
                           "too many requests wait for key metadata to be read");
      return NULL;
    }
  if (!join_read (discovery, error))
    return NULL;
  discovery->wanted = MAX (discovery->wanted, wanted);
  wait = g_new0 (ObkDiscoveryWait, 1);
  wait->discovery = discovery;
  wait->wanted = wanted;
  wait->round = discovery->round;
  wait->done = done;
  wait->user_data = user_data;
  wait->link.data = wait;
  g_queue_push_tail_link (&discovery->waiting, &wait->link);
  return wait;
}

void
obk_discovery_wait_cancel (ObkDiscoveryWait *wait)
{
  g_return_if_fail (wait != NULL);

  g_queue_unlink (&wait->discovery->waiting, &wait->link);
  g_free (wait);
}
