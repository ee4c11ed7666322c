/* SPDX-License-Identifier: Apache-2.0 */
/* A session with the token that has the private key: PIN, key, certificates, signatures. */
#include "openbao/pkcs11.h"

#include "base/error.h"
#include "openbao/pkcs11-slot.h"

#include <string.h>

#define MAX_CERTIFICATE_BYTES (64 * 1024)
#define MAX_CERTIFICATES 64 /* that are looked at */
#define MAX_ALIKE 16        /* of one id, label or name */
#define MAX_ID_BYTES 256

struct _ObkPkcs11Session
{
  ObkPkcs11 *pkcs11;
  ObkPkcs11Slot slot;
  CK_SESSION_HANDLE handle;
  char *token;
  ObkSecret *pin;
  CK_OBJECT_HANDLE key;
  gboolean pin_each_time; /* CKA_ALWAYS_AUTHENTICATE */
};

/* --- life --- */

static char *
describe (const CK_TOKEN_INFO *token)
{
  g_autofree char *label = g_strndup ((const char *)token->label, p11_kit_space_strlen (token->label, 32));
  g_autofree char *serial
      = g_strndup ((const char *)token->serialNumber, p11_kit_space_strlen (token->serialNumber, 16));

  return g_strdup_printf ("token \"%s\", serial \"%s\"", label, serial);
}

G_LOCK_DEFINE_STATIC (open_tokens);
static GQueue open_tokens = G_QUEUE_INIT; /* of descriptions, one for each session; borrowed from them */

/* A token that hangs keeps its session; each reload that opens a new way would add one. */
static gboolean
enlist (ObkPkcs11Session *session, GError **error)
{
  guint max = obk_pkcs11_max_sessions (session->pkcs11), n = 0;

  G_LOCK (open_tokens);
  for (const GList *link = open_tokens.head; link != NULL; link = link->next)
    n += strcmp (link->data, session->token) == 0 ? 1 : 0;
  if (n < max)
    g_queue_push_tail (&open_tokens, session->token);
  G_UNLOCK (open_tokens);
  return n < max
         || obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID,
                        "%u sessions with the %s are open, which is all of auth.cert.pkcs11.maxSessions", n,
                        session->token);
}

static void
delist (ObkPkcs11Session *session)
{
  G_LOCK (open_tokens);
  g_queue_remove (&open_tokens, session->token);
  G_UNLOCK (open_tokens);
}

ObkPkcs11Session *
obk_pkcs11_open (ObkPkcs11 *pkcs11, GError **error)
{
  g_autofree ObkPkcs11Session *session = g_new0 (ObkPkcs11Session, 1);
  CK_RV rv = CKR_OK;

  g_return_val_if_fail (pkcs11 != NULL, NULL);

  session->pkcs11 = pkcs11;
  if (!obk_pkcs11_find_slot (pkcs11, &session->slot, error))
    return NULL;
  session->token = describe (&session->slot.token);
  if (!enlist (session, error))
    {
      g_free (session->token);
      return NULL;
    }
  rv = session->slot.module->C_OpenSession (session->slot.id, CKF_SERIAL_SESSION, NULL, NULL, &session->handle);
  if (rv != CKR_OK)
    {
      obk_pkcs11_fail (error, "open a session with the PKCS#11 token", rv);
      delist (session);
      g_free (session->token);
      return NULL;
    }
  return g_steal_pointer (&session);
}

void
obk_pkcs11_session_free (ObkPkcs11Session *session)
{
  if (session == NULL)
    return;
  session->slot.module->C_CloseSession (session->handle);
  delist (session);
  g_clear_pointer (&session->pin, obk_secret_unref);
  g_free (session->token);
  g_free (session);
}

const char *
obk_pkcs11_session_token (const ObkPkcs11Session *session)
{
  return session->token;
}

/* --- PIN --- */

#define COUNTED (CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED)

guint
obk_pkcs11_session_pin_state (ObkPkcs11Session *session)
{
  CK_TOKEN_INFO token;
  CK_FLAGS flags = 0;

  if (session->slot.module->C_GetTokenInfo (session->slot.id, &token) == CKR_OK)
    session->slot.token = token;
  flags = session->slot.token.flags;

  return ((flags & CKF_LOGIN_REQUIRED) == 0 ? OBK_PIN_NOT_NEEDED : 0)
         | ((flags & CKF_USER_PIN_LOCKED) != 0 ? OBK_PIN_LOCKED : 0)
         | ((flags & CKF_USER_PIN_FINAL_TRY) != 0 ? OBK_PIN_LAST_TRY : 0)
         | ((flags & COUNTED) != 0 ? OBK_PIN_COUNTED : 0);
}

