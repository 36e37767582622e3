/* Options of sockets, in the units of the public interface.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "net/options.h"

#include "reactor/source.h"

#include <limits.h>
#include <string.h>

/* --- one option of a handle --- */

int bide_option_set(bide_async *async, enum bide_os_option option, int value)
{
    if (!async) return BIDE_EINVAL;
    int error = bide_source_pin(async, bide_source_generation(async));
    if (error) return error;
    error = bide_os_set_option(async->fd, option, value);
    bide_source_unpin(async);
    return error;
}

int bide_option_get(const bide_async *async, enum bide_os_option option, int *value)
{
    if (!async || !value) return BIDE_EINVAL;
    bide_async *source = (bide_async *)(uintptr_t)async;
    int error = bide_source_pin(source, bide_source_generation(source));
    if (error) return error;
    error = bide_os_get_option(source->fd, option, value);
    bide_source_unpin(source);
    return error;
}

int bide_option_get_bool(const bide_async *async, enum bide_os_option option, bool *value)
{
    int number = 0;
    int error = value ? bide_option_get(async, option, &number) : BIDE_EINVAL;
    if (!error) *value = number != 0;
    return error;
}

/* Durations: whole units, rounded up, so that nothing ends before its time. BIDE_EINVAL if there are too
 * many. */
static int in_units(bide_duration duration, bide_duration unit, int *out)
{
    if (duration < 0 || (duration - 1) / unit >= INT_MAX) return BIDE_EINVAL;
    *out = (int)(duration / unit + (duration % unit != 0));
    return 0;
}

static int set_duration(bide_async *async, enum bide_os_option option, bide_duration duration,
                        bide_duration unit)
{
    int value = 0;
    int error = in_units(duration, unit, &value);
    return error ? error : bide_option_set(async, option, value);
}

static int get_duration(const bide_async *async, enum bide_os_option option, bide_duration *duration,
                        bide_duration unit)
{
    int value = 0;
    int error = duration ? bide_option_get(async, option, &value) : BIDE_EINVAL;
    if (!error) *duration = value * unit;
    return error;
}

static int limited(size_t bytes)
{
    return bytes < INT_MAX ? (int)bytes : INT_MAX;
}

static int get_size(const bide_async *async, enum bide_os_option option, size_t *bytes)
{
    int value = 0;
    int error = bytes ? bide_option_get(async, option, &value) : BIDE_EINVAL;
    if (!error) *bytes = (size_t)value;
    return error;
}

int bide_socket_set_send_buffer(bide_async *async, size_t bytes)
{
    return bytes ? bide_option_set(async, BIDE_OS_SEND_BUFFER, limited(bytes)) : BIDE_EINVAL;
}

int bide_socket_send_buffer(const bide_async *async, size_t *bytes)
{
    return get_size(async, BIDE_OS_SEND_BUFFER, bytes);
}

int bide_socket_set_receive_buffer(bide_async *async, size_t bytes)
{
    return bytes ? bide_option_set(async, BIDE_OS_RECEIVE_BUFFER, limited(bytes)) : BIDE_EINVAL;
}

int bide_socket_receive_buffer(const bide_async *async, size_t *bytes)
{
    return get_size(async, BIDE_OS_RECEIVE_BUFFER, bytes);
}

int bide_socket_set_keepalive(bide_async *async, const bide_keepalive *settings)
{
    if (!settings || settings->count < 0) return BIDE_EINVAL;
    int error = 0;
    if (settings->idle) error = set_duration(async, BIDE_OS_KEEPALIVE_IDLE, settings->idle, BIDE_SECONDS(1));
    if (!error && settings->interval)
        error = set_duration(async, BIDE_OS_KEEPALIVE_INTERVAL, settings->interval, BIDE_SECONDS(1));
    if (!error && settings->count) error = bide_option_set(async, BIDE_OS_KEEPALIVE_COUNT, settings->count);
    return error ? error : bide_option_set(async, BIDE_OS_KEEPALIVE, settings->on);
}

int bide_socket_keepalive(const bide_async *async, bide_keepalive *settings)
{
    if (!settings) return BIDE_EINVAL;
    bide_keepalive found;
    memset(&found, 0, sizeof found);
    int error = bide_option_get_bool(async, BIDE_OS_KEEPALIVE, &found.on);
    if (!error) error = get_duration(async, BIDE_OS_KEEPALIVE_IDLE, &found.idle, BIDE_SECONDS(1));
    if (!error) error = get_duration(async, BIDE_OS_KEEPALIVE_INTERVAL, &found.interval, BIDE_SECONDS(1));
    if (!error) error = bide_option_get(async, BIDE_OS_KEEPALIVE_COUNT, &found.count);
    if (!error) *settings = found;
    return error;
}

int bide_socket_set_user_timeout(bide_async *async, bide_duration timeout)
{
    return set_duration(async, BIDE_OS_USER_TIMEOUT, timeout, BIDE_MILLISECONDS(1));
}

int bide_socket_user_timeout(const bide_async *async, bide_duration *timeout)
{
    return get_duration(async, BIDE_OS_USER_TIMEOUT, timeout, BIDE_MILLISECONDS(1));
}

