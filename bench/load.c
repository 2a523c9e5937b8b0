/* load: UDP traffic that verifies every byte, for measuring a UDP proxy.
 *
 *   echo    backends that send every datagram back
 *   sink    a backend that counts and verifies, for one-way traffic
 *   closed  N sockets, each keeps W datagrams in flight
 *   flows   every query from a new source port
 *   bulk    one-way trains, sent with UDP_SEGMENT
 *
 * cc -O2 -Wall -Wextra -o bench/load bench/load.c
 *
 * Every datagram says who sent it, when, and how long it is; the rest is a pattern computed from
 * that, so a datagram that was cut, merged, damaged, repeated or brought to the wrong socket is
 * told apart from a good one without remembering its contents. */
#include "load.h"

/* ---- options ---- */

static struct options {
    struct address target;
    const char *bind;
    int ports[PORTS_MAX], port_count;
    unsigned sockets, window, size, burst;
    double seconds, rate, rate_gbit;
    bool gro;
    unsigned corrupt, repeat, drop, misdeliver; /* every n-th datagram of echo; for testing the tests */
} option = {.bind = "127.0.0.1", .sockets = 16, .window = 8, .size = 64, .burst = 32, .seconds = -1};

static void target_parse(const char *text) {
    char host[64];
    const char *colon = strrchr(text, ':');
    size_t length = colon ? (size_t)(colon - text) : sizeof host;
    if (length < 2 || length >= sizeof host) refuse("--target must be ADDR:PORT or [ADDR]:PORT");
    bool bracketed = text[0] == '[' && colon[-1] == ']';
    snprintf(host, sizeof host, "%.*s", (int)length - 2 * bracketed, text + bracketed);
    int port = atoi(colon + 1);
    if (port < 1 || port > 65535 || !address_parse(host, port, &option.target))
        refuse("--target must be ADDR:PORT or [ADDR]:PORT with a literal address");
}

static double number(const char *name, const char *text, double least, double most) {
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= least && value <= most)) {
        fprintf(stderr, "load: --%s must be a number from %g to %g\n", name, least, most);
        exit(2);
    }
    return value;
}

static const char usage[] =
    "usage: load echo   --port P [--port P ...] [--bind ADDR] [--gro] [--seconds S]\n"
    "       load sink   --port P [--bind ADDR] [--seconds S]\n"
    "       load closed --target ADDR:PORT [--sockets N] [--window W] [--size B] [--seconds S]\n"
    "       load flows  --target ADDR:PORT (--rate R | --window W) [--size B] [--seconds S]\n"
    "       load bulk   --target ADDR:PORT [--size B] [--burst N] [--seconds S] [--rate-gbit G]\n"
    "\n"
    "echo    sends every datagram back; prints \"ready PORT ...\" when bound (port 0: any)\n"
    "sink    verifies what bulk sends; prints \"ready PORT\", and the result when terminated\n"
    "closed  N sockets (16), each with W datagrams (8) of B bytes (64) in flight; a datagram\n"
    "        without a reply within 200 ms is lost and replaced\n"
    "flows   each query from a new source port, closed after its reply or 1 s; R new flows per\n"
    "        second, or as fast as W outstanding ones are answered; at most 512 outstanding\n"
    "bulk    one-way bursts of N datagrams (32) of B bytes, each burst one UDP_SEGMENT send\n"
    "\n"
    "Results are one line of JSON. echo and sink end after S seconds (3600) or on SIGTERM, the\n"
    "others after S seconds (5).\n";

