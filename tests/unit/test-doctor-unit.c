/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/doctor/unit.h"

#include <string.h>

/* As systemd 252 prints them */
#define SERVICE                                                                                                        \
  "LoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\n"                                    \
  "Before=multi-user.target shutdown.target kubelet.service\n"                                                         \
  "After=system.slice network-online.target bao-kms-provider.socket\nNeedDaemonReload=no\nResult=success\n"            \
  "User=openbao-kms\nMainPID=812\nNRestarts=0\nExecMainStatus=5\n"                                                     \
  "ExecStart={ path=/usr/bin/bao-kms-provider ; argv[]=/usr/bin/bao-kms-provider serve --config "                      \
  "/etc/openbao-kms/config.yaml ; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 }\n"
#define SOCKET                                                                                                         \
  "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nListen=/run/openbao-kms/kms.sock (Stream)\n"           \
  "SocketMode=0660\nSocketGroup=root\n"
#define OFF "LoadState=loaded\nActiveState=inactive\nUnitFileState=disabled\n"
#define MASKED "LoadState=masked\nActiveState=inactive\nUnitFileState=masked\n"
#define ABSENT "LoadState=not-found\nActiveState=inactive\nUnitFileState=\n"
#define KUBELET "LoadState=loaded\nActiveState=active\n"

typedef enum
{
  LATER,
  BEFORE_START,
  RUNS, /* a provider has the state */
} Moment;

typedef struct
{
  const char *name;
  const char *service, *socket, *kubelet;
  const char *from, *to; /* (nullable): replaced in the service's or the socket's */
  Moment moment;
  ObkCheckResult result;
  const char *says;    /* (nullable) */
  const char *command; /* (nullable) */
} Case;

static const Case cases[] = {
  { "good", SERVICE, SOCKET, KUBELET, NULL, NULL, LATER, OBK_CHECK_OK, "behind its socket unit, before the kubelet",
    NULL },
  { "without-socket", SERVICE, ABSENT, KUBELET, NULL, NULL, LATER, OBK_CHECK_OK, "without its socket unit", NULL },
  { "without-kubelet", SERVICE, SOCKET, ABSENT, "Before=multi-user.target shutdown.target kubelet.service",
    "Before=", LATER, OBK_CHECK_OK, NULL, NULL },
  { "static-pod", ABSENT, ABSENT, KUBELET, NULL, NULL, LATER, OBK_CHECK_SKIP, "static pod", NULL },
  { "not-before-kubelet", SERVICE, SOCKET, KUBELET, " kubelet.service", "", LATER, OBK_CHECK_FAIL,
    "not ordered before kubelet.service", "systemctl edit bao-kms-provider.service" },
  { "not-after-network", SERVICE, SOCKET, KUBELET, "network-online.target", "network.target", LATER, OBK_CHECK_WARN,
    "network-online.target", "systemctl edit bao-kms-provider.service" },
  { "failed", SERVICE, SOCKET, KUBELET, "ActiveState=active\nSubState=running", "ActiveState=failed", LATER,
    OBK_CHECK_FAIL, "has failed (success, exit code 5)", "journalctl -u bao-kms-provider.service -n 20" },
  { "failed-without-user", SERVICE, SOCKET, KUBELET, "User=openbao-kms\nMainPID=812\nNRestarts=0\nExecMainStatus=5\n",
    "ActiveState=failed\nExecMainStatus=217\n", LATER, OBK_CHECK_FAIL, "exit code 217: its user does not exist",
    "systemd-sysusers\nsystemctl restart bao-kms-provider.service" },
  { "crash-loop", SERVICE, SOCKET, KUBELET, "ActiveState=active\nSubState=running",
    "ActiveState=activating\nSubState=auto-restart", LATER, OBK_CHECK_FAIL, "ends as soon as it is started",
    "journalctl -u bao-kms-provider.service -n 20" },
  { "crash-loop-at-its-next-try", SERVICE, SOCKET, KUBELET,
    "User=openbao-kms\nMainPID=812\nNRestarts=0\nExecMainStatus=5\n", "NRestarts=7\nActiveState=activating\n", LATER,
    OBK_CHECK_FAIL, "7 times so far", "journalctl -u bao-kms-provider.service -n 20" },
  { "inactive", SERVICE, SOCKET, KUBELET, "ActiveState=active\nSubState=running", "ActiveState=inactive", LATER,
    OBK_CHECK_FAIL, "does not run",
    "systemctl start bao-kms-provider.service\njournalctl -u bao-kms-provider.service -n 20" },
  { "inactive-yet", SERVICE, SOCKET, KUBELET, "ActiveState=active\nSubState=running", "ActiveState=inactive",
    BEFORE_START, OBK_CHECK_OK, "is inactive", NULL },
  { "without-process", SERVICE, SOCKET, KUBELET, "MainPID=812", "MainPID=0", LATER, OBK_CHECK_FAIL, "without a process",
    "journalctl -u bao-kms-provider.service -n 20" },
  { "masked", "LoadState=masked\nActiveState=inactive\n", SOCKET, KUBELET, NULL, NULL, LATER, OBK_CHECK_FAIL,
    "is masked", "systemctl unmask bao-kms-provider.service" },
  { "masked-socket", SERVICE, "LoadState=masked\nActiveState=inactive\n", KUBELET, NULL, NULL, LATER, OBK_CHECK_FAIL,
    "bao-kms-provider.socket is masked", "systemctl unmask bao-kms-provider.socket" },
  { "not-enabled", SERVICE, SOCKET, KUBELET, "UnitFileState=enabled", "UnitFileState=disabled", LATER, OBK_CHECK_FAIL,
    "neither unit is enabled", "systemctl enable bao-kms-provider.socket bao-kms-provider.service" },
  { "not-enabled-yet", SERVICE, SOCKET, KUBELET, "UnitFileState=enabled", "UnitFileState=disabled", BEFORE_START,
    OBK_CHECK_OK, NULL, NULL },
  { "not-read-again", SERVICE, SOCKET, KUBELET, "NeedDaemonReload=no", "NeedDaemonReload=yes", LATER, OBK_CHECK_WARN,
    "have changed", "systemctl daemon-reload" },
  { "another-configuration", SERVICE, SOCKET, KUBELET, "/etc/openbao-kms/config.yaml", "/root/config.yaml", LATER,
    OBK_CHECK_WARN, "serve --config /root/config.yaml\"", "systemctl cat bao-kms-provider.service" },
  { "another-spelling", SERVICE, SOCKET, KUBELET, "--config /etc", "--config=/etc", LATER, OBK_CHECK_OK, NULL, NULL },
  { "another-path", SERVICE, SOCKET, KUBELET, "Listen=/run/openbao-kms/kms.sock", "Listen=/run/other.sock", LATER,
    OBK_CHECK_FAIL, "listens on \"/run/other.sock (Stream)\"", "systemctl edit bao-kms-provider.socket" },
  { "another-group", SERVICE, SOCKET, KUBELET, "SocketGroup=root", "SocketGroup=kube", LATER, OBK_CHECK_WARN,
    "SocketGroup=kube", "systemctl edit bao-kms-provider.socket" },
  { "another-mode", SERVICE, SOCKET, KUBELET, "SocketMode=0660", "SocketMode=0600", LATER, OBK_CHECK_WARN,
    "SocketMode=0600", "systemctl edit bao-kms-provider.socket" },
  { "group-by-number", SERVICE, SOCKET, KUBELET, "SocketGroup=root", "SocketGroup=0", LATER, OBK_CHECK_OK, NULL, NULL },
  { "another-group-by-number", SERVICE, SOCKET, KUBELET, "SocketGroup=root", "SocketGroup=1", LATER, OBK_CHECK_WARN,
    "SocketGroup=1", "systemctl edit bao-kms-provider.socket" },
  { "ended-by-signal", SERVICE, SOCKET, KUBELET, "ActiveState=active\nSubState=running",
    "ExecMainCode=3\nActiveState=failed", LATER, OBK_CHECK_FAIL, "has failed (success, signal 5)",
    "journalctl -u bao-kms-provider.service -n 20" },
  { "off-beside-a-pod", OFF, OFF, KUBELET, NULL, NULL, RUNS, OBK_CHECK_SKIP, "static pod", NULL },
  { "masked-beside-a-pod", MASKED, MASKED, KUBELET, NULL, NULL, RUNS, OBK_CHECK_SKIP, "static pod", NULL },
  { "off", OFF, OFF, KUBELET, NULL, NULL, LATER, OBK_CHECK_FAIL, "does not run",
    "systemctl start bao-kms-provider.service\njournalctl -u bao-kms-provider.service -n 20" },
  { "enabled-beside-a-pod", OFF, SOCKET, KUBELET, NULL, NULL, RUNS, OBK_CHECK_FAIL, "does not run",
    "systemctl start bao-kms-provider.service\njournalctl -u bao-kms-provider.service -n 20" },
};

