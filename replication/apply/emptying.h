/*
 * emptying - a TRUNCATE of the source on the target: all tables of its message in one statement.
 */
#pragma once

#include "apply/session.h"

/* Queues it. Rows are deleted instead where a referencing table was copied later and stays. */
MUST_CHECK bool emptying_truncate(Session *session, Relation *const *rels, int count, Error *err);
