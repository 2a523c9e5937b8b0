/* Sockets that stay, in three ways: each keeps a window full; so many in flight in all, one per
 * socket, in rotation; or so many per second, whatever comes back. Included by load.c alone. */

/* A slot is one datagram in flight. Slot i uses the sequence numbers i, i + W, i + 2W ..., so the
 * number in a reply names its slot. */
struct slot {
    uint64_t sequence, sent_ns; /* sent_ns 0: answered, or never used */
    uint64_t lost[LOST_REMEMBERED];
    unsigned lost_next;
};

struct counts {
    uint64_t sent, replies, lost, late, send_failed, refused, wrong_socket, repeated, held_back;
    uint64_t verdicts[DAMAGED + 1];
};

static struct closed {
    int *fds, epoll, timer;
    struct slot *slots;
    struct batch *in, *out;
    unsigned turn;      /* the socket that is next in rotation */
    unsigned rotate;    /* sockets in the rotation; 0: there is none */
    uint64_t left;      /* datagrams that the rotation may still send */
    uint64_t *position; /* per socket: its next slot, of a paced load */
    struct counts is;
} closed;

enum { TIMER = SOCKETS_MAX, TICK_NS = 100000 };

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
        if (sent < 0 && errno == ECONNREFUSED) closed.is.refused++; /* reported once, then it is gone */
        if (sent < 0 && errno == EAGAIN) break;
    }
    closed.is.sent += done;
    closed.is.send_failed += count - done; /* their slots time out */
}

/* True if the reply is the one that its slot waits for. */
static bool closed_take(unsigned socket, const uint8_t *bytes, size_t length, uint64_t now) {
    struct header h;
    enum verdict verdict = datagram_verify(bytes, length, &h);
    closed.is.verdicts[verdict]++;
    if (verdict != GOOD) return false;
    if (h.socket != socket) {
        closed.is.wrong_socket++;
        return false;
    }
    struct slot *slot = closed_slot(socket, h.sequence);
    if (slot->sequence == h.sequence && slot->sent_ns) {
        closed.is.replies++;
        latency_add(now - h.sent_ns);
        slot->sent_ns = 0;
        return true;
    }
    for (unsigned i = 0; i < LOST_REMEMBERED; i++)
        if (slot->lost[i] == h.sequence + 1) { /* kept plus one: 0 is "none" */
            slot->lost[i] = 0;
            closed.is.late++;
            return false;
        }
    closed.is.repeated++;
    return false;
}

/* Rotation: the next socket that has nothing in flight sends one. */
static void closed_rotate(uint64_t now) {
    for (unsigned tries = 0; tries < closed.rotate && closed.left; tries++) {
        unsigned socket = closed.turn;
        closed.turn = (closed.turn + 1) % closed.rotate;
        struct slot *slot = closed_slot(socket, 0);
        if (slot->sent_ns) continue;
        slot->sequence += option.window;
        closed_stage(socket, slot, 0, now);
        closed_send(socket, 1);
        closed.left--;
        return;
    }
}

static void closed_read(unsigned socket, bool refill) {
    struct slot *answered[BATCH];
    unsigned count = 0;
    int received = recvmmsg(closed.fds[socket], closed.in->messages, BATCH,
                            MSG_DONTWAIT | MSG_TRUNC, NULL);
    if (received < 0 && errno == ECONNREFUSED) closed.is.refused++;
    uint64_t now = now_ns();
    for (int i = 0; i < received; i++) {
        const uint8_t *bytes = closed.in->bytes + (size_t)i * closed.in->room;
        if (!closed_take(socket, bytes, closed.in->messages[i].msg_len, now)) continue;
        struct header h;
        memcpy(&h, bytes, sizeof h);
        answered[count++] = closed_slot(socket, h.sequence);
    }
    if (!refill || option.rate) return;
    for (unsigned i = 0; i < count; i++) {
        if (closed.rotate) {
            closed_rotate(now);
            continue;
        }
        answered[i]->sequence += option.window;
        closed_stage(socket, answered[i], i, now);
    }
    if (count && !closed.rotate) closed_send(socket, count);
}

/* Fills the whole window of a socket. */
static void closed_start(unsigned socket) {
    for (unsigned i = 0; i < option.window;) {
        unsigned count = 0;
        for (; count < BATCH && i < option.window; count++, i++) {
            struct slot *slot = closed_slot(socket, i);
            slot->sequence += option.window;
            closed_stage(socket, slot, count, now_ns());
        }
        closed_send(socket, count);
    }
}

/* Paced: one socket sends a burst; what still is in flight in its slots is held back, and told. */
static void closed_burst(uint64_t now) {
    unsigned socket = closed.turn, count = 0;
    closed.turn = (closed.turn + 1) % option.sockets;
    for (unsigned i = 0; i < option.burst; i++) {
        struct slot *slot = closed_slot(socket, closed.position[socket]);
        if (slot->sent_ns) {
            closed.is.held_back += option.burst - i;
            break;
        }
        closed.position[socket]++;
        slot->sequence += option.window;
        closed_stage(socket, slot, count++, now);
    }
    if (count) closed_send(socket, count);
}

/* What was not answered in time is lost, and sent anew unless the load is paced. */
static void closed_replace_lost(unsigned socket, uint64_t now) {
    unsigned count = 0;
    for (unsigned i = 0; i < option.window; i++) {
        struct slot *slot = closed_slot(socket, i);
        if (!slot->sent_ns || now < slot->sent_ns + CLOSED_TIMEOUT) continue;
        slot->lost[slot->lost_next++ % LOST_REMEMBERED] = slot->sequence + 1;
        closed.is.lost++;
        slot->sent_ns = 0;
        if (option.rate) continue;
        slot->sequence += option.window;
        closed_stage(socket, slot, count++, now);
        if (count == BATCH) closed_send(socket, count), count = 0;
    }
    if (count) closed_send(socket, count);
}

