/* SPDX-License-Identifier: Apache-2.0 */
/* One address of OpenBao: where it is, and the name that its certificate must have. */
#include "openbao/endpoint.h"

#include "base/error.h"

#include <string.h>

#define HTTPS_PORT 443
#define PLAIN "http://"

struct _ObkEndpoint
{
  guint references;
  char *host;
  guint16 port;
  char *plain_url;
  const char *authority; /* the end of that */
  char *host_line;
  char *tls_server_name;
  char *path_prefix;
};

/* Returns: (transfer full): the URL's path without slashes at its end */
static char *
prefix_of (const char *path)
{
  char *prefix = g_strdup (path);

  for (gsize length = strlen (prefix); length > 0 && prefix[length - 1] == '/'; length--)
    prefix[length - 1] = '\0';
  return prefix;
}

ObkEndpoint *
obk_endpoint_new (const char *url, const char *tls_server_name, GError **error)
{
  g_autoptr (GUri) uri = NULL;
  g_autoptr (GError) cause = NULL;
  ObkEndpoint *endpoint = NULL;
  const char *host = NULL;

  g_return_val_if_fail (url != NULL && tls_server_name != NULL, NULL);

  uri = g_uri_parse (url, G_URI_FLAGS_ENCODED_PATH, &cause);
  host = uri != NULL ? g_uri_get_host (uri) : NULL;
  if (host == NULL || *host == '\0' || g_strcmp0 (g_uri_get_scheme (uri), "https") != 0)
    {
      g_set_error (error, OBK_ERROR, OBK_ERROR_CONFIG_INVALID, "\"%s\" is not an https URL%s%s", url,
                   cause != NULL ? ": " : "", cause != NULL ? cause->message : "");
      return NULL;
    }

  endpoint = g_new0 (ObkEndpoint, 1);
  endpoint->references = 1;
  endpoint->host = g_strdup (host);
  endpoint->port = (guint16)(g_uri_get_port (uri) > 0 ? g_uri_get_port (uri) : HTTPS_PORT);
  endpoint->plain_url
      = g_strdup_printf (strchr (host, ':') != NULL ? PLAIN "[%s]:%u" : PLAIN "%s:%u", host, endpoint->port);
  endpoint->authority = endpoint->plain_url + strlen (PLAIN);
  if (endpoint->port == HTTPS_PORT)
    endpoint->host_line = g_strdup_printf (strchr (host, ':') != NULL ? "Host: [%s]" : "Host: %s", host);
  endpoint->tls_server_name = g_strdup (tls_server_name);
  endpoint->path_prefix = prefix_of (g_uri_get_path (uri));
  return endpoint;
}

ObkEndpoint *
obk_endpoint_ref (ObkEndpoint *endpoint)
{
  g_return_val_if_fail (endpoint != NULL, NULL);

  endpoint->references++;
  return endpoint;
}

void
obk_endpoint_unref (ObkEndpoint *endpoint)
{
  if (endpoint == NULL || --endpoint->references > 0)
    return;
  g_free (endpoint->host);
  g_free (endpoint->plain_url);
  g_free (endpoint->host_line);
  g_free (endpoint->tls_server_name);
  g_free (endpoint->path_prefix);
  g_free (endpoint);
}

const char *
obk_endpoint_host (const ObkEndpoint *endpoint)
{
  return endpoint->host;
}

guint16
obk_endpoint_port (const ObkEndpoint *endpoint)
{
  return endpoint->port;
}

const char *
obk_endpoint_authority (const ObkEndpoint *endpoint)
{
  return endpoint->authority;
}

const char *
obk_endpoint_plain_url (const ObkEndpoint *endpoint)
{
  return endpoint->plain_url;
}

char *
obk_endpoint_host_line (const ObkEndpoint *endpoint)
{
  return endpoint->host_line;
}

const char *
obk_endpoint_tls_server_name (const ObkEndpoint *endpoint)
{
  return endpoint->tls_server_name;
}

const char *
obk_endpoint_path_prefix (const ObkEndpoint *endpoint)
{
  return endpoint->path_prefix;
}
