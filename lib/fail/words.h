/* What a signal's code means, in words. No state. */
#ifndef FF__FAIL_WORDS_H
#define FF__FAIL_WORDS_H

/* "address not mapped" for SIGSEGV and SEGV_MAPERR; never NULL. AS-safe, static text. */
const char *ff__signal_code_text(int signal, int code);

#endif
