/* SPDX-License-Identifier: Apache-2.0 */
/* The two reads of a metadata probe, as one. */
#include "health/metadata-read.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/names.h"

struct _ObkMetadataRead
{
  ObkMetadataReadDone done;
  gpointer user_data;
  ObkCall *key_call;
  ObkCall *upsert_call;
  ObkKeyMetadata *metadata;
  gboolean disable_upsert;
  GError *key_error;
  GError *upsert_error;
};

static void
read_free (ObkMetadataRead *read)
{
  g_clear_pointer (&read->metadata, obk_key_metadata_free);
  g_clear_error (&read->key_error);
  g_clear_error (&read->upsert_error);
  g_free (read);
}

const char *
obk_metadata_read_reason (const GError *error, const char *otherwise)
{
  switch (obk_error_code (error))
    {
    case OBK_ERROR_AUTH_FAILED:
    case OBK_ERROR_AUTH_EXPIRED:
    case OBK_ERROR_POLICY_DENIED:
    case OBK_ERROR_DENIAL_UNCONFIRMED:
    case OBK_ERROR_CREDENTIAL_INVALID:
    case OBK_ERROR_OAUTH2_UNAVAILABLE:
    case OBK_ERROR_OAUTH2_REJECTED:
      return OBK_REASON_AUTH_FAILED;
    default:
      return otherwise;
    }
}

static const char *
reason_of (const GError *error, const char *otherwise)
{
  return obk_error_code (error) == OBK_ERROR_KEY_MISSING ? OBK_REASON_PROFILE_INVALID
                                                         : obk_metadata_read_reason (error, otherwise);
}

static void
finish_when_both_are_in (ObkMetadataRead *read)
{
  if (read->key_call != NULL || read->upsert_call != NULL)
    return;
  if (read->key_error != NULL)
    read->done (NULL, reason_of (read->key_error, OBK_REASON_METADATA_READ_FAILED), read->key_error, read->user_data);
  else if (read->upsert_error != NULL)
    read->done (NULL, reason_of (read->upsert_error, OBK_REASON_UPSERT_CHECK_FAILED), read->upsert_error,
                read->user_data);
  else
    {
      read->metadata->disable_upsert = read->disable_upsert;
      read->done (read->metadata, "", NULL, read->user_data);
    }
  read_free (read);
}

static void
key_read (const ObkKeyMetadata *metadata, const GError *error, gpointer user_data)
{
  ObkMetadataRead *read = user_data;

  read->key_call = NULL;
  if (error != NULL)
    read->key_error = g_error_copy (error);
  else
    read->metadata = obk_key_metadata_copy (metadata);
  finish_when_both_are_in (read);
}

static void
upsert_read (gboolean disable_upsert, const GError *error, gpointer user_data)
{
  ObkMetadataRead *read = user_data;

  read->upsert_call = NULL;
  if (error != NULL)
    read->upsert_error = g_error_copy (error);
  else
    read->disable_upsert = disable_upsert;
  finish_when_both_are_in (read);
}

ObkMetadataRead *
obk_metadata_read_start (ObkTransit *transit, ObkMetadataReadDone done, gpointer user_data)
{
  ObkMetadataRead *read = NULL;

  g_return_val_if_fail (transit != NULL && done != NULL, NULL);

  read = g_new0 (ObkMetadataRead, 1);
  read->done = done;
  read->user_data = user_data;
  read->key_call = obk_transit_read_key (transit, OBK_NO_DEADLINE, key_read, read);
  read->upsert_call = obk_transit_read_upsert (transit, OBK_NO_DEADLINE, upsert_read, read);
  return read;
}

void
obk_metadata_read_cancel (ObkMetadataRead *read)
{
  g_return_if_fail (read != NULL);

  g_clear_pointer (&read->key_call, obk_call_cancel);
  g_clear_pointer (&read->upsert_call, obk_call_cancel);
  read_free (read);
}
