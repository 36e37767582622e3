/* Looking names up: getaddrinfo in a detachable job.
 *
 *   NEW --numeric--> ready
 *    |  \--no name--> ready, an error
 *    +--a name--> LOOKING UP, in a job --ended--> ready
 *                    \--cancel--> ready: the job keeps the record, and drops it when getaddrinfo returns
 *
 * INVARIANTS
 * 1. lookup_ is set while the job is pending, and then the job's record; nothing else refers to the future
 *    from there, so that the future may go when it was cancelled.
 * 2. The host in a record is a well-formed name, or a numeric address with a service that is to be looked up.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <bide/resolve.h>

#include "os/lookup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_OF_A_NAME 253 /* RFC 1035, section 2.3.4, as text and without the dot at the end */
#define MOST_OF_A_LABEL 63

struct bide_lookup {
    char host[BIDE_HOST_MAX];
    char service[BIDE_SERVICE_MAX];
    bide_family family;
    uint16_t port;
    bide_addresses addresses;
};

void bide_addresses_free(bide_addresses *addresses)
{
    if (!addresses) return;
    free(addresses->at);
    addresses->at = NULL;
    addresses->count = 0;
}

/* --- Names --- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* No locale's idea of a letter. */
static bool is_of_a_label(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
}

/* Whether inet_aton(3) may take the label for a number: digits, or 0x and whatever. */
static bool is_numeric_label(const char *label, size_t length)
{
    if (length >= 2 && label[0] == '0' && (label[1] == 'x' || label[1] == 'X')) return true;
    for (size_t i = 0; i < length; i++)
        if (!is_digit(label[i])) return false;
    return true;
}

static int check_name(const char *name)
{
    size_t length = strlen(name);
    if (length > 0 && name[length - 1] == '.') length--;
    if (length > MOST_OF_A_NAME) return BIDE_ENAMETOOLONG;
    if (*name == '-') return BIDE_ERESOLVE_SYNTAX;
    size_t begin = 0;
    for (size_t i = 0; i <= length; i++) {
        bool ends = i == length || name[i] == '.';
        if (!ends && !is_of_a_label(name[i])) return BIDE_ERESOLVE_SYNTAX;
        if (!ends) continue;
        if (i == begin) return BIDE_ERESOLVE_SYNTAX;
        if (i - begin > MOST_OF_A_LABEL) return BIDE_ENAMETOOLONG;
        if (i == length && is_numeric_label(name + begin, i - begin)) return BIDE_ERESOLVE_SYNTAX;
        begin = i + 1;
    }
    return 0;
}

static bool equals_ignoring_case(const char *a, const char *b, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        int c = a[i] >= 'A' && a[i] <= 'Z' ? a[i] + ('a' - 'A') : a[i];
        if (c != b[i]) return false;
    }
    return true;
}

/* "localhost", and names below it (RFC 6761, section 6.3). */
static bool is_localhost(const char *name)
{
    static const char local[] = "localhost";
    size_t end = strlen(name), own = sizeof local - 1;
    if (end > 0 && name[end - 1] == '.') end--;
    if (end < own || !equals_ignoring_case(name + end - own, local, own)) return false;
    return end == own || name[end - own - 1] == '.';
}

/* 0; BIDE_EADDRSYNTAX: it is no numeric address; BIDE_ENODEV. */
static int parse_numeric(bide_address *out, const char *host, uint16_t port)
{
    char text[BIDE_HOST_MAX + sizeof "[]:65535"];
    if (strchr(host, ':'))
        (void)snprintf(text, sizeof text, "[%s]:%u", host, (unsigned)port);
    else if (is_digit(*host))
        (void)snprintf(text, sizeof text, "%s:%u", host, (unsigned)port);
    else
        return BIDE_EADDRSYNTAX; /* "unix:80" would be an address of another family */
    return bide_address_parse(out, text);
}

/* Whether the service is a number, and which: 0 or BIDE_ERESOLVE_SERVICE for one that is no port. */
static int parse_service(const char *service, uint16_t *port, bool *number)
{
    unsigned long value = 0;
    size_t length = strspn(service, "0123456789");
    *number = length > 0 && service[length] == '\0';
    if (!*service) return BIDE_ERESOLVE_SERVICE;
    if (!*number) return 0;
    if (length > 5) return BIDE_ERESOLVE_SERVICE;
    for (size_t i = 0; i < length; i++)
        value = value * 10 + (unsigned long)(service[i] - '0');
    if (value > UINT16_MAX) return BIDE_ERESOLVE_SERVICE;
    *port = (uint16_t)value;
    return 0;
}

/* --- The job --- */

static bide_ssize look_up(void *arg)
{
    struct bide_lookup *lookup = arg;
    bool local = is_localhost(lookup->host);
    /* Written as an absolute name it is not found in a hosts file, nor elsewhere. */
    size_t length = strlen(lookup->host);
    if (local && lookup->host[length - 1] == '.') lookup->host[length - 1] = '\0';
    struct bide_os_lookup asked = {lookup->host, *lookup->service ? lookup->service : NULL, lookup->family,
                                   !local};
    int error = bide_os_look_up(&asked, &lookup->addresses.at, &lookup->addresses.count);
    for (size_t i = 0; !error && !asked.service && i < lookup->addresses.count; i++)
        (void)bide_address_set_port(&lookup->addresses.at[i], lookup->port);
    return error;
}

