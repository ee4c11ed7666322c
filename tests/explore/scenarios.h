/* SPDX-License-Identifier: Apache-2.0 */
/* What is explored: the rules as they are, and each of them taken out. */
#pragma once

#include "model.h"

G_BEGIN_DECLS

#define TO_THE_END G_MAXUINT32

/* The rules as they are: nothing wrong may be found. */
typedef struct
{
  Scenario scenario;
  guint32 most;   /* worlds; TO_THE_END: all that there are. 0: not in this tier */
  guint32 deeply; /* the same in the long run */
} Exploration;

/* One rule taken out: something wrong must be found. */
typedef struct
{
  Scenario scenario;
  Fault fault;
} Mutation;

extern const Exploration explorations[];
extern const guint n_explorations;
extern const Mutation mutations[];
extern const guint n_mutations;

G_END_DECLS
