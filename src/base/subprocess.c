/*
 * subprocess - see bascule/base/subprocess.h.
 *
 * fork and exec rather than posix_spawn, because the child must die with us (PR_SET_PDEATHSIG): a
 * pg_restore that outlives a killed bascule would work beside its successor. The child leads a
 * process group, so that its own helpers get the SIGTERM too. Between fork and exec only
 * async-signal-safe calls are made; why exec failed comes back through a pipe.
 */
#include "bascule/base/subprocess.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bascule/base/clock.h"
#include "bascule/base/log.h"
#include "bascule/base/mem.h"

#define KILL_AFTER_US INT64_C(5000000)
#define TAIL_BYTES    1200 /* of stderr, for the error's message */

extern char **environ;

typedef enum EndReason { END_BY_ITSELF, END_BY_STOP, END_BY_TIMEOUT } EndReason;

typedef struct Child {
    const Subprocess *spec;
    const char *name; /* argv[0] without its directory */
    pid_t pid;
    int pidfd; /* -1: the kernel has none, the pipes' end must do */
    int out_fd, err_fd;
    Buf *out;     /* NULL: stdout is logged line by line */
    Buf out_line; /* unfinished line of stdout, when logged */
    Buf err_line; /* unfinished line of stderr */
    Buf tail;     /* last lines of stderr */
    EndReason reason;
    bool exited;
    int status;
} Child;

/* Environment --------------------------------------------------------------------------------- */

static bool same_variable(const char *a, const char *b)
{
    size_t len = strcspn(a, "=");
    return strncmp(a, b, len) == 0 && b[len] == '=';
}

/* Ours with the additions in place of variables of the same name; the strings stay borrowed. */
static const char **merge_environment(const char *const *add)
{
    size_t ours = 0, more = 0, count = 0;
    const char **merged;

    while (environ[ours] != NULL)
        ours++;
    while (add != NULL && add[more] != NULL)
        more++;
    merged = mem_alloc((ours + more + 1) * sizeof *merged);
    for (size_t i = 0; i < ours; i++) {
        bool replaced = false;
        for (size_t j = 0; j < more && !replaced; j++)
            replaced = same_variable(environ[i], add[j]);
        if (!replaced)
            merged[count++] = environ[i];
    }
    for (size_t j = 0; j < more; j++)
        merged[count++] = add[j];
    merged[count] = NULL;
    return merged;
}

/* Starting ------------------------------------------------------------------------------------ */

typedef struct Pipes {
    int out[2], err[2], failure[2]; /* [0] read, [1] write */
    int null_fd;
} Pipes;

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void pipes_close(Pipes *pipes)
{
    for (int end = 0; end < 2; end++) {
        close_fd(&pipes->out[end]);
        close_fd(&pipes->err[end]);
        close_fd(&pipes->failure[end]);
    }
    close_fd(&pipes->null_fd);
}

static bool pipes_open(Pipes *pipes, Error *err)
{
    *pipes = (Pipes){{-1, -1}, {-1, -1}, {-1, -1}, -1};
    pipes->null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (pipes->null_fd >= 0 && pipe2(pipes->out, O_CLOEXEC) == 0 &&
        pipe2(pipes->err, O_CLOEXEC) == 0 && pipe2(pipes->failure, O_CLOEXEC) == 0)
        return true;
    ERR_OS(err, ERR_SUBPROCESS, "cannot open pipes");
    pipes_close(pipes);
    return false;
}

