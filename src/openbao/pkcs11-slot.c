/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the token among the slots of the modules. */
#include "openbao/pkcs11-slot.h"

#include "base/error.h"

#include <string.h>

#define MAX_SLOTS 256 /* of a module; others are not looked at */
#define PROXY "/p11-kit-proxy.so"
#define ANY_SLOT ((CK_SLOT_ID)-1)

struct _ObkPkcs11
{
  P11KitUri *uri;
  guint max_sessions;
  char *module_path;          /* %NULL for all that p11-kit knows */
  CK_FUNCTION_LIST *module;   /* the one at the path; %NULL while not loaded */
  CK_FUNCTION_LIST **modules; /* p11-kit's, those that could be started; %NULL while not loaded */
  CK_FUNCTION_LIST *only[2];  /* @module, as a list */
};

gboolean
obk_pkcs11_fail (GError **error, const char *what, CK_RV rv)
{
  g_set_error (error, OBK_ERROR, OBK_ERROR_CREDENTIAL_INVALID, "cannot %s: %s (PKCS#11 0x%lx)", what,
               p11_kit_strerror (rv), rv);
  return FALSE;
}

P11KitUri *
obk_pkcs11_uri (ObkPkcs11 *pkcs11)
{
  return pkcs11->uri;
}

guint
obk_pkcs11_max_sessions (const ObkPkcs11 *pkcs11)
{
  return pkcs11->max_sessions;
}

/* --- the place --- */

/* As PKCS#11 has it: without a zero byte, the rest blank. */
static void
pad (unsigned char *field, gsize size, const char *text)
{
  memset (field, ' ', size);
  memcpy (field, text, strlen (text));
}

static gboolean
take_labels (P11KitUri *uri, const ObkPkcs11Place *place, GError **error)
{
  CK_ATTRIBUTE label = { CKA_LABEL, (gpointer)place->key_label, strlen (place->key_label) };
  CK_TOKEN_INFO *token = p11_kit_uri_get_token_info (uri);

  if (strlen (place->token_label) > sizeof token->label)
    {
      g_set_error (error, OBK_ERROR, OBK_ERROR_CONFIG_INVALID,
                   "auth.cert.pkcs11.tokenLabel is longer than a token's label can be (%zu bytes)",
                   sizeof token->label);
      return FALSE;
    }
  pad (token->label, sizeof token->label, place->token_label);
  return p11_kit_uri_set_attribute (uri, &label) == P11_KIT_URI_OK;
}

static gboolean
take_uri (P11KitUri *uri, const char *text, GError **error)
{
  CK_OBJECT_CLASS wanted = CKO_PRIVATE_KEY;
  CK_ATTRIBUTE *class = NULL;
  int rv = p11_kit_uri_parse (text, P11_KIT_URI_FOR_ANY, uri);

  if (rv != P11_KIT_URI_OK)
    {
      g_set_error (error, OBK_ERROR, OBK_ERROR_CONFIG_INVALID, "auth.cert.pkcs11.uri cannot be read: %s",
                   p11_kit_uri_message (rv));
      return FALSE;
    }
  class = p11_kit_uri_get_attribute (uri, CKA_CLASS);
  if (class == NULL || (class->ulValueLen == sizeof wanted && memcmp (class->pValue, &wanted, sizeof wanted) == 0))
    return TRUE;
  g_set_error_literal (error, OBK_ERROR, OBK_ERROR_CONFIG_INVALID,
                       "auth.cert.pkcs11.uri must be that of the private key (type=private, or no type)");
  return FALSE;
}

ObkPkcs11 *
obk_pkcs11_new (const ObkPkcs11Place *place, GError **error)
{
  static gsize is_quiet = 0;
  CK_OBJECT_CLASS private_key = CKO_PRIVATE_KEY;
  CK_ATTRIBUTE class = { CKA_CLASS, &private_key, sizeof private_key };
  g_autoptr (ObkPkcs11) pkcs11 = NULL;
  const char *path = NULL;

  g_return_val_if_fail (place != NULL, NULL);

  if (g_once_init_enter (&is_quiet)) /* before any thread asks it */
    {
      p11_kit_be_quiet (); /* what it has to say is in our errors */
      g_once_init_leave (&is_quiet, 1);
    }
  pkcs11 = g_new0 (ObkPkcs11, 1);
  pkcs11->max_sessions = place->max_sessions;
  pkcs11->uri = p11_kit_uri_new ();
  if (!(place->uri[0] != '\0' ? take_uri (pkcs11->uri, place->uri, error) : take_labels (pkcs11->uri, place, error)))
    return NULL;
  p11_kit_uri_set_attribute (pkcs11->uri, &class);
  path = place->module_path[0] != '\0' ? place->module_path : p11_kit_uri_get_module_path (pkcs11->uri);
  /* p11-kit does not load its own proxy: that module is what it knows itself. */
  if (path != NULL && !g_str_has_suffix (path, PROXY))
    pkcs11->module_path = g_strdup (path);
  return g_steal_pointer (&pkcs11);
}

/* --- modules --- */

void
obk_pkcs11_unload (ObkPkcs11 *pkcs11)
{
  if (pkcs11->module != NULL)
    {
      p11_kit_module_finalize (pkcs11->module);
      p11_kit_module_release (pkcs11->module);
    }
  pkcs11->module = NULL;
  g_clear_pointer (&pkcs11->modules, p11_kit_modules_finalize_and_release);
}