static void options_parse(int argc, char **argv) {
    enum { PORT = 256, BIND, TARGET, SOCKETS, WINDOW, SIZE, BURST, SECONDS, RATE, RATE_GBIT, GRO,
           CORRUPT, REPEAT, DROP, MISDELIVER, HELP };
    static const struct option table[] = {
        {"port", 1, 0, PORT},       {"bind", 1, 0, BIND},           {"target", 1, 0, TARGET},
        {"sockets", 1, 0, SOCKETS}, {"window", 1, 0, WINDOW},       {"size", 1, 0, SIZE},
        {"burst", 1, 0, BURST},     {"seconds", 1, 0, SECONDS},     {"rate", 1, 0, RATE},
        {"gro", 0, 0, GRO},         {"rate-gbit", 1, 0, RATE_GBIT}, {"corrupt", 1, 0, CORRUPT},
        {"repeat", 1, 0, REPEAT},   {"drop", 1, 0, DROP},           {"misdeliver", 1, 0, MISDELIVER},
        {"help", 0, 0, HELP},       {0, 0, 0, 0}};
    bool window_given = false;
    for (int key, index = 0; (key = getopt_long(argc, argv, "h", table, &index)) != -1;) {
        const char *name = key >= 256 ? table[index].name : "";
        switch (key) {
        case PORT:
            if (option.port_count == PORTS_MAX) refuse("too many ports");
            option.ports[option.port_count++] = (int)number(name, optarg, 0, 65535);
            break;
        case BIND: option.bind = optarg; break;
        case TARGET: target_parse(optarg); break;
        case SOCKETS: option.sockets = (unsigned)number(name, optarg, 1, SOCKETS_MAX); break;
        case WINDOW:
            option.window = (unsigned)number(name, optarg, 1, 1024);
            window_given = true;
            break;
        case SIZE: option.size = (unsigned)number(name, optarg, SIZE_MIN, PAYLOAD_MAX); break;
        case BURST: option.burst = (unsigned)number(name, optarg, 1, SEGMENTS_MAX); break;
        case SECONDS: option.seconds = number(name, optarg, 0.01, SECONDS_MAX); break;
        case RATE: option.rate = number(name, optarg, 1, 1e6); break;
        case RATE_GBIT: option.rate_gbit = number(name, optarg, 0.001, 1000); break;
        case GRO: option.gro = true; break;
        case CORRUPT: option.corrupt = (unsigned)number(name, optarg, 1, 1e9); break;
        case REPEAT: option.repeat = (unsigned)number(name, optarg, 1, 1e9); break;
        case DROP: option.drop = (unsigned)number(name, optarg, 1, 1e9); break;
        case MISDELIVER: option.misdeliver = (unsigned)number(name, optarg, 1, 1e9); break;
        case 'h':
        case HELP: fputs(usage, stdout); exit(0);
        default: exit(2);
        }
    }
    if (optind != argc) refuse("an argument that is no option");
    if (option.rate && window_given) refuse("--rate or --window, not both");
}

/* ---- echo ---- */

/* One counter for all the ways to go wrong: use one at a time. */
static bool due(unsigned every) {
    static uint64_t counter;
    return every && ++counter % every == 0;
}

/* Turns what was received into what goes back: same buffer, address and segment size. */
static unsigned echo_prepare(struct batch *b, unsigned received, unsigned i) {
    struct mmsghdr *m = &b->messages[i];
    unsigned size = segment_size(m);
    b->vectors[i].iov_len = m->msg_len;
    m->msg_hdr.msg_control = NULL;
    m->msg_hdr.msg_controllen = 0;
    if (size && size < m->msg_len) {
        struct cmsghdr *c = &b->control[i].header;
        uint16_t segment = (uint16_t)size;
        m->msg_hdr.msg_control = c;
        m->msg_hdr.msg_controllen = CMSG_SPACE(sizeof segment);
        *c = (struct cmsghdr){CMSG_LEN(sizeof segment), IPPROTO_UDP, UDP_SEGMENT};
        memcpy(CMSG_DATA(c), &segment, sizeof segment);
    }
    if (m->msg_len && due(option.corrupt)) b->bytes[i * b->room + m->msg_len - 1] ^= 1;
    if (due(option.misdeliver)) m->msg_hdr.msg_name = &b->addresses[(i + 1) % received].as;
    return size ? (m->msg_len + size - 1) / size : 1;
}

