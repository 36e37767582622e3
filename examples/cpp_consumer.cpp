// Measures round trips to an echo server, in C++17: what bide.hpp is like to use.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
#include "bide.hpp"
#include "common.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <iterator>
#include <optional>
#include <vector>

namespace {

example_host host;
long count = 10;
bide_duration period = BIDE_MILLISECONDS(100);
bide_duration timeout = BIDE_SECONDS(5);

const example_option argument = {"HOST:PORT", EXAMPLE_HOST, &host, ""};
const example_option options[] = {
    {"--count", EXAMPLE_COUNT, &count, "round trips (10)"},
    {"--period", EXAMPLE_DURATION, &period, "between two of them (100ms)"},
    {"--timeout", EXAMPLE_DURATION, &timeout, "give up when connecting or an answer takes so long (5s)"},
};

const example_program program = [] {
    example_program p{};
    p.name = "cpp_consumer";
    p.synopsis = "HOST:PORT [--count COUNT] [--period DURATION] [--timeout DURATION]";
    p.about =
        "Sends lines to an echo server and prints how long each takes to come back. SIGINT ends it early.\n"
        "Exits with 0: all came back, 1: an error, 2: wrong usage, 124: timed out.\n";
    p.options = options;
    p.option_count = std::size(options);
    p.argument = &argument;
    return p;
}();

bide_event stop;

void on_signal(int)
{
    bide_event_set(&stop);
}

bide_instant deadline()
{
    return bide::after(std::chrono::nanoseconds(timeout));
}

// How long the line takes there and back; nothing: stopped meanwhile.
std::optional<bide_duration> round_trip(const bide::handle &conn, const std::string &line)
{
    const bide_instant start = bide_now();
    bide::write_all(conn, line, deadline());
    std::string back;
    while (back.size() < line.size()) {
        char buffer[256];
        bide::pending<bide_io> answer(bide_io_read, conn.get(), buffer, sizeof buffer);
        bide::pending<bide_event_waiting> stopped(bide_event_waiting_init, &stop);
        if (bide::race(deadline(), answer, stopped) == 1) return std::nullopt;
        const bide_ssize got = bide::check(answer->result, "reading");
        if (got == 0) bide::check(BIDE_EEOF, "reading");
        back.append(buffer, static_cast<std::size_t>(got));
    }
    if (back != line) bide::check(BIDE_EPROTO, "no echo server");
    return bide_instant_since(bide_now(), start);
}

std::vector<bide_duration> measure()
{
    std::vector<bide_duration> times;
    const bide::handle conn = bide::connect(host.name, host.port, deadline());
    bide::check(bide_tcp_set_nodelay(conn.get(), true), "setting an option");
    // A stream: ready at each period, the first time at once.
    bide::pending<bide_timer> tick(bide_timer_interval_at, bide_now(), std::max(period, BIDE_NANOSECONDS(1)));
    for (long i = 1; i <= count; i++) {
        // Made anew each time, for one that has lost a race is cancelled, and stays so.
        bide::pending<bide_event_waiting> stopped(bide_event_waiting_init, &stop);
        if (bide::race(BIDE_NEVER, tick, stopped) == 1) break;
        const auto took = round_trip(conn, "round trip " + std::to_string(i) + "\n");
        if (!took) break;
        char text[EXAMPLE_TEXT];
        std::printf("round trip %ld: %s\n", i, example_duration_text(text, *took));
        std::fflush(stdout);
        times.push_back(*took);
    }
    return times;
}

void sum_up(const std::vector<bide_duration> &times)
{
    if (times.empty()) return;
    const auto [least, most] = std::minmax_element(times.begin(), times.end());
    char text[2][EXAMPLE_TEXT];
    std::printf("%zu came back, in %s to %s\n", times.size(), example_duration_text(text[0], *least),
                example_duration_text(text[1], *most));
}

} // namespace

int main(int argc, char **argv)
try {
    example_arguments(&program, argc, argv);
    bide::check(bide_event_init(&stop, BIDE_EVENT_MANUAL), "making the event");
    std::signal(SIGINT, on_signal);
    sum_up(measure());
    return example_end(EXAMPLE_OK);
} catch (const std::exception &error) {
    std::fprintf(stderr, "%s: %s\n", program.name, error.what());
    const auto *failure = dynamic_cast<const std::system_error *>(&error);
    return failure && failure->code() == std::errc::timed_out ? EXAMPLE_TIMED_OUT : EXAMPLE_FAILED;
}
