/* SPDX-License-Identifier: Apache-2.0 */
/* What leaves the process of an error: gRPC status and fixed text (spec kms-v2.md, "Status codes"). */
#pragma once

#include <glib.h>
#include <grpc/status.h>

G_BEGIN_DECLS

typedef enum
{
  OBK_METHOD_STATUS,
  OBK_METHOD_ENCRYPT,
  OBK_METHOD_DECRYPT,
  OBK_N_METHODS
} ObkMethod;

/* @message: (out) (transfer none): static text */
grpc_status_code obk_error_table_status (const GError *error, ObkMethod method, const char **message);

/* Returns: the code in lower snake case, "ok" among them: the metrics' label */
const char *obk_grpc_code_name (grpc_status_code code);

G_END_DECLS
