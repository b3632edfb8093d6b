/*
 * webhooks - a hook that is a POST: what is sent, and how often it is tried.
 */
#pragma once

#include "task/hooks.h"

/* Sends what `moment` is to hook->url. Tried again, while nobody waits for it and nothing can be given
 * up any more. */
MUST_CHECK bool webhook_send(const Hooks *hooks, const Hook *hook, const CutoverMoment *moment,
                             const char *point, Error *err);
