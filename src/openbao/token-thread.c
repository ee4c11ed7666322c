/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that ask a PKCS#11 token, which may hold them for ever: counted, so that the end of the process can wait. */
#include "openbao/token-thread.h"

#include "base/error.h"

#define THREAD_NAME "auth"

static GMutex mutex;
static GCond one_ended;
static guint n_threads;
static GQueue ended_threads = G_QUEUE_INIT; /* of GThread: to be joined, which takes no time */

/* @thread: (nullable) (transfer full): %NULL when none came to be */
static void
thread_ended (GThread *thread)
{
  g_mutex_lock (&mutex);
  n_threads--;
  if (thread != NULL)
    g_queue_push_tail (&ended_threads, thread);
  g_cond_broadcast (&one_ended);
  g_mutex_unlock (&mutex);
}

/* With the lock held. */
static void
join_ended (void)
{
  GThread *thread = NULL;

  while ((thread = g_queue_pop_head (&ended_threads)) != NULL)
    g_thread_join (thread);
}

typedef struct
{
  GThreadFunc function;
  gpointer data;
} Start;

static gpointer
run_counted (gpointer data)
{
  g_autofree Start *start = data;

  start->function (start->data);
  thread_ended (g_thread_self ());
  return NULL;
}

gboolean
obk_token_thread_start (GThreadFunc function, gpointer data, GError **error)
{
  Start *start = g_new (Start, 1);
  g_autoptr (GError) cause = NULL;
  GThread *thread = NULL;

  *start = (Start){ function, data };
  g_mutex_lock (&mutex);
  join_ended ();
  n_threads++;
  g_mutex_unlock (&mutex);
  thread = g_thread_try_new (THREAD_NAME, run_counted, start, &cause);
  if (thread != NULL)
    return TRUE; /* its reference is now what thread_ended() passes on */
  thread_ended (NULL);
  g_free (start);
  g_set_error (error, OBK_ERROR, OBK_ERROR_UNKNOWN, "no thread for the login: %s", cause->message);
  return FALSE;
}

gboolean
obk_token_threads_wait (gint64 patience_us)
{
  gint64 end_us = g_get_monotonic_time () + patience_us;
  gboolean all = FALSE;

  g_mutex_lock (&mutex);
  while (n_threads > 0 && g_cond_wait_until (&one_ended, &mutex, end_us))
    ;
  all = n_threads == 0;
  join_ended ();
  g_mutex_unlock (&mutex);
  return all;
}