static void echo_send(struct batch *b, int fd, unsigned from, unsigned to, uint64_t *failed) {
    while (from < to) {
        int sent = sendmmsg(fd, b->messages + from, to - from, 0);
        if (sent < 0) ++*failed; /* the first could not be sent: go on behind it */
        from += sent > 0 ? (unsigned)sent : 1;
    }
}

static int run_echo(void) {
    int fds[PORTS_MAX], epoll = epoll_create1(EPOLL_CLOEXEC);
    uint64_t datagrams = 0, failed = 0, deadline = now_ns() + (uint64_t)(option.seconds * 1e9);
    struct batch *b = option.gro ? batch_new(TRAIN_BATCH, TRAIN_MAX) : batch_new(BATCH, TRAIN_MAX);
    printf("ready");
    for (int i = 0; i < option.port_count; i++) {
        fds[i] = server_open(option.bind, option.ports[i], option.gro);
        watch(epoll, fds[i], (unsigned)i);
    }
    printf("\n");
    fflush(stdout);
    while (!stopped && now_ns() < deadline) {
        struct epoll_event events[PORTS_MAX];
        int ready = epoll_wait(epoll, events, PORTS_MAX, 100);
        for (int e = 0; e < ready; e++) {
            int fd = fds[events[e].data.u32], received = batch_receive(b, fd);
            for (int i = 0; i < received; i++)
                datagrams += echo_prepare(b, (unsigned)received, (unsigned)i);
            for (int i = 0; i < received && option.drop; i++)
                if (due(option.drop)) b->messages[i] = b->messages[--received];
            if (received > 0) echo_send(b, fd, 0, (unsigned)received, &failed);
            if (received > 0 && due(option.repeat)) echo_send(b, fd, 0, 1, &failed);
        }
    }
    unsigned drops = 0;
    for (int i = 0; i < option.port_count; i++) drops += kernel_drops(fds[i]);
    printf("{\"datagrams\": %lu, \"send_failed\": %lu, \"kernel_drops\": %u, ", datagrams, failed, drops);
    print_cpu();
    return 0;
}

/* ---- sink ---- */

struct source {
    struct address address;
    uint64_t next;                /* one above the highest sequence number seen */
    uint64_t seen[HISTORY / 64]; /* bit per sequence number modulo HISTORY */
};

struct sink {
    uint64_t datagrams, bytes, receives, first_ns, last_ns;
    uint64_t missing, reordered, repeated, too_old, foreign_sources, verdicts[DAMAGED + 1];
    unsigned source_count;
    struct source *sources[SOURCES_MAX];
};

static struct source *source_find(struct sink *s, const struct address *a, uint64_t sequence) {
    static unsigned latest;
    if (latest < s->source_count && !memcmp(&s->sources[latest]->address, a, sizeof *a))
        return s->sources[latest];
    for (latest = 0; latest < s->source_count; latest++)
        if (!memcmp(&s->sources[latest]->address, a, sizeof *a)) return s->sources[latest];
    if (latest == SOURCES_MAX) return NULL;
    struct source *new = s->sources[s->source_count++] = allocate(1, sizeof *new);
    new->address = *a;
    new->next = sequence;
    return new;
}

static void source_count(struct sink *s, struct source *from, uint64_t sequence) {
    if (sequence + HISTORY < from->next) {
        s->too_old++;
        return;
    }
    if (sequence >= from->next) {
        uint64_t gap = sequence - from->next;
        s->missing += gap;
        for (uint64_t i = 0; i < gap && i < HISTORY; i++) {
            uint64_t at = (sequence - 1 - i) % HISTORY;
            from->seen[at / 64] &= ~(1ull << at % 64);
        }
        from->next = sequence + 1;
    } else if (from->seen[sequence % HISTORY / 64] >> sequence % 64 & 1) {
        s->repeated++;
        return;
    } else {
        s->reordered++;
        s->missing -= s->missing > 0;
    }
    from->seen[sequence % HISTORY / 64] |= 1ull << sequence % 64;
}

