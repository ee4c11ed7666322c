/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A PKCS#11 module that stands before a real one ($OBK_PKCS11_MODULE) and waits, fails or hides its token on demand.
 *
 * $OBK_PKCS11_CONTROL is a file that is read at each call that can go wrong. Its words:
 *   sleep=FUNCTION:SECONDS   as sleep=C_Sign:30; while the word stays
 *   fail=FUNCTION            CKR_DEVICE_REMOVED
 *   gone                     no slot has a token
 *   locks                    a wrong PIN is the last one
 *   flag=COUNT_LOW           of a token that shows it; likewise FINAL_TRY and LOCKED
 *   no-flags                 of a token that shows none
 *   already                  a login finds that somebody has logged in, and looks at no PIN
 *   always                   each signature wants the PIN (CKA_ALWAYS_AUTHENTICATE), which any one satisfies
 *   refuse-signature         but none does
 *   no-pss                   CKM_RSA_PKCS_PSS is unknown
 * $OBK_PKCS11_CALLS is a file that gets a line with the name of each such call.
 */
#include <p11-kit/pkcs11.h>

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORD_BYTES 64
#define STEP_US 20000

static CK_FUNCTION_LIST *real;
static CK_FUNCTION_LIST functions;
static bool locked;

static void
note (const char *name)
{
  FILE *file = fopen (getenv ("OBK_PKCS11_CALLS"), "a");

  if (file == NULL)
    return;
  fprintf (file, "%s\n", name);
  fclose (file);
}

/* Whether the control file has the word. */
static bool
is_told (const char *word)
{
  FILE *file = fopen (getenv ("OBK_PKCS11_CONTROL"), "r");
  char found[WORD_BYTES];
  bool told = false;

  while (file != NULL && !told && fscanf (file, "%63s", found) == 1)
    told = strcmp (found, word) == 0;
  if (file != NULL)
    fclose (file);
  return told;
}

static double
time_to_sleep (const char *name)
{
  FILE *file = fopen (getenv ("OBK_PKCS11_CONTROL"), "r");
  char found[WORD_BYTES], wanted[WORD_BYTES];
  double seconds = 0;

  snprintf (wanted, sizeof wanted, "sleep=%s:", name);
  while (file != NULL && fscanf (file, "%63s", found) == 1)
    if (strncmp (found, wanted, strlen (wanted)) == 0)
      seconds = atof (found + strlen (wanted));
  if (file != NULL)
    fclose (file);
  return seconds;
}

/* What every call begins with. */
static CK_RV
begin (const char *name)
{
  char fail[WORD_BYTES];

  note (name);
  for (double slept = 0; slept < time_to_sleep (name); slept += STEP_US / 1e6)
    usleep (STEP_US);
  snprintf (fail, sizeof fail, "fail=%s", name);
  return is_told (fail) || is_told ("gone") ? CKR_DEVICE_REMOVED : CKR_OK;
}

static CK_RV
initialize (void *arguments)
{
  note ("C_Initialize");
  return real->C_Initialize (arguments);
}

static CK_RV
get_slot_list (unsigned char with_token, CK_SLOT_ID *slots, CK_ULONG *n)
{
  if (is_told ("gone"))
    {
      *n = 0;
      return CKR_OK;
    }
  return real->C_GetSlotList (with_token, slots, n);
}

static CK_RV
get_token_info (CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
  CK_RV rv = is_told ("gone") ? CKR_DEVICE_REMOVED : real->C_GetTokenInfo (slot, info);

  if (rv == CKR_OK && is_told ("no-flags"))
    info->flags &= ~(CK_FLAGS)(CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED);
  if (rv == CKR_OK && is_told ("flag=COUNT_LOW"))
    info->flags |= CKF_USER_PIN_COUNT_LOW;
  if (rv == CKR_OK && is_told ("flag=FINAL_TRY"))
    info->flags |= CKF_USER_PIN_FINAL_TRY;
  if (rv == CKR_OK && (locked || is_told ("flag=LOCKED")))
    info->flags |= CKF_USER_PIN_LOCKED;
  return rv;
}

static CK_RV
get_mechanism_info (CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *info)
{
  return type == CKM_RSA_PKCS_PSS && is_told ("no-pss") ? CKR_MECHANISM_INVALID
                                                        : real->C_GetMechanismInfo (slot, type, info);
}

static CK_RV
open_session (CK_SLOT_ID slot, CK_FLAGS flags, void *data, CK_NOTIFY notify, CK_SESSION_HANDLE *session)
{
  CK_RV rv = begin ("C_OpenSession");

  return rv == CKR_OK ? real->C_OpenSession (slot, flags, data, notify, session) : rv;
}

static CK_RV
log_in (CK_SESSION_HANDLE session, CK_USER_TYPE user, unsigned char *pin, CK_ULONG length)
{
  CK_RV rv = begin (user == CKU_CONTEXT_SPECIFIC ? "C_Login:signature" : "C_Login");

  if (rv == CKR_OK && user == CKU_CONTEXT_SPECIFIC && is_told ("always"))
    return is_told ("refuse-signature") ? CKR_PIN_INCORRECT : CKR_OK;
  if (rv == CKR_OK && is_told ("already"))
    return CKR_USER_ALREADY_LOGGED_IN;
  if (rv == CKR_OK && locked)
    return CKR_PIN_LOCKED;
  if (rv == CKR_OK)
    rv = real->C_Login (session, user, pin, length);
  locked = locked || (rv == CKR_PIN_INCORRECT && is_told ("locks"));
  return rv;
}

static CK_RV
get_attribute_value (CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *attributes, CK_ULONG n)
{
  if (n != 1 || attributes->type != CKA_ALWAYS_AUTHENTICATE || !is_told ("always"))
    return real->C_GetAttributeValue (session, object, attributes, n);
  attributes->ulValueLen = 1;
  if (attributes->pValue != NULL)
    *(unsigned char *)attributes->pValue = 1;
  return CKR_OK;
}

static CK_RV
sign (CK_SESSION_HANDLE session, unsigned char *data, CK_ULONG length, unsigned char *signature, CK_ULONG *size)
{
  CK_RV rv = begin ("C_Sign");

  return rv == CKR_OK ? real->C_Sign (session, data, length, signature, size) : rv;
}

CK_RV
C_GetFunctionList (CK_FUNCTION_LIST **list)
{
  void *library = dlopen (getenv ("OBK_PKCS11_MODULE"), RTLD_NOW);
  CK_C_GetFunctionList get = NULL;

  if (library != NULL)
    get = (CK_C_GetFunctionList)dlsym (library, "C_GetFunctionList");
  if (get == NULL || get (&real) != CKR_OK)
    return CKR_GENERAL_ERROR;
  functions = *real;
  functions.C_GetFunctionList = C_GetFunctionList;
  functions.C_Initialize = initialize;
  functions.C_GetSlotList = get_slot_list;
  functions.C_GetTokenInfo = get_token_info;
  functions.C_GetMechanismInfo = get_mechanism_info;
  functions.C_OpenSession = open_session;
  functions.C_Login = log_in;
  functions.C_GetAttributeValue = get_attribute_value;
  functions.C_Sign = sign;
  *list = &functions;
  return CKR_OK;
}
