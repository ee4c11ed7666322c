/* SPDX-License-Identifier: Apache-2.0 */
/* The PIN of a token: read from its file, and what tokens have refused, which is not tried again, since they lock. */
#pragma once

#include <glib.h>

#include "base/secret.h"

G_BEGIN_DECLS

#define OBK_PIN_MAX_BYTES 255

/* A phrase of the errors, by which doctor tells them. */
#define OBK_PIN_SAYS_FILE "PIN file"

/* One trailing newline is left out. @error: OBK_ERROR_CREDENTIAL_INVALID */
ObkSecret *obk_pin_read (const char *path, GError **error);

/* What has come of a try. */
typedef enum
{
  OBK_PIN_NOT_PROVED, /* neither */
  OBK_PIN_RIGHT,
  OBK_PIN_WRONG /* the token has counted it */
} ObkPinOutcome;

/*
 * What tokens have refused, as hashes: of the whole process, since each way to OpenBao asks the same token. All from
 * any thread. @token: which one, as its serial number tells.
 */

/**
 * obk_pin_set_provider:
 * @path: (nullable): where the next process finds what this one knows: to be in memory, as /run is, and for our eyes
 *   alone, since who has a hash can try all short PINs
 *
 * Called first, by the provider: it knows what was refused, and so may try a PIN although the token has counted a wrong
 * one. A command cannot know whether that was the very PIN that it is to try.
 */
void obk_pin_set_provider (const char *path);
gboolean obk_pin_is_provider (void);

/* Waits until nobody else tries a PIN at that token: however long the token takes. A trial ends below. */
void obk_pin_trial_begin (const char *token);

/**
 * obk_pin_is_refused:
 * @counted: whether the token shows now that it has counted wrong PINs
 *
 * Within a trial. Whether that token has refused this very PIN. That is forgotten when an operator has asked for it
 * since the last call (obk_pin_ask_again()), and the token, which showed a count then, shows none any more.
 */
gboolean obk_pin_is_refused (const char *token, ObkSecret *pin, gboolean counted);

/**
 * obk_pin_trial_end:
 * @source: where the PIN is from: a right one from there is the end of the wrong ones from there
 * @counted: as above
 */
void obk_pin_trial_end (const char *token, ObkSecret *pin, const char *source, ObkPinOutcome outcome, gboolean counted);

/* An operator asks for another try of what was refused, as far as a token shows that it is safe. */
void obk_pin_ask_again (void);

G_END_DECLS
