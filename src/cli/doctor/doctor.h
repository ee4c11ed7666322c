/* SPDX-License-Identifier: Apache-2.0 */
/* What the checks of one run of doctor share. */
#pragma once

#include <gio/gio.h>

#include "base/key-metadata.h"
#include "base/poller.h"
#include "cli/doctor/check.h"
#include "cli/ids.h"
#include "config/config.h"
#include "openbao/endpoint.h"
#include "provider/session.h"
#include "registry/store.h"

G_BEGIN_DECLS

/* From the command line. A plain value, everything borrowed. */
typedef struct
{
  const char *config_path;
  const ObkConfigFlags *flags;
  const char *const *encryption_configs; /* %NULL-ended */
  gboolean before_start;                 /* the provider need not run yet */
  ObkIds service;                        /* whom the provider runs as */
  gboolean is_service;                   /* what runs as the service does so with its ids */
  gboolean is_root;                      /* the caller */
  const char *outage;                    /* (nullable): that the service does not run, by systemd's word */
  gboolean would_start;                  /* systemd listens for a service that does not run: a connection starts it */
  gboolean is_masked;                    /* a unit of it */
  gboolean lacks_user;                   /* systemd could not start it for that */
} ObkDoctorOptions;

/* One configured address of OpenBao, as far as it has been followed. */
typedef struct
{
  ObkEndpoint *endpoint;
  GList *found;          /* of GInetAddress */
  GInetAddress *reached; /* (nullable): which accepts connections */
  guint health;          /* the status of its answer to sys/health; 0 without one */
} ObkDoctorAddress;

typedef struct _ObkDoctor ObkDoctor;
struct _ObkDoctor
{
  ObkDoctorOptions options;
  ObkConfig *config; /* from config.load on */
  ObkScope *scope;
  char *outage;         /* (nullable): what the options borrow */
  char *units;          /* "NAME.socket NAME.service" */
  GPtrArray *addresses; /* of ObkDoctorAddress */
  ObkPoller *poller;
  ObkCertSigner *signer; /* (nullable): while its checks run */
  ObkSession *session;   /* from openbao.auth on, when that has passed */
  GStrv policies;        /* that the role gives, without OpenBao's own "default"; likewise */
  gboolean has_default_policy;
  ObkKeyMetadata *metadata; /* (nullable): from transit.metadata on */
  gboolean state_read;      /* see obk_doctor_state() */
  ObkState *state;          /* (nullable) */
  ObkCheckpointStatus checkpoint;
  GError *state_error; /* (nullable): why it is refused */
};

void obk_doctor_clear (ObkDoctor *doctor);

/* Returns: (nullable) (transfer none): the node's state, read once; %NULL when there is none or it is refused */
const ObkState *obk_doctor_state (ObkDoctor *doctor);

/* Returns: (nullable) (transfer none): for main loops; %NULL with OBK_ERROR_UNKNOWN */
ObkPoller *obk_doctor_poller (ObkDoctor *doctor, GError **error);

/* Returns: who has the state's lock; 0 when nobody has, or one that this process cannot see */
pid_t obk_doctor_lock_holder (const ObkDoctor *doctor);

/* Returns: (transfer full): the socket's unit, or the service's, without the other */
char *obk_doctor_socket_unit (const ObkDoctor *doctor);
char *obk_doctor_service_unit (const ObkDoctor *doctor);

/* Returns: (transfer full): "uid 1000 may not …; run doctor as root": for what another user cannot judge */
char *obk_doctor_run_as_root (const ObkDoctor *doctor);

/* Whether the caller lacks the right to read it, or to look whether it is there. */
gboolean obk_doctor_may_not_read (const char *path);

