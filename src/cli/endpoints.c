/* SPDX-License-Identifier: Apache-2.0 */
/* The two addresses where the running provider tells of itself, and their change at a reload. */
#include "cli/endpoints.h"

#include <string.h>

typedef struct
{
  char *address; /* "" while it is off */
  ObkWeb *web;   /* (nullable) */
} Endpoint;

struct _ObkEndpoints
{
  ObkPoller *poller;
  ObkVitals *vitals;
  Endpoint metrics;
  Endpoint health;
};

static void
endpoint_clear (Endpoint *endpoint)
{
  g_clear_pointer (&endpoint->web, obk_web_free);
  g_clear_pointer (&endpoint->address, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Endpoint, endpoint_clear)

ObkEndpoints *
obk_endpoints_new (ObkPoller *poller, ObkVitals *vitals)
{
  ObkEndpoints *endpoints = NULL;

  g_return_val_if_fail (poller != NULL && vitals != NULL, NULL);

  endpoints = g_new0 (ObkEndpoints, 1);
  endpoints->poller = poller;
  endpoints->vitals = vitals;
  return endpoints;
}

void
obk_endpoints_free (ObkEndpoints *endpoints)
{
  if (endpoints == NULL)
    return;
  endpoint_clear (&endpoints->metrics);
  endpoint_clear (&endpoints->health);
  g_free (endpoints);
}

/* @next: (out): what is to take the place of @now; without an address when it can stay */
static gboolean
open_next (const ObkEndpoints *endpoints, const Endpoint *now, const char *address, const ObkWebPage *pages,
           Endpoint *next, GError **error)
{
  if (g_strcmp0 (now->address, address) == 0)
    return TRUE;
  if (*address != '\0')
    {
      next->web = obk_web_new (endpoints->poller, address, pages, endpoints->vitals, error);
      if (next->web == NULL)
        return FALSE;
    }
  next->address = g_strdup (address);
  return TRUE;
}

static void
take_place (Endpoint *now, Endpoint *next)
{
  if (next->address == NULL)
    return;
  endpoint_clear (now);
  *now = *next;
  *next = (Endpoint){ NULL, NULL };
}

gboolean
obk_endpoints_use (ObkEndpoints *endpoints, const ObkConfig *config, GError **error)
{
  g_auto (Endpoint) metrics = { NULL, NULL };
  g_auto (Endpoint) health = { NULL, NULL };

  g_return_val_if_fail (endpoints != NULL && config != NULL, FALSE);

  if (!open_next (endpoints, &endpoints->metrics, config->server.metrics_address, obk_vitals_metrics_pages, &metrics,
                  error))
    {
      g_prefix_error (error, "server.metricsAddress: ");
      return FALSE;
    }
  if (!open_next (endpoints, &endpoints->health, config->server.health_address, obk_vitals_health_pages, &health,
                  error))
    {
      g_prefix_error (error, "server.healthAddress: ");
      return FALSE;
    }
  take_place (&endpoints->metrics, &metrics);
  take_place (&endpoints->health, &health);
  return TRUE;
}
