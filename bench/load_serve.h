/* The backends: echo sends everything back, sink verifies one-way traffic. Included by load.c alone. */
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
