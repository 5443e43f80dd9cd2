#include "throttle.h"

#include <failfast.h>

void throttle_init(struct throttle *throttle, uint64_t rate)
{
    *throttle = (struct throttle){.rate = rate};
    pthread_mutex_init(&throttle->lock, NULL);
}

void throttle_done(struct throttle *throttle)
{
    pthread_mutex_destroy(&throttle->lock);
}

uint64_t throttle_reserve(struct throttle *throttle, uint64_t records)
{
    uint64_t start_ns = ff_now_ns();

    if (throttle->rate == 0)
        return start_ns;
    pthread_mutex_lock(&throttle->lock);
    if (start_ns < throttle->next_ns)
        start_ns = throttle->next_ns;
    throttle->next_ns = start_ns + records * FF_SECOND / throttle->rate;
    pthread_mutex_unlock(&throttle->lock);
    return start_ns;
}
