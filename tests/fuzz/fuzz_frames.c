/* Any bytes as a message of the CopyBoth stream. */
#include <stdlib.h>
#include <string.h>

#include "wire/frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Frame frame;
    Error err = ERROR_INIT;
    char *copy = malloc(size + 1);
    memcpy(copy, data, size);
    if (frame_read(copy, size, &frame, &err))
        ASSERT(frame.kind != FRAME_DATA || frame.payload + frame.payload_len == copy + size);
    else
        ASSERT(err.cls == ERR_PROTOCOL);
    free(copy);
    return 0;
}
