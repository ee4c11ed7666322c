/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses of OpenBao in order of preference, and which of them are in use. */
#include "openbao/addresses.h"

#include "base/backoff.h"
#include "base/error.h"

#define OUT_MIN_US (1 * G_USEC_PER_SEC)
#define OUT_MAX_US (30 * G_USEC_PER_SEC)
#define OUT_JITTER 0.25
#define RESERVE_US (1 * G_USEC_PER_SEC) /* of a request's time, for each address that may still be tried */

typedef struct
{
  ObkEndpoint *endpoint;
  ObkBackoff backoff;
  gint64 due_us;  /* when it may be tried again; 0 while it is in use */
  gboolean trial; /* it is being tried */
} Address;

struct _ObkAddresses
{
  guint n;
  Address all[];
};

ObkAddresses *
obk_addresses_new (const char *const *urls, const char *tls_server_name, GError **error)
{
  g_autoptr (ObkAddresses) addresses = NULL;
  guint n = 0;

  g_return_val_if_fail (urls != NULL && urls[0] != NULL && tls_server_name != NULL, NULL);

  n = g_strv_length ((char **)urls);
  if (n > OBK_MAX_ADDRESSES)
    {
      g_set_error (error, OBK_ERROR, OBK_ERROR_CONFIG_INVALID, "more than %d OpenBao addresses", OBK_MAX_ADDRESSES);
      return NULL;
    }
  addresses = g_malloc0 (sizeof *addresses + n * sizeof (Address));
  for (guint i = 0; i < n; i++)
    {
      addresses->all[i].backoff = (ObkBackoff)OBK_BACKOFF_INIT (OUT_MIN_US, OUT_MAX_US, OUT_JITTER);
      addresses->all[i].endpoint = obk_endpoint_new (urls[i], tls_server_name, error);
      if (addresses->all[i].endpoint == NULL)
        return NULL;
      addresses->n++;
    }
  return g_steal_pointer (&addresses);
}

void
obk_addresses_free (ObkAddresses *addresses)
{
  if (addresses == NULL)
    return;
  for (guint i = 0; i < addresses->n; i++)
    obk_endpoint_unref (addresses->all[i].endpoint);
  g_free (addresses);
}

guint
obk_addresses_count (const ObkAddresses *addresses)
{
  return addresses->n;
}

ObkEndpoint *
obk_addresses_endpoint (const ObkAddresses *addresses, guint index)
{
  g_return_val_if_fail (index < addresses->n, NULL);

  return addresses->all[index].endpoint;
}

gboolean
obk_addresses_healthy (const ObkAddresses *addresses, guint index)
{
  g_return_val_if_fail (index < addresses->n, FALSE);

  return addresses->all[index].due_us == 0;
}

static guint
count_healthy (const ObkAddresses *addresses, guint32 tried)
{
  guint n = 0;

  for (guint i = 0; i < addresses->n; i++)
    if (addresses->all[i].due_us == 0 && (tried & (1U << i)) == 0)
      n++;
  return n;
}

gboolean
obk_addresses_any_healthy (const ObkAddresses *addresses, guint32 tried)
{
  return count_healthy (addresses, tried) > 0;
}

gint64
obk_addresses_time_for (const ObkAddresses *addresses, guint index, guint32 tried, gint64 left_us)
{
  guint others = obk_addresses_healthy (addresses, index) ? count_healthy (addresses, tried)
                                                          : addresses->n - (guint)__builtin_popcount (tried);

  return left_us - MIN (others * RESERVE_US, left_us / 2);
}

void
obk_addresses_choose (ObkAddresses *addresses, guint32 tried, gint64 now_us, ObkAddressTry *choice)
{
  const Address *first_due = NULL;

  *choice = (ObkAddressTry){ .started_us = now_us };
  for (guint i = 0; i < addresses->n; i++)
    {
      Address *address = &addresses->all[i];

      if ((tried & (1U << i)) != 0)
        continue;
      if (address->due_us == 0 || (address->due_us <= now_us && !address->trial))
        {
          choice->index = i;
          choice->trial = address->due_us != 0;
          address->trial |= choice->trial;
          return;
        }
      if (first_due == NULL || address->due_us < first_due->due_us)
        {
          first_due = address;
          choice->index = i;
        }
    }
  g_return_if_fail (first_due != NULL);
}

gboolean
obk_addresses_doubt (ObkAddresses *addresses, guint index, gint64 now_us, ObkAddressTry *choice)
{
  Address *address = &addresses->all[index];

  g_return_val_if_fail (index < addresses->n, FALSE);

  if (address->trial)
    return FALSE;
  address->trial = TRUE;
  *choice = (ObkAddressTry){ .index = index, .started_us = now_us, .trial = TRUE };
  return TRUE;
}

void
obk_addresses_abandoned (ObkAddresses *addresses, const ObkAddressTry *choice)
{
  g_return_if_fail (choice->index < addresses->n);

  if (choice->trial)
    addresses->all[choice->index].trial = FALSE;
}

void
obk_addresses_answered (ObkAddresses *addresses, const ObkAddressTry *choice)
{
  Address *address = &addresses->all[choice->index];

  obk_addresses_abandoned (addresses, choice);
  address->due_us = 0;
  obk_backoff_reset (&address->backoff);
}

void
obk_addresses_learn (ObkAddresses *addresses, const ObkAddresses *others, gint64 now_us)
{
  g_return_if_fail (addresses->n == others->n);

  for (guint i = 0; i < addresses->n; i++)
    if (addresses->all[i].due_us <= now_us || addresses->all[i].due_us < others->all[i].due_us)
      {
        addresses->all[i].due_us = others->all[i].due_us;
        addresses->all[i].backoff = others->all[i].backoff;
      }
}

void
obk_addresses_failed (ObkAddresses *addresses, const ObkAddressTry *choice, gint64 now_us, double random)
{
  Address *address = &addresses->all[choice->index];

  obk_addresses_abandoned (addresses, choice);
  /* Many calls that fail together are one failure; so are those that had no other address to go to. */
  if (choice->started_us >= address->due_us)
    address->due_us = now_us + obk_backoff_next (&address->backoff, random);
}
