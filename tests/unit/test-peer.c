/* SPDX-License-Identifier: Apache-2.0 */
#include "kms/peer.h"

#include "base/error.h"

#include <fcntl.h>
#include <grp.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define UID 54321 /* of nobody in particular */
#define GID 54322
#define FIRST_GROUP 60000
#define MOST_GROUPS 65536 /* NGROUPS_MAX */

/* A process that connects to us as somebody else, and lives until it is let go. */
typedef struct
{
  pid_t pid;
  int fd;      /* our end */
  int holding; /* it ends when this is closed */
} Other;

typedef struct
{
  uid_t uid;
  gid_t gid;
  guint n_groups;
  gboolean connects_first; /* and becomes somebody else afterwards */
} Identity;

/* In the child: no more than calls of the system. */
static gboolean
become (const Identity *identity, const gid_t *groups)
{
  return setgroups (identity->n_groups, groups) == 0 && setgid (identity->gid) == 0 && setuid (identity->uid) == 0;
}

static void
live_as (const Identity *identity, const gid_t *groups, const struct sockaddr_un *address, socklen_t length, int hold)
{
  int fd = socket (AF_UNIX, SOCK_STREAM, 0);
  char byte = 0;
  gboolean ok = identity->connects_first || become (identity, groups);

  ok = ok && connect (fd, (const struct sockaddr *)address, length) == 0;
  ok = ok && (!identity->connects_first || become (identity, groups));
  ok = ok && write (fd, "x", 1) == 1 && read (hold, &byte, 1) == 0;
  _exit (ok ? 0 : 1);
}

/* Returns: a listening socket with a name that the kernel has chosen: no directory keeps anyone off */
static int
listen_anywhere (struct sockaddr_un *address, socklen_t *length)
{
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
  g_assert_cmpint (bind (fd, (const struct sockaddr *)address, offsetof (struct sockaddr_un, sun_path)), ==, 0);
  *length = sizeof *address;
  g_assert_cmpint (getsockname (fd, (struct sockaddr *)address, length), ==, 0);
  g_assert_cmpint (listen (fd, 1), ==, 0);
  return fd;
}

static void
other_start (Other *other, const Identity *identity)
{
  g_autofree gid_t *groups = g_new0 (gid_t, MOST_GROUPS);
  struct sockaddr_un address;
  socklen_t length = 0;
  int listening = listen_anywhere (&address, &length);
  int ends[2];
  char byte = 0;

  for (guint i = 0; i < identity->n_groups; i++)
    groups[i] = FIRST_GROUP + i;
  g_assert_cmpint (pipe (ends), ==, 0);
  other->pid = fork ();
  if (other->pid == 0)
    {
      close (ends[1]);
      live_as (identity, groups, &address, length, ends[0]);
    }
  close (ends[0]);
  other->holding = ends[1];
  other->fd = accept4 (listening, NULL, NULL, SOCK_CLOEXEC);
  close (listening);
  g_assert_cmpint (other->fd, >=, 0);
  g_assert_cmpint (read (other->fd, &byte, 1), ==, 1); /* it is who it wanted to be by now */
}

static void
other_end (Other *other)
{
  int status = 0;

  close (other->holding);
  g_assert_cmpint (waitpid (other->pid, &status, 0), ==, other->pid);
  g_assert_cmpint (status, ==, 0);
  close (other->fd);
}

static gboolean
needs_root (void)
{
  if (geteuid () == 0)
    return TRUE;
  g_test_skip ("becoming other users needs root");
  return FALSE;
}

static void
expect_groups (const ObkPeer *peer, guint n)
{
  g_assert_cmpuint (peer->groups->len, ==, n);
  for (guint i = 0; i < n; i++)
    g_assert_cmpuint (g_array_index (peer->groups, gid_t, i), ==, FIRST_GROUP + i);
}

