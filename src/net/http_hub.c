/* http_hub - see the header. One lock guards the list and every stream in it. */
#include "net/http_hub.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bascule/base/buf.h"
#include "net/json_text.h"

#define MAX_UNREAD_BYTES ((size_t)64 * 1024 * 1024)

struct HttpHub {
    pthread_mutex_t lock; /* guards streams, refs and all fields of HttpStream */
    HttpStream *streams;
    int refs;
    int bell_fd;
};

struct HttpStream {
    HttpHub *hub;
    HttpStream *next;
    struct MHD_Connection *connection;
    Buf unsent;
    size_t sent;    /* bytes of unsent that the client has */
    bool suspended; /* the library waits for http_hub_wake */
    bool ended;     /* the producer is through, or was cut */
    bool producer_gone;
    bool client_gone;
};

static void hub_ring(HttpHub *hub)
{
    uint64_t one = 1;
    if (write(hub->bell_fd, &one, sizeof one) < 0) {
        /* only possible when the counter is full: then it is readable anyhow */
    }
}

HttpHub *http_hub_new(void)
{
    HttpHub *hub = calloc(1, sizeof *hub);
    ASSERT(hub != NULL);
    pthread_mutex_init(&hub->lock, NULL);
    hub->refs = 1;
    hub->bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ASSERT(hub->bell_fd >= 0);
    return hub;
}

void http_hub_unref(HttpHub *hub)
{
    pthread_mutex_lock(&hub->lock);
    int left = --hub->refs;
    pthread_mutex_unlock(&hub->lock);
    if (left > 0)
        return;
    close(hub->bell_fd);
    pthread_mutex_destroy(&hub->lock);
    free(hub);
}

int http_hub_bell(const HttpHub *hub)
{
    return hub->bell_fd;
}

void http_hub_wake(HttpHub *hub)
{
    uint64_t count;
    if (read(hub->bell_fd, &count, sizeof count) < 0)
        return; /* nobody rang */
    pthread_mutex_lock(&hub->lock);
    for (HttpStream *s = hub->streams; s != NULL; s = s->next) {
        if (!s->suspended || s->client_gone)
            continue;
        s->suspended = false;
        MHD_resume_connection(s->connection);
    }
    pthread_mutex_unlock(&hub->lock);
}

HttpStream *http_hub_stream(HttpHub *hub, struct MHD_Connection *connection)
{
    HttpStream *stream = calloc(1, sizeof *stream);
    ASSERT(stream != NULL);
    stream->hub = hub;
    stream->connection = connection;
    pthread_mutex_lock(&hub->lock);
    hub->refs++;
    stream->next = hub->streams;
    hub->streams = stream;
    pthread_mutex_unlock(&hub->lock);
    return stream;
}

/* With the lock held; returns the stream when nobody needs it any more. */
static HttpStream *take_if_unused(HttpStream *stream)
{
    if (!stream->producer_gone || !stream->client_gone)
        return NULL;
    for (HttpStream **p = &stream->hub->streams; *p != NULL; p = &(*p)->next) {
        if (*p == stream) {
            *p = stream->next;
            break;
        }
    }
    return stream;
}

static void stream_free(HttpStream *stream)
{
    if (stream == NULL)
        return;
    HttpHub *hub = stream->hub;
    buf_done(&stream->unsent);
    free(stream);
    http_hub_unref(hub);
}

ssize_t http_hub_read(void *cls, uint64_t pos, char *out, size_t max)
{
    HttpStream *stream = cls;
    ssize_t n;
    (void)pos;
    pthread_mutex_lock(&stream->hub->lock);
    size_t there = stream->unsent.len - stream->sent;
    if (there > 0) {
        size_t take = there < max ? there : max;
        memcpy(out, stream->unsent.data + stream->sent, take);
        stream->sent += take;
        if (stream->sent == stream->unsent.len) {
            buf_clear(&stream->unsent);
            stream->sent = 0;
        }
        n = (ssize_t)take;
    } else if (stream->ended) {
        n = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        stream->suspended = true;
        MHD_suspend_connection(stream->connection);
        n = 0;
    }
    pthread_mutex_unlock(&stream->hub->lock);
    return n;
}

void http_hub_client_gone(void *cls)
{
    HttpStream *stream = cls;
    HttpHub *hub = stream->hub;
    pthread_mutex_lock(&hub->lock);
    stream->client_gone = true;
    stream->connection = NULL;
    HttpStream *unused = take_if_unused(stream);
    pthread_mutex_unlock(&hub->lock);
    stream_free(unused);
}

bool http_stream_write(HttpStream *stream, const void *data, size_t len)
{
    HttpHub *hub = stream->hub;
    pthread_mutex_lock(&hub->lock);
    bool takes = !stream->client_gone && !stream->ended;
    if (takes && stream->unsent.len - stream->sent + len > MAX_UNREAD_BYTES) {
        stream->ended = true;
        takes = false;
    }
    if (takes)
        buf_put(&stream->unsent, data, len);
    pthread_mutex_unlock(&hub->lock);
    hub_ring(hub);
    return takes;
}

bool http_stream_json(HttpStream *stream, const json_t *line)
{
    CLEANUP_BUF Buf buf = BUF_INIT;
    json_text_dump(line, JSON_TEXT_FLAGS, &buf);
    buf_putc(&buf, '\n');
    return http_stream_write(stream, buf.data, buf.len);
}

void http_stream_end(HttpStream *stream)
{
    if (stream == NULL)
        return;
    HttpHub *hub = stream->hub;
    pthread_mutex_lock(&hub->lock);
    stream->ended = true;
    stream->producer_gone = true;
    HttpStream *unused = take_if_unused(stream);
    hub_ring(hub);
    pthread_mutex_unlock(&hub->lock);
    stream_free(unused);
}

void http_hub_cut_open(HttpHub *hub)
{
    pthread_mutex_lock(&hub->lock);
    for (HttpStream *s = hub->streams; s != NULL; s = s->next)
        s->ended = true;
    pthread_mutex_unlock(&hub->lock);
    hub_ring(hub);
}

void http_hub_cut_all(HttpHub *hub)
{
    http_hub_cut_open(hub);
    http_hub_wake(hub);
}
