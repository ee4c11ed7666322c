/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses of OpenBao in order of preference, and which of them are in use. */
#pragma once

#include <glib.h>

#include "openbao/endpoint.h"

G_BEGIN_DECLS

#define OBK_MAX_ADDRESSES 32 /* more than config/ lets through */

/* Spec openbao.md, "More than one OpenBao address". Clock and randomness come from the caller. */
typedef struct _ObkAddresses ObkAddresses;

/* @error: OBK_ERROR_CONFIG_INVALID */
ObkAddresses *obk_addresses_new (const char *const *urls, const char *tls_server_name, GError **error);
void obk_addresses_free (ObkAddresses *addresses);

guint obk_addresses_count (const ObkAddresses *addresses);
ObkEndpoint *obk_addresses_endpoint (const ObkAddresses *addresses, guint index);
gboolean obk_addresses_healthy (const ObkAddresses *addresses, guint index);

/* Whether one of those that are not @tried (a bit each) is in use. */
gboolean obk_addresses_any_healthy (const ObkAddresses *addresses, guint32 tried);

/**
 * obk_addresses_time_for:
 * @index: of the one that is asked
 * @tried: likewise a bit each, and its own
 *
 * Returns: of @left_us all but a second for each one that may still be tried, and at least half. Those that are
 *   out do not count while one is in use.
 */
gint64 obk_addresses_time_for (const ObkAddresses *addresses, guint index, guint32 tried, gint64 left_us);

/* One try at one address, a plain value: chosen, and then told of in exactly one of the three ways below. */
typedef struct
{
  guint index;
  gint64 started_us;
  gboolean trial; /* the one request that finds out whether an address is back */
} ObkAddressTry;

/**
 * obk_addresses_choose:
 * @tried: the bit of each index that must not be chosen; not all of them
 *
 * The first one in order that is healthy, or that is due for the one request that tries it; else the one that is due
 * first.
 */
void obk_addresses_choose (ObkAddresses *addresses, guint32 tried, gint64 now_us, ObkAddressTry *choice);

/* A try of an address that is in use, beside those of the requests, to find out whether it should be. Returns: FALSE
 * when one is under way */
gboolean obk_addresses_doubt (ObkAddresses *addresses, guint index, gint64 now_us, ObkAddressTry *choice);

/* It has given an answer that OpenBao gives when it is well. */
void obk_addresses_answered (ObkAddresses *addresses, const ObkAddressTry *choice);

/**
 * obk_addresses_failed:
 * @random: in [0, 1)
 *
 * Takes the address out, for longer each time. What was sent before it was due again says nothing new.
 */
void obk_addresses_failed (ObkAddresses *addresses, const ObkAddressTry *choice, gint64 now_us, double random);

/* Takes over what @others know of the same addresses: which of them are out. What is out here only stays so until it is
 * due. */
void obk_addresses_learn (ObkAddresses *addresses, const ObkAddresses *others, gint64 now_us);

/* Nothing was learnt: cancelled, or given up before OpenBao had its time. */
void obk_addresses_abandoned (ObkAddresses *addresses, const ObkAddressTry *choice);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkAddresses, obk_addresses_free)

G_END_DECLS
