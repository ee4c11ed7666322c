/* SPDX-License-Identifier: Apache-2.0 */
/* Takes the place of openbao/auth in a program that is not linked with the whole library. */
#pragma once

#include "base/error.h"
#include "openbao/auth.h"

struct _ObkAuth
{
  ObkSecret *token;  /* (nullable): the one at hand */
  gint64 issued_us;  /* when */
  gboolean silent;   /* hold those who wait; else they are answered at the next turn of the main loop */
  const char *login; /* (nullable): the token that the next login brings */
  ObkError refusal;  /* without one: why not */
  GPtrArray *waits;
  guint acquired, refused, cancelled;
};

/* @token: (nullable): one that is old */
ObkAuth *auth_stand_in_new (const char *token);
void auth_stand_in_free (ObkAuth *auth);
