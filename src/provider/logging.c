/* SPDX-License-Identifier: Apache-2.0 */
/* The log as the configuration has it. */
#include "provider/logging.h"

#include "observe/log-sink.h"

void
obk_logging_install (const ObkConfig *config)
{
  static const ObkSinkFormat formats[] = {
    [OBK_LOG_FORMAT_JSON] = OBK_SINK_JSON,
    [OBK_LOG_FORMAT_TEXT] = OBK_SINK_TEXT,
    [OBK_LOG_FORMAT_JOURNAL] = OBK_SINK_JOURNAL,
  };

  g_return_if_fail (config != NULL);

  obk_log_sink_install (formats[config->logging.format], config->logging.level);
}

ObkCorrelation *
obk_logging_correlation (const ObkConfig *config)
{
  g_return_val_if_fail (config != NULL, NULL);

  if (!config->logging.debug_correlation.enabled)
    return NULL;
  return obk_correlation_new (config->logging.debug_correlation.incident_id, config->logging.debug_correlation.ttl_us);
}
