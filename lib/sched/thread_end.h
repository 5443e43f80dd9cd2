/* Threads that end inside a task (pthread_exit, pthread_cancel), and adopted threads that end. */
#ifndef FF__SCHED_THREAD_END_H
#define FF__SCHED_THREAD_END_H

/* Makes what the watch needs, once. @return 0, or -EAGAIN (the process has no thread-specific key
 * left). */
int ff__thread_end_prepare(void);

/* The calling thread of the library may from now on not end inside a task: that takes the abort
 * path. */
void ff__thread_end_watch(void);
void ff__thread_end_unwatch(void);

#endif