int bide_socket_set_linger(bide_async *async, bide_duration duration)
{
    if (duration == BIDE_LINGER_OFF) return bide_option_set(async, BIDE_OS_LINGER, -1);
    return set_duration(async, BIDE_OS_LINGER, duration, BIDE_SECONDS(1));
}

int bide_socket_linger(const bide_async *async, bide_duration *duration)
{
    int seconds = -1;
    int error = duration ? bide_option_get(async, BIDE_OS_LINGER, &seconds) : BIDE_EINVAL;
    if (!error) *duration = seconds < 0 ? BIDE_LINGER_OFF : BIDE_SECONDS(seconds);
    return error;
}

int bide_socket_set_traffic_class(bide_async *async, int traffic_class)
{
    if (traffic_class < 0 || traffic_class > 255) return BIDE_EINVAL;
    return bide_option_set(async, BIDE_OS_TRAFFIC_CLASS, traffic_class);
}

int bide_socket_traffic_class(const bide_async *async, int *traffic_class)
{
    return bide_option_get(async, BIDE_OS_TRAFFIC_CLASS, traffic_class);
}

int bide_socket_set_hop_limit(bide_async *async, int hops)
{
    return hops < 1 || hops > 255 ? BIDE_EINVAL : bide_option_set(async, BIDE_OS_HOP_LIMIT, hops);
}

int bide_socket_hop_limit(const bide_async *async, int *hops)
{
    return bide_option_get(async, BIDE_OS_HOP_LIMIT, hops);
}

int bide_socket_set_pass_credentials(bide_async *async, bool on)
{
    return bide_option_set(async, BIDE_OS_PASS_CREDENTIALS, on);
}

int bide_socket_pass_credentials(const bide_async *async, bool *on)
{
    return bide_option_get_bool(async, BIDE_OS_PASS_CREDENTIALS, on);
}

/* --- those of a socket that is being made --- */

static int apply_toggle(bide_fd fd, enum bide_os_option option, bide_toggle toggle)
{
    if (toggle == BIDE_TOGGLE_DEFAULT) return 0;
    return bide_os_set_option(fd, option, toggle == BIDE_TOGGLE_ON);
}

static bool is_toggle(bide_toggle toggle)
{
    return toggle == BIDE_TOGGLE_DEFAULT || toggle == BIDE_TOGGLE_ON || toggle == BIDE_TOGGLE_OFF;
}

int bide_options_apply(bide_fd fd, bide_family family, const bide_socket_options *options, bool listens)
{
    static const bide_socket_options defaults;
    if (!options) options = &defaults;
    if (!is_toggle(options->v6only) || !is_toggle(options->reuse_address) || options->fast_open < 0)
        return BIDE_EINVAL;
    if (!listens && (options->backlog || options->fast_open)) return BIDE_EINVAL;
    bide_toggle reuse_address = options->reuse_address;
    if (reuse_address == BIDE_TOGGLE_DEFAULT && listens) reuse_address = BIDE_TOGGLE_ON;
    int error = apply_toggle(fd, BIDE_OS_REUSE_ADDRESS, reuse_address);
    if (!error && options->reuse_port) error = bide_os_set_option(fd, BIDE_OS_REUSE_PORT, 1);
    /* IPv4 is what an IPv4 socket serves anyhow. */
    if (!error && (family == BIDE_FAMILY_IPV6 || options->v6only == BIDE_TOGGLE_ON))
        error = apply_toggle(fd, BIDE_OS_V6ONLY, options->v6only);
    if (!error && options->send_buffer)
        error = bide_os_set_option(fd, BIDE_OS_SEND_BUFFER, limited(options->send_buffer));
    if (!error && options->receive_buffer)
        error = bide_os_set_option(fd, BIDE_OS_RECEIVE_BUFFER, limited(options->receive_buffer));
    if (!error && options->fast_open) error = bide_os_set_option(fd, BIDE_OS_FAST_OPEN, options->fast_open);
    return error;
}

/* One that this kind of socket has not is no error here. */
static int read_if_any(const bide_async *async, enum bide_os_option option, int *value)
{
    int error = bide_option_get(async, option, value);
    return error == BIDE_EAFNOSUPPORT || error == BIDE_ENOPROTOOPT ? 0 : error;
}

static bide_toggle toggle_of(int value)
{
    return value < 0 ? BIDE_TOGGLE_DEFAULT : value ? BIDE_TOGGLE_ON : BIDE_TOGGLE_OFF;
}

int bide_socket_options_read(const bide_async *async, bide_socket_options *out)
{
    if (!out) return BIDE_EINVAL;
    int reuse_address = 0;
    int v6only = -1;
    bide_socket_options found;
    memset(&found, 0, sizeof found);
    int error = bide_socket_send_buffer(async, &found.send_buffer);
    if (!error) error = bide_socket_receive_buffer(async, &found.receive_buffer);
    if (!error) error = bide_option_get(async, BIDE_OS_REUSE_ADDRESS, &reuse_address);
    if (!error) error = bide_option_get_bool(async, BIDE_OS_REUSE_PORT, &found.reuse_port);
    if (!error) error = read_if_any(async, BIDE_OS_V6ONLY, &v6only);
    if (!error) error = read_if_any(async, BIDE_OS_FAST_OPEN, &found.fast_open);
    if (error) return error;
    found.reuse_address = toggle_of(reuse_address);
    found.v6only = toggle_of(v6only);
    *out = found;
    return 0;
}
