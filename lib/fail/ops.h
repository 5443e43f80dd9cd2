/* What the scheduler registered with ff__abort_set_ops(). */
#ifndef FF__FAIL_OPS_H
#define FF__FAIL_OPS_H

#include "fail/abort.h"

/* NULL when nothing was. AS-safe. */
const struct ff__abort_ops *ff__abort_ops(void);

#endif
