/* interrupt - see the header. */
#include "cli/interrupt.h"

#include <signal.h>
#include <stddef.h>

static StopToken *the_stop;

static void on_signal(int number)
{
    (void)number;
    stop_request(the_stop);
}

StopToken *interrupt_stop(void)
{
    if (the_stop == NULL) {
        /* SA_RESETHAND: the second one finds the default action */
        struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND | SA_RESTART};
        the_stop = stop_new();
        sigemptyset(&action.sa_mask);
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
    }
    return the_stop;
}
