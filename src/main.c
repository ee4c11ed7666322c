/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the command and runs it. */
#include "cli/command.h"
#include "provider/session.h"

#include <stdio.h>
#include <unistd.h>

int
main (int argc, char **argv)
{
  int exit_code = obk_command_main (argc, argv);

  if (obk_session_wait_for_threads ())
    return exit_code;
  /* A token still has one of them; exit() would take the module away from under it. */
  fflush (NULL);
  _exit (exit_code);
}
