/*
 * fault - named places where a test can make the program die, fail or wait.
 *
 * FAULT(NAME) is nothing in a release build (BASCULE_FAULTS=0). In a test build the environment
 * says what happens: BASCULE_FAULT="NAME[@hit]:action[,NAME...]", action one of
 *   kill         SIGKILL to ourselves
 *   exit         _exit(99)
 *   stop=MS      SIGSTOP-like pause of MS milliseconds
 *   error        FAULT_ERROR() makes the function fail with ERR_FAULT
 *   lost         FAULT_ERROR() makes it fail with ERR_CONN_LOST
 * `hit` counts from 1 and is 1 when left out. All names stand in fault.def.
 */
#pragma once

#include "bascule/base/error.h"

typedef enum Fault {
#define F(name, where) FAULT_##name,
#include "bascule/base/fault.def"
#undef F
    FAULT_COUNT,
} Fault;

#if BASCULE_FAULTS
#define FAULT(name) fault_hit(FAULT_##name)
/* true (and *err filled) when the point is set to fail */
#define FAULT_ERROR(name, err) fault_error(FAULT_##name, (err))
#else
#define FAULT(name)            ((void)0)
#define FAULT_ERROR(name, err) (false)
#endif

void fault_hit(Fault fault);
bool fault_error(Fault fault, Error *err);
const char *fault_name(Fault fault);
const char *fault_where(Fault fault);
/* Parses the environment; a wrong name is an error (also in a release build: no failpoints there). */
MUST_CHECK bool fault_init(const char *spec, Error *err);
