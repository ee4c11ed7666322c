/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/profile.h"

#include <string.h>

#define CREATED 1700000000
#define NOW 1800000000

static const ObkScope scope = {
  .provider_name = (char *)"provider",
  .cluster_id = (char *)"cluster",
  .instance_id = (char *)"instance",
  .mount_id = (char *)"mount",
  .key_lineage_id = (char *)"lineage",
};

/* A good key with versions 1 to @latest. */
static ObkKeyMetadata *
make_metadata (guint32 latest)
{
  ObkKeyMetadata *metadata = obk_key_metadata_new ();

  metadata->type = g_strdup ("aes256-gcm96");
  metadata->supports_encryption = TRUE;
  metadata->supports_decryption = TRUE;
  metadata->disable_upsert = TRUE;
  metadata->latest_version = latest;
  metadata->min_decryption_version = 1;
  for (guint32 version = 1; version <= latest; version++)
    {
      const ObkKeyVersion entry = { .version = version, .created_at_unix = CREATED + version };

      g_array_append_val (metadata->versions, entry);
    }
  return metadata;
}

/* 2 active, 3 pending, 1 retired, 4 rejected, 5 removed. */
static ObkState *
make_state (void)
{
  ObkState *state = obk_state_new (&scope);

  obk_state_add (state, 2, CREATED + 2, OBK_SNAPSHOT_ACTIVE);
  obk_state_add (state, 3, CREATED + 3, OBK_SNAPSHOT_PENDING);
  obk_state_add (state, 1, CREATED + 1, OBK_SNAPSHOT_RETIRED);
  obk_state_add (state, 4, CREATED + 44, OBK_SNAPSHOT_REJECTED);
  obk_state_add (state, 5, CREATED + 55, OBK_SNAPSHOT_REMOVED);
  return state;
}

static void
assert_finding (const ObkKeyMetadata *metadata, const ObkState *state, ObkFinding wanted, ObkImpact impact,
                const char *part)
{
  g_autoptr (GPtrArray) findings = obk_profile_findings (metadata, state);
  g_autofree char *text = NULL;
  const ObkProfileFinding *first = NULL;

  g_assert_cmpuint (findings->len, >, 0);
  first = findings->pdata[0];
  g_test_message ("%s, %s: %s", obk_finding_name (first->finding), obk_impact_name (first->impact), first->text);
  g_assert_cmpstr (obk_finding_name (first->finding), ==, obk_finding_name (wanted));
  g_assert_cmpint (first->impact, ==, impact);
  g_assert_nonnull (strstr (first->text, part));
  g_assert_cmpint (obk_profile_check (metadata, state, &text), ==, wanted);
  g_assert_cmpstr (text, ==, first->text);
}

static void
test_good (void)
{
  g_autoptr (ObkState) state = make_state ();

  for (guint32 latest = 1; latest <= 7; latest++)
    {
      g_autoptr (ObkKeyMetadata) metadata = make_metadata (latest);
      g_autoptr (GPtrArray) findings = obk_profile_findings (metadata, state);
      g_autoptr (GPtrArray) without_state = obk_profile_findings (metadata, NULL);
      g_autofree char *text = NULL;

      g_assert_cmpuint (findings->len, ==, 0); /* a latest version below what is known is not judged here */
      g_assert_cmpuint (without_state->len, ==, 0);
      g_assert_cmpint (obk_profile_check (metadata, state, &text), ==, OBK_FINDING_NONE);
      g_assert_null (text);
    }
}

#define SAFETY OBK_IMPACT_CRYPTOGRAPHIC_SAFETY
#define AVAILABILITY OBK_IMPACT_API_SERVER_AVAILABILITY

static void
test_properties (void)
{
  static const struct
  {
    gsize offset;
    gboolean value;
    ObkImpact impact;
    const char *part;
  } cases[] = {
    { G_STRUCT_OFFSET (ObkKeyMetadata, soft_deleted), TRUE, AVAILABILITY, "is soft-deleted" },
    { G_STRUCT_OFFSET (ObkKeyMetadata, derived), TRUE, SAFETY, "is derived" },
    { G_STRUCT_OFFSET (ObkKeyMetadata, convergent), TRUE, SAFETY, "is convergent" },
    { G_STRUCT_OFFSET (ObkKeyMetadata, exportable), TRUE, SAFETY, "is exportable" },
    { G_STRUCT_OFFSET (ObkKeyMetadata, allow_plaintext_backup), TRUE, SAFETY, "allows plaintext backups" },
    { G_STRUCT_OFFSET (ObkKeyMetadata, deletion_allowed), TRUE, AVAILABILITY, "may be deleted" },
    { G_STRUCT_OFFSET (ObkKeyMetadata, supports_encryption), FALSE, AVAILABILITY, "does not encrypt" },
    { G_STRUCT_OFFSET (ObkKeyMetadata, supports_decryption), FALSE, AVAILABILITY, "does not decrypt" },
  };
  g_autoptr (ObkState) state = make_state ();

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (ObkKeyMetadata) metadata = make_metadata (3);

      G_STRUCT_MEMBER (gboolean, metadata, cases[i].offset) = cases[i].value;
      assert_finding (metadata, state, OBK_FINDING_PROFILE_INVALID, cases[i].impact, cases[i].part);
      metadata->disable_upsert = FALSE;
      assert_finding (metadata, state, OBK_FINDING_UPSERT_ALLOWED, SAFETY, "set its disable_upsert to true");
    }
}

