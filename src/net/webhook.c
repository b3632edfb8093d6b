/* webhook - see the header; over libcurl's multi interface, so that a stop ends it. */
#include "net/webhook.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "bascule/base/buf.h"
#include "bascule/base/clock.h"
#include "bascule/base/sha256.h"

#define LONGEST_WAIT_MS 1000

static void init_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static size_t host_end(const char *url)
{
    const char *host = strstr(url, "://");
    return host == NULL ? 0 : (size_t)(host + 3 - url) + strcspn(host + 3, "/?#");
}

bool webhook_is_url(const char *text)
{
    bool http = strncmp(text, "http://", 7) == 0, https = strncmp(text, "https://", 8) == 0;
    return (http && host_end(text) > 7) || (https && host_end(text) > 8);
}

/* Without name and password, and without what is behind the host. */
const char *webhook_shown(const char *url, Arena *arena)
{
    size_t end = host_end(url);
    const char *host = strstr(url, "://");
    if (host == NULL)
        return "***";
    const char *at = memchr(host + 3, '@', end - (size_t)(host + 3 - url));
    const char *from = at != NULL ? at + 1 : host + 3;
    return arena_printf(arena, "%.*s%.*s%s", (int)(host + 3 - url), url, (int)(url + end - from),
                        from, url[end] == '\0' ? "" : "/...");
}

static size_t drop_body(char *data, size_t size, size_t count, void *arg)
{
    (void)data;
    (void)arg;
    return size * count;
}

static void add_header(struct curl_slist **list, const char *text)
{
    struct curl_slist *longer = curl_slist_append(*list, text);
    ASSERT(longer != NULL);
    *list = longer;
}

static struct curl_slist *make_headers(const Webhook *hook)
{
    struct curl_slist *list = NULL;
    char line[192], hex[SHA256_HEX_SIZE];
    add_header(&list, "Content-Type: application/json");
    add_header(&list, "Expect:"); /* no round trip before the body */
    snprintf(line, sizeof line, "X-Bascule-Delivery: %s", hook->id);
    add_header(&list, line);
    if (hook->secret != NULL) {
        CLEANUP_BUF Buf signed_text = BUF_INIT;
        long long now_s = (long long)(clock_wall_us() / 1000000);
        buf_printf(&signed_text, "%lld.%s", now_s, hook->body);
        snprintf(line, sizeof line, "X-Bascule-Timestamp: %lld", now_s);
        add_header(&list, line);
        sha256_hmac_hex(hook->secret, strlen(hook->secret), buf_str(&signed_text), signed_text.len,
                        hex);
        snprintf(line, sizeof line, "X-Bascule-Signature: sha256=%s", hex);
        add_header(&list, line);
    }
    for (int i = 0; i < hook->header_count; i++)
        add_header(&list, hook->headers[i]);
    return list;
}

static void prepare(CURL *easy, const Webhook *hook, struct curl_slist *headers)
{
    curl_easy_setopt(easy, CURLOPT_URL, hook->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    if (hook->ca_file != NULL)
        curl_easy_setopt(easy, CURLOPT_CAINFO, hook->ca_file);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(hook->timeout_us / 1000 + 1));
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "bascule/" BASCULE_VERSION);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop_body);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, hook->body);
}

/* false: stopped, or curl itself failed. */
static bool perform(CURLM *multi, StopToken *stop, CURLcode *out_result, Error *err)
{
    int running = 1, left = 0;
    while (running > 0) {
        struct curl_waitfd wait = {.fd = stop_fd(stop), .events = CURL_WAIT_POLLIN};
        if (stop_requested(stop))
            return ERR(err, ERR_STOPPED, "stopped");
        CURLMcode code = curl_multi_perform(multi, &running);
        if (code == CURLM_OK && running > 0)
            code = curl_multi_poll(multi, &wait, stop != NULL, LONGEST_WAIT_MS, NULL);
        if (code != CURLM_OK)
            return ERR(err, ERR_IO, "%s", curl_multi_strerror(code));
    }
    const CURLMsg *message = curl_multi_info_read(multi, &left);
    ASSERT(message != NULL && message->msg == CURLMSG_DONE);
    *out_result = message->data.result;
    return true;
}

static bool judge(CURL *easy, const Webhook *hook, CURLcode result, bool *out_again, Error *err)
{
    long status = 0;
    char limit[32];
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    if (result == CURLE_OPERATION_TIMEDOUT) {
        *out_again = true;
        return ERR(err, ERR_IO, "no answer within %s",
                   clock_format_duration(hook->timeout_us, limit, sizeof limit));
    }
    if (result == CURLE_PEER_FAILED_VERIFICATION || result == CURLE_SSL_CACERT_BADFILE) {
        ERR(err, ERR_IO, "its certificate is not trusted");
        return err_hint(err, "hooks.webhook_ca names a file with the authority's certificate.");
    }
    if (result != CURLE_OK) {
        *out_again = true;
        return ERR(err, ERR_IO, "%s", curl_easy_strerror(result));
    }
    if (status >= 200 && status < 300)
        return true;
    *out_again = status >= 500 || status == 429;
    return ERR(err, ERR_IO, "HTTP status %ld%s", status,
               status >= 300 && status < 400 ? ", and redirects are not followed" : "");
}

bool webhook_post(const Webhook *hook, bool *out_again, Error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_curl);
    CURL *easy = curl_easy_init();
    CURLM *multi = curl_multi_init();
    CURLcode result = CURLE_OK;
    ASSERT(easy != NULL && multi != NULL);
    struct curl_slist *headers = make_headers(hook);
    *out_again = false;
    prepare(easy, hook, headers);
    curl_multi_add_handle(multi, easy);
    bool ok = perform(multi, hook->stop, &result, err) && judge(easy, hook, result, out_again, err);
    curl_multi_remove_handle(multi, easy);
    curl_easy_cleanup(easy);
    curl_multi_cleanup(multi);
    curl_slist_free_all(headers);
    return ok;
}