/* The checks, by where they belong. Each adds to @report. */
void obk_doctor_config_load (ObkDoctor *doctor, ObkCheckReport *report);
void obk_doctor_config_validate (ObkDoctor *doctor, ObkCheckReport *report);
void obk_doctor_socket_group (ObkDoctor *doctor, ObkCheckReport *report);
void obk_doctor_socket_parent (ObkDoctor *doctor, ObkCheckReport *report);
void obk_doctor_jwt_local (ObkDoctor *doctor, ObkCheckReport *report);
void obk_doctor_oauth2_local (ObkDoctor *doctor, ObkCheckReport *report);
void obk_doctor_oauth2_acquire (ObkDoctor *doctor, ObkCheckReport *report);
void obk_doctor_cert_pkcs11 (ObkDoctor *doctor, ObkCheckReport *report);
void obk_doctor_cert_local (ObkDoctor *doctor, ObkCheckReport *report);
void obk_doctor_cert_signer (ObkDoctor *doctor, ObkCheckReport *report);
void obk_doctor_encryption_config (ObkDoctor *doctor, ObkCheckReport *report);
void obk_doctor_dns (ObkDoctor *doctor, ObkCheckReport *report);
void obk_doctor_connect (ObkDoctor *doctor, ObkCheckReport *report);
void obk_doctor_tls (ObkDoctor *doctor, ObkCheckReport *report);
void obk_doctor_clock (ObkDoctor *doctor, ObkCheckReport *report);
void obk_doctor_auth (ObkDoctor *doctor, ObkCheckReport *report);
void obk_doctor_capabilities (ObkDoctor *doctor, ObkCheckReport *report);
void obk_doctor_metadata (ObkDoctor *doctor, ObkCheckReport *report);
void obk_doctor_profile (ObkDoctor *doctor, ObkCheckReport *report);
void obk_doctor_disable_upsert (ObkDoctor *doctor, ObkCheckReport *report);
void obk_doctor_version_restrictions (ObkDoctor *doctor, ObkCheckReport *report);
void obk_doctor_transit_probe (ObkDoctor *doctor, ObkCheckReport *report);
void obk_doctor_registry_state (ObkDoctor *doctor, ObkCheckReport *report);
void obk_doctor_key_id (ObkDoctor *doctor, ObkCheckReport *report);
void obk_doctor_status_encrypt (ObkDoctor *doctor, ObkCheckReport *report);
void obk_doctor_systemd (ObkDoctor *doctor, ObkCheckReport *report);
void obk_doctor_selinux (ObkDoctor *doctor, ObkCheckReport *report);

/**
 * obk_doctor_clock_offset:
 * @offset_us: (out): by how much this node's clock is ahead of the server's
 * @error: why the server could not be asked
 *
 * Asks one address for its health; no token is needed.
 */
gboolean obk_doctor_clock_offset (ObkDoctor *doctor, ObkDoctorAddress *address, gint64 *offset_us, GError **error);

/* What an offset comes to under the configured login. @authority: whose clock it was compared with */
void obk_doctor_judge_clock (const ObkConfig *config, ObkCheckReport *report, const char *authority, gint64 offset_us);

/* A clock that is off by less says nothing: the Date header has whole seconds, and the answer took its time. */
#define OBK_DOCTOR_CLOCK_US (5 * (gint64)G_USEC_PER_SEC)
#define OBK_DOCTOR_SET_CLOCK "timedatectl set-ntp true\nchronyc makestep"

/* Adds the command that plans a new state. @option: " --replace" for one in the place of what is there, or "" */
void obk_doctor_advise_recovery (const ObkDoctor *doctor, ObkCheckReport *report, const char *option);

/* Adds the remedy for a version that this node needs and OpenBao does not have, or has as another one. */
void obk_doctor_advise_on_lost_version (const ObkDoctor *doctor, ObkCheckReport *report);

/* Adds the remedy for a minimum of Transit that shuts out what this node's state needs. */
void obk_doctor_advise_on_minimum (const ObkDoctor *doctor, ObkCheckReport *report);

/* Adds the policy that is needed, and its role. */
void obk_doctor_advise_on_policy (const ObkDoctor *doctor, ObkCheckReport *report, gboolean wide);

/* Adds the remedy for a call to Transit that was refused. */
void obk_doctor_advise_on_call (ObkDoctor *doctor, ObkCheckReport *report, const GError *error);

/* Returns: (transfer full): a word that a shell takes as it is */
char *obk_doctor_quote (const char *text);

/* Returns: (transfer full) (element-type ObkDoctorAddress): all that are configured */
GPtrArray *obk_doctor_addresses_new (const ObkConfig *config);

/* Returns: (transfer full): shows the role of the login; where OpenBao chooses it by the certificate, which there are.
 * @option: of "bao read", with a space behind it, or "" */
char *obk_doctor_role_command (const ObkConfig *config, const char *option);

/* Adds the remedy for an OpenBao that does not serve: sealed, slow, limited. */
void obk_doctor_advise_on_outage (const ObkDoctor *doctor, ObkCheckReport *report, const GError *error);

/* Returns: (transfer full): "3 days", "2 h", "45 s" */
char *obk_doctor_span (gint64 us);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ObkDoctor, obk_doctor_clear)

G_END_DECLS
