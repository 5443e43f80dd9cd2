/* failfast: a task runtime in which no failure stays silent. Includes all the other headers. */
#ifndef FAILFAST_H
#define FAILFAST_H

#include <failfast/base.h>
#include <failfast/cancel.h>
#include <failfast/failure.h>
#include <failfast/group.h>
#include <failfast/pool.h>
#include <failfast/service.h>
#include <failfast/stats.h>
#include <failfast/task.h>
#include <failfast/timer.h>
#include <failfast/version.h>

#endif