static void drop(void *arg)
{
    struct bide_lookup *lookup = arg;
    bide_addresses_free(&lookup->addresses);
    free(lookup);
}

/* --- The future --- */

static int finish(bide_resolving *resolving, int result)
{
    resolving->result = result;
    return BIDE_READY;
}

static int answer_numeric(bide_resolving *resolving, const bide_address *address)
{
    if (resolving->family_ != BIDE_FAMILY_NONE && bide_address_family(address) != resolving->family_)
        return BIDE_ERESOLVE_NODATA;
    resolving->addresses.at = malloc(sizeof *address);
    if (!resolving->addresses.at) return BIDE_ENOMEM;
    resolving->addresses.at[0] = *address;
    resolving->addresses.count = 1;
    return 0;
}

/* Answers at once, or prepares the job: lookup_ is set then. 0 or an error. */
static int begin(bide_resolving *resolving)
{
    bide_address address;
    if (resolving->misuse_) return resolving->misuse_;
    int error = parse_numeric(&address, resolving->host_, resolving->port_);
    if (error == 0 && !*resolving->service_) return answer_numeric(resolving, &address);
    if (error == BIDE_EADDRSYNTAX) error = check_name(resolving->host_);
    if (error) return error;
    struct bide_lookup *lookup = calloc(1, sizeof *lookup);
    if (!lookup) return BIDE_ENOMEM;
    memcpy(lookup->host, resolving->host_, sizeof lookup->host);
    memcpy(lookup->service, resolving->service_, sizeof lookup->service);
    lookup->family = resolving->family_;
    lookup->port = resolving->port_;
    resolving->lookup_ = lookup;
    bide_job_init_detachable(&resolving->job_, look_up, lookup, drop);
    return 0;
}

static int resolving_poll(bide_future *self, bide_context *cx)
{
    bide_resolving *resolving = (bide_resolving *)self;
    if (!resolving->lookup_) {
        int error = begin(resolving);
        if (!resolving->lookup_) return finish(resolving, error);
    }
    int answer = bide_future_poll(&resolving->job_.future, cx);
    if (answer != BIDE_READY) return answer;
    int result = (int)resolving->job_.result;
    /* In the child of a fork it is a copy, half made perhaps, of what the parent has. */
    if (result != BIDE_EFORKED) {
        if (result == 0) {
            resolving->addresses = resolving->lookup_->addresses;
            resolving->lookup_->addresses.at = NULL;
        }
        drop(resolving->lookup_);
    }
    resolving->lookup_ = NULL;
    return finish(resolving, result);
}

static int resolving_cancel(bide_future *self, bide_context *cx)
{
    bide_resolving *resolving = (bide_resolving *)self;
    int answer = bide_future_cancel(&resolving->job_.future, cx);
    if (answer < BIDE_READY) return answer;
    /* It ended a moment ago, and nobody wants to know. */
    if (answer == BIDE_COMPLETED) drop(resolving->lookup_);
    resolving->lookup_ = NULL;
    return finish(resolving, BIDE_ECANCELED);
}

static void resolving_describe(const bide_future *self, char *text, size_t room)
{
    (void)snprintf(text, room, "%s", ((const bide_resolving *)self)->host_);
}

static const bide_future_kind resolving_kind = {{sizeof resolving_kind.ops, resolving_poll, resolving_cancel,
                                                 BIDE_FUTURE_NAMED},
                                                "look-up of",
                                                resolving_describe};

/* Copies a text with its end: 0, BIDE_EINVAL for NULL, or BIDE_ENAMETOOLONG. */
static int keep(char *to, size_t capacity, const char *text)
{
    if (!text) return BIDE_EINVAL;
    size_t length = strlen(text);
    if (length >= capacity) return BIDE_ENAMETOOLONG;
    memcpy(to, text, length + 1);
    return 0;
}

void bide_resolving_init(bide_resolving *resolving, const char *host, uint16_t port, bide_family family)
{
    if (!resolving) return;
    memset(resolving, 0, sizeof *resolving);
    bide_future_init(&resolving->future, &resolving_kind.ops);
    resolving->port_ = port;
    resolving->family_ = family;
    resolving->misuse_ = keep(resolving->host_, sizeof resolving->host_, host);
    if (family != BIDE_FAMILY_NONE && family != BIDE_FAMILY_IPV4 && family != BIDE_FAMILY_IPV6)
        resolving->misuse_ = BIDE_EINVAL;
    resolving->result = BIDE_ECANCELED;
}

void bide_resolving_init_service(bide_resolving *resolving, const char *host, const char *service,
                                 bide_family family)
{
    if (!resolving) return;
    bide_resolving_init(resolving, host, 0, family);
    if (resolving->misuse_) return;
    bool number = false;
    resolving->misuse_ = keep(resolving->service_, sizeof resolving->service_, service);
    if (!resolving->misuse_) resolving->misuse_ = parse_service(service, &resolving->port_, &number);
    if (number) resolving->service_[0] = '\0';
}

int bide_resolve(bide_addresses *out, const char *host, uint16_t port, bide_instant deadline)
{
    if (!out) return BIDE_EINVAL;
    out->at = NULL;
    out->count = 0;
    bide_resolving resolving;
    bide_resolving_init(&resolving, host, port, BIDE_FAMILY_NONE);
    int error = bide_await(&resolving.future, deadline);
    if (!error) error = resolving.result;
    if (!error) *out = resolving.addresses;
    return error;
}