void
obk_pkcs11_free (ObkPkcs11 *pkcs11)
{
  if (pkcs11 == NULL)
    return;
  obk_pkcs11_unload (pkcs11);
  p11_kit_uri_free (pkcs11->uri);
  g_free (pkcs11->module_path);
  g_free (pkcs11);
}

static gboolean
load_module (ObkPkcs11 *pkcs11, GError **error)
{
  CK_FUNCTION_LIST *module = p11_kit_module_load (pkcs11->module_path, 0);
  CK_RV rv = CKR_OK;

  if (module == NULL)
    {
      const char *cause = p11_kit_message ();

      g_set_error (error, OBK_ERROR, OBK_ERROR_CREDENTIAL_INVALID, OBK_PKCS11_SAYS_NOT_LOADED " \"%s\": %s",
                   pkcs11->module_path, cause != NULL ? cause : "unknown cause");
      return FALSE;
    }
  rv = p11_kit_module_initialize (module);
  if (rv != CKR_OK)
    {
      p11_kit_module_release (module);
      obk_pkcs11_fail (error, "start the PKCS#11 module", rv);
      g_prefix_error (error, "\"%s\": ", pkcs11->module_path);
      return FALSE;
    }
  pkcs11->module = pkcs11->only[0] = module;
  return TRUE;
}

static gboolean
load_registered (ObkPkcs11 *pkcs11, GError **error)
{
  pkcs11->modules = p11_kit_modules_load_and_initialize (0);
  if (pkcs11->modules != NULL && pkcs11->modules[0] != NULL)
    return TRUE;
  g_clear_pointer (&pkcs11->modules, p11_kit_modules_finalize_and_release);
  g_set_error_literal (error, OBK_ERROR, OBK_ERROR_CREDENTIAL_INVALID,
                       OBK_PKCS11_SAYS_NONE_REGISTERED " that starts; register one, or name it by module-path");
  return FALSE;
}

/* --- slots --- */

static gboolean
has_name (CK_FUNCTION_LIST *module, const char *wanted)
{
  char *name = NULL;
  gboolean equal = FALSE;

  if (wanted == NULL)
    return TRUE;
  name = p11_kit_module_get_name (module);
  equal = g_strcmp0 (name, wanted) == 0;
  free (name);
  return equal;
}

static gboolean
slot_fits (const ObkPkcs11 *pkcs11, ObkPkcs11Slot *slot)
{
  CK_SLOT_ID wanted = p11_kit_uri_get_slot_id (pkcs11->uri);
  CK_SLOT_INFO info;

  if (wanted != ANY_SLOT && wanted != slot->id)
    return FALSE;
  return slot->module->C_GetSlotInfo (slot->id, &info) == CKR_OK && p11_kit_uri_match_slot_info (pkcs11->uri, &info)
         && slot->module->C_GetTokenInfo (slot->id, &slot->token) == CKR_OK
         && (slot->token.flags & CKF_TOKEN_INITIALIZED) != 0
         && p11_kit_uri_match_token_info (pkcs11->uri, &slot->token);
}

/* @found: (inout): how many fit so far; the first one stays in @slot */
static guint
search_module (ObkPkcs11 *pkcs11, CK_FUNCTION_LIST *module, ObkPkcs11Slot *slot, guint found)
{
  CK_SLOT_ID ids[MAX_SLOTS];
  CK_ULONG n = G_N_ELEMENTS (ids);
  CK_INFO info;

  if (module->C_GetInfo (&info) != CKR_OK || !p11_kit_uri_match_module_info (pkcs11->uri, &info)
      || !has_name (module, p11_kit_uri_get_module_name (pkcs11->uri))
      || module->C_GetSlotList (CK_TRUE, ids, &n) != CKR_OK)
    return found;
  for (CK_ULONG i = 0; i < n; i++)
    {
      ObkPkcs11Slot other = { .module = module, .id = ids[i] };

      if (!slot_fits (pkcs11, &other))
        continue;
      if (found == 0)
        *slot = other;
      found++;
    }
  return found;
}

gboolean
obk_pkcs11_find_slot (ObkPkcs11 *pkcs11, ObkPkcs11Slot *slot, GError **error)
{
  CK_FUNCTION_LIST **modules = NULL;
  guint found = 0;

  if (pkcs11->module == NULL && pkcs11->modules == NULL
      && !(pkcs11->module_path != NULL ? load_module (pkcs11, error) : load_registered (pkcs11, error)))
    return FALSE;
  modules = pkcs11->module != NULL ? pkcs11->only : pkcs11->modules;
  for (gsize i = 0; modules[i] != NULL; i++)
    found = search_module (pkcs11, modules[i], slot, found);
  if (found == 1)
    return TRUE;
  if (found == 0)
    g_set_error_literal (error, OBK_ERROR, OBK_ERROR_CREDENTIAL_INVALID,
                         OBK_PKCS11_SAYS_NO_TOKEN " that fits the configuration");
  else
    g_set_error (error, OBK_ERROR, OBK_ERROR_CREDENTIAL_INVALID,
                 "%u " OBK_PKCS11_SAYS_SEVERAL_TOKENS " the configuration; a uri can tell them apart by serial", found);
  return FALSE;
}
