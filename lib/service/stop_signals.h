/* SIGTERM and SIGINT, counted. For service.c; one user at a time. */
#ifndef FF__SERVICE_STOP_SIGNALS_H
#define FF__SERVICE_STOP_SIGNALS_H

/* From now on each of the two signals calls counted() in the handler, on whichever thread it comes
 * to; counted must be AS-safe. */
void ff__stop_signals_install(void (*counted)(void));

/* Puts the former handlers back, where ours are still in place. A handler that has begun on another
 * thread may still end. */
void ff__stop_signals_restore(void);

/* Lets the calling thread receive the two signals, so that they have a taker even if every thread
 * of the program blocks them. */
void ff__stop_signals_unblock(void);

#endif
