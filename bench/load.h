/* What the commands of load.c share: the datagram that can be verified, latency, sockets, batches.
 * Included by load.c alone, so that one compiler call builds everything. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum {
    BATCH = 64,              /* datagrams in one recvmmsg or sendmmsg */
    PORTS_MAX = 64,          /* of one echo process */
    SOCKETS_MAX = 19000,     /* of closed: below the descriptor limit of usual machines */
    IN_FLIGHT_MAX = 1 << 18, /* sockets times window of closed */
    FLOWS_MAX = 512,         /* outstanding in flows */
    HOSTS_MAX = 200,         /* addresses of clients */
    SOURCES_MAX = 1024,      /* that sink tells apart */
    SEGMENTS_MAX = 64,       /* of one UDP_SEGMENT send: UDP_MAX_SEGMENTS of older kernels */
    PAYLOAD_MAX = 65507,
    TRAIN_MAX = 65536,  /* of one receive with UDP_GRO */
    TRAIN_BATCH = 4 ,   /* such receives in one recvmmsg */
    HISTORY = 1 << 16,  /* sequence numbers that sink remembers per source */
    LOST_REMEMBERED = 4 /* given-up sequence numbers per slot: their replies are late, not wrong */
};
#define MILLISECOND 1000000ull
#define SECOND 1000000000ull
#define CLOSED_TIMEOUT (200 * MILLISECOND)
#define FLOW_TIMEOUT (1 * SECOND)
#define SECONDS_MAX 3600.0

/* ---- small things ---- */

static volatile sig_atomic_t stopped;

static void on_signal(int number) { stopped = number; }

static void fail(const char *what) {
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void refuse(const char *why) {
    fprintf(stderr, "load: %s (try --help)\n", why);
    exit(2);
}

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (!memory) fail("calloc");
    return memory;
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static void print_cpu(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    printf("\"cpu_user_s\": %.3f, \"cpu_system_s\": %.3f}\n",
           (double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec / 1e6,
           (double)u.ru_stime.tv_sec + (double)u.ru_stime.tv_usec / 1e6);
    fflush(stdout);
}

/* ---- latency: 64 buckets per power of two, 1.6 % wide ---- */

static uint64_t latency[64 * 64], latency_max;

static void latency_add(uint64_t ns) {
    if (ns > latency_max) latency_max = ns;
    int power = ns < 64 ? 0 : 63 - __builtin_clzll(ns) - 5;
    latency[power * 64 + (int)(ns >> power)]++; /* above the first row only the upper half is used */
}

static double latency_us(double share, uint64_t total) {
    uint64_t seen = 0, wanted = (uint64_t)(share * (double)total);
    for (int i = 0; i < 64 * 64; i++) {
        seen += latency[i];
        if (latency[i] && seen >= wanted)
            return ((double)(i % 64) + 0.5) * (double)(1ull << (i / 64)) / 1000.0;
    }
    return 0;
}

static void print_latency(uint64_t total) {
    printf("\"latency_us\": {\"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, \"p99.9\": %.1f, "
           "\"max\": %.1f}, ",
           latency_us(.5, total), latency_us(.9, total), latency_us(.99, total),
           latency_us(.999, total), (double)latency_max / 1000.0);
}

/* ---- the datagram ---- */

#define MAGIC 0x75646c62u
#define SIZE_MIN 32
#define PROBE "udplb bench: are you there?" /* what sink sends back instead of counting it */

struct header {
    uint32_t magic;
    uint16_t size, socket;
    uint64_t sequence, sent_ns;
};

enum verdict { GOOD, FOREIGN, CUT, MERGED, DAMAGED };

static uint64_t run_key; /* differs between runs, so that a reply of an older one is seen; 0 in bulk */

static uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

static uint64_t pattern_base(const struct header *h) {
    uint64_t who = (uint64_t)h->socket << 16 | h->size;
    return mix(mix(mix(run_key ^ who) ^ h->sequence) ^ h->sent_ns);
}

#define STEP 0x9e3779b97f4a7c15ull /* between the words of the pattern */

/* At O3 the compiler takes several words at once: bulk touches every byte of 30 Gbit/s and more. */
__attribute__((optimize("O3"))) static void pattern_write(uint8_t *to, size_t words, uint64_t base) {
    for (size_t i = 0; i < words; i++) {
        uint64_t word = base + i * STEP;
        memcpy(to + 8 * i, &word, 8);
    }
}

__attribute__((optimize("O3"))) static bool pattern_differs(const uint8_t *from, size_t words,
                                                            uint64_t base) {
    uint64_t difference = 0;
    for (size_t i = 0; i < words; i++) {
        uint64_t word;
        memcpy(&word, from + 8 * i, 8);
        difference |= word ^ (base + i * STEP);
    }
    return difference;
}

static void datagram_fill(uint8_t *to, const struct header *h) {
    size_t words = (h->size - sizeof *h) / 8, written = sizeof *h + 8 * words;
    uint64_t base = pattern_base(h), last = base + words * STEP;
    memcpy(to, h, sizeof *h);
    pattern_write(to + sizeof *h, words, base);
    memcpy(to + written, &last, h->size - written);
}

static enum verdict datagram_verify(const uint8_t *from, size_t length, struct header *h) {
    if (length < sizeof *h) return CUT;
    memcpy(h, from, sizeof *h);
    if (h->magic != MAGIC || h->size < SIZE_MIN) return FOREIGN;
    if (length != h->size) return length < h->size ? CUT : MERGED;
    size_t words = (length - sizeof *h) / 8, read = sizeof *h + 8 * words;
    uint64_t base = pattern_base(h), last = base + words * STEP;
    bool differs = pattern_differs(from + sizeof *h, words, base);
    return differs || memcmp(from + read, &last, length - read) ? DAMAGED : GOOD;
}

/* ---- addresses and sockets ---- */

static void descriptors_raise(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit)) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } as;
    socklen_t length;
};

