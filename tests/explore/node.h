/* SPDX-License-Identifier: Apache-2.0 */
/* One node: what it does with what it is told. Each decision is the shipped code's. */
#pragma once

#include "status.h"

G_BEGIN_DECLS

typedef enum
{
  STEP_PROBE,
  STEP_DEEP_PROBE,
  STEP_DISCOVER,
  STEP_FILL_DISK,
  STEP_EMPTY_DISK,
  STEP_REFUSE, /* deep probes, from now on */
  STEP_ALLOW,
  STEP_STOP,
  STEP_START,
  STEP_LOSE_STATE,
  STEP_RECOVER,   /* over what is on its disk, if anything is */
  STEP_RETIRE,    /* below detail */
  STEP_BRING_BACK /* version detail */
} StepKind;

/* All that the outcome depends on: compared as bytes, so zero it first. */
typedef struct
{
  Node node;
  guint32 ages;
  Image peer; /* for a recovery; 0 for none */
  View view;  /* what it reads */
  guint8 kind;
  guint8 detail;
  guint8 api_off; /* its API server is stopped */
  guint8 spare[3];
} Step;

G_STATIC_ASSERT (sizeof (Step) == 32);

/* What a step does; the same one twice is worked out once. Returns: what it did that it may not do */
Fault node_step (const Scenario *scenario, const Step *step, Node *after);

/* Forgets what was worked out, as for another scenario. */
void node_forget_steps (void);

G_END_DECLS
