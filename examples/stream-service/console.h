/* What the service says on stderr: whole lines, and one live line at the bottom of a terminal.
 *
 * Any thread may call; each call is one write. */
#ifndef STREAM_CONSOLE_H
#define STREAM_CONSOLE_H

#define CONSOLE_PRINTF __attribute__((format(printf, 1, 2)))

/* A line for the log. */
CONSOLE_PRINTF void console_line(const char *format, ...);

/* The same with the program's name before it: for errors. */
CONSOLE_PRINTF void console_error(const char *format, ...);

/* Replaces the live line. Only where console_is_live() says so. */
CONSOLE_PRINTF void console_live(const char *format, ...);

/* 1 when stderr is a terminal that can show a live line. */
int console_is_live(void);

/* Ends the live line, so that what follows starts on a line of its own. */
void console_live_done(void);

#endif
