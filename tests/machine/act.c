/* SPDX-License-Identifier: Apache-2.0 */
/* One act that a confined domain may or may not do. Exit code 0: it was let; 1: it was refused; 2: something else. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

typedef int (*Act) (const char *object);

static int
open_for (const char *path, int flags)
{
  int fd = open (path, flags | O_CLOEXEC, 0600);

  if (fd >= 0)
    close (fd);
  return fd;
}

static int
read_file (const char *path)
{
  return open_for (path, O_RDONLY);
}

static int
write_file (const char *path)
{
  return open_for (path, O_WRONLY | O_APPEND);
}

static int
create_file (const char *path)
{
  int result = open_for (path, O_WRONLY | O_CREAT | O_EXCL);

  if (result >= 0)
    unlink (path);
  return result;
}

static int
make_node (const char *path)
{
  int result = mknod (path, S_IFCHR | 0600, makedev (1, 3));

  if (result >= 0)
    unlink (path);
  return result;
}

/* Refused, it stays; let, it is made anew. */
static int
remove_file (const char *path)
{
  int result = unlink (path);

  if (result >= 0)
    close (open (path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  return result;
}

/* The mode and the label that it has: nothing is another afterwards where this is let. */
static int
change_mode (const char *path)
{
  struct stat status;

  return stat (path, &status) < 0 ? -1 : chmod (path, status.st_mode & 07777);
}

static int
change_label (const char *path)
{
  char label[256];
  ssize_t length = getxattr (path, "security.selinux", label, sizeof label);

  return length < 0 ? -1 : setxattr (path, "security.selinux", label, (size_t)length, 0);
}

static int
mount_over (const char *path)
{
  int result = mount ("none", path, "tmpfs", 0, NULL);

  if (result >= 0)
    umount2 (path, MNT_DETACH);
  return result;
}

static int
map_code (const char *unused)
{
  (void)unused;
  return mmap (NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1
                                                                                                                 : 0;
}

static int
enter_domain (const char *context)
{
  int fd = open ("/proc/self/attr/current", O_WRONLY | O_CLOEXEC);

  return fd < 0 ? fd : (int)write (fd, context, strlen (context));
}

static int
become (const char *user)
{
  return setresuid ((uid_t)atoi (user), (uid_t)-1, (uid_t)-1);
}

static int
change_root (const char *path)
{
  return chroot (path);
}

static int
execute (const char *path)
{
  return execl (path, path, "-c", "exit 0", (char *)NULL);
}

/* A child of ours, which has done nothing to be out of reach but to be in this domain. */
static int
trace (const char *unused)
{
  pid_t child = fork ();
  int result = 0;
  int cause = 0;

  (void)unused;
  if (child == 0)
    for (;;)
      pause ();
  result = (int)ptrace (PTRACE_ATTACH, child, NULL, NULL);
  cause = errno;
  kill (child, SIGKILL);
  waitpid (child, NULL, 0);
  errno = cause;
  return result;
}

/* One that nobody minds. */
static int
send_signal (const char *process)
{
  return kill (atoi (process), SIGCONT);
}

static int
load_module (const char *path)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC);

  return fd < 0 ? fd : (int)syscall (SYS_finit_module, fd, "", 0);
}

static int
with_port (const char *port, int type, int (*call) (int, const struct sockaddr *, socklen_t))
{
  struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons ((in_port_t)atoi (port)) };
  int fd = socket (AF_INET, type | SOCK_CLOEXEC, 0);

  name.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  return fd < 0 ? fd : call (fd, (const struct sockaddr *)&name, sizeof name);
}

static int
bind_port (const char *port)
{
  return with_port (port, SOCK_STREAM, bind);
}

static int
bind_udp_port (const char *port)
{
  return with_port (port, SOCK_DGRAM, bind);
}

static int
connect_port (const char *port)
{
  return with_port (port, SOCK_STREAM, connect);
}

static int
connect_socket (const char *path)
{
  struct sockaddr_un name = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  strncpy (name.sun_path, path, sizeof name.sun_path - 1);
  return fd < 0 ? fd : connect (fd, (const struct sockaddr *)&name, sizeof name);
}

static int
open_raw_socket (const char *unused)
{
  (void)unused;
  return socket (AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
}

static int
open_packet_socket (const char *unused)
{
  (void)unused;
  return socket (AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
}

static int
load_program (const char *unused)
{
  struct bpf_insn program[] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K }, { .code = BPF_JMP | BPF_EXIT } };
  union bpf_attr attributes = {
    .prog_type = BPF_PROG_TYPE_KPROBE,
    .insn_cnt = 2,
    .insns = (uintptr_t)program,
    .license = (uintptr_t) "GPL",
  };

  (void)unused;
  return (int)syscall (SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes);
}

static int
watch_kernel (const char *unused)
{
  struct perf_event_attr attributes = { .type = PERF_TYPE_SOFTWARE, .size = sizeof attributes };

  (void)unused;
  attributes.config = PERF_COUNT_SW_CONTEXT_SWITCHES;
  return (int)syscall (SYS_perf_event_open, &attributes, -1, 0, -1, 0UL);
}

static int
take_page_faults (const char *unused)
{
  (void)unused;
  return (int)syscall (SYS_userfaultfd, O_CLOEXEC);
}

static const struct
{
  const char *name;
  Act act;
} acts[] = {
  { "read", read_file },
  { "write", write_file },
  { "create", create_file },
  { "remove", remove_file },
  { "make-node", make_node },
  { "change-mode", change_mode },
  { "change-label", change_label },
  { "mount", mount_over },
  { "map-code", map_code },
  { "enter-domain", enter_domain },
  { "become", become },
  { "change-root", change_root },
  { "execute", execute },
  { "trace", trace },
  { "signal", send_signal },
  { "load-module", load_module },
  { "load-program", load_program },
  { "watch-kernel", watch_kernel },
  { "take-page-faults", take_page_faults },
  { "bind", bind_port },
  { "bind-udp", bind_udp_port },
  { "connect", connect_port },
  { "connect-socket", connect_socket },
  { "raw-socket", open_raw_socket },
  { "packet-socket", open_packet_socket },
};

int
main (int argc, char **argv)
{
  for (size_t i = 0; argc == 3 && i < sizeof acts / sizeof acts[0]; i++)
    if (strcmp (argv[1], acts[i].name) == 0)
      {
        errno = 0;
        if (acts[i].act (argv[2]) >= 0)
          return 0;
        fprintf (stderr, "%s %s: %s\n", argv[1], argv[2], strerror (errno));
        /* Nobody listens, or it is loaded already: it would have been let. */
        return errno == ECONNREFUSED || errno == EEXIST ? 0 : errno == EACCES || errno == EPERM ? 1 : 2;
      }
  fprintf (stderr, "usage: act NAME OBJECT\n");
  return 2;
}