/* In the child. dup2 clears close-on-exec, and everything else we hold goes away with exec. */
static _Noreturn void exec_child(const Subprocess *spec, const char **env, const Pipes *pipes,
                                 pid_t parent)
{
    sigset_t none;
    struct sigaction plain = {.sa_handler = SIG_DFL};
    int reason;

    sigemptyset(&none);
    for (int sig = 1; sig < NSIG; sig++)
        sigaction(sig, &plain, NULL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(127); /* it died before the prctl */
    if (dup2(pipes->null_fd, 0) >= 0 && dup2(pipes->out[1], 1) >= 0 &&
        dup2(pipes->err[1], 2) >= 0) {
        close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
        sigprocmask(SIG_SETMASK, &none, NULL);
        execvpe(spec->argv[0], (char *const *)spec->argv, (char *const *)env);
    }
    reason = errno;
    while (write(pipes->failure[1], &reason, sizeof reason) < 0 && errno == EINTR)
        ;
    _exit(127);
}

static pid_t fork_child(const Subprocess *spec, const char **env, const Pipes *pipes)
{
    pid_t parent = getpid(), pid;
    sigset_t all, before;

    /* No signal handler of ours may run in the child. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid = fork();
    if (pid == 0)
        exec_child(spec, env, pipes, parent);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pid;
}

static void reap(pid_t pid, int *status)
{
    while (waitpid(pid, status, 0) < 0 && errno == EINTR)
        ;
}

static bool start(Child *child, Error *err)
{
    Pipes pipes;
    const char **env;
    int reason;
    ssize_t n;

    if (!pipes_open(&pipes, err))
        return false;
    env = merge_environment(child->spec->env);
    child->pid = fork_child(child->spec, env, &pipes);
    free(env);
    if (child->pid < 0) {
        ERR_OS(err, ERR_SUBPROCESS, "cannot start '%s'", child->name);
        pipes_close(&pipes);
        return false;
    }
    setpgid(child->pid, child->pid); /* whoever comes first: a kill of the group must find it */
    close_fd(&pipes.failure[1]);
    while ((n = read(pipes.failure[0], &reason, sizeof reason)) < 0 && errno == EINTR)
        ;
    if (n == (ssize_t)sizeof reason) {
        pipes_close(&pipes);
        reap(child->pid, &child->status);
        errno = reason;
        return ERR_OS(err, ERR_SUBPROCESS, "cannot run '%s'", child->spec->argv[0]);
    }
    child->out_fd = pipes.out[0];
    child->err_fd = pipes.err[0];
    pipes.out[0] = pipes.err[0] = -1;
    pipes_close(&pipes);
    fcntl(child->out_fd, F_SETFL, O_NONBLOCK);
    fcntl(child->err_fd, F_SETFL, O_NONBLOCK);
    child->pidfd = pidfd_open(child->pid, 0);
    return true;
}

/* What the child says ------------------------------------------------------------------------- */

/* A failed statement is printed in full: CREATE USER MAPPING ... OPTIONS (password 'x'), or a
 * connection string in one. What follows such a word is blanked to the end of the line. */
static void redact_statement(char *line)
{
    for (char *at = line; (at = strcasestr(at, "password")) != NULL;) {
        at += strlen("password");
        char *value = at + strspn(at, "\"' =");
        if (memchr(at, '\'', (size_t)(value - at)) == NULL &&
            memchr(at, '=', (size_t)(value - at)) == NULL)
            continue;
        memset(value, '*', strlen(value));
        return;
    }
}

/* Blanks the values of variables that look like secrets, should the child print them. */
static void redact(const Subprocess *spec, char *line)
{
    for (size_t i = 0; spec->env != NULL && spec->env[i] != NULL; i++) {
        const char *variable = spec->env[i];
        const char *value = strchr(variable, '=');
        size_t name_len = value != NULL ? (size_t)(value - variable) : 0;
        if (value == NULL || strlen(++value) < 3 ||
            (memmem(variable, name_len, "PASSWORD", 8) == NULL &&
             memmem(variable, name_len, "SECRET", 6) == NULL &&
             memmem(variable, name_len, "TOKEN", 5) == NULL))
            continue;
        for (char *at = line; (at = strstr(at, value)) != NULL;)
            memset(at, '*', strlen(value));
    }
    redact_statement(line);
}

/* Lines in which PostgreSQL's programs repeat row data. */
static bool holds_row_data(const char *line)
{
    return strstr(line, "DETAIL:") != NULL || strstr(line, "CONTEXT:") != NULL;
}

static void keep_in_tail(Buf *tail, const char *line)
{
    if (line[0] == '\0' || holds_row_data(line))
        return;
    if (tail->len > 0)
        buf_puts(tail, "; ");
    buf_puts(tail, line);
    if (tail->len > TAIL_BYTES) {
        size_t cut = tail->len - TAIL_BYTES;
        memmove(tail->data, tail->data + cut, tail->len - cut + 1);
        tail->len -= cut;
    }
}

static void handle_line(Child *child, char *line, bool is_stderr)
{
    redact(child->spec, line);
    if (!holds_row_data(line))
        log_debug("%s: %s", child->name, line);
    if (is_stderr)
        keep_in_tail(&child->tail, line);
}

static void split_lines(Child *child, Buf *pending, bool at_end, bool is_stderr)
{
    size_t done = 0;
    char *newline;

    while (done < pending->len &&
           (newline = memchr(pending->data + done, '\n', pending->len - done)) != NULL) {
        *newline = '\0';
        handle_line(child, pending->data + done, is_stderr);
        done = (size_t)(newline - pending->data) + 1;
    }
    /* A line without end must not grow without end. */
    if (pending->len > done && (at_end || pending->len - done > 65536)) {
        handle_line(child, pending->data + done, is_stderr);
        done = pending->len;
    }
    if (done > 0) {
        memmove(pending->data, pending->data + done, pending->len - done);
        pending->len -= done;
        pending->data[pending->len] = '\0';
    }
}

/* Reads what is there; closes *fd at its end. */
static void read_pipe(Child *child, int *fd, bool is_stderr)
{
    Buf *into = is_stderr ? &child->err_line : child->out != NULL ? child->out : &child->out_line;
    bool lines = into != child->out;

    while (*fd >= 0) {
        ssize_t n;
        buf_reserve(into, 16384);
        n = read(*fd, into->data + into->len, 16384);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0) {
            close_fd(fd);
        } else {
            into->len += (size_t)n;
            into->data[into->len] = '\0';
        }
        if (lines)
            split_lines(child, into, n <= 0, is_stderr);
    }
}

