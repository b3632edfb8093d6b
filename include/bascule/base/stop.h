/*
 * stop - one flag that many threads wait on together with their sockets.
 *
 * stop_fd() becomes readable (and stays so) once stop_request() was called; it is async-signal-safe.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct StopToken StopToken;

StopToken *stop_new(void);
void stop_free(StopToken *stop);
void stop_request(StopToken *stop);
bool stop_requested(const StopToken *stop);
int stop_fd(const StopToken *stop);
/* Waits until `fd` (or -1) has one of poll(2)'s `events`, the deadline passes, or the stop comes.
 * Returns the revents of fd, 0 on timeout or stop (ask stop_requested). */
int stop_poll(const StopToken *stop, int fd, short events, int64_t deadline_us);
/* Waits for the deadline or the stop; true when stopped. */
bool stop_wait(const StopToken *stop, int64_t duration_us);
