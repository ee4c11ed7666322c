/* SPDX-License-Identifier: Apache-2.0 */
/* What to do about a failure, by what its text says: texts of other modules, whose headers name the phrases. Pure. */
#pragma once

#include <glib.h>

#include "cli/doctor/check.h"

G_BEGIN_DECLS

/* Before a command for "bao" that OpenBao takes in no other namespace, or not in the one that is configured */
#define OBK_ADVICE_IN_ROOT_NAMESPACE "BAO_NAMESPACE= "

/* Of a key that can never be right */
#define OBK_ADVICE_OTHER_KEY                                                                                           \
  N_ ("make another key, name it in transit.keyName with a keyLineageId of its own, and "                              \
      "move to it by a second provider beside this one")

/* One row of a table. The first row whose phrase is in the text counts. */
typedef struct
{
  const char *phrase;  /* never a translated one */
  const char *remedy;  /* for _() */
  const char *command; /* (nullable) */
} ObkAdvice;

/* The tables, each ended by an empty row. */
extern const ObkAdvice obk_advice_on_certificate[]; /* of openbao/pkcs11*.h, cert-signer.h, client-chain.h */
extern const ObkAdvice obk_advice_on_jwt_login[];   /* of openbao/answer.h */
extern const ObkAdvice obk_advice_on_cert_login[];  /* of openbao/answer.h, cert-login.h */
extern const ObkAdvice obk_advice_on_outage[];      /* of openbao/answer.h, tls-error.h */
extern const ObkAdvice obk_advice_on_tls[];         /* of openbao/tls-error.h: whose remedies name nothing */
extern const ObkAdvice obk_advice_on_oauth2[];      /* of openbao/oauth2-answer.h, jwt.h */
extern const ObkAdvice obk_advice_on_jwt[];         /* of openbao/jwt.h */
extern const ObkAdvice obk_advice_on_key[];         /* of registry/profile.h */

/* Returns: (nullable) (transfer none): the row for @problem */
const ObkAdvice *obk_advice_find (const ObkAdvice *table, const char *problem);

/* Adds what the row for @problem says to the last finding. Returns: whether there is one */
gboolean obk_advice_add (const ObkAdvice *table, const char *problem, ObkCheckReport *report);

G_END_DECLS