/* Turns until the deadline, or until everything that was sent is answered or lost. */
static uint64_t closed_run(uint64_t started, uint64_t deadline, bool refill) {
    static struct epoll_event events[SOCKETS_MAX + 1];
    uint64_t now = started, sweep = started, bursts = 0, ticks;
    while (!stopped && now < deadline) {
        if (!refill && closed.is.sent <= closed.is.replies + closed.is.lost) break;
        int ready = epoll_wait(closed.epoll, events, SOCKETS_MAX + 1, 20);
        for (int e = 0; e < ready; e++)
            if (events[e].data.u32 != TIMER) closed_read(events[e].data.u32, refill);
            else if (read(closed.timer, &ticks, sizeof ticks) < 0) fail("timer");
        now = now_ns();
        double due = (double)(now - started) / 1e9 * option.rate / option.burst;
        for (; option.rate && refill && (double)bursts < due; bursts++) closed_burst(now_ns());
        if (!refill || now - sweep < 20 * MILLISECOND) continue;
        for (unsigned i = 0; i < option.sockets; i++) closed_replace_lost(i, now);
        sweep = now;
    }
    return now;
}

static void closed_print(double seconds, uint64_t replies) {
    const struct counts *c = &closed.is;
    uint64_t damaged = c->verdicts[FOREIGN] + c->verdicts[CUT] + c->verdicts[MERGED] +
                       c->verdicts[DAMAGED];
    printf("{\"replies\": %lu, \"per_second\": %.0f, \"seconds\": %.3f, \"sent\": %lu, \"lost\": %lu, "
           "\"late\": %lu, \"wrong\": %lu, ",
           c->replies, (double)replies / seconds, seconds, c->sent, c->lost, c->late,
           damaged + c->wrong_socket + c->repeated);
    printf("\"wrong_content\": %lu, \"wrong_socket\": %lu, \"repeated\": %lu, \"refused\": %lu, "
           "\"send_failed\": %lu, \"held_back\": %lu, ",
           damaged, c->wrong_socket, c->repeated, c->refused, c->send_failed, c->held_back);
    print_latency(c->replies);
    print_cpu();
}

/* A flow with each socket, one datagram each; then somebody may look, and says when to go on. */
static void closed_open_flows(void) {
    char line;
    uint64_t started = now_ns(), now = started;
    closed.rotate = option.sockets;
    closed.left = option.sockets;
    for (unsigned i = 0; i < option.in_flight; i++) closed_rotate(now);
    while (closed.is.replies < option.sockets && !stopped) {
        if (now - started > 60 * SECOND) refuse("not every socket got an answer within 60 s");
        now = closed_run(now, now + 20 * MILLISECOND, true);
        for (unsigned i = 0; i < option.sockets; i++) closed_replace_lost(i, now);
    }
    printf("ready\n");
    fflush(stdout);
    if (read(STDIN_FILENO, &line, 1) < 0) fail("read");
    memset(&closed.is, 0, sizeof closed.is);
    memset(latency, 0, sizeof latency);
    latency_max = 0;
}

static void closed_open_sockets(void) {
    closed.epoll = epoll_create1(EPOLL_CLOEXEC);
    closed.fds = allocate(option.sockets, sizeof *closed.fds);
    closed.position = allocate(option.sockets, sizeof *closed.position);
    closed.slots = allocate((size_t)option.sockets * option.window, sizeof *closed.slots);
    closed.in = batch_new(BATCH, option.size + 8);
    closed.out = batch_new(BATCH, option.size);
    for (unsigned i = 0; i < option.sockets; i++) {
        int host = option.hosts ? (int)(i % option.hosts) : -1;
        watch(closed.epoll, closed.fds[i] = client_open(&option.target, host), i);
        for (unsigned n = 0; n < option.window; n++) closed_slot(i, n)->sequence = (uint64_t)n - option.window;
    }
}

static void closed_tick(void) {
    double burst_ns = option.burst / option.rate * 1e9;
    long tick_ns = burst_ns < TICK_NS ? TICK_NS : burst_ns < 5e8 ? (long)burst_ns : 500000000;
    const struct itimerspec tick = {{0, tick_ns}, {0, tick_ns}};
    closed.timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (closed.timer < 0 || timerfd_settime(closed.timer, 0, &tick, NULL)) fail("timer");
    watch(closed.epoll, closed.timer, TIMER);
}

static int run_closed(void) {
    if (option.sockets * option.window > IN_FLIGHT_MAX) refuse("sockets times window is above 262144");
    if (option.wait && !option.in_flight) refuse("--wait needs --in-flight");
    if (!option.burst) option.burst = 1;
    closed_open_sockets();
    if (option.wait) closed_open_flows();
    if (option.rate) closed_tick();
    uint64_t started = now_ns();
    if (option.in_flight) {
        closed.rotate = option.busy;
        closed.turn = 0;
        closed.left = UINT64_MAX;
        for (unsigned i = 0; i < option.in_flight; i++) closed_rotate(started);
    } else
        for (unsigned i = 0; i < option.sockets && !option.rate; i++) closed_start(i);
    uint64_t now = closed_run(started, started + (uint64_t)(option.seconds * 1e9), true);
    uint64_t replies = closed.is.replies;
    closed_run(now, now + CLOSED_TIMEOUT, false); /* what is still owed */
    for (uint64_t i = 0; i < (uint64_t)option.sockets * option.window; i++)
        closed.is.lost += closed.slots[i].sent_ns != 0;
    closed_print((double)(now - started) / 1e9, replies);
    return 0;
}