/* Waiting ------------------------------------------------------------------------------------- */

static void signal_group(const Child *child, int sig)
{
    if (kill(-child->pid, sig) != 0)
        kill(child->pid, sig);
}

/* One poll: until something is to read, the child ended, the stop or the deadline came. */
static void wait_once(Child *child, int stop_fd_or_none, int64_t deadline_us)
{
    struct pollfd fds[4] = {{.fd = child->out_fd, .events = POLLIN},
                            {.fd = child->err_fd, .events = POLLIN},
                            {.fd = child->pidfd, .events = POLLIN},
                            {.fd = stop_fd_or_none, .events = POLLIN}};

    if (poll(fds, 4, clock_poll_ms(deadline_us)) < 0)
        return;
    /* The end first: what it wrote before is then surely read by the reads below. */
    if (fds[2].revents != 0) {
        reap(child->pid, &child->status);
        child->exited = true;
    }
    read_pipe(child, &child->out_fd, false);
    read_pipe(child, &child->err_fd, true);
}

static void wait_for_end(Child *child)
{
    int64_t deadline_us =
        child->spec->timeout_us > 0 ? clock_now_us() + child->spec->timeout_us : CLOCK_NEVER;
    bool killed = false;

    /* Grandchildren may keep the pipes open; without a pidfd their end is all we can wait for. */
    while (!child->exited && (child->pidfd >= 0 || child->out_fd >= 0 || child->err_fd >= 0)) {
        bool ending = child->reason != END_BY_ITSELF;
        wait_once(child, ending ? -1 : stop_fd(child->spec->stop), deadline_us);
        if (child->exited)
            break;
        if (!ending && stop_requested(child->spec->stop))
            child->reason = END_BY_STOP;
        else if (!ending && clock_now_us() >= deadline_us)
            child->reason = END_BY_TIMEOUT;
        else if (!ending || killed || clock_now_us() < deadline_us)
            continue;
        killed = ending;
        signal_group(child, ending ? SIGKILL : SIGTERM);
        deadline_us = ending ? CLOCK_NEVER : clock_now_us() + KILL_AFTER_US;
    }
    if (!child->exited)
        reap(child->pid, &child->status);
    child->exited = true;
    if (child->reason != END_BY_ITSELF)
        kill(-child->pid, SIGKILL); /* what is left of its group */
    split_lines(child, &child->err_line, true, true);
    split_lines(child, &child->out_line, true, false);
}

static bool judge(const Child *child, Error *err)
{
    Buf tail = child->tail;
    const char *said = tail.len > 0 ? buf_str(&tail) : "it printed no message";
    char limit[32];

    if (child->reason == END_BY_STOP)
        return ERR(err, ERR_STOPPED, "'%s' was stopped", child->name);
    if (child->reason == END_BY_TIMEOUT)
        return ERR(err, ERR_SUBPROCESS, "'%s' was ended because it took longer than %s: %s",
                   child->name, clock_format_duration(child->spec->timeout_us, limit, sizeof limit),
                   said);
    if (WIFSIGNALED(child->status))
        return ERR(err, ERR_SUBPROCESS, "'%s' was killed by signal %d (%s): %s", child->name,
                   WTERMSIG(child->status), strsignal(WTERMSIG(child->status)), said);
    if (WEXITSTATUS(child->status) != 0)
        return ERR(err, ERR_SUBPROCESS, "'%s' failed with exit code %d: %s", child->name,
                   WEXITSTATUS(child->status), said);
    return true;
}

bool subprocess_run(const Subprocess *spec, Buf *out, Error *err)
{
    const char *slash = strrchr(spec->argv[0], '/');
    Child child = {.spec = spec,
                   .name = slash != NULL ? slash + 1 : spec->argv[0],
                   .pidfd = -1,
                   .out_fd = -1,
                   .err_fd = -1,
                   .out = out};
    bool fine;

    if (stop_requested(spec->stop))
        return ERR(err, ERR_STOPPED, "'%s' was not started", child.name);
    if (!start(&child, err))
        return false;
    wait_for_end(&child);
    fine = judge(&child, err);
    close_fd(&child.out_fd);
    close_fd(&child.err_fd);
    close_fd(&child.pidfd);
    buf_done(&child.out_line);
    buf_done(&child.err_line);
    buf_done(&child.tail);
    return fine;
}
