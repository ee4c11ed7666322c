/* SPDX-License-Identifier: Apache-2.0 */
/* A private key for NSS whose signatures are made elsewhere: a PKCS#11 module in our own memory. */
#include "openbao/nss-key.h"

#include "openbao/tls-error.h"

#include <pk11pub.h>
#include <pkcs11.h>
#include <prlink.h>
#include <secmod.h>

#include <string.h>

#define MODULE "bao-kms-provider-keys"
#define SLOT 1
#define MAX_SIGNERS 16 /* keys at a time: one for each login under way, and what a reload has left */
#define MAX_SESSIONS 64

struct _ObkNssKey
{
  CK_OBJECT_HANDLE handle; /* and its CKA_ID */
  CK_KEY_TYPE type;
  GBytes *modulus, *exponent, *parameters; /* %NULL where its type has none */
  ObkNssSign sign;
  gpointer user_data;
  SECKEYPrivateKey *private;
};

/* What NSS does in one session of its own. */
typedef struct
{
  gboolean open;
  CK_OBJECT_HANDLE found; /* what a search has left to tell */
  CK_OBJECT_HANDLE key;   /* that it is about to sign with */
  CK_MECHANISM_TYPE mechanism;
  CK_RSA_PKCS_PSS_PARAMS pss;
} Session;

G_LOCK_DEFINE_STATIC (module);
static ObkNssKey *keys[MAX_SIGNERS];
static Session sessions[MAX_SESSIONS + 1]; /* by handle; 0 is none */
static CK_OBJECT_HANDLE last_handle;

/* --- with the lock held --- */

static Session *
session_at (CK_SESSION_HANDLE handle)
{
  return handle > 0 && handle <= MAX_SESSIONS && sessions[handle].open ? &sessions[handle] : NULL;
}

static ObkNssKey *
key_at (CK_OBJECT_HANDLE handle)
{
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++)
    if (keys[i] != NULL && keys[i]->handle == handle)
      return keys[i];
  return NULL;
}

static CK_RV
put (CK_ATTRIBUTE *to, gconstpointer value, gsize length)
{
  if (to->pValue == NULL)
    {
      to->ulValueLen = length;
      return CKR_OK;
    }
  if (to->ulValueLen < length)
    {
      to->ulValueLen = CK_UNAVAILABLE_INFORMATION;
      return CKR_BUFFER_TOO_SMALL;
    }
  memcpy (to->pValue, value, length);
  to->ulValueLen = length;
  return CKR_OK;
}

static CK_RV
put_bytes (CK_ATTRIBUTE *to, GBytes *bytes)
{
  gsize length = 0;
  gconstpointer value = bytes != NULL ? g_bytes_get_data (bytes, &length) : NULL;

  if (bytes != NULL)
    return put (to, value, length);
  to->ulValueLen = CK_UNAVAILABLE_INFORMATION;
  return CKR_ATTRIBUTE_TYPE_INVALID;
}

static CK_RV
get_attribute (const ObkNssKey *key, CK_ATTRIBUTE *to)
{
  static const CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
  static const CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

  switch (to->type)
    {
    case CKA_CLASS:
      return put (to, &class, sizeof class);
    case CKA_KEY_TYPE:
      return put (to, &key->type, sizeof key->type);
    case CKA_ID:
      return put (to, &key->handle, sizeof key->handle);
    case CKA_TOKEN:
    case CKA_SENSITIVE:
    case CKA_SIGN:
      return put (to, &yes, sizeof yes);
    case CKA_PRIVATE:
    case CKA_EXTRACTABLE:
    case CKA_ALWAYS_AUTHENTICATE:
      return put (to, &no, sizeof no);
    case CKA_MODULUS:
      return put_bytes (to, key->modulus);
    case CKA_PUBLIC_EXPONENT:
      return put_bytes (to, key->exponent);
    case CKA_EC_PARAMS:
      return put_bytes (to, key->parameters);
    default:
      return put_bytes (to, NULL);
    }
}

static gboolean
matches (const ObkNssKey *key, const CK_ATTRIBUTE *wanted, CK_ULONG n)
{
  for (CK_ULONG i = 0; i < n; i++)
    {
      guint8 value[1024];
      CK_ATTRIBUTE have = { wanted[i].type, value, sizeof value };

      if (get_attribute (key, &have) != CKR_OK || have.ulValueLen != wanted[i].ulValueLen
          || memcmp (value, wanted[i].pValue, have.ulValueLen) != 0)
        return FALSE;
    }
  return TRUE;
}

