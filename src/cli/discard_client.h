/*
 * discard_client - rollback --discard-target-writes: shows what would be lost, asks twice, and does it in
 * this process.
 */
#pragma once

#include "config/config.h"

/* The exit code; *err as far as it failed. */
int discard_client(const Config *config, Error *err);
