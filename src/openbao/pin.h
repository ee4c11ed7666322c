/* SPDX-License-Identifier: Apache-2.0 */
/* The PIN of a token: read from its file, and never tried again once it was refused, since tokens lock. */
#pragma once

#include <glib.h>

#include "base/secret.h"

G_BEGIN_DECLS

#define OBK_PIN_MAX_BYTES 255

/* One trailing newline is left out. @error: OBK_ERROR_CREDENTIAL_INVALID */
ObkSecret *obk_pin_read (const char *path, GError **error);

/**
 * ObkPinGuard:
 *
 * Remembers the last PIN that a token refused, as a hash with a key of its own. Zeroed, it knows of none.
 */
typedef struct
{
  guint8 key[32];
  char *refused; /* of token and PIN; %NULL when none was */
} ObkPinGuard;

/* @token: which one, as its serial number tells */
void obk_pin_guard_remember (ObkPinGuard *guard, const char *token, ObkSecret *pin);

/* Whether that token has refused this very PIN. */
gboolean obk_pin_guard_knows (const ObkPinGuard *guard, const char *token, ObkSecret *pin);
void obk_pin_guard_clear (ObkPinGuard *guard);

G_END_DECLS