/* --- the module, as NSS sees it (PKCS#11 2.40) --- */

static CK_RV
initialize (CK_VOID_PTR arguments)
{
  return CKR_OK;
}

static CK_RV
get_info (CK_INFO_PTR info)
{
  memset (info, ' ', sizeof *info);
  info->cryptokiVersion = info->libraryVersion = (CK_VERSION){ 2, 40 };
  info->flags = 0;
  return CKR_OK;
}

static CK_RV
get_slot_list (CK_BBOOL with_token, CK_SLOT_ID_PTR slots, CK_ULONG_PTR n)
{
  if (slots != NULL && *n < 1)
    return CKR_BUFFER_TOO_SMALL;
  if (slots != NULL)
    slots[0] = SLOT;
  *n = 1;
  return CKR_OK;
}

static CK_RV
get_slot_info (CK_SLOT_ID slot, CK_SLOT_INFO_PTR info)
{
  memset (info, ' ', sizeof *info);
  info->flags = CKF_TOKEN_PRESENT; /* and not removable: NSS does not ask again */
  info->hardwareVersion = info->firmwareVersion = (CK_VERSION){ 1, 0 };
  return CKR_OK;
}

static CK_RV
get_token_info (CK_SLOT_ID slot, CK_TOKEN_INFO_PTR info)
{
  memset (info, 0, sizeof *info);
  memset (info->label, ' ', sizeof info->label);
  memcpy (info->label, MODULE, strlen (MODULE));
  memset (info->manufacturerID, ' ', sizeof info->manufacturerID);
  memset (info->model, ' ', sizeof info->model);
  memset (info->serialNumber, ' ', sizeof info->serialNumber);
  memset (info->utcTime, ' ', sizeof info->utcTime);
  info->flags = CKF_TOKEN_INITIALIZED | CKF_WRITE_PROTECTED;
  info->ulMaxSessionCount = MAX_SESSIONS;
  return CKR_OK;
}

static const CK_MECHANISM_TYPE mechanisms[] = { CKM_RSA_PKCS, CKM_RSA_PKCS_PSS, CKM_ECDSA };

static CK_RV
get_mechanism_list (CK_SLOT_ID slot, CK_MECHANISM_TYPE_PTR list, CK_ULONG_PTR n)
{
  if (list != NULL && *n < G_N_ELEMENTS (mechanisms))
    return CKR_BUFFER_TOO_SMALL;
  if (list != NULL)
    memcpy (list, mechanisms, sizeof mechanisms);
  *n = G_N_ELEMENTS (mechanisms);
  return CKR_OK;
}

static CK_RV
get_mechanism_info (CK_SLOT_ID slot, CK_MECHANISM_TYPE mechanism, CK_MECHANISM_INFO_PTR info)
{
  *info = (CK_MECHANISM_INFO){ 256, 4096, CKF_SIGN };
  return CKR_OK;
}

static CK_RV
open_session (CK_SLOT_ID slot, CK_FLAGS flags, CK_VOID_PTR data, CK_NOTIFY notify, CK_SESSION_HANDLE_PTR handle)
{
  CK_RV rv = CKR_SESSION_COUNT;

  G_LOCK (module);
  for (CK_SESSION_HANDLE i = 1; rv != CKR_OK && i <= MAX_SESSIONS; i++)
    if (!sessions[i].open)
      {
        sessions[i] = (Session){ .open = TRUE };
        *handle = i;
        rv = CKR_OK;
      }
  G_UNLOCK (module);
  return rv;
}

static CK_RV
close_session (CK_SESSION_HANDLE handle)
{
  G_LOCK (module);
  if (session_at (handle) != NULL)
    sessions[handle].open = FALSE;
  G_UNLOCK (module);
  return CKR_OK;
}

static CK_RV
close_all_sessions (CK_SLOT_ID slot)
{
  for (CK_SESSION_HANDLE i = 1; i <= MAX_SESSIONS; i++)
    close_session (i);
  return CKR_OK;
}

static CK_RV
get_session_info (CK_SESSION_HANDLE handle, CK_SESSION_INFO_PTR info)
{
  *info = (CK_SESSION_INFO){ SLOT, CKS_RO_PUBLIC_SESSION, CKF_SERIAL_SESSION, 0 };
  return CKR_OK;
}

