/* A slow disk and a clock that is wrong, for a process that is started with this in LD_PRELOAD (commands.hindered).
   HINDER_FOLDER: files below it take HINDER_MICROSECONDS longer for each open, read, write and sync.
   HINDER_CLOCK: seconds that are added to the time of day; the monotonic clock stays. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static void wait_for(const char *path) {
    const char *folder = getenv("HINDER_FOLDER"), *delay = getenv("HINDER_MICROSECONDS");
    if (folder && delay && strncmp(path, folder, strlen(folder)) == 0) usleep(atoi(delay));
}

static void wait_for_file(int file) {
    char link[40], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length > 0) {
        path[length] = 0;
        wait_for(path);
    }
}

#define SLOW(type, name, parameters, arguments)                                \
    type name parameters {                                                     \
        static type(*real) parameters;                                         \
        if (!real) real = (type(*) parameters)dlsym(RTLD_NEXT, #name);         \
        wait_for_file(file);                                                   \
        return real arguments;                                                 \
    }

SLOW(ssize_t, read, (int file, void *to, size_t n), (file, to, n))
SLOW(ssize_t, write, (int file, const void *from, size_t n), (file, from, n))
SLOW(ssize_t, writev, (int file, const struct iovec *from, int n), (file, from, n))
SLOW(ssize_t, pread64, (int file, void *to, size_t n, off64_t at), (file, to, n, at))
SLOW(ssize_t, pwrite64, (int file, const void *from, size_t n, off64_t at), (file, from, n, at))
SLOW(int, fsync, (int file), (file))
SLOW(int, fdatasync, (int file), (file))

int open64(const char *path, int flags, ...) {
    static int (*real)(const char *, int, ...);
    if (!real) real = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open64");
    va_list more;
    va_start(more, flags);
    int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, int) : 0;
    va_end(more);
    wait_for(path);
    return real(path, flags, mode);
}

static long shift(void) {
    const char *seconds = getenv("HINDER_CLOCK");
    return seconds ? atol(seconds) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += shift();
    return failed;
}

time_t time(time_t *now) {
    struct timespec found;
    clock_gettime(CLOCK_REALTIME, &found);
    if (now) *now = found.tv_sec;
    return found.tv_sec;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    struct timespec found;
    clock_gettime(CLOCK_REALTIME, &found);
    now->tv_sec = found.tv_sec;
    now->tv_usec = found.tv_nsec / 1000;
    return 0;
}