static void sink_take(struct sink *s, const struct address *a, const uint8_t *bytes, size_t length,
                      uint64_t now) {
    struct header h;
    enum verdict verdict = datagram_verify(bytes, length, &h);
    s->last_ns = now;
    if (!s->first_ns) s->first_ns = now;
    s->datagrams++;
    s->bytes += length;
    s->verdicts[verdict]++;
    if (verdict != GOOD) return;
    struct source *from = source_find(s, a, h.sequence);
    if (from)
        source_count(s, from, h.sequence);
    else
        s->foreign_sources++;
}

/* A proxy may bring several probes as one train. */
static bool sink_probed(int fd, const struct address *a, const uint8_t *bytes, size_t length) {
    if (length != strlen(PROBE) || memcmp(bytes, PROBE, length)) return false;
    return sendto(fd, bytes, length, 0, &a->as.any, a->length) >= 0;
}

static void sink_print(const struct sink *s, int fd) {
    double seconds = (double)(s->last_ns - s->first_ns) / 1e9;
    uint64_t wrong = s->datagrams - s->verdicts[GOOD] + s->repeated + s->reordered + s->too_old;
    printf("{\"datagrams\": %lu, \"bytes\": %lu, \"receives\": %lu, \"seconds\": %.3f, "
           "\"gbit_s\": %.4f, \"sources\": %u, \"missing\": %lu, \"wrong\": %lu, ",
           s->datagrams, s->bytes, s->receives, seconds,
           seconds > 0 ? (double)s->bytes * 8e-9 / seconds : 0.0, s->source_count, s->missing, wrong);
    printf("\"foreign\": %lu, \"cut\": %lu, \"merged\": %lu, \"damaged\": %lu, \"reordered\": %lu, "
           "\"repeated\": %lu, \"too_old\": %lu, \"untracked\": %lu, \"kernel_drops\": %u, ",
           s->verdicts[FOREIGN], s->verdicts[CUT], s->verdicts[MERGED], s->verdicts[DAMAGED],
           s->reordered, s->repeated, s->too_old, s->foreign_sources, kernel_drops(fd));
    print_cpu();
}

static int run_sink(void) {
    struct sink *s = allocate(1, sizeof *s);
    struct batch *b = batch_new(TRAIN_BATCH, TRAIN_MAX);
    uint64_t deadline = now_ns() + (uint64_t)(option.seconds * 1e9);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    printf("ready");
    int fd = server_open(option.bind, option.ports[0], true);
    watch(epoll, fd, 0);
    printf("\n");
    fflush(stdout);
    while (!stopped && now_ns() < deadline) {
        struct epoll_event event;
        if (epoll_wait(epoll, &event, 1, 100) < 1) continue;
        memset(b->addresses, 0, sizeof b->addresses); /* they are compared with memcmp */
        int received = batch_receive(b, fd);
        uint64_t now = now_ns();
        for (int i = 0; i < received; i++, s->receives++) {
            size_t length = b->messages[i].msg_len, step = segment_size(&b->messages[i]);
            b->addresses[i].length = b->messages[i].msg_hdr.msg_namelen;
            for (size_t at = 0; at < length; at += step) {
                const uint8_t *bytes = b->bytes + (size_t)i * b->room + at;
                size_t size = length - at < step ? length - at : step;
                if (!sink_probed(fd, &b->addresses[i], bytes, size))
                    sink_take(s, &b->addresses[i], bytes, size, now);
            }
        }
    }
    sink_print(s, fd);
    return 0;
}

/* ---- closed ---- */

/* A slot is one datagram in flight. Slot i uses the sequence numbers i, i + W, i + 2W ..., so the
 * number in a reply names its slot. */
struct slot {
    uint64_t sequence, sent_ns; /* sent_ns 0: answered */
    uint64_t lost[LOST_REMEMBERED];
    unsigned lost_next;
};

static struct closed {
    int *fds;
    struct slot *slots;
    struct batch *in, *out;
    uint64_t sent, replies, lost, late, send_failed, refused, wrong_socket, repeated;
    uint64_t verdicts[DAMAGED + 1];
} closed;