static CK_RV
get_attribute_value (CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_PTR attributes, CK_ULONG n)
{
  CK_RV rv = CKR_OK;
  const ObkNssKey *key = NULL;

  G_LOCK (module);
  key = key_at (object);
  if (key == NULL)
    rv = CKR_OBJECT_HANDLE_INVALID;
  for (CK_ULONG i = 0; key != NULL && i < n; i++)
    {
      CK_RV one = get_attribute (key, &attributes[i]);

      rv = rv == CKR_OK ? one : rv;
    }
  G_UNLOCK (module);
  return rv;
}

static CK_RV
find_objects_init (CK_SESSION_HANDLE handle, CK_ATTRIBUTE_PTR wanted, CK_ULONG n)
{
  Session *session = NULL;

  G_LOCK (module);
  session = session_at (handle);
  if (session != NULL)
    {
      session->found = CK_INVALID_HANDLE;
      /* A search for nothing in particular finds nothing: keys are had by their id alone. */
      for (gsize i = 0; n > 0 && i < G_N_ELEMENTS (keys); i++)
        if (keys[i] != NULL && matches (keys[i], wanted, n))
          session->found = keys[i]->handle;
    }
  G_UNLOCK (module);
  return session != NULL ? CKR_OK : CKR_SESSION_HANDLE_INVALID;
}

static CK_RV
find_objects (CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE_PTR objects, CK_ULONG max, CK_ULONG_PTR n)
{
  Session *session = NULL;

  *n = 0;
  G_LOCK (module);
  session = session_at (handle);
  if (session != NULL && session->found != CK_INVALID_HANDLE && max > 0)
    {
      objects[0] = session->found;
      session->found = CK_INVALID_HANDLE;
      *n = 1;
    }
  G_UNLOCK (module);
  return session != NULL ? CKR_OK : CKR_SESSION_HANDLE_INVALID;
}

static CK_RV
find_objects_final (CK_SESSION_HANDLE handle)
{
  return CKR_OK;
}

static CK_RV
sign_init (CK_SESSION_HANDLE handle, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE object)
{
  Session *session = NULL;

  G_LOCK (module);
  session = session_at (handle);
  if (session != NULL)
    {
      session->key = object;
      session->mechanism = mechanism->mechanism;
      if (mechanism->mechanism == CKM_RSA_PKCS_PSS && mechanism->ulParameterLen == sizeof session->pss)
        memcpy (&session->pss, mechanism->pParameter, sizeof session->pss);
    }
  G_UNLOCK (module);
  return session != NULL ? CKR_OK : CKR_SESSION_HANDLE_INVALID;
}

static CK_RV
sign (CK_SESSION_HANDLE handle, CK_BYTE_PTR data, CK_ULONG length, CK_BYTE_PTR signature, CK_ULONG_PTR size)
{
  guint8 made[OBK_NSS_SIGNATURE_MAX_BYTES];
  gsize made_length = 0;
  Session session = { .open = FALSE };
  ObkNssSign function = NULL;
  gpointer user_data = NULL;
  gboolean pss = FALSE;

  G_LOCK (module);
  if (session_at (handle) != NULL)
    {
      const ObkNssKey *key = key_at (sessions[handle].key);

      session = sessions[handle];
      function = key != NULL ? key->sign : NULL;
      user_data = key != NULL ? key->user_data : NULL;
    }
  G_UNLOCK (module);
  if (function == NULL)
    return session.open ? CKR_KEY_HANDLE_INVALID : CKR_SESSION_HANDLE_INVALID;
  pss = session.mechanism == CKM_RSA_PKCS_PSS;
  /* Without the lock: it takes the time that it takes. */
  if (!function (session.mechanism, pss ? &session.pss : NULL, pss ? sizeof session.pss : 0, data, length, made,
                 &made_length, user_data))
    return CKR_FUNCTION_FAILED;
  if (made_length > *size)
    return CKR_BUFFER_TOO_SMALL;
  memcpy (signature, made, made_length);
  *size = made_length;
  return CKR_OK;
}

/* For all that NSS may ask of a token and we do not do. */
static CK_RV
unsupported (void)
{
  return CKR_FUNCTION_NOT_SUPPORTED;
}

static CK_FUNCTION_LIST functions;

static CK_RV
get_function_list (CK_FUNCTION_LIST_PTR_PTR list)
{
  *list = &functions;
  return CKR_OK;
}

