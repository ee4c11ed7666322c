/* SPDX-License-Identifier: Apache-2.0 */
/* The two addresses where the running provider tells of itself, and their change at a reload. */
#include "provider/endpoints.h"

#include <string.h>

typedef struct
{
  char *address; /* "" while it is off */
  ObkWeb *web;   /* (nullable) */
} Endpoint;

enum
{
  METRICS,
  HEALTH,
  N_ENDPOINTS
};

static const struct
{
  const char *field;
  const ObkWebPage *pages;
} kinds[N_ENDPOINTS] = {
  [METRICS] = { "server.metricsAddress", obk_vitals_metrics_pages },
  [HEALTH] = { "server.healthAddress", obk_vitals_health_pages },
};

struct _ObkEndpoints
{
  ObkPoller *poller;
  ObkVitals *vitals;
  Endpoint all[N_ENDPOINTS];
};

static void
endpoint_clear (Endpoint *endpoint)
{
  g_clear_pointer (&endpoint->web, obk_web_free);
  g_clear_pointer (&endpoint->address, g_free);
}

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
  for (gsize i = 0; i < N_ENDPOINTS; i++)
    endpoint_clear (&endpoints->all[i]);
  g_free (endpoints);
}

/* The two may have changed places. Returns: (nullable): what serves at the address of @kind already */
static Endpoint *
find (ObkEndpoints *endpoints, const char *const addresses[N_ENDPOINTS], gsize kind)
{
  Endpoint *own = &endpoints->all[kind];
  Endpoint *other = &endpoints->all[N_ENDPOINTS - 1 - kind];

  if (g_strcmp0 (own->address, addresses[kind]) == 0)
    return own;
  /* Equal ones are of port 0: those stay where they are. */
  if (g_strcmp0 (other->address, addresses[kind]) == 0 && strcmp (addresses[METRICS], addresses[HEALTH]) != 0)
    return other;
  return NULL;
}

static gboolean
open_new (ObkEndpoints *endpoints, const char *const addresses[N_ENDPOINTS], ObkWeb *opened[N_ENDPOINTS],
          GError **error)
{
  for (gsize i = 0; i < N_ENDPOINTS; i++)
    {
      if (*addresses[i] == '\0' || find (endpoints, addresses, i) != NULL)
        continue;
      opened[i] = obk_web_new (endpoints->poller, addresses[i], kinds[i].pages, endpoints->vitals, error);
      if (opened[i] != NULL)
        continue;
      g_prefix_error (error, "%s: ", kinds[i].field);
      for (gsize j = 0; j < i; j++)
        g_clear_pointer (&opened[j], obk_web_free);
      return FALSE;
    }
  return TRUE;
}

gboolean
obk_endpoints_use (ObkEndpoints *endpoints, const ObkConfig *config, GError **error)
{
  const char *addresses[N_ENDPOINTS];
  ObkWeb *webs[N_ENDPOINTS] = { NULL };

  g_return_val_if_fail (endpoints != NULL && config != NULL, FALSE);

  addresses[METRICS] = config->server.metrics_address;
  addresses[HEALTH] = config->server.health_address;
  if (!open_new (endpoints, addresses, webs, error))
    return FALSE;
  for (gsize i = 0; i < N_ENDPOINTS; i++)
    {
      Endpoint *now = find (endpoints, addresses, i);

      if (webs[i] == NULL && now != NULL)
        webs[i] = g_steal_pointer (&now->web);
    }
  for (gsize i = 0; i < N_ENDPOINTS; i++)
    {
      endpoint_clear (&endpoints->all[i]);
      endpoints->all[i] = (Endpoint){ g_strdup (addresses[i]), webs[i] };
      if (webs[i] != NULL)
        obk_web_set_pages (webs[i], kinds[i].pages);
    }
  return TRUE;
}
