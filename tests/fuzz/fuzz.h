/* SPDX-License-Identifier: Apache-2.0 */
/* What a fuzz target defines: it ends the process by an assertion when a promise is broken. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The name that libFuzzer calls. Returns: 0 */
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);
