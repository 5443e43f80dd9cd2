/* The page. See page.h. */
#include "fail/page.h"

#include "fail/sink.h"

#define PAGE_BYTES 65536

/* The beginning is kept for the termination log. What follows makes room when it has been written:
 * the end of a long report must not be lost. */
#define KEPT_BYTES 4096

static char text[PAGE_BYTES];
static struct ff__fmt fmt;
static struct ff__sink sink;
static size_t flushed;

/* AS-safe. */
struct ff__fmt *ff__page(void)
{
    if (!fmt.text) {
        ff__fmt_init(&fmt, text, sizeof text);
        ff__sink_init(&sink, /* stderr */ 2);
    }
    return &fmt;
}

/* AS-safe. What is written counts as written before it is: after a fault in the middle, nothing
 * comes twice. A fault in the wait before it loses nothing. */
void ff__page_flush(void)
{
    size_t from = flushed;

    (void)ff__page();
    ff__sink_await(&sink);
    flushed = fmt.used;
    ff__sink_write(&sink, text + from, flushed - from);
    if (flushed > PAGE_BYTES / 2) {
        fmt.used = flushed = KEPT_BYTES;
        fmt.truncated = false;
    }
}

/* AS-safe. */
const char *ff__page_head(size_t *ret_length)
{
    *ret_length = ff__page()->used < KEPT_BYTES ? ff__page()->used : KEPT_BYTES;
    return text;
}
