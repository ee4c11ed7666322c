/* SPDX-License-Identifier: Apache-2.0 */
/* Where the JWT of a login comes from: a file, or something on the network. */
#include "openbao/jwt-supply.h"

void
obk_jwt_supply_free (ObkJwtSupply *supply)
{
  if (supply != NULL)
    supply->free (supply);
}
