/* SPDX-License-Identifier: Apache-2.0 */
#include "openbao/cert-login.h"

#include "base/clock.h"
#include "base/error.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#define FEW_DESCRIPTORS 64
#define PATIENCE_US (20 * G_USEC_PER_SEC)

static ObkAddresses *
make_addresses (void)
{
  static const char *const urls[] = { "https://127.0.0.1:1", NULL };

  return obk_addresses_new (urls, "localhost", NULL);
}

static ObkCredential *
make_login (ObkPoller *poller, const ObkAddresses *known, GError **error)
{
  const ObkCertLoginOptions options = {
    .mount_path = "auth/cert",
    .name = "role",
    .ca_cert_file = "/nonexistent/ca.pem",
    .client = { .addresses = make_addresses (), .namespace = "", .timeout_us = PATIENCE_US },
    .known = known,
    .signer = {
      .place = {
        .module_path = "/nonexistent/module.so",
        .token_label = "token",
        .key_label = "key",
        .uri = "",
        .max_sessions = 2,
      },
      .certificate_file = "/nonexistent/client.pem",
      .pin_file = "/nonexistent/pin",
    },
  };

  return obk_cert_login_new (poller, &options, error);
}

static void
take_all_descriptors (void)
{
  struct rlimit limit;

  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &limit), ==, 0);
  limit.rlim_cur = FEW_DESCRIPTORS;
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &limit), ==, 0);
  while (open ("/dev/null", O_RDONLY | O_CLOEXEC) >= 0)
    ;
}

static void
take_error (const json_t *answer, const GError *error, gpointer user_data)
{
  g_assert_null (answer);
  *(GError **)user_data = g_error_copy (error);
}

static void
test_no_descriptors_child (void)
{
  g_autoptr (ObkPoller) poller = obk_poller_new (NULL, NULL);
  g_autoptr (ObkAddresses) known = make_addresses ();
  g_autoptr (ObkCredential) login = make_login (poller, known, NULL);
  g_autoptr (GError) of_login = NULL;
  g_autoptr (GError) of_another = NULL;

  take_all_descriptors ();
  login->log_in (login, obk_clock_boot_us () + PATIENCE_US, take_error, &of_login);
  while (of_login == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_error (of_login, OBK_ERROR, OBK_ERROR_NO_DESCRIPTORS);
  g_assert_null (make_login (poller, known, &of_another));
  g_assert_error (of_another, OBK_ERROR, OBK_ERROR_NO_DESCRIPTORS);
}

/* They come to nothing, and not to the end of the process. */
static void
test_no_descriptors (void)
{
  g_test_trap_subprocess ("/cert-login/no-descriptors/subprocess", PATIENCE_US, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cert-login/no-descriptors", test_no_descriptors);
  g_test_add_func ("/cert-login/no-descriptors/subprocess", test_no_descriptors_child);
  return g_test_run ();
}
