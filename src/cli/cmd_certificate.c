/* cmd_certificate - bascule certificate: what is proved of a migration, in a document that nobody can
 * change unseen. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "audit/audit_copy.h"
#include "audit/canonical.h"
#include "audit/certificate.h"
#include "bascule/base/stop.h"
#include "cli/command.h"
#include "cli/exit_codes.h"
#include "cli/out.h"
#include "ops/json_get.h"
#include "task/certify.h"

static int64_t number(const json_t *document, const char *path)
{
    return (int64_t)json_integer_value(json_get(document, path));
}

static int code_of(const json_t *document)
{
    return number(document, "summary.different") > 0 ? EXIT_DIFFERENT
           : number(document, "summary.unknown") > 0 ? EXIT_UNDECIDED
           : number(document, "summary.count") > 0   ? EXIT_WARNINGS
                                                     : EXIT_DONE;
}

static void summary_text(const json_t *document, Buf *out)
{
    size_t i;
    json_t *table;
    buf_printf(
        out, "task %s: %lld tables; proved by every row %lld, verified and by changed keys %lld\n",
        json_get_text(document, "task", ""), (long long)number(document, "summary.tables"),
        (long long)number(document, "summary.full"), (long long)number(document, "summary.keys"));
    if (number(document, "summary.contained") > 0)
        buf_printf(out,
                   "every row of the source proved to be there, beside rows of the target's own: "
                   "%lld\n",
                   (long long)number(document, "summary.contained"));
    buf_printf(out, "not proved: only counted %lld, different %lld, unknown %lld\n",
               (long long)number(document, "summary.count"),
               (long long)number(document, "summary.different"),
               (long long)number(document, "summary.unknown"));
    json_array_foreach(json_get(document, "tables"), i, table)
    {
        const char *proved = json_get_text(table, "proved", "unknown");
        if (strcmp(proved, "full") != 0 && strcmp(proved, "keys") != 0)
            buf_printf(out, "  %s.%s: %s\n", json_get_text(table, "schema", ""),
                       json_get_text(table, "table", ""),
                       strcmp(proved, "count") == 0 ? "rows counted, contents unknown"
                       : strcmp(proved, "contained") == 0
                           ? "every row of the source is there; the target has more, kept by rule"
                           : proved);
    }
    buf_printf(out, "audit: %s\n", json_get_text(document, "audit.verdict", "unknown"));
}

static bool write_file(const char *path, const Buf *text, Error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return ERR_OS(err, ERR_IO, "cannot open '%s'", path);
    bool ok = write(fd, text->data, text->len) == (ssize_t)text->len && fsync(fd) == 0;
    if (!ok)
        ERR_OS(err, ERR_IO, "cannot write '%s'", path);
    close(fd);
    return ok;
}

static bool put_out(const Config *config, const json_t *document, Error *err)
{
    CLEANUP_BUF Buf text = BUF_INIT;
    CLEANUP_BUF Buf summary = BUF_INIT;
    const char *path = config_flag_text(config, FLAG_OUTPUT);
    canonical_put(document, &text);
    buf_putc(&text, '\n');
    if (path == NULL) {
        out_buf(&text);
        return true;
    }
    if (!write_file(path, &text, err))
        return false;
    summary_text(document, &summary);
    buf_printf(&summary, "written to %s, %s\n", path,
               json_is_null(json_get(document, "signature"))
                   ? "NOT SIGNED (certificate.key is not set)"
                   : "signed");
    out_buf(&summary);
    return true;
}

/* Which one it was: its digest, which the document holds too. */
static void record(const Config *config, const json_t *document)
{
    const char *path = config_flag_text(config, FLAG_OUTPUT);
    CLEANUP_BUF Buf detail = BUF_INIT;
    buf_printf(&detail, "sha256 %s, %s, %s", json_get_text(document, "sha256", "unknown"),
               json_is_null(json_get(document, "signature")) ? "not signed" : "signed",
               path != NULL ? path : "printed");
    audit_note(&(AuditNote){
        .action = "certificate", .event = "note", .result = "made", .detail = buf_str(&detail)});
}

static int make(const Config *config, Error *err)
{
    Task *task = NULL;
    json_t *document = NULL;
    StopToken *stop = stop_new();
    audit_copy_sync(config, NULL); /* what it says of the audit counts the copies */
    bool ok = task_open(config, stop, false, &task, err) && certify_make(task, &document, err) &&
              certificate_seal(document, config_text(config, OPT_CERTIFICATE_KEY), err) &&
              put_out(config, document, err);
    if (ok)
        record(config, document);
    int code = ok ? code_of(document) : cli_failed(err);
    json_decref(document);
    task_free(task);
    stop_free(stop);
    return code;
}

