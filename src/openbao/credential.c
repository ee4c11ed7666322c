/* SPDX-License-Identifier: Apache-2.0 */
/* What a login proves itself with: the body of the login call, read and checked anew each time. */
#include "openbao/credential.h"

void
obk_credential_free (ObkCredential *credential)
{
  if (credential != NULL)
    credential->free (credential);
}
