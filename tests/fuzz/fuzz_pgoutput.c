/* Any bytes as messages of pgoutput. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_stream(pgoutput_new, data, size);
}
