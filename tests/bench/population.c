/* A population of N processes to read: population N [busy percent], started under 50 names.
 *
 * C and not Rust, because the cheap way to 10,000 processes is fork without exec, and in Rust that is unsafe.
 *
 * The program that is called makes one family for each of the names `worker-00` to `worker-49` beside it (the
 * run script links them all to this program), by exec, so that name, executable and arguments are those of 50
 * programs. A family forks its members. Of each 100 members, by their number,
 *   10 have three more threads,
 *   10 have 20 more descriptors,
 *   10 have touched 2 MiB of memory,
 *   and the first `busy percent` burn a millisecond of CPU once a second.
 * Every member writes its own number into its command line. `ready` on stdout says that all are there. Everybody
 * ends when stdin of the first one closes, or when its parent ends for whatever reason.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FAMILIES 50

static void die(const char *what) {
    fprintf(stderr, "population: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* SIGKILL when the parent ends; and it may have ended before we asked. */
static void end_with(pid_t parent) {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) die("PR_SET_PDEATHSIG");
    if (getppid() != parent) _exit(1);
}

static void *sleep_for_ever(void *unused) {
    for (;;) pause();
    return unused;
}

static void burn(int number) {
    struct timespec phase = {0, (long)(number * 7919L % 1000) * 1000000};
    nanosleep(&phase, NULL);
    for (;;) {
        struct timespec now, pause = {1, 0};
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
        long end = now.tv_sec * 1000000000L + now.tv_nsec + 1000000L;
        do clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
        while (now.tv_sec * 1000000000L + now.tv_nsec < end);
        nanosleep(&pause, NULL);
    }
}

static void member(int number, int busy) {
    int kind = (number + number / 100 * 7) % 100; /* so that every family has members of every kind */
    if (kind >= 10 && kind < 20) {
        pthread_attr_t small;
        pthread_t thread;
        pthread_attr_init(&small);
        pthread_attr_setstacksize(&small, 64 << 10);
        for (int i = 0; i < 3; i++)
            if (pthread_create(&thread, &small, sleep_for_ever, NULL) != 0) die("pthread_create");
    } else if (kind >= 20 && kind < 30) {
        for (int i = 0; i < 20; i++)
            if (open("/dev/null", O_RDONLY) < 0) die("/dev/null");
    } else if (kind >= 30 && kind < 40) {
        char *memory = malloc(2 << 20);
        if (memory == NULL) die("malloc");
        memset(memory, 1, 2 << 20);
    }
    if (write(3, "x", 1) != 1) _exit(1);
    close(3);
    if (kind < busy) burn(number);
    sleep_for_ever(NULL);
}

/* One family: itself is its first member, of number `first`, and the others are FAMILIES further each. */
static void family(char *command, int first, int count, int busy) {
    size_t room = strlen(command);
    pid_t self = getpid();
    for (int number = first + FAMILIES; number < count; number += FAMILIES) {
        pid_t child = fork();
        if (child < 0) die("fork");
        if (child == 0) {
            end_with(self);
            snprintf(command, room, "--number=%d --listen=127.0.0.1:%d", number, 1024 + number);
            member(number, busy);
        }
    }
    snprintf(command, room, "--number=%d --listen=127.0.0.1:%d", first, 1024 + first);
    member(first, busy);
}

int main(int argc, char **argv) {
    if (argc == 5) family(argv[4], atoi(argv[1]), atoi(argv[2]), atoi(argv[3]));
    if (argc != 3) {
        fprintf(stderr, "usage: %s PROCESSES BUSY_PERCENT\n", argv[0]);
        return 2;
    }
    int count = atoi(argv[1]), ready[2];
    pid_t self = getpid();
    if (pipe(ready) != 0) die("pipe");
    char *slash = strrchr(argv[0], '/');
    int folder = slash ? (int)(slash - argv[0]) + 1 : 0;
    for (int first = 0; first < FAMILIES && first < count; first++) {
        pid_t child = fork();
        if (child < 0) die("fork");
        if (child == 0) {
            end_with(self); /* which stays so over exec */
            char path[4096], number[16], room[97];
            snprintf(path, sizeof path, "%.*sworker-%02d", folder, argv[0], first);
            snprintf(number, sizeof number, "%d", first);
            memset(room, ' ', sizeof room - 1);
            room[sizeof room - 1] = 0;
            /* A member has stdin, stdout and stderr, and descriptor 3 until it has said that it is there. */
            int null = open("/dev/null", O_RDWR);
            if (dup2(ready[1], 3) != 3 || dup2(null, 0) != 0 || dup2(null, 1) != 1) die("dup2");
            if (null > 3) close(null);
            if (ready[0] > 3) close(ready[0]);
            if (ready[1] > 3) close(ready[1]);
            execl(path, path, number, argv[1], argv[2], room, (char *)NULL);
            die(path);
        }
    }
    close(ready[1]);
    char buffer[4096];
    for (int there = 0; there < count;) {
        ssize_t more = read(ready[0], buffer, sizeof buffer);
        if (more <= 0) {
            fprintf(stderr, "population: %d of %d processes, then an end: a limit on processes?\n", there, count);
            return 1;
        }
        there += (int)more;
    }
    puts("ready");
    fflush(stdout);
    while (read(0, buffer, sizeof buffer) > 0) {}
    return 0;
}
