/* SPDX-License-Identifier: Apache-2.0 */
/* A token and its lease: read from OpenBao's answers, and when it must be refreshed. Pure. */
#pragma once

#include <glib.h>
#include <jansson.h>

#include "base/secret.h"

G_BEGIN_DECLS

/* Of a login that passes only with what a person has at hand; by it doctor tells it apart. */
#define OBK_LEASE_SAYS_MFA "OpenBao asks for a second factor, which a service has not"

/* A plain value; zeroed, it is no token. Times are CLOCK_BOOTTIME, microseconds. */
typedef struct
{
  ObkSecret *token;
  GStrv policies; /* (nullable): that the role gives it, by its answer */
  char *entity;   /* (nullable): the identity that gives it further ones; likewise */
  gint64 uses;    /* how many calls it was given for; 0: any number */
  gint64 issued_us;
  gint64 expires_us;
  gint64 window_us; /* it is to be refreshed this long before it expires */
  gboolean renewable;
} ObkLease;

/**
 * obk_lease_login:
 * @answer: of a login
 * @asked_us: when it was asked for: the lease began later
 * @login_before_us: the window; a lease that is not longer gets one of a third of it
 * @lease: (out): zeroed before
 * @error: OBK_ERROR_UNAVAILABLE; the text holds nothing of the answer
 */
gboolean obk_lease_login (const json_t *answer, gint64 asked_us, gint64 now_us, gint64 login_before_us, ObkLease *lease,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * obk_lease_renew:
 * @answer: of a renewal of @lease's token
 * @enough: (out): whether it lives longer than its window now; if not, no further renewal is worth a try
 * @error: OBK_ERROR_UNAVAILABLE; @lease is as it was
 *
 * Source: spec openbao.md, "Credentials and tokens": judged by the TTL that it granted.
 */
gboolean obk_lease_renew (ObkLease *lease, const json_t *answer, gint64 asked_us, gint64 login_before_us,
                          gboolean *enough, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Whether there is a token that has not expired. */
gboolean obk_lease_is_valid (const ObkLease *lease, gint64 now_us);

/* Forgets the token. */
void obk_lease_clear (ObkLease *lease);

G_END_DECLS