static void
test_ourselves (void)
{
  g_auto (ObkPeer) peer = { 0 };
  g_autoptr (GError) error = NULL;
  int ends[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
  g_assert_true (obk_peer_read (&peer, ends[0], &error));
  g_assert_no_error (error);
  g_assert_cmpuint (peer.uid, ==, geteuid ());
  g_assert_cmpuint (peer.gid, ==, getegid ());
  g_assert_cmpint (peer.pid, ==, getpid ());
  g_assert_cmpint ((gint64)peer.groups->len, ==, getgroups (0, NULL));
  close (ends[0]);
  close (ends[1]);
}

static void
test_other_ids (void)
{
  g_auto (ObkPeer) peer = { 0 };
  g_autoptr (GError) error = NULL;
  Other other;

  if (!needs_root ())
    return;
  other_start (&other, &(Identity){ .uid = UID, .gid = GID, .n_groups = 3 });
  g_assert_true (obk_peer_read (&peer, other.fd, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (peer.uid, ==, UID);
  g_assert_cmpuint (peer.gid, ==, GID);
  g_assert_cmpint (peer.pid, ==, other.pid);
  expect_groups (&peer, 3);
  other_end (&other);
}

/* Around the room that is there at first, and the most that Linux has. */
static void
test_many_groups (void)
{
  static const guint numbers[] = { 0, 1, 31, 32, 33, 1000, MOST_GROUPS };

  if (!needs_root ())
    return;
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    {
      g_auto (ObkPeer) peer = { 0 };
      g_autoptr (GError) error = NULL;
      Other other;

      other_start (&other, &(Identity){ .uid = UID, .gid = GID, .n_groups = numbers[i] });
      g_assert_true (obk_peer_read (&peer, other.fd, &error));
      g_assert_no_error (error);
      expect_groups (&peer, numbers[i]);
      other_end (&other);
    }
}

/* Who connected counts, whatever becomes of the process: that it has ended, too. */
static void
test_as_it_connected (void)
{
  g_auto (ObkPeer) peer = { 0 };
  g_autoptr (GError) error = NULL;
  Other other;
  int fd = -1;

  if (!needs_root ())
    return;
  other_start (&other, &(Identity){ .uid = UID, .gid = GID, .n_groups = 2, .connects_first = TRUE });
  fd = fcntl (other.fd, F_DUPFD_CLOEXEC, 0);
  other_end (&other);
  g_assert_true (obk_peer_read (&peer, fd, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (peer.uid, ==, 0);
  g_assert_cmpuint (peer.gid, ==, getegid ());
  g_assert_cmpint (peer.pid, ==, other.pid);
  close (fd);
}

static void
expect_unknown (int fd)
{
  ObkPeer peer = { .uid = 1, .gid = 2, .pid = 3 };
  g_autoptr (GError) error = NULL;

  g_assert_false (obk_peer_read (&peer, fd, &error));
  g_assert_error (error, OBK_ERROR, OBK_ERROR_UNKNOWN);
  g_assert_true (g_str_has_prefix (error->message, "cannot read the peer's "));
  g_assert_cmpuint (peer.uid, ==, 1); /* not touched */
  g_assert_null (peer.groups);
}

static void
test_nobody_there (void)
{
  int ends[2];
  int alone = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int network = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_assert_cmpint (pipe (ends), ==, 0);
  expect_unknown (ends[0]);
  expect_unknown (alone);
  expect_unknown (network);
  close (ends[0]);
  close (ends[1]);
  close (alone);
  close (network);
  expect_unknown (-1);
}

/* Who may connect */

#define OWN 10
#define GROUP 20
#define STRANGER 30
#define LISTED 40

typedef struct
{
  const char *name;
  uid_t uid;
  gid_t gid;
  gid_t groups[3]; /* ended by 0 */
  gboolean by_group;
  gboolean by_list;
} Case;

static const Case cases[] = {
  { "ourselves", OWN, STRANGER, { 0 }, TRUE, TRUE },
  { "root", 0, 0, { 0 }, TRUE, FALSE },
  { "the primary group", STRANGER, GROUP, { 0 }, TRUE, FALSE },
  { "the last of its groups", STRANGER, STRANGER, { 1, GROUP }, TRUE, FALSE },
  { "a stranger", STRANGER, STRANGER, { 1, 2 }, FALSE, FALSE },
  { "numbers that mean something else", GROUP, OWN, { LISTED }, FALSE, FALSE },
  { "a listed one", LISTED, STRANGER, { 0 }, FALSE, TRUE },
  { "the last listed one", LISTED + 1, STRANGER, { 0 }, FALSE, TRUE },
  { "beside the list", LISTED + 2, GROUP, { 0 }, TRUE, FALSE },
  { "no user", (uid_t)-1, (gid_t)-1, { 0 }, FALSE, FALSE },
};

static void
test_policy (void)
{
  static const guint32 listed[] = { LISTED, LISTED + 1 };
  const ObkPeerPolicy by_group = { .own_uid = OWN, .group = GROUP };
  const ObkPeerPolicy by_list = { .own_uid = OWN, .group = GROUP, .allowed_uids = listed, .n_allowed_uids = 2 };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_auto (ObkPeer) peer = { .uid = cases[i].uid, .gid = cases[i].gid };

      g_test_message ("%s", cases[i].name);
      g_assert_cmpint (obk_peer_may_connect (&peer, &by_group), ==, cases[i].by_group && cases[i].groups[0] == 0);
      peer.groups = g_array_new (FALSE, FALSE, sizeof (gid_t));
      for (const gid_t *group = cases[i].groups; *group != 0; group++)
        g_array_append_val (peer.groups, *group);
      g_assert_cmpint (obk_peer_may_connect (&peer, &by_group), ==, cases[i].by_group);
      g_assert_cmpint (obk_peer_may_connect (&peer, &by_list), ==, cases[i].by_list);
    }
}

/* Root is on the list like any other, or it is not. */
static void
test_root_must_be_listed (void)
{
  static const guint32 listed[] = { 0 };
  const ObkPeerPolicy policy = { .own_uid = OWN, .group = GROUP, .allowed_uids = listed, .n_allowed_uids = 1 };
  const ObkPeer root = { .uid = 0 };
  const ObkPeer member = { .uid = STRANGER, .gid = GROUP };

  g_assert_true (obk_peer_may_connect (&root, &policy));
  g_assert_false (obk_peer_may_connect (&member, &policy));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/peer/read/ourselves", test_ourselves);
  g_test_add_func ("/peer/read/other-ids", test_other_ids);
  g_test_add_func ("/peer/read/many-groups", test_many_groups);
  g_test_add_func ("/peer/read/as-it-connected", test_as_it_connected);
  g_test_add_func ("/peer/read/nobody-there", test_nobody_there);
  g_test_add_func ("/peer/policy", test_policy);
  g_test_add_func ("/peer/policy/root-must-be-listed", test_root_must_be_listed);
  return g_test_run ();
}