static bool address_parse(const char *host, int port, struct address *a) {
    memset(a, 0, sizeof *a);
    a->as.v4.sin_port = htons((uint16_t)port); /* the port stands at the same place in both */
    int family = strchr(host, ':') ? AF_INET6 : AF_INET;
    void *to = family == AF_INET6 ? (void *)&a->as.v6.sin6_addr : (void *)&a->as.v4.sin_addr;
    a->as.any.sa_family = (sa_family_t)family;
    a->length = family == AF_INET6 ? sizeof a->as.v6 : sizeof a->as.v4;
    return inet_pton(family, host, to) == 1;
}

static int socket_open(int family) {
    int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) fail("socket");
    return fd;
}

static void buffers_enlarge(int fd) {
    int bytes = 32 << 20; /* the program under test shall lose datagrams, not its test */
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes))
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes))
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

static int server_open(const char *host, int port, bool gro) {
    struct address a;
    int on = 1;
    if (!address_parse(host, port, &a)) refuse("--bind must be a literal address");
    int fd = socket_open(a.as.any.sa_family);
    buffers_enlarge(fd);
    if (bind(fd, &a.as.any, a.length)) fail("bind");
    if (gro && setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on)) fail("UDP_GRO");
    getsockname(fd, &a.as.any, &a.length);
    printf(" %d", ntohs(a.as.v4.sin_port));
    return fd;
}

static bool is_loopback(const struct address *a) {
    return a->as.any.sa_family == AF_INET && ntohl(a->as.v4.sin_addr.s_addr) >> 24 == 127;
}

/* The host-th client of a loopback target lives at 127.0.0.2 and up: there clients take no ports
 * away from the proxy's own sockets, and have 28,000 each. */
static struct in_addr host_address(unsigned host) {
    return (struct in_addr){htonl(0x7f000002u + host)};
}

/* `host` below 0: wherever the kernel puts it. */
static int client_open(const struct address *target, int host) {
    int fd = socket_open(target->as.any.sa_family);
    buffers_enlarge(fd);
    if (host >= 0 && is_loopback(target)) {
        struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr = host_address((unsigned)host)};
        if (bind(fd, (struct sockaddr *)&here, sizeof here)) fail("bind to a client's address");
    }
    if (connect(fd, &target->as.any, target->length)) fail("connect");
    return fd;
}

static unsigned kernel_drops(int fd) {
    uint32_t info[SK_MEMINFO_VARS] = {0};
    socklen_t length = sizeof info;
    getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &length);
    return info[SK_MEMINFO_DROPS];
}

static void watch(int epoll, int fd, unsigned index) {
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) fail("epoll_ctl");
}

/* Room for a batch of receives or sends, each with buffer, address and control message. */
struct batch {
    unsigned count;
    size_t room;
    uint8_t *bytes;
    struct mmsghdr messages[BATCH];
    struct iovec vectors[BATCH];
    struct address addresses[BATCH];
    union {
        struct cmsghdr header;
        uint8_t bytes[CMSG_SPACE(sizeof(int))];
    } control[BATCH];
};

static struct batch *batch_new(unsigned count, size_t room) {
    struct batch *b = allocate(1, sizeof *b);
    b->count = count;
    b->room = room;
    b->bytes = allocate(count, room);
    for (unsigned i = 0; i < count; i++) {
        b->vectors[i] = (struct iovec){b->bytes + i * room, room};
        b->messages[i].msg_hdr.msg_iov = &b->vectors[i];
        b->messages[i].msg_hdr.msg_iovlen = 1;
    }
    return b;
}

/* Receive with addresses and, for UDP_GRO, segment sizes. */
static int batch_receive(struct batch *b, int fd) {
    for (unsigned i = 0; i < b->count; i++) {
        b->vectors[i].iov_len = b->room;
        struct msghdr *m = &b->messages[i].msg_hdr;
        m->msg_iov = &b->vectors[i];
        m->msg_name = &b->addresses[i].as;
        m->msg_namelen = sizeof b->addresses[i].as;
        m->msg_control = &b->control[i];
        m->msg_controllen = sizeof b->control[i];
    }
    return recvmmsg(fd, b->messages, b->count, MSG_DONTWAIT, NULL);
}

static unsigned segment_size(struct mmsghdr *m) {
    struct cmsghdr *c = CMSG_FIRSTHDR(&m->msg_hdr);
    int size = 0;
    if (c && c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO)
        memcpy(&size, CMSG_DATA(c), sizeof size);
    return size > 0 ? (unsigned)size : m->msg_len;
}

