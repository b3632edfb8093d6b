/* control_client - over libcurl's multi interface, so that a call can be interrupted (see the
 * header). */
#include "net/control_client.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "bascule/base/buf.h"
#include "bascule/base/clock.h"
#include "net/json_text.h"

#define CONNECT_TIMEOUT_MS 5000L
#define ANSWER_LIMIT       ((size_t)256 * 1024 * 1024)
#define LONGEST_WAIT_US    ((int64_t)1000000)
#define GONE_POLL_US       ((int64_t)50000)

/* One call on its way. */
typedef struct Transfer {
    const ControlCall *call;
    CURL *easy;
    CURLM *multi;
    struct curl_slist *headers;
    Buf answer; /* what came and is not handed out yet */
    Buf body;
    bool lines;
    bool stop_seen;
    char message[CURL_ERROR_SIZE];
    Error *err;
} Transfer;

static void init_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

ErrorClass control_class_of(const char *slug)
{
    for (int i = 0; i < ERR_CLASS_COUNT; i++)
        if (strcmp(err_slug((ErrorClass)i), slug) == 0)
            return (ErrorClass)i;
    return ERR_BUG;
}

bool control_error_of(const json_t *error, Error *err)
{
    const char *code = json_string_value(json_object_get(error, "code"));
    const char *message = json_string_value(json_object_get(error, "message"));
    const char *hint = json_string_value(json_object_get(error, "hint"));
    ERR(err, code == NULL ? ERR_BUG : control_class_of(code), "%s",
        message == NULL ? "the engine answered with an error that says nothing" : message);
    if (hint != NULL && hint[0] != '\0')
        err_hint(err, "%s", hint);
    return false;
}

/* Receiving ---------------------------------------------------------------------------------- */
static void hand_out_lines(Transfer *transfer)
{
    char *data = transfer->answer.data;
    size_t start = 0;
    for (;;) {
        char *end = start < transfer->answer.len
                        ? memchr(data + start, '\n', transfer->answer.len - start)
                        : NULL;
        if (end == NULL)
            break;
        json_t *line = json_loadb(data + start, (size_t)(end - data) - start, 0, NULL);
        if (line != NULL && transfer->call->on_line != NULL)
            transfer->call->on_line(transfer->call->arg, line);
        json_decref(line);
        start = (size_t)(end - data) + 1;
    }
    if (start > 0) {
        memmove(data, data + start, transfer->answer.len - start);
        transfer->answer.len -= start;
    }
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    Transfer *transfer = arg;
    size_t len = size * count;
    if (transfer->answer.len + len > ANSWER_LIMIT)
        return 0;
    buf_put(&transfer->answer, data, len);
    if (transfer->lines)
        hand_out_lines(transfer);
    return len;
}

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
    static const char TYPE[] = "content-type: application/x-ndjson";
    Transfer *transfer = arg;
    if (size * count >= sizeof TYPE - 1 && strncasecmp(data, TYPE, sizeof TYPE - 1) == 0)
        transfer->lines = true;
    return size * count;
}

/* The call ----------------------------------------------------------------------------------- */
static void prepare(Transfer *transfer)
{
    const ControlCall *call = transfer->call;
    CURL *easy = transfer->easy;
    CLEANUP_BUF Buf url = BUF_INIT;
    buf_printf(&url, "http://localhost%s", call->path);
    curl_easy_setopt(easy, CURLOPT_URL, buf_str(&url));
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, call->socket_path);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*"); /* http_proxy of the environment is not for us */
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->message);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "bascule/" BASCULE_VERSION);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    if (call->timeout_us > 0)
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(call->timeout_us / 1000));
    if (strcmp(call->method, "POST") != 0)
        return;
    if (call->body != NULL)
        json_text_dump(call->body, JSON_TEXT_FLAGS, &transfer->body);
    transfer->headers = curl_slist_append(NULL, "Content-Type: application/json");
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)transfer->body.len);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, buf_str(&transfer->body));
}

/* true: go on. */
static bool look_at_stop(Transfer *transfer)
{
    const ControlCall *call = transfer->call;
    if (call->stop == NULL || transfer->stop_seen || !stop_requested(call->stop))
        return true;
    transfer->stop_seen = true;
    return (call->on_stop != NULL && call->on_stop(call->arg)) ||
           ERR(transfer->err, ERR_STOPPED, "interrupted");
}

static bool perform(Transfer *transfer, CURLcode *out_result)
{
    const ControlCall *call = transfer->call;
    int running = 1;
    while (running > 0) {
        if (!look_at_stop(transfer))
            return false;
        CURLMcode code = curl_multi_perform(transfer->multi, &running);
        struct curl_waitfd stop = {.events = CURL_WAIT_POLLIN};
        unsigned waitfds = call->stop != NULL && !transfer->stop_seen;
        if (waitfds > 0)
            stop.fd = stop_fd(call->stop);
        if (code == CURLM_OK && running > 0)
            code = curl_multi_poll(transfer->multi, &stop, waitfds, (int)(LONGEST_WAIT_US / 1000),
                                   NULL);
        if (code != CURLM_OK)
            return ERR(transfer->err, ERR_IO, "control socket '%s': %s", call->socket_path,
                       curl_multi_strerror(code));
    }
    int left = 0;
    const CURLMsg *message = curl_multi_info_read(transfer->multi, &left);
    ASSERT(message != NULL && message->msg == CURLMSG_DONE);
    *out_result = message->data.result;
    return true;
}

