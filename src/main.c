/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the command and runs it. */
#include "cli/command.h"

int
main (int argc, char **argv)
{
  return obk_command_main (argc, argv);
}