static struct slot *closed_slot(unsigned socket, uint64_t sequence) {
    return &closed.slots[(uint64_t)socket * option.window + sequence % option.window];
}

static void closed_stage(unsigned socket, struct slot *slot, unsigned position, uint64_t now) {
    struct header h = {MAGIC, (uint16_t)option.size, (uint16_t)socket, slot->sequence, now};
    slot->sent_ns = now;
    datagram_fill(closed.out->bytes + position * closed.out->room, &h);
}

static void closed_send(unsigned socket, unsigned count) {
    unsigned done = 0;
    for (int tries = 0; done < count && tries < 3; tries++) {
        int sent = sendmmsg(closed.fds[socket], closed.out->messages + done, count - done, 0);
        if (sent > 0) done += (unsigned)sent;
        if (sent < 0 && errno == ECONNREFUSED) closed.refused++; /* reported once, then it is gone */
        if (sent < 0 && errno == EAGAIN) break;
    }
    closed.sent += done;
    closed.send_failed += count - done; /* their slots time out */
}

/* True if the reply is the one that its slot waits for. */
static bool closed_take(unsigned socket, const uint8_t *bytes, size_t length, uint64_t now) {
    struct header h;
    enum verdict verdict = datagram_verify(bytes, length, &h);
    closed.verdicts[verdict]++;
    if (verdict != GOOD) return false;
    if (h.socket != socket) {
        closed.wrong_socket++;
        return false;
    }
    struct slot *slot = closed_slot(socket, h.sequence);
    if (slot->sequence == h.sequence && slot->sent_ns) {
        closed.replies++;
        latency_add(now - h.sent_ns);
        slot->sent_ns = 0;
        return true;
    }
    for (unsigned i = 0; i < LOST_REMEMBERED; i++)
        if (slot->lost[i] == h.sequence + 1) { /* kept plus one: 0 is "none" */
            slot->lost[i] = 0;
            closed.late++;
            return false;
        }
    closed.repeated++;
    return false;
}

static void closed_read(unsigned socket, bool refill) {
    struct slot *answered[BATCH];
    unsigned count = 0;
    int received = recvmmsg(closed.fds[socket], closed.in->messages, BATCH,
                            MSG_DONTWAIT | MSG_TRUNC, NULL);
    if (received < 0 && errno == ECONNREFUSED) closed.refused++;
    uint64_t now = now_ns();
    for (int i = 0; i < received; i++) {
        const uint8_t *bytes = closed.in->bytes + (size_t)i * closed.in->room;
        if (!closed_take(socket, bytes, closed.in->messages[i].msg_len, now)) continue;
        struct header h;
        memcpy(&h, bytes, sizeof h);
        answered[count++] = closed_slot(socket, h.sequence);
    }
    for (unsigned i = 0; i < count && refill; i++) {
        answered[i]->sequence += option.window;
        closed_stage(socket, answered[i], i, now);
    }
    if (count && refill) closed_send(socket, count);
}

static void closed_start(unsigned socket) {
    for (unsigned i = 0; i < option.window;) {
        unsigned count = 0;
        for (; count < BATCH && i < option.window; count++, i++) {
            struct slot *slot = closed_slot(socket, i);
            slot->sequence = i;
            closed_stage(socket, slot, count, now_ns());
        }
        closed_send(socket, count);
    }
}

static void closed_replace_lost(unsigned socket, uint64_t now) {
    unsigned count = 0;
    for (unsigned i = 0; i < option.window; i++) {
        struct slot *slot = closed_slot(socket, i);
        if (!slot->sent_ns || now - slot->sent_ns < CLOSED_TIMEOUT) continue;
        slot->lost[slot->lost_next++ % LOST_REMEMBERED] = slot->sequence + 1;
        slot->sequence += option.window;
        closed.lost++;
        closed_stage(socket, slot, count++, now);
        if (count == BATCH) closed_send(socket, count), count = 0;
    }
    if (count) closed_send(socket, count);
}

