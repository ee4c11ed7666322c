/* SPDX-License-Identifier: Apache-2.0 */
#include "openbao/client-chain.h"

#include "base/clock.h"
#include "base/error.h"
#include "stand-in.h"

#include <string.h>

#define HOUR_US (3600 * (gint64)G_USEC_PER_SEC)
#define DAY 86400

static StandIn *stand_in;

static const ObkClientChainRules rules = { .min_remaining_ttl_us = HOUR_US, .clock_skew_leeway_us = HOUR_US };

static char *
read_file (const char *name)
{
  g_autofree char *file = g_strconcat ("client-", name, ".pem", NULL);
  g_autofree char *path = stand_in_file (stand_in, file);
  g_autoptr (GError) error = NULL;
  char *text = NULL;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  return text;
}

static ObkClientChain *
read_chain (const char *name, GError **error)
{
  g_autofree char *pem = read_file (name);

  return obk_client_chain_new_pem (pem, strlen (pem), error);
}

/* @problem: (nullable): %NULL when it is to pass */
static void
check (const char *name, const ObkClientChainRules *with, gint64 now_unix, const char *problem)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ObkClientChain) chain = read_chain (name, &error);
  gboolean ok = chain != NULL && obk_client_chain_check (chain, with, now_unix, &error);

  if (problem == NULL)
    {
      g_assert_no_error (error);
      g_assert_true (ok);
      return;
    }
  g_assert_false (ok);
  g_assert_error (error, OBK_ERROR, OBK_ERROR_CREDENTIAL_INVALID);
  if (strstr (error->message, problem) == NULL)
    g_error ("%s: \"%s\" does not say \"%s\"", name, error->message, problem);
}

static void
test_checks (void)
{
  static const char *const rows[][2] = {
    { "good", NULL },
    { "issuers", NULL },
    { "p384", NULL },
    { "any-usage", NULL },
    { "rsa", NULL },
    { "p521", "cannot be used" },
    { "weak-rsa", "cannot be used" },
    { "expired", "has expired" },
    { "early", "not yet valid" },
    { "sha1", "MD5 or SHA-1" },
    { "server-usage", "lacks clientAuth" },
    { "authority-first", "is an authority's" },
    { "no-chain", "are no chain" },
    { "namesake", "are no chain" },
    { "namesake-rsa", "are no chain" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    check (rows[i][0], &rules, obk_clock_unix (), rows[i][1]);
}

/* A day from yesterday, and one to tomorrow. */
static void
test_times (void)
{
  gint64 now_unix = obk_clock_unix ();
  ObkClientChainRules strict = { 0 };

  check ("good", &strict, now_unix + DAY - 60, NULL);
  check ("good", &strict, now_unix + DAY + 60, "has expired");
  check ("good", &rules, now_unix + DAY - 3600 - 60, NULL);
  check ("good", &rules, now_unix + DAY - 3600 + 60, "minRemainingTtl");
  check ("good", &strict, now_unix - DAY - 60, "not yet valid");
  check ("good", &rules, now_unix - DAY - 3600 + 60, NULL);
  check ("good", &rules, now_unix - DAY - 3600 - 60, "not yet valid");
}

static void
test_told (void)
{
  static const char *const rows[][2] = { { "good", "P-256" }, { "p384", "P-384" }, { "rsa", "RSA with 2048 bits" } };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (ObkClientChain) chain = read_chain (rows[i][0], NULL);
      g_autofree char *text = obk_client_chain_describe (chain);
      gint64 left = obk_client_chain_expires_unix (chain) - obk_clock_unix ();

      g_assert_nonnull (strstr (text, "CN=localhost"));
      g_assert_nonnull (strstr (text, rows[i][1]));
      g_assert_true (left > DAY - 60 && left <= DAY);
      g_assert_nonnull (obk_client_chain_certificate (chain));
      g_assert_nonnull (obk_client_chain_public_key (chain));
    }
}

static void
test_broken (void)
{
  static const char *const texts[] = { "", "text", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                                       "-----BEGIN CERTIFICATE-----\n" };

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (obk_client_chain_new_pem (texts[i], strlen (texts[i]), &error));
      g_assert_error (error, OBK_ERROR, OBK_ERROR_CREDENTIAL_INVALID);
    }
}

static void
add_der (GPtrArray *certificates, const char *name, gsize cut)
{
  g_autoptr (ObkClientChain) chain = read_chain (name, NULL);
  const SECItem *der = &obk_client_chain_certificate (chain)->derCert;

  g_ptr_array_add (certificates, g_bytes_new (der->data, der->len - cut));
}

/* As a token has them. */
static void
test_choose (void)
{
  static const struct
  {
    const char *own[3];
    const char *chosen; /* %NULL: none passes */
    guint n;
  } cases[] = {
    { { "good" }, "good", 1 },
    { { "expired", "good" }, "good", 1 },
    { { "good", "expired" }, "good", 1 },
    { { "early", "good" }, "good", 1 },
    { { "expired", "sha1" }, NULL, 1 },
    { { "good", "p384", "expired" }, NULL, 2 },
    { { "older", "good" }, "good", 2 },
    { { "good", "older" }, "good", 2 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GPtrArray) certificates = g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);
      g_autoptr (GPtrArray) chains = NULL;
      g_autoptr (GError) error = NULL;
      guint n_own = 0;

      while (n_own < G_N_ELEMENTS (cases[i].own) && cases[i].own[n_own] != NULL)
        add_der (certificates, cases[i].own[n_own++], 0);
      add_der (certificates, "authority-first", 0);
      chains = obk_client_chain_choose (certificates, n_own, &rules, obk_clock_unix (), &error);
      g_assert_no_error (error);
      g_assert_cmpuint (chains->len, ==, cases[i].n);
      if (cases[i].chosen != NULL)
        {
          g_autoptr (ObkClientChain) chosen = read_chain (cases[i].chosen, NULL);

          g_assert_true (SECITEM_ItemsAreEqual (&obk_client_chain_certificate (chains->pdata[0])->derCert,
                                                &obk_client_chain_certificate (chosen)->derCert));
        }
    }
}

static void
test_choose_broken (void)
{
  g_autoptr (GPtrArray) certificates = g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);
  g_autoptr (GPtrArray) chains = NULL;
  g_autoptr (GError) error = NULL;

  add_der (certificates, "good", 40);
  g_assert_null (obk_client_chain_choose (certificates, 1, &rules, obk_clock_unix (), &error));
  g_assert_error (error, OBK_ERROR, OBK_ERROR_CREDENTIAL_INVALID);
  g_clear_error (&error);
  add_der (certificates, "good", 0);
  chains = obk_client_chain_choose (certificates, 2, &rules, obk_clock_unix (), &error);
  g_assert_no_error (error);
  g_assert_cmpuint (chains->len, ==, 1);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  int status = 0;

  g_test_init (&argc, &argv, NULL);
  g_assert_true (obk_nss_start (FALSE, &error));
  stand_in = stand_in_start ();
  g_test_add_func ("/client-chain/checks", test_checks);
  g_test_add_func ("/client-chain/times", test_times);
  g_test_add_func ("/client-chain/told", test_told);
  g_test_add_func ("/client-chain/broken", test_broken);
  g_test_add_func ("/client-chain/choose", test_choose);
  g_test_add_func ("/client-chain/choose-broken", test_choose_broken);
  status = g_test_run ();
  stand_in_stop (stand_in);
  return status;
}
