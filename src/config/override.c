/* SPDX-License-Identifier: Apache-2.0 */
/* The few values that the environment and the command line may set. */
#include "config/draft.h"

#include "base/names.h"
#include "config/problem.h"
#include "config/value.h"

static const struct
{
  const char *field;
  const char *variables[2]; /* the first one that is set and not empty wins */
  const char *flag;
  gsize flag_offset; /* into ObkConfigFlags */
} overrides[] = {
  { "logging.level",
    { "BAO_KMS_PROVIDER_LOG_LEVEL", "BAO_KMS_PROVIDER_LOGGING_LEVEL" },
    "--log-level",
    G_STRUCT_OFFSET (ObkConfigFlags, log_level) },
  { "server.metricsAddress",
    { "BAO_KMS_PROVIDER_SERVER_METRICS_ADDRESS", "BAO_KMS_PROVIDER_SERVER_METRICSADDRESS" },
    "--metrics-address",
    G_STRUCT_OFFSET (ObkConfigFlags, metrics_address) },
  { "server.healthAddress",
    { "BAO_KMS_PROVIDER_SERVER_HEALTH_ADDRESS", "BAO_KMS_PROVIDER_SERVER_HEALTHADDRESS" },
    "--health-address",
    G_STRUCT_OFFSET (ObkConfigFlags, health_address) },
};

const char *
obk_config_path (const char *given)
{
  static const char *const variables[] = { "BAO_KMS_PROVIDER_CONFIG", "BAO_KMS_PROVIDER_CONFIG_PATH" };

  for (gsize i = 0; i < G_N_ELEMENTS (variables) && given == NULL; i++)
    {
      const char *value = g_getenv (variables[i]);

      given = value != NULL && value[0] != '\0' ? value : NULL;
    }
  return given != NULL ? given : OBK_DEFAULT_CONFIG;
}

static void
override (ObkDraft *draft, const char *name, const char *value, const char *source, ObkOrigin origin)
{
  const ObkConfigField *field = obk_config_field_find (name);
  ObkDraftRow *row = &draft->rows[obk_config_field_row (field)];
  g_autofree char *problem = obk_value_set (field, draft->config, value);

  row->source = source;
  row->state = problem == NULL ? OBK_DRAFT_SET : OBK_DRAFT_INVALID;
  draft->config->origins[obk_config_field_row (field)] = (guint8)origin;
  if (problem != NULL)
    obk_config_problem_add_override (draft->problems, name, source, problem);
}

void
obk_draft_read_overrides (ObkDraft *draft, const ObkConfigFlags *flags)
{
  for (gsize i = 0; i < G_N_ELEMENTS (overrides); i++)
    {
      const char *flag = flags != NULL ? G_STRUCT_MEMBER (const char *, flags, overrides[i].flag_offset) : NULL;

      for (gsize j = 0; j < G_N_ELEMENTS (overrides[i].variables); j++)
        {
          const char *value = g_getenv (overrides[i].variables[j]);

          if (value == NULL || value[0] == '\0')
            continue;
          override (draft, overrides[i].field, value, overrides[i].variables[j], OBK_ORIGIN_ENVIRONMENT);
          break;
        }
      if (flag != NULL)
        override (draft, overrides[i].field, flag, overrides[i].flag, OBK_ORIGIN_FLAG);
    }
}