static void closed_print(double seconds, uint64_t replies) {
    const struct closed *c = &closed;
    uint64_t damaged = c->verdicts[FOREIGN] + c->verdicts[CUT] + c->verdicts[MERGED] +
                       c->verdicts[DAMAGED];
    printf("{\"replies\": %lu, \"per_second\": %.0f, \"seconds\": %.3f, \"sent\": %lu, \"lost\": %lu, "
           "\"late\": %lu, \"wrong\": %lu, ",
           c->replies, (double)replies / seconds, seconds, c->sent, c->lost, c->late,
           damaged + c->wrong_socket + c->repeated);
    printf("\"wrong_content\": %lu, \"wrong_socket\": %lu, \"repeated\": %lu, \"refused\": %lu, "
           "\"send_failed\": %lu, ",
           damaged, c->wrong_socket, c->repeated, c->refused, c->send_failed);
    print_latency(c->replies);
    print_cpu();
}

static int run_closed(void) {
    static struct epoll_event events[SOCKETS_MAX];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (option.sockets * option.window > IN_FLIGHT_MAX) refuse("sockets times window is above 262144");
    closed.fds = allocate(option.sockets, sizeof *closed.fds);
    closed.slots = allocate((size_t)option.sockets * option.window, sizeof *closed.slots);
    closed.in = batch_new(BATCH, option.size + 8);
    closed.out = batch_new(BATCH, option.size);
    for (unsigned i = 0; i < option.sockets; i++) watch(epoll, closed.fds[i] = client_open(&option.target), i);
    uint64_t started = now_ns(), deadline = started + (uint64_t)(option.seconds * 1e9), now = started;
    for (unsigned i = 0; i < option.sockets; i++) closed_start(i);
    for (uint64_t sweep = started; !stopped && now < deadline;) {
        int ready = epoll_wait(epoll, events, SOCKETS_MAX, 20);
        for (int e = 0; e < ready; e++) closed_read(events[e].data.u32, true);
        now = now_ns();
        if (now - sweep < 20 * MILLISECOND) continue;
        for (unsigned i = 0; i < option.sockets; i++) closed_replace_lost(i, now);
        sweep = now;
    }
    double seconds = (double)(now - started) / 1e9;
    uint64_t replies = closed.replies;
    for (deadline = now + CLOSED_TIMEOUT; now < deadline; now = now_ns()) { /* what is still owed */
        int ready = closed.sent > closed.replies + closed.lost ? epoll_wait(epoll, events, SOCKETS_MAX, 20) : 0;
        if (closed.sent <= closed.replies + closed.lost) break;
        for (int e = 0; e < ready; e++) closed_read(events[e].data.u32, false);
    }
    for (uint64_t i = 0; i < (uint64_t)option.sockets * option.window; i++)
        closed.lost += closed.slots[i].sent_ns != 0;
    closed_print(seconds, replies);
    return 0;
}

/* ---- flows ---- */

struct flow {
    int fd; /* -1: free */
    uint64_t sequence, sent_ns;
};

static struct flows {
    struct flow flows[FLOWS_MAX];
    unsigned unused[FLOWS_MAX], unused_count;
    struct address source;
    unsigned port;
    int epoll;
    struct batch *in, *out;
    uint64_t opened, answered, lost, wrong, refused, held_back, send_failed;
} flows;

enum { PORT_FIRST = 10000, PORT_LAST = 60999, HOSTS = 8 };

/* The next source: one port after the other, so that none comes back soon. On IPv4 loopback the
 * clients live at 127.0.0.2 to .9: there they take no ports away from the proxy's own sockets. */
static void flow_bind(int fd) {
    bool loopback = flows.source.as.any.sa_family == AF_INET &&
                    ntohl(option.target.as.v4.sin_addr.s_addr) >> 24 == 127;
    for (int tries = 0; tries < 1000; tries++) {
        unsigned span = PORT_LAST - PORT_FIRST + 1, at = flows.port++;
        flows.source.as.v4.sin_port = htons((uint16_t)(PORT_FIRST + at % span));
        if (loopback) flows.source.as.v4.sin_addr.s_addr = htonl(0x7f000002u + at / span % HOSTS);
        if (!bind(fd, &flows.source.as.any, flows.source.length)) return;
        if (errno != EADDRINUSE) break;
    }
    fail("bind to a new source port");
}

