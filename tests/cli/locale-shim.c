/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded by tests: takes the translations from $LOCALE_SHIM, since those of the program are not installed yet. */
#include <dlfcn.h>
#include <stdlib.h>

char *bindtextdomain (const char *domain, const char *directory);

char *
bindtextdomain (const char *domain, const char *directory)
{
  char *(*real) (const char *, const char *) = NULL;
  const char *ours = getenv ("LOCALE_SHIM");

  *(void **)&real = dlsym (RTLD_NEXT, "bindtextdomain");
  return real (domain, ours != NULL ? ours : directory);
}
