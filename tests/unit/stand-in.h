/* SPDX-License-Identifier: Apache-2.0 */
/* The TLS server that misbehaves on request (tests/standin/tls_server.py), for one test program. */
#pragma once

#include <glib.h>

typedef struct _StandIn StandIn;

/* Starts it, and waits until it listens. Fails the test program when it cannot. */
StandIn *stand_in_start (void);
void stand_in_stop (StandIn *stand_in);

/* Returns: where it listens for that way of TLS */
guint16 stand_in_port (const StandIn *stand_in, const char *kind);

/* Returns: (transfer full): one of the files that it has made: "ca.pem" */
char *stand_in_file (const StandIn *stand_in, const char *name);

/* Returns: (transfer full): a file of the test's own in the same directory */
char *stand_in_copy (const StandIn *stand_in, const char *from, const char *to);

/* Turns the main loop for so long. */
void run_for (guint ms);