static void flow_open(uint64_t now) {
    unsigned index = flows.unused[--flows.unused_count];
    struct flow *flow = &flows.flows[index];
    struct header h = {MAGIC, (uint16_t)option.size, (uint16_t)index, flows.opened++, now};
    *flow = (struct flow){socket_open(option.target.as.any.sa_family), h.sequence, now};
    flow_bind(flow->fd);
    if (connect(flow->fd, &option.target.as.any, option.target.length)) fail("connect");
    watch(flows.epoll, flow->fd, index);
    datagram_fill(flows.out->bytes, &h);
    if (send(flow->fd, flows.out->bytes, option.size, 0) < 0) flows.send_failed++; /* times out */
}

static void flow_close(struct flow *flow) {
    close(flow->fd);
    flow->fd = -1;
    flows.unused[flows.unused_count++] = (unsigned)(flow - flows.flows);
}

/* Two replies are asked for in one call: the second would be one too many. */
static void flow_read(struct flow *flow) {
    int received = recvmmsg(flow->fd, flows.in->messages, 2, MSG_DONTWAIT | MSG_TRUNC, NULL);
    uint64_t now = now_ns();
    bool answered = false;
    if (received < 0) {
        if (errno != ECONNREFUSED) return;
        flows.refused++;
        flows.lost++;
        flow_close(flow);
        return;
    }
    for (int i = 0; i < received; i++) {
        struct header h;
        const uint8_t *bytes = flows.in->bytes + (size_t)i * flows.in->room;
        enum verdict verdict = datagram_verify(bytes, flows.in->messages[i].msg_len, &h);
        if (verdict != GOOD || h.sequence != flow->sequence || h.sent_ns != flow->sent_ns || answered) {
            flows.wrong++;
            continue;
        }
        answered = true;
        flows.answered++;
        latency_add(now - flow->sent_ns);
    }
    if (answered) flow_close(flow);
}

static void flows_expire(uint64_t now) {
    for (unsigned i = 0; i < FLOWS_MAX; i++) {
        struct flow *flow = &flows.flows[i];
        if (flow->fd < 0 || now - flow->sent_ns < FLOW_TIMEOUT) continue;
        flows.lost++;
        flow_close(flow);
    }
}

/* Opens what is due; at a rate, what the limit of outstanding flows kept back is not made up for. */
static void flows_admit(uint64_t started, uint64_t now) {
    if (!option.rate) {
        while (FLOWS_MAX - flows.unused_count < option.window) flow_open(now_ns());
        return;
    }
    uint64_t wanted = (uint64_t)((double)(now - started) / 1e9 * option.rate) + 1;
    while (flows.opened + flows.held_back < wanted)
        if (flows.unused_count)
            flow_open(now_ns());
        else
            flows.held_back = wanted - flows.opened;
}

static int run_flows(void) {
    struct epoll_event events[FLOWS_MAX];
    if (option.window > FLOWS_MAX) refuse("--window of flows is at most 512");
    flows.epoll = epoll_create1(EPOLL_CLOEXEC);
    flows.in = batch_new(2, option.size + 8);
    flows.out = batch_new(1, option.size);
    flows.source = option.target; /* for family and length; any address of this machine */
    if (flows.source.as.any.sa_family == AF_INET) flows.source.as.v4.sin_addr.s_addr = INADDR_ANY;
    else flows.source.as.v6.sin6_addr = in6addr_any;
    flows.port = (unsigned)(run_key % 40000);
    for (unsigned i = FLOWS_MAX; i-- > 0; flows.unused[flows.unused_count++] = i) flows.flows[i].fd = -1;
    uint64_t started = now_ns(), now = started, sweep = started;
    uint64_t deadline = started + (uint64_t)(option.seconds * 1e9);
    while ((now < deadline && !stopped) || flows.unused_count < FLOWS_MAX) {
        if (now < deadline && !stopped) flows_admit(started, now);
        int ready = epoll_wait(flows.epoll, events, FLOWS_MAX, option.rate ? 1 : 20);
        for (int e = 0; e < ready; e++) flow_read(&flows.flows[events[e].data.u32]);
        now = now_ns();
        if (now - sweep < 10 * MILLISECOND) continue;
        flows_expire(now);
        sweep = now;
    }
    double seconds = option.seconds;
    printf("{\"replies\": %lu, \"per_second\": %.0f, \"seconds\": %.3f, \"opened\": %lu, \"lost\": %lu, "
           "\"wrong\": %lu, \"refused\": %lu, \"held_back\": %lu, \"send_failed\": %lu, ",
           flows.answered, (double)flows.answered / seconds, seconds, flows.opened, flows.lost,
           flows.wrong, flows.refused, flows.held_back, flows.send_failed);
    print_latency(flows.answered);
    print_cpu();
    return 0;
}

