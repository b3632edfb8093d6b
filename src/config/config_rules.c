/* config_rules - what must hold between options, as a table of predicate and message. */
#include <string.h>
#include <sys/un.h>

#include "config/config_internal.h"

typedef struct SpanRule {
    bool (*broken)(const Config *config);
    OptionId where; /* the option whose place stands in front of the message */
    const char *message;
} SpanRule;

static bool start_without_cdc(const Config *config)
{
    return config_set(config, OPT_CDC_START_LSN) &&
           strcmp(config_text(config, OPT_MODE), "cdc") != 0;
}

static bool batch_above_memory(const Config *config)
{
    return config_size_bytes(config, OPT_STREAM_BATCH_SIZE) >
           config_size_bytes(config, OPT_STREAM_MEMORY);
}

static bool lock_above_downtime(const Config *config)
{
    return config_duration_us(config, OPT_CUTOVER_LOCK_TIMEOUT) >=
           config_duration_us(config, OPT_CUTOVER_MAX_DOWNTIME);
}

static bool socket_too_long(const Config *config)
{
    return strlen(config_text(config, OPT_CONTROL_SOCKET)) >=
           sizeof((struct sockaddr_un *)0)->sun_path;
}

static bool dual_write_without_stream(const Config *config)
{
    return config_choice(config, OPT_TARGET_WRITES) == 1 &&
           strcmp(config_text(config, OPT_MODE), "full-load") == 0;
}

static bool merge_without_policies(const Config *config)
{
    return strcmp(config_text(config, OPT_TARGET_PREPARE), "merge") == 0 &&
           config_choice(config, OPT_TARGET_WRITES) != 1;
}

static bool dual_write_with_filters(const Config *config)
{
    return config_choice(config, OPT_TARGET_WRITES) == 1 && config_set(config, OPT_RULES_ROWS);
}

static const SpanRule RULES[] = {
    {dual_write_with_filters, OPT_TARGET_WRITES,
     "'target_writes: dual-write' moves whole tables: not with 'rules.rows'"},
    {merge_without_policies, OPT_TARGET_PREPARE,
     "'target.prepare: merge' needs 'target_writes: dual-write', whose policies it follows"},
    {dual_write_without_stream, OPT_TARGET_WRITES,
     "'target_writes: dual-write' needs a stream: not 'mode: full-load'"},
    {start_without_cdc, OPT_CDC_START_LSN, "'cdc.start_lsn' needs 'mode: cdc'"},
    {batch_above_memory, OPT_STREAM_BATCH_SIZE,
     "'stream.batch_size' is larger than 'stream.memory'"},
    {lock_above_downtime, OPT_CUTOVER_LOCK_TIMEOUT,
     "'cutover.lock_timeout' must be below 'cutover.max_downtime'"},
    {socket_too_long, OPT_CONTROL_SOCKET,
     "'control.socket' is longer than the 107 bytes that a socket's path may have"},
};

bool config_check_rules(const Config *config, Error *err)
{
    for (size_t i = 0; i < sizeof RULES / sizeof *RULES; i++) {
        const SpanRule *rule = &RULES[i];
        if (!rule->broken(config))
            continue;
        const ConfigValue *value = &config->values[rule->where];
        ERR(err, value->from == FROM_FLAG ? ERR_USAGE : ERR_CONFIG, "%s", rule->message);
        return value->from == FROM_DEFAULT ? false : err_context(err, "%s", value->place);
    }
    return true;
}
