/* SPDX-License-Identifier: Apache-2.0 */
#include "openbao/endpoint.h"

#include "base/error.h"

static void
test_parts (void)
{
  static const struct
  {
    const char *url, *host, *authority, *host_line, *prefix;
    guint port;
  } cases[] = {
    { "https://bao.test", "bao.test", "bao.test:443", "Host: bao.test", "", 443 },
    { "https://bao.test:443/", "bao.test", "bao.test:443", "Host: bao.test", "", 443 },
    { "https://bao.test:8200/a/b/", "bao.test", "bao.test:8200", NULL, "/a/b", 8200 },
    { "https://[::1]", "::1", "[::1]:443", "Host: [::1]", "", 443 },
    { "https://[::1]:8200", "::1", "[::1]:8200", NULL, "", 8200 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (ObkEndpoint) endpoint = obk_endpoint_new (cases[i].url, "name.test", &error);

      g_assert_no_error (error);
      g_assert_cmpstr (obk_endpoint_host (endpoint), ==, cases[i].host);
      g_assert_cmpuint (obk_endpoint_port (endpoint), ==, cases[i].port);
      g_assert_cmpstr (obk_endpoint_authority (endpoint), ==, cases[i].authority);
      g_assert_cmpstr (obk_endpoint_host_line (endpoint), ==, cases[i].host_line);
      g_assert_cmpstr (obk_endpoint_path_prefix (endpoint), ==, cases[i].prefix);
      g_assert_cmpstr (obk_endpoint_tls_server_name (endpoint), ==, "name.test");
    }
}

static void
test_refused (void)
{
  static const char *const urls[] = { "http://bao.test", "https://", "bao.test", "https:///x" };

  for (guint i = 0; i < G_N_ELEMENTS (urls); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (obk_endpoint_new (urls[i], "name.test", &error));
      g_assert_error (error, OBK_ERROR, OBK_ERROR_CONFIG_INVALID);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/endpoint/parts", test_parts);
  g_test_add_func ("/endpoint/refused", test_refused);
  return g_test_run ();
}
