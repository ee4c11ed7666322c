/* SPDX-License-Identifier: Apache-2.0 */
/* Reads one page of the running provider's metrics or health address. For commands: it waits. */
#include "observe/web-client.h"

#include "base/error.h"

#include <curl/curl.h>

#include <string.h>

#define UNIX_PREFIX "unix:"

G_DEFINE_AUTOPTR_CLEANUP_FUNC (CURL, curl_easy_cleanup)

static size_t
keep (char *bytes, size_t size, size_t n, void *data)
{
  GString *body = data;

  if (body->len + n > OBK_WEB_CLIENT_MAX_BODY)
    return 0;
  g_string_append_len (body, bytes, (gssize)n);
  return n;
}

static CURLcode
perform (CURL *easy, const char *address, const char *path, guint timeout_ms, GString *body)
{
  gboolean is_unix = g_str_has_prefix (address, UNIX_PREFIX);
  g_autofree char *url = g_strdup_printf ("http://%s%s", is_unix ? "localhost" : address, path);

  curl_easy_setopt (easy, CURLOPT_URL, url);
  if (is_unix)
    curl_easy_setopt (easy, CURLOPT_UNIX_SOCKET_PATH, address + strlen (UNIX_PREFIX));
  curl_easy_setopt (easy, CURLOPT_PROXY, ""); /* none, whatever the environment says */
  curl_easy_setopt (easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt (easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
  curl_easy_setopt (easy, CURLOPT_WRITEFUNCTION, keep);
  curl_easy_setopt (easy, CURLOPT_WRITEDATA, body);
  return curl_easy_perform (easy);
}

char *
obk_web_client_get (const char *address, const char *path, guint timeout_ms, guint *status, GError **error)
{
  g_autoptr (CURL) easy = curl_easy_init ();
  g_autoptr (GString) body = g_string_new (NULL);
  CURLcode result = CURLE_FAILED_INIT;
  long code = 0;

  g_return_val_if_fail (address != NULL && path != NULL && status != NULL, NULL);

  if (easy != NULL)
    result = perform (easy, address, path, timeout_ms, body);
  if (result != CURLE_OK)
    {
      g_set_error (error, OBK_ERROR,
                   result == CURLE_OPERATION_TIMEDOUT ? OBK_ERROR_TIMEOUT : OBK_ERROR_CONNECTION_FAILED,
                   "cannot ask \"%s\": %s", address, curl_easy_strerror (result));
      return NULL;
    }
  curl_easy_getinfo (easy, CURLINFO_RESPONSE_CODE, &code);
  *status = (guint)code;
  return g_string_free (g_steal_pointer (&body), FALSE);
}
