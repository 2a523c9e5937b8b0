/* load: UDP traffic that verifies every byte, for measuring a UDP proxy.
 *
 *   echo    backends that send every datagram back
 *   sink    a backend that counts and verifies, for one-way traffic
 *   closed  N sockets, each keeps W datagrams in flight; or in rotation, or at a rate
 *   flows   every query from a new source port
 *   bulk    one-way trains, sent with UDP_SEGMENT
 *
 * cc -O2 -Wall -Wextra -o bench/load bench/load.c
 *
 * Every datagram says who sent it, when, and how long it is; the rest is a pattern computed from
 * that, so a datagram that was cut, merged, damaged, repeated or brought to the wrong socket is
 * told apart from a good one without remembering its contents.
 *
 * load.h has what the commands share, load_serve.h echo and sink, load_closed.h closed,
 * load_flows.h flows and bulk. */
#include "load.h"

/* ---- options ---- */

static struct options {
    struct address target;
    const char *bind;
    int ports[PORTS_MAX], port_count;
    unsigned sockets, window, size, burst, hosts, in_flight, busy;
    double seconds, rate, rate_gbit;
    bool gro, wait, window_given;
    unsigned corrupt, repeat, drop, misdeliver; /* every n-th datagram of echo; for testing the tests */
} option = {.bind = "127.0.0.1", .sockets = 16, .window = 8, .size = 64, .seconds = -1};

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
    "                   [--hosts H] [--wait] [--in-flight F [--busy N] | --rate R [--burst N]]\n"
    "       load flows  --target ADDR:PORT (--rate R | --window W) [--size B] [--seconds S]\n"
    "       load bulk   --target ADDR:PORT [--size B] [--burst N] [--seconds S] [--rate-gbit G]\n"
    "\n"
    "echo    sends every datagram back; prints \"ready PORT ...\" when bound (port 0: any)\n"
    "sink    verifies what bulk sends; prints \"ready PORT\", and the result when terminated\n"
    "closed  N sockets (16), each with W datagrams (8) of B bytes (64) in flight; a datagram\n"
    "        without a reply within 200 ms is lost and replaced.\n"
    "        --in-flight: F in all, one per socket, in rotation over the sockets, or over the\n"
    "        first N (--busy). --rate: R datagrams per second, whatever comes back, N of one socket\n"
    "        together (--burst, 1), the sockets in rotation, at most W in flight each.\n"
    "        --hosts: clients live at 127.0.0.2 and up, H of them. --wait: opens a flow with each\n"
    "        socket, prints \"ready\", and goes on when a line comes on standard input\n"
    "flows   each query from a new source port, closed after its reply or 1 s; R new flows per\n"
    "        second, or as fast as W outstanding ones are answered; at most 512 outstanding\n"
    "bulk    one-way bursts of N datagrams (32) of B bytes, each burst one UDP_SEGMENT send\n"
    "\n"
    "Results are one line of JSON. echo and sink end after S seconds (3600) or on SIGTERM, the\n"
    "others after S seconds (5).\n";

static void options_parse(int argc, char **argv) {
    enum { PORT = 256, BIND, TARGET, SOCKETS, WINDOW, SIZE, BURST, SECONDS, RATE, RATE_GBIT, GRO,
           HOSTS, IN_FLIGHT, BUSY, WAIT, CORRUPT, REPEAT, DROP, MISDELIVER, HELP };
    static const struct option table[] = {
        {"port", 1, 0, PORT},       {"bind", 1, 0, BIND},           {"target", 1, 0, TARGET},
        {"sockets", 1, 0, SOCKETS}, {"window", 1, 0, WINDOW},       {"size", 1, 0, SIZE},
        {"burst", 1, 0, BURST},     {"seconds", 1, 0, SECONDS},     {"rate", 1, 0, RATE},
        {"gro", 0, 0, GRO},         {"rate-gbit", 1, 0, RATE_GBIT}, {"corrupt", 1, 0, CORRUPT},
        {"repeat", 1, 0, REPEAT},   {"drop", 1, 0, DROP},           {"misdeliver", 1, 0, MISDELIVER},
        {"hosts", 1, 0, HOSTS},     {"in-flight", 1, 0, IN_FLIGHT}, {"busy", 1, 0, BUSY},
        {"wait", 0, 0, WAIT},       {"help", 0, 0, HELP},       {0, 0, 0, 0}};
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
            option.window_given = true;
            break;
        case SIZE: option.size = (unsigned)number(name, optarg, SIZE_MIN, PAYLOAD_MAX); break;
        case BURST: option.burst = (unsigned)number(name, optarg, 1, SEGMENTS_MAX); break;
        case SECONDS: option.seconds = number(name, optarg, 0.01, SECONDS_MAX); break;
        case RATE: option.rate = number(name, optarg, 1, 1e6); break;
        case RATE_GBIT: option.rate_gbit = number(name, optarg, 0.001, 1000); break;
        case GRO: option.gro = true; break;
        case HOSTS: option.hosts = (unsigned)number(name, optarg, 1, HOSTS_MAX); break;
        case IN_FLIGHT: option.in_flight = (unsigned)number(name, optarg, 1, SOCKETS_MAX); break;
        case BUSY: option.busy = (unsigned)number(name, optarg, 1, SOCKETS_MAX); break;
        case WAIT: option.wait = true; break;
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
    if (option.rate && option.in_flight) refuse("--rate or --in-flight, not both");
    if (option.in_flight && option.window_given) refuse("--in-flight or --window, not both");
    if (option.in_flight) option.window = 1;
    if (!option.busy) option.busy = option.sockets;
    if (option.busy > option.sockets) refuse("--busy is above --sockets");
}

#include "load_closed.h"
#include "load_flows.h"
#include "load_serve.h"


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
        descriptors_raise();
        if (commands[i].serves && !option.port_count) refuse("--port is missing");
        if (!commands[i].serves && !option.target.length) refuse("--target is missing");
        if (option.seconds < 0) option.seconds = commands[i].serves ? SECONDS_MAX : 5;
        if (commands[i].run != run_bulk && commands[i].run != run_sink) run_key = mix(now_ns() ^ (uint64_t)getpid());
        return commands[i].run();
    }
    refuse("name a command: echo, sink, closed, flows or bulk");
}