/* Whether the token has counted a try. Some say no more than that something went wrong. */
static gboolean
was_refused (ObkPkcs11Session *session, CK_RV rv)
{
  CK_FLAGS before = session->slot.token.flags & COUNTED;
  CK_TOKEN_INFO token;

  switch (rv)
    {
    case CKR_PIN_INCORRECT:
    case CKR_PIN_INVALID:
    case CKR_PIN_LEN_RANGE:
    case CKR_PIN_EXPIRED:
    case CKR_PIN_LOCKED:
    case CKR_USER_PIN_NOT_INITIALIZED:
      return TRUE;
    default:
      return session->slot.module->C_GetTokenInfo (session->slot.id, &token) == CKR_OK
             && (token.flags & COUNTED & ~before) != 0;
    }
}

static ObkPinOutcome
outcome_of (ObkPkcs11Session *session, CK_RV rv)
{
  if (rv == CKR_OK)
    return OBK_PIN_RIGHT;
  return rv != CKR_USER_ALREADY_LOGGED_IN && was_refused (session, rv) ? OBK_PIN_WRONG : OBK_PIN_NOT_PROVED;
}

gboolean
obk_pkcs11_session_log_in (ObkPkcs11Session *session, ObkSecret *pin, ObkPinOutcome *outcome, GError **error)
{
  CK_RV rv = session->slot.module->C_Login (session->handle, CKU_USER, (unsigned char *)obk_secret_data (pin),
                                            obk_secret_length (pin));

  *outcome = outcome_of (session, rv);
  if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN)
    {
      session->pin = obk_secret_ref (pin);
      return TRUE;
    }
  return obk_pkcs11_fail (error, "log in to the PKCS#11 token", rv);
}

/* --- objects --- */

/* Returns: how many there are, at most @max */
static gboolean
find_objects (ObkPkcs11Session *session, CK_ATTRIBUTE *wanted, CK_ULONG n, CK_OBJECT_HANDLE *found, CK_ULONG max,
              CK_ULONG *n_found, GError **error)
{
  CK_FUNCTION_LIST *module = session->slot.module;
  CK_RV rv = module->C_FindObjectsInit (session->handle, wanted, n);

  if (rv == CKR_OK)
    {
      rv = module->C_FindObjects (session->handle, found, max, n_found);
      module->C_FindObjectsFinal (session->handle);
    }
  return rv == CKR_OK || obk_pkcs11_fail (error, "look through the PKCS#11 token", rv);
}

/* Returns: (transfer full) (nullable): %NULL when it has none, or one that is too long */
static GBytes *
get_attribute (ObkPkcs11Session *session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, gsize max)
{
  CK_ATTRIBUTE attribute = { type, NULL, 0 };
  g_autofree guint8 *value = NULL;

  if (session->slot.module->C_GetAttributeValue (session->handle, object, &attribute, 1) != CKR_OK
      || attribute.ulValueLen == 0 || attribute.ulValueLen > max)
    return NULL;
  value = g_malloc (attribute.ulValueLen);
  attribute.pValue = value;
  if (session->slot.module->C_GetAttributeValue (session->handle, object, &attribute, 1) != CKR_OK
      || attribute.ulValueLen == 0 || attribute.ulValueLen > max)
    return NULL;
  return g_bytes_new_take (g_steal_pointer (&value), attribute.ulValueLen);
}

gboolean
obk_pkcs11_session_find_key (ObkPkcs11Session *session, GError **error)
{
  CK_ULONG n_wanted = 0;
  CK_ATTRIBUTE *wanted = p11_kit_uri_get_attributes (obk_pkcs11_uri (session->pkcs11), &n_wanted);
  CK_OBJECT_HANDLE found[2];
  CK_ULONG n = 0;
  g_autoptr (GBytes) each_time = NULL;

  if (!find_objects (session, wanted, n_wanted, found, G_N_ELEMENTS (found), &n, error))
    return FALSE;
  if (n != 1)
    return obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID,
                       n == 0 ? "the %s " OBK_PKCS11_SAYS_NO_KEY " that fits the configuration"
                              : "the %s " OBK_PKCS11_SAYS_SEVERAL_KEYS
                                " that fit the configuration; a uri can tell them "
                                "apart by id",
                       session->token);
  session->key = found[0];
  each_time = get_attribute (session, found[0], CKA_ALWAYS_AUTHENTICATE, sizeof (CK_BBOOL));
  session->pin_each_time = each_time != NULL && *(const CK_BBOOL *)g_bytes_get_data (each_time, NULL) != CK_FALSE;
  return TRUE;
}

gboolean
obk_pkcs11_session_key_is_ec (ObkPkcs11Session *session)
{
  g_autoptr (GBytes) type = get_attribute (session, session->key, CKA_KEY_TYPE, sizeof (CK_KEY_TYPE));

  return type != NULL && g_bytes_get_size (type) == sizeof (CK_KEY_TYPE)
         && *(const CK_KEY_TYPE *)g_bytes_get_data (type, NULL) == CKK_EC;
}

/* --- certificates --- */

