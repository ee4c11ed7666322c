/* SPDX-License-Identifier: Apache-2.0 */
/* How the daemon proves itself to OpenBao: a login, and the renewal of what it brought. */
#include "openbao/credential.h"

void
obk_credential_free (ObkCredential *credential)
{
  if (credential != NULL)
    credential->free (credential);
}