/* ---- bulk ---- */

static int run_bulk(void) {
    uint64_t datagrams = 0, trains = 0, failed = 0;
    int size = (int)option.size, fd = client_open(&option.target);
    uint8_t *train = allocate(option.burst, option.size);
    if (option.size * option.burst > PAYLOAD_MAX) refuse("--size times --burst is above 65507");
    if (setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size)) fail("UDP_SEGMENT");
    uint64_t started = now_ns(), now = started, deadline = started + (uint64_t)(option.seconds * 1e9);
    double train_ns = option.rate_gbit ? (double)(option.size * option.burst) * 8 / option.rate_gbit : 0;
    for (; !stopped && now < deadline; now = now_ns()) {
        uint64_t due_at = started + (uint64_t)((double)trains * train_ns);
        if (due_at > now) {
            struct timespec rest = {0, (long)(due_at - now > MILLISECOND ? MILLISECOND : due_at - now)};
            nanosleep(&rest, NULL);
            continue;
        }
        for (unsigned i = 0; i < option.burst; i++) {
            struct header h = {MAGIC, (uint16_t)option.size, 0, datagrams + i, now};
            datagram_fill(train + (size_t)i * option.size, &h);
        }
        trains++;
        if (send(fd, train, (size_t)option.size * option.burst, 0) < 0) {
            if (errno == EINVAL || errno == EMSGSIZE) fail("send of a train");
            failed++; /* the sequence numbers are used again */
            continue;
        }
        datagrams += option.burst;
        /* Beside a sink on the same core: let it go first every few trains. Otherwise whole time
         * slices overflow the proxy's buffer, and then nothing comes while the sink catches up. */
        if (trains % 4 == 0) sched_yield();
    }
    double seconds = (double)(now - started) / 1e9;
    printf("{\"datagrams\": %lu, \"bytes\": %lu, \"seconds\": %.3f, \"gbit_s\": %.4f, \"send_failed\": %lu, ",
           datagrams, datagrams * option.size, seconds,
           (double)(datagrams * option.size) * 8e-9 / seconds, failed);
    print_cpu();
    return 0;
}

/* ---- main ---- */

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        int (*run)(void);
        bool serves; /* has ports; the others have a target */
    } commands[] = {{"echo", run_echo, true},
                    {"sink", run_sink, true},
                    {"closed", run_closed, false},
                    {"flows", run_flows, false},
                    {"bulk", run_bulk, false}};
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) return !fputs(usage, stdout);
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(argv[1], commands[i].name)) continue;
        options_parse(argc - 1, argv + 1);
        if (commands[i].serves && !option.port_count) refuse("--port is missing");
        if (!commands[i].serves && !option.target.length) refuse("--target is missing");
        if (option.seconds < 0) option.seconds = commands[i].serves ? SECONDS_MAX : 5;
        if (commands[i].run != run_bulk && commands[i].run != run_sink) run_key = mix(now_ns() ^ (uint64_t)getpid());
        return commands[i].run();
    }
    refuse("name a command: echo, sink, closed, flows or bulk");
}
