/* Any bytes as messages of wal2json. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_stream(wal2json_new, data, size);
}
