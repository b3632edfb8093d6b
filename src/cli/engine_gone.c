/* engine_gone - see the header. */
#include "cli/engine_gone.h"

#include "cli/interrupt.h"
#include "net/control_client.h"

bool engine_gone(const Config *config, Error *err)
{
    const char *path = config_text(config, OPT_CONTROL_SOCKET);
    StopToken *stop = interrupt_stop();
    pid_t pid = 0;
    ControlCall call = {.socket_path = path, .method = "POST", .path = "/v1/stop", .stop = stop};
    if (control_peer(path, &pid, err))
        return control_call(&call, NULL, err) && control_wait_gone(path, pid, stop, err);
    if (err->cls != ERR_NOT_RUNNING)
        return false;
    err_clear(err);
    return true;
}