static GHashTable *
parse (const char *text, const Case *one)
{
  g_autoptr (GString) changed = g_string_new (text);

  if (one->from != NULL)
    g_string_replace (changed, one->from, one->to, 0);
  return obk_unit_parse (changed->str);
}

static void
test_case (gconstpointer data)
{
  const Case *one = data;
  g_autoptr (ObkCheckReport) report = obk_check_report_new ();
  g_autoptr (GHashTable) service = parse (one->service, one);
  g_autoptr (GHashTable) socket = parse (one->socket, one);
  g_autoptr (GHashTable) kubelet = obk_unit_parse (one->kubelet);
  const ObkCheckFinding *first = NULL;

  obk_unit_judge (
      &(ObkUnitQuestion){
          .service_name = "bao-kms-provider.service",
          .socket_name = "bao-kms-provider.socket",
          .service = service,
          .socket = socket,
          .kubelet = kubelet,
          .config_path = "/etc/openbao-kms/config.yaml",
          .socket_path = "/run/openbao-kms/kms.sock",
          .socket_mode = 0660,
          .socket_group = "root",
          .before_start = one->moment == BEFORE_START,
          .runs_without = one->moment == RUNS,
      },
      report);
  g_assert_cmpuint (report->findings->len, >, 0);
  g_assert_cmpstr (obk_check_result_name (obk_check_report_result (report)), ==, obk_check_result_name (one->result));
  first = g_ptr_array_index (report->findings, 0);
  if (one->says != NULL)
    g_assert_nonnull (strstr (first->text, one->says));
  g_assert_cmpstr (first->command, ==, one->command);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strdup_printf ("/doctor-unit/%s", cases[i].name);

      g_test_add_data_func (path, &cases[i], test_case);
    }
  return g_test_run ();
}