static void
fill_functions (void)
{
  CK_RV (*const nothing) (void) = unsupported;

  /* One function in all places: callers pass arguments in a way that lets it ignore them. */
  for (char *at = (char *)&functions.C_Initialize; at < (char *)(&functions + 1); at += sizeof nothing)
    memcpy (at, &nothing, sizeof nothing);
  functions.version = (CK_VERSION){ 2, 40 };
  functions.C_Initialize = initialize;
  functions.C_Finalize = initialize;
  functions.C_GetInfo = get_info;
  functions.C_GetFunctionList = get_function_list;
  functions.C_GetSlotList = get_slot_list;
  functions.C_GetSlotInfo = get_slot_info;
  functions.C_GetTokenInfo = get_token_info;
  functions.C_GetMechanismList = get_mechanism_list;
  functions.C_GetMechanismInfo = get_mechanism_info;
  functions.C_OpenSession = open_session;
  functions.C_CloseSession = close_session;
  functions.C_CloseAllSessions = close_all_sessions;
  functions.C_GetSessionInfo = get_session_info;
  functions.C_GetAttributeValue = get_attribute_value;
  functions.C_FindObjectsInit = find_objects_init;
  functions.C_FindObjects = find_objects;
  functions.C_FindObjectsFinal = find_objects_final;
  functions.C_SignInit = sign_init;
  functions.C_Sign = sign;
}

/* --- our side --- */

/* Makes the module known to NSS, by way of NSPR's table of libraries that are linked in. */
static gpointer
load (gpointer data)
{
  static const PRStaticLinkTable table[]
      = { { "C_GetFunctionList", (void (*) (void))get_function_list }, { NULL, NULL } };
  char specification[] = "library=" MODULE " name=" MODULE;
  SECMODModule *loaded = NULL;

  fill_functions ();
  if (PR_LoadStaticLibrary (MODULE, table) != NULL)
    loaded = SECMOD_LoadUserModule (specification, NULL, PR_FALSE);
  return loaded != NULL && loaded->loaded && loaded->slotCount == 1 ? loaded->slots[0] : NULL;
}

static GBytes *
bytes_of (const SECItem *item)
{
  return g_bytes_new (item->data, item->len);
}

static void
take_public (ObkNssKey *key, SECKEYPublicKey *public)
{
  if (SECKEY_GetPublicKeyType (public) == ecKey)
    {
      key->type = CKK_EC;
      key->parameters = bytes_of (&public->u.ec.DEREncodedParams);
      return;
    }
  key->type = CKK_RSA;
  key->modulus = bytes_of (&public->u.rsa.modulus);
  key->exponent = bytes_of (&public->u.rsa.publicExponent);
}

/* Returns: whether there is room for it */
static gboolean
enlist (ObkNssKey *key)
{
  gboolean done = FALSE;

  G_LOCK (module);
  for (gsize i = 0; !done && i < G_N_ELEMENTS (keys); i++)
    if (keys[i] == NULL)
      {
        key->handle = ++last_handle;
        keys[i] = key;
        done = TRUE;
      }
  G_UNLOCK (module);
  return done;
}

ObkNssKey *
obk_nss_key_new (SECKEYPublicKey *public, ObkNssSign sign_function, gpointer user_data, GError **error)
{
  static GOnce slot = G_ONCE_INIT;
  g_autoptr (ObkNssKey) key = g_new0 (ObkNssKey, 1);
  SECItem id = { siBuffer, (unsigned char *)&key->handle, sizeof key->handle };

  g_return_val_if_fail (public != NULL && sign_function != NULL, NULL);

  take_public (key, public);
  key->sign = sign_function;
  key->user_data = user_data;
  g_once (&slot, load, NULL);
  if (slot.retval != NULL && enlist (key))
    key->private = PK11_FindKeyByKeyID (slot.retval, &id, NULL);
  if (key->private != NULL)
    return g_steal_pointer (&key);
  obk_tls_error_set (error, PR_GetError (), "cannot make NSS know the key");
  return NULL;
}

void
obk_nss_key_free (ObkNssKey *key)
{
  if (key == NULL)
    return;
  g_clear_pointer (&key->private, SECKEY_DestroyPrivateKey);
  G_LOCK (module);
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++)
    if (keys[i] == key)
      keys[i] = NULL;
  G_UNLOCK (module);
  g_clear_pointer (&key->modulus, g_bytes_unref);
  g_clear_pointer (&key->exponent, g_bytes_unref);
  g_clear_pointer (&key->parameters, g_bytes_unref);
  g_free (key);
}

SECKEYPrivateKey *
obk_nss_key_private (ObkNssKey *key)
{
  return key->private;
}
