/* command_audit - see the header. */
#include "cli/command_audit.h"

#include <string.h>

#include "audit/audit_copy.h"
#include "bascule/base/clock.h"
#include "bascule/base/log.h"
#include "bascule/port/conninfo.h"
#include "cli/exit_codes.h"
#include "config/endpoint.h"

static bool only_looks(const Command *command, const Config *config)
{
    int count = 0;
    const char *const *args = config_args(config, &count);
    if (command->look_word != NULL && (count == 0 || strcmp(args[0], command->look_word) == 0))
        return true;
    if (command->look_word == NULL && count > 0 && strcmp(args[0], "verify") == 0)
        return true; /* of a certificate */
    if (strcmp(command->name, "conflicts") == 0 &&
        (count == 0 || strcmp(args[0], "list") == 0 || strcmp(args[0], "show") == 0))
        return true;
    return config_flag(config, FLAG_DRY_RUN) || config_flag(config, FLAG_CHECK) ||
           config_flag(config, FLAG_PLAN);
}

/* As whom we log in there; NULL: nothing says so. */
static const char *role_of(const Config *config, bool source, Arena *arena)
{
    PgEndpoint endpoint;
    Conninfo parts;
    Error ignored = ERROR_INIT;
    if (!config_endpoint(config, source, &endpoint, arena, &ignored) ||
        !conninfo_parse(arena, endpoint.conninfo, &parts, &ignored))
        return NULL;
    const char *role = conninfo_get(&parts, "user");
    return role != NULL ? role : conninfo_builtin(arena, "user");
}

/* The plan that was confirmed, of a command that has one. */
static const char *plan_of(const Command *command, const Config *config)
{
    bool plans = (command->flags & FLAG_BIT(FLAG_REHEARSE)) != 0;
    return plans ? config_flag_text(config, FLAG_CONFIRM) : NULL;
}

static bool begin(const Command *command, const Config *config, Error *err)
{
    Arena *arena = arena_new(0);
    AuditNote note = {.action = command->name, .event = "begin", .plan = plan_of(command, config)};
    bool ok = audit_open(config_text(config, OPT_WORK_DIR), config_text(config, OPT_TASK),
                         config_command_line(config, command->name, arena),
                         role_of(config, true, arena), role_of(config, false, arena), err);
    ok = ok && audit_note_now(&note, err);
    arena_free(arena);
    return ok || err_context(err, "the audit");
}

static void end(const Command *command, const Config *config, int code, const Error *err)
{
    CLEANUP_BUF Buf detail = BUF_INIT;
    /* A run that was asked to stop ends with an error that is none. */
    bool failed = err->cls != ERR_NONE && code != EXIT_DONE;
    AuditNote note = {.action = command->name,
                      .event = "end",
                      .result = failed ? err_slug(err->cls) : exit_name(code),
                      .has_exit = true,
                      .exit_code = code,
                      .plan = plan_of(command, config),
                      .at_us = clock_wall_us()};
    if (failed)
        buf_puts(&detail, err->message);
    note.detail = detail.len > 0 ? buf_str(&detail) : NULL;
    /* A command that was not understood has not been to a server. */
    if (code == EXIT_USAGE)
        audit_note(&note);
    else
        audit_copy_sync(config, &note);
    audit_close();
}

int command_audited(const Command *command, const Config *config, Error *err)
{
    if (command->audit == COMMAND_NO_AUDIT || only_looks(command, config))
        return command->run(config, err);
    if (!begin(command, config, err)) {
        if (command->audit == COMMAND_AUDIT_FIRST) {
            audit_close();
            err_hint(err, "What cannot be recorded is not begun: make room, or mend the rights of "
                          "work_dir. 'rollback' and 'abort' go on without.");
            return cli_failed(err);
        }
        log_error_value(LOG_ERROR, err, "not recorded on disk, going on");
        err_clear(err);
        audit_note(&(AuditNote){.action = command->name, .event = "begin"});
    }
    int code = command->run(config, err);
    end(command, config, code, err);
    return code;
}