/* verify --------------------------------------------------------------------------------------- */

static bool read_file(const char *path, Buf *out, Error *err)
{
    char block[16384];
    ssize_t got = -1;
    int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && (got = read(fd, block, sizeof block)) > 0)
        buf_put(out, block, (size_t)got);
    if (fd < 0 || got < 0)
        ERR_OS(err, ERR_USAGE, "cannot read '%s'", path);
    if (fd >= 0)
        close(fd);
    return fd >= 0 && got == 0;
}

/* NULL: it is what it claims to be, by somebody who is known. */
static const char *judge(const CertificateSeal *seal, bool key_given, int *out_code)
{
    *out_code = EXIT_DIFFERENT;
    if (seal->damage != NULL)
        return seal->damage;
    if (seal->is_signed && !seal->signature_fits)
        return "was changed: its signature does not fit";
    if (!seal->is_signed && key_given)
        return "is not signed, though a key was given";
    if (key_given && !seal->key_is_known)
        return "is signed by another key";
    *out_code = EXIT_WARNINGS;
    if (!seal->is_signed)
        return "intact, but NOT SIGNED: whoever changes it can compute its SHA-256 anew";
    if (!key_given)
        return "intact and signed, by a key that nobody vouches for (--public-key)";
    *out_code = EXIT_DONE;
    return NULL;
}

static int verify(const Config *config, const char *path, Error *err)
{
    CLEANUP_BUF Buf text = BUF_INIT;
    CLEANUP_BUF Buf out = BUF_INIT;
    CertificateSeal seal;
    json_t *document = NULL;
    int code;
    const char *key = config_flag_text(config, FLAG_PUBLIC_KEY);
    if (!read_file(path, &text, err) || !certificate_check(text.data != NULL ? text.data : "",
                                                           text.len, key, &document, &seal, err)) {
        json_decref(document);
        return cli_failed(err);
    }
    const char *trouble = judge(&seal, key != NULL, &code);
    if (config_flag(config, FLAG_JSON)) {
        json_t *answer = json_pack("{s:b, s:b, s:b, s:b, s:s?, s:O?}", "intact",
                                   seal.damage == NULL, "signed", seal.is_signed, "signature_fits",
                                   seal.signature_fits, "key_is_known", seal.key_is_known,
                                   "trouble", trouble, "summary", json_get(document, "summary"));
        out_json(answer);
        json_decref(answer);
    } else {
        if (code != EXIT_DIFFERENT)
            summary_text(document, &out);
        buf_printf(&out, "%s: %s\n", path,
                   trouble != NULL ? trouble : "intact, signed by the key that was given");
        out_buf(&out);
    }
    json_decref(document);
    return code;
}

static int run(const Config *config, Error *err)
{
    int count = 0;
    const char *const *args = config_args(config, &count);
    if (count == 0)
        return make(config, err);
    if (count == 2 && strcmp(args[0], "verify") == 0)
        return verify(config, args[1], err);
    ERR(err, ERR_USAGE, "certificate takes nothing, or 'verify' and a file");
    return cli_failed(err);
}

const Command CMD_CERTIFICATE = {
    .name = "certificate",
    .summary = "write what is proved of the migration as a signed document, or check one",
    .usage = "[verify FILE]",
    .help =
        "After a cutover, or a verification: a JSON document with both databases, every table with "
        "its counts and\n"
        "digests and how it is proved (full: every row compared; contained: the same, and the "
        "target\n"
        "has rows of its own beside, kept by a rule; keys: verified before and the rows changed "
        "since;\n"
        "count: only counted; unknown), positions, times, options, the head of the audit, and its "
        "own SHA-256; signed\n"
        "with the Ed25519 key of certificate.key. What is not known says unknown.\n"
        "Exit 0: every table is proved. 4: a table differs. 5: a table is only counted. 6: unknown "
        "tables.\n"
        "verify FILE finds any changed byte. Exit 0: intact and signed by --public-key. 4: "
        "changed, or "
        "not by that key.\n"
        "5: intact, but not signed, or no key was given.",
    .example = "bascule --config clinic.yaml certificate --output clinic.cert.json\n"
               "bascule certificate verify clinic.cert.json --public-key operator.pub.pem",
    .uses = USE_TASK | USE_CONNECT | USE_CERTIFICATE,
    .own = USE_CERTIFICATE,
    .flags = FLAG_BIT(FLAG_JSON) | FLAG_BIT(FLAG_OUTPUT) | FLAG_BIT(FLAG_PUBLIC_KEY),
    .max_args = 2,
    .audit = COMMAND_AUDIT,
    .exits = {1, 2, 3, 4, 5, 6},
    .run = run,
};
