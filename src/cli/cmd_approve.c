/* cmd_approve - bascule approve PLAN_HASH: a second person agrees to a plan. */
#include <stdio.h>
#include <string.h>

#include "audit/approval.h"
#include "cli/command.h"
#include "cli/out.h"
#include "task/plans.h"

static bool is_hash(const char *word)
{
    return strlen(word) == 16 && strspn(word, "0123456789abcdef") == 16;
}

static int run(const Config *config, Error *err)
{
    int count = 0;
    const char *const *args = config_args(config, &count);
    CLEANUP_BUF Buf plan = BUF_INIT;
    char work_dir[4096];
    if (count != 1 || !is_hash(args[0])) {
        ERR(err, ERR_USAGE, "approve takes the hash of a plan, 16 hexadecimal digits");
        err_hint(err, "'bascule cutover --dry-run' prints it.");
        return cli_failed(err);
    }
    snprintf(work_dir, sizeof work_dir, "%s", config_text(config, OPT_WORK_DIR));
    if (!plans_find(work_dir, args[0], &plan))
        buf_puts(&plan, "(the plan is not known on this machine: compare its hash with what the "
                        "dry run printed)\n");
    if (!approval_give(config, args[0], err))
        return cli_failed(err);
    if (config_flag(config, FLAG_JSON)) {
        json_t *done = json_pack("{s:s, s:s, s:b}", "task", config_text(config, OPT_TASK), "plan",
                                 args[0], "approved", 1);
        out_json(done);
        json_decref(done);
    } else {
        out_buf(&plan);
        out_printf("plan %s is approved for %s\n", args[0],
                   config_text(config, OPT_CUTOVER_APPROVAL_VALID));
    }
    return 0;
}

const Command CMD_APPROVE = {
    .name = "approve",
    .summary = "agree to a cutover's plan as a second person",
    .usage = "PLAN_HASH",
    .help =
        "With cutover.approval: required a cutover begins only when somebody else than the one "
        "who runs it has\n"
        "approved its plan, by the hash that 'cutover --dry-run' prints. The approval stands in "
        "the audit and in\n"
        "its copy on the target, holds for cutover.approval_valid and for that plan only. Who is "
        "somebody else:\n"
        "another login as the kernel remembers it, else another user. A rollback needs no "
        "approval.",
    .example = "bascule --config clinic.yaml approve 1f0c9d3a5b7e2468",
    .uses = USE_TASK | USE_CONNECT | USE_CUTOVER,
    .flags = FLAG_BIT(FLAG_JSON),
    .max_args = 1,
    .audit = COMMAND_AUDIT_FIRST,
    .exits = {1, 2, 3},
    .run = run,
};