static bool not_running(const char *socket_path, int os_errno, Error *err)
{
    errno = os_errno;
    if (os_errno == ENOENT || os_errno == ECONNREFUSED || os_errno == ENOTDIR)
        return ERR(err, ERR_NOT_RUNNING, "no engine is running (nobody listens on '%s')",
                   socket_path);
    return ERR_OS(err, ERR_IO, "cannot reach the engine on '%s'", socket_path);
}

static bool failed(Transfer *transfer, CURLcode result)
{
    const ControlCall *call = transfer->call;
    long os_errno = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &os_errno);
    const char *why = transfer->message[0] != '\0' ? transfer->message : curl_easy_strerror(result);
    switch (result) {
    case CURLE_COULDNT_CONNECT:
        return not_running(call->socket_path, (int)os_errno, transfer->err);
    case CURLE_OPERATION_TIMEDOUT:
        return ERR(transfer->err, ERR_CONN_LOST, "the engine did not answer in time on '%s'",
                   call->socket_path);
    case CURLE_OUT_OF_MEMORY:
        return ERR(transfer->err, ERR_RESOURCES, "control socket '%s': out of memory",
                   call->socket_path);
    default:
        ERR(transfer->err, ERR_CONN_LOST, "the engine went away before it had answered: %s", why);
        return err_hint(transfer->err, "Look at its log, and at 'bascule status'.");
    }
}

static bool read_answer(Transfer *transfer, json_t **out_answer)
{
    long status = 0;
    json_error_t where;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    if (transfer->lines && status < 400) {
        hand_out_lines(transfer);
        return true;
    }
    json_t *answer = json_loadb(buf_str(&transfer->answer), transfer->answer.len,
                                JSON_REJECT_DUPLICATES, &where);
    if (status >= 400) {
        const json_t *error = json_object_get(answer, "error");
        if (error == NULL)
            ERR(transfer->err, ERR_PROTOCOL, "the engine answered HTTP status %ld to %s %s", status,
                transfer->call->method, transfer->call->path);
        else
            control_error_of(error, transfer->err);
        json_decref(answer);
        return false;
    }
    if (answer == NULL)
        return ERR(transfer->err, ERR_PROTOCOL, "the engine's answer to %s %s is no JSON: %s",
                   transfer->call->method, transfer->call->path, where.text);
    if (out_answer != NULL)
        *out_answer = answer;
    else
        json_decref(answer);
    return true;
}

bool control_call(const ControlCall *call, json_t **out_answer, Error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_curl);
    if (strlen(call->socket_path) >= sizeof((struct sockaddr_un *)0)->sun_path)
        return ERR(err, ERR_CONFIG, "'%s' is too long for a socket's path", call->socket_path);
    Transfer transfer = {
        .call = call, .easy = curl_easy_init(), .multi = curl_multi_init(), .err = err};
    ASSERT(transfer.easy != NULL && transfer.multi != NULL);
    CURLcode result = CURLE_OK;
    prepare(&transfer);
    curl_multi_add_handle(transfer.multi, transfer.easy);
    bool good = perform(&transfer, &result);
    if (good)
        good = result == CURLE_OK ? read_answer(&transfer, out_answer) : failed(&transfer, result);
    if (good && transfer.lines && out_answer != NULL)
        *out_answer = NULL;
    curl_multi_remove_handle(transfer.multi, transfer.easy);
    curl_easy_cleanup(transfer.easy);
    curl_multi_cleanup(transfer.multi);
    curl_slist_free_all(transfer.headers);
    buf_done(&transfer.answer);
    buf_done(&transfer.body);
    return good;
}

/* The process behind the socket -----------------------------------------------------------------
 */
static int connect_socket(const char *socket_path, Error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(socket_path) >= sizeof address.sun_path) {
        ERR(err, ERR_CONFIG, "'%s' is too long for a socket's path", socket_path);
        return -1;
    }
    strcpy(address.sun_path, socket_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        ERR_OS(err, ERR_IO, "cannot open a socket");
        return -1;
    }
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        not_running(socket_path, errno, err);
        close(fd);
        return -1;
    }
    return fd;
}

bool control_peer(const char *socket_path, pid_t *out_pid, Error *err)
{
    struct ucred peer = {0};
    socklen_t len = sizeof peer;
    int fd = connect_socket(socket_path, err);
    if (fd < 0)
        return false;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
        peer.pid = 0;
    close(fd);
    *out_pid = peer.pid;
    return true;
}

/* Readable once the process has ended; -1 when the kernel or another pid namespace cannot tell. */
static int open_process(pid_t pid)
{
#ifdef SYS_pidfd_open
    return pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
#else
    (void)pid;
    return -1;
#endif
}

bool control_wait_gone(const char *socket_path, pid_t pid, StopToken *stop, Error *err)
{
    int process = open_process(pid);
    bool gone = false;
    while (!gone && !stop_requested(stop)) {
        if (process >= 0) {
            gone = (stop_poll(stop, process, POLLIN, CLOCK_NEVER) & POLLIN) != 0;
        } else {
            Error ignored = ERROR_INIT;
            int fd = connect_socket(socket_path, &ignored);
            gone = fd < 0;
            if (fd >= 0)
                close(fd);
            if (!gone)
                (void)stop_wait(stop, GONE_POLL_US);
        }
    }
    if (process >= 0)
        close(process);
    return gone || ERR(err, ERR_STOPPED, "interrupted, the engine goes on stopping");
}
