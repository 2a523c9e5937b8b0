/* Traffic that waits for nobody's window: a new source port per query, and one-way bulk. Included by
 * load.c alone. */
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

/* The next source: one port after the other, so that none comes back soon. */
static void flow_bind(int fd) {
    bool loopback = is_loopback(&option.target);
    for (int tries = 0; tries < 1000; tries++) {
        unsigned span = PORT_LAST - PORT_FIRST + 1, at = flows.port++;
        flows.source.as.v4.sin_port = htons((uint16_t)(PORT_FIRST + at % span));
        if (loopback) flows.source.as.v4.sin_addr = host_address(at / span % HOSTS);
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
    if (option.rate && option.window_given) refuse("--rate or --window, not both");
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
    if (!option.burst) option.burst = 32;
    int size = (int)option.size, fd = client_open(&option.target, -1);
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
