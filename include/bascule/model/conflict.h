/*
 * conflict - what becomes of a row that both sides wrote (target_writes: dual-write).
 *
 * A policy decides at once and what it decided is recorded; ERROR leaves the target's row as it is and
 * waits for a person: the stream stops once it is sure that the rows were not merely in motion.
 */
#pragma once

typedef enum ConflictPolicy {
    CONFLICT_ERROR,
    CONFLICT_KEEP_TARGET,
    CONFLICT_TAKE_SOURCE,
    CONFLICT_LATEST, /* of the row whose named column is later; equal: the source's */
    CONFLICT_POLICY_COUNT,
} ConflictPolicy;

static inline const char *conflict_policy_name(ConflictPolicy policy)
{
    static const char *const NAMES[CONFLICT_POLICY_COUNT] = {"error", "keep-target", "take-source",
                                                             "latest"};
    return NAMES[policy];
}