/* Adds those with that attribute to @found, an array of CK_OBJECT_HANDLE, unless they are in it. @value: (nullable) */
static void
look_for (ObkPkcs11Session *session, CK_ATTRIBUTE_TYPE type, GBytes *value, GArray *found)
{
  CK_OBJECT_CLASS class = CKO_CERTIFICATE;
  CK_CERTIFICATE_TYPE x509 = CKC_X_509;
  CK_ATTRIBUTE wanted[] = {
    { CKA_CLASS, &class, sizeof class },
    { CKA_CERTIFICATE_TYPE, &x509, sizeof x509 },
    { type, NULL, 0 },
  };
  CK_OBJECT_HANDLE handles[MAX_ALIKE];
  CK_ULONG n = 0;

  if (value == NULL)
    return;
  wanted[2].pValue = (gpointer)g_bytes_get_data (value, NULL);
  wanted[2].ulValueLen = g_bytes_get_size (value);
  if (!find_objects (session, wanted, G_N_ELEMENTS (wanted), handles, G_N_ELEMENTS (handles), &n, NULL))
    return;
  for (CK_ULONG i = 0; i < n && found->len < MAX_CERTIFICATES; i++)
    {
      gboolean is_known = FALSE;

      for (guint j = 0; j < found->len; j++)
        is_known = is_known || g_array_index (found, CK_OBJECT_HANDLE, j) == handles[i];
      if (!is_known)
        g_array_append_val (found, handles[i]);
    }
}

/* Renewals leave more than one certificate under a name. */
static void
look_for_own (ObkPkcs11Session *session, GArray *found)
{
  static const CK_ATTRIBUTE_TYPE types[] = { CKA_ID, CKA_LABEL };

  for (gsize i = 0; i < G_N_ELEMENTS (types); i++)
    {
      g_autoptr (GBytes) value = get_attribute (session, session->key, types[i], MAX_ID_BYTES);

      look_for (session, types[i], value, found);
    }
}

static void
look_for_issuers (ObkPkcs11Session *session, CK_OBJECT_HANDLE of, GArray *found)
{
  g_autoptr (GBytes) issuer = get_attribute (session, of, CKA_ISSUER, MAX_CERTIFICATE_BYTES);

  look_for (session, CKA_SUBJECT, issuer, found);
}

GPtrArray *
obk_pkcs11_session_certificates (ObkPkcs11Session *session, guint *n_own, GError **error)
{
  g_autoptr (GPtrArray) certificates = g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);
  g_autoptr (GArray) found = g_array_new (FALSE, FALSE, sizeof (CK_OBJECT_HANDLE));
  guint n = 0;

  look_for_own (session, found);
  n = found->len;
  *n_own = 0;
  for (guint i = 0; i < found->len; i++) /* which grows */
    {
      CK_OBJECT_HANDLE handle = g_array_index (found, CK_OBJECT_HANDLE, i);
      GBytes *der = get_attribute (session, handle, CKA_VALUE, MAX_CERTIFICATE_BYTES);

      if (der == NULL)
        continue;
      g_ptr_array_add (certificates, der);
      *n_own += i < n ? 1 : 0;
      look_for_issuers (session, handle, found);
    }
  if (*n_own > 0)
    return g_steal_pointer (&certificates);
  obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID,
              "the %s " OBK_PKCS11_SAYS_NO_CERTIFICATE " for the key; name a certificateFile", session->token);
  return NULL;
}

/* --- signatures --- */

gboolean
obk_pkcs11_session_has_mechanism (ObkPkcs11Session *session, gulong mechanism)
{
  CK_MECHANISM_INFO info;

  return session->slot.module->C_GetMechanismInfo (session->slot.id, mechanism, &info) == CKR_OK
         && (info.flags & CKF_SIGN) != 0;
}

ObkSecret *
obk_pkcs11_session_pin_of_signature (const ObkPkcs11Session *session)
{
  return session->pin_each_time ? session->pin : NULL;
}

gboolean
obk_pkcs11_session_sign (ObkPkcs11Session *session, gulong mechanism, gconstpointer parameter, gsize parameter_length,
                         const guint8 *data, gsize length, guint8 *signature, gsize *signature_length,
                         ObkPinOutcome *outcome, GError **error)
{
  CK_FUNCTION_LIST *module = session->slot.module;
  CK_MECHANISM how = { mechanism, (gpointer)parameter, parameter_length };
  CK_ULONG size = OBK_SIGNATURE_MAX_BYTES;
  CK_RV rv = module->C_SignInit (session->handle, &how, session->key);

  *outcome = OBK_PIN_NOT_PROVED;
  if (rv == CKR_OK && session->pin_each_time && session->pin != NULL)
    {
      rv = module->C_Login (session->handle, CKU_CONTEXT_SPECIFIC, (unsigned char *)obk_secret_data (session->pin),
                            obk_secret_length (session->pin));
      *outcome = outcome_of (session, rv);
    }
  if (rv == CKR_OK)
    rv = module->C_Sign (session->handle, (unsigned char *)data, length, signature, &size);
  *signature_length = rv == CKR_OK ? size : 0;
  return rv == CKR_OK || obk_pkcs11_fail (error, "sign with the PKCS#11 token", rv);
}
