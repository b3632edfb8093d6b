/* throttle - see the header. */
#include "verify/throttle.h"

int64_t throttle_take(Throttle *throttle, int64_t bytes, int64_t now_us)
{
    if (throttle->rate_bytes <= 0 || bytes <= 0)
        return 0;
    int64_t cost_us = (int64_t)((double)bytes * 1e6 / (double)throttle->rate_bytes);
    int64_t free_us = atomic_load(&throttle->free_us), from_us;
    do {
        from_us = free_us > now_us ? free_us : now_us;
    } while (!atomic_compare_exchange_weak(&throttle->free_us, &free_us, from_us + cost_us));
    return from_us + cost_us - now_us;
}
