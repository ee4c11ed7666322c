/* SPDX-License-Identifier: Apache-2.0 */
/* Between the model's packed values and those of the shipped code. */
#pragma once

#include "model.h"

G_BEGIN_DECLS

/* The one moment at which everything happens: ages count back from it. */
extern const ObkNow model_now;

void scenario_prepare (Scenario *scenario);

guint age_of (guint32 ages, Slot slot);
guint32 ages_with (guint32 ages, Slot slot, guint age);

/* Returns: 0 for none, else 1 + ObkSnapshotState */
guint image_kind (Image image, Slot slot);
Image image_with_kind (Image image, Slot slot, guint kind);
gboolean image_retains (Image image, Slot slot);
/* The snapshot of that version that is not rejected. Returns: whether there is one */
gboolean image_find (Image image, guint version, Slot *slot);
Slot image_active (Image image); /* of one that is not 0 */
/* One tick later */
Image image_age (Image image, const Scenario *scenario);

gboolean view_has (View view, Slot slot);
Slot view_slot (View view, guint version);
guint view_first (View view);

/* Returns: (transfer full) */
ObkState *image_unpack (Image image, guint32 ages, const Scenario *scenario);
/* Returns: 0 when it is no valid state */
Image image_pack (const ObkState *state, guint32 ages, const Scenario *scenario);
/* Returns: (transfer full) */
ObkKeyMetadata *view_unpack (View view, guint32 ages, const Scenario *scenario);

const ObkScope *model_scope (void);

G_END_DECLS