static void
test_type (void)
{
  static const char *const types[] = { "aes128-gcm96", "chacha20-poly1305", "AES256-GCM96", "", NULL };

  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    {
      g_autoptr (ObkKeyMetadata) metadata = make_metadata (1);

      g_free (metadata->type);
      metadata->type = g_strdup (types[i]);
      assert_finding (metadata, NULL, OBK_FINDING_PROFILE_INVALID, SAFETY, "is not of type aes256-gcm96");
    }
}

static void
test_contradictions (void)
{
  static const struct
  {
    gsize offset;
    const char *part;
  } cases[] = {
    { G_STRUCT_OFFSET (ObkKeyMetadata, min_available_version), "the minimum available version is 4" },
    { G_STRUCT_OFFSET (ObkKeyMetadata, min_decryption_version), "the minimum decryption version is 4" },
    { G_STRUCT_OFFSET (ObkKeyMetadata, min_encryption_version), "the minimum encryption version is 4" },
  };
  g_autoptr (ObkState) state = make_state ();
  g_autoptr (ObkKeyMetadata) beyond = make_metadata (4);
  g_autoptr (ObkKeyMetadata) none = make_metadata (0);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (ObkKeyMetadata) metadata = make_metadata (3);

      G_STRUCT_MEMBER (guint32, metadata, cases[i].offset) = 4;
      assert_finding (metadata, state, OBK_FINDING_PROFILE_INVALID, SAFETY, cases[i].part);
    }
  beyond->latest_version = 3;
  assert_finding (beyond, state, OBK_FINDING_PROFILE_INVALID, SAFETY, "there is a version 4");
  none->min_decryption_version = 0;
  assert_finding (none, NULL, OBK_FINDING_PROFILE_INVALID, SAFETY, "a key with no version");
}

static ObkKeyVersion *
entry_of (ObkKeyMetadata *metadata, guint32 version)
{
  return &g_array_index (metadata->versions, ObkKeyVersion, version - 1);
}

static void
test_creation_times (void)
{
  g_autoptr (ObkState) state = make_state ();

  for (guint32 version = 1; version <= 5; version++)
    {
      g_autoptr (ObkKeyMetadata) missing = make_metadata (6);
      g_autoptr (ObkKeyMetadata) changed = make_metadata (6);
      gboolean retained = version <= 3;

      entry_of (missing, version)->created_at_unix = 0;
      entry_of (changed, version)->created_at_unix++;
      if (retained)
        {
          assert_finding (missing, state, OBK_FINDING_PROFILE_INVALID, AVAILABILITY, "gives no creation time for");
          assert_finding (changed, state, OBK_FINDING_CREATION_TIME_CHANGED, SAFETY, "so it is not the same key");
        }
      else
        {
          g_assert_cmpint (obk_profile_check (missing, state, NULL), ==, OBK_FINDING_NONE);
          g_assert_cmpint (obk_profile_check (changed, state, NULL), ==, OBK_FINDING_NONE);
        }
    }
  {
    g_autoptr (ObkKeyMetadata) metadata = make_metadata (6);

    g_array_set_size (metadata->versions, 5);
    assert_finding (metadata, state, OBK_FINDING_PROFILE_INVALID, AVAILABILITY, "the latest version 6");
  }
}

static void
test_minimums (void)
{
  g_autoptr (ObkState) state = make_state ();

  for (guint32 minimum = 0; minimum <= 6; minimum++)
    for (guint which = 0; which < 3; which++)
      {
        g_autoptr (ObkKeyMetadata) metadata = make_metadata (6);

        if (which == 0)
          metadata->min_available_version = minimum;
        else if (which == 1)
          metadata->min_decryption_version = minimum;
        else
          metadata->min_encryption_version = minimum; /* rotation's business */
        if (which < 2)
          for (guint32 version = 1; version < minimum; version++) /* OpenBao does not tell of them any more */
            g_array_remove_index (metadata->versions, 0);
        g_assert_cmpuint (obk_profile_first_available (metadata), ==, which < 2 ? MAX (minimum, 1) : 1);
        if (which == 2 || minimum <= 1)
          g_assert_cmpint (obk_profile_check (metadata, state, NULL), ==, OBK_FINDING_NONE);
        else
          assert_finding (metadata, state, OBK_FINDING_MINIMUM_ABOVE_RETAINED, AVAILABILITY, "lies below OpenBao's");
      }
}

/* The active version cannot be retired: that would be no remedy. */
static void
test_minimum_above_active (void)
{
  g_autoptr (ObkState) state = make_state ();
  g_autoptr (ObkKeyMetadata) metadata = make_metadata (6);
  g_autoptr (GPtrArray) findings = NULL;

  metadata->min_decryption_version = 3;
  findings = obk_profile_findings (metadata, state);
  g_assert_cmpuint (findings->len, ==, 2);
  for (guint i = 0; i < findings->len; i++)
    {
      const char *text = ((const ObkProfileFinding *)findings->pdata[i])->text;
      gboolean is_active = g_str_has_prefix (text, "version 2 ");

      g_assert_cmpint (strstr (text, "retire-versions") != NULL, ==, !is_active);
      g_assert_cmpint (strstr (text, "recover-state --replace") != NULL, ==, is_active);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/registry/profile/good", test_good);
  g_test_add_func ("/registry/profile/properties", test_properties);
  g_test_add_func ("/registry/profile/type", test_type);
  g_test_add_func ("/registry/profile/contradictions", test_contradictions);
  g_test_add_func ("/registry/profile/creation-times", test_creation_times);
  g_test_add_func ("/registry/profile/minimums", test_minimums);
  g_test_add_func ("/registry/profile/minimum-above-active", test_minimum_above_active);
  return g_test_run ();
}
