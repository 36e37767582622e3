/* Error codes: fixed values, names and words, and the way from and to the system's numbers without loss.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bide_test.h"

#include <bide/error.h>

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

TestSuite(error, .timeout = 10);

/* What was released keeps its number: programs are linked with it. */
static const struct {
    const char *name;
    int code, expected;
} codes[] = {
    {"BIDE_EAGAIN", BIDE_EAGAIN, -1},
    {"BIDE_EINVAL", BIDE_EINVAL, -2},
    {"BIDE_ENOMEM", BIDE_ENOMEM, -3},
    {"BIDE_EBADF", BIDE_EBADF, -4},
    {"BIDE_EEXIST", BIDE_EEXIST, -5},
    {"BIDE_ENOENT", BIDE_ENOENT, -6},
    {"BIDE_EBUSY", BIDE_EBUSY, -7},
    {"BIDE_EPERM", BIDE_EPERM, -8},
    {"BIDE_EACCES", BIDE_EACCES, -9},
    {"BIDE_EIO", BIDE_EIO, -10},
    {"BIDE_EMFILE", BIDE_EMFILE, -11},
    {"BIDE_ENFILE", BIDE_ENFILE, -12},
    {"BIDE_ENOSPC", BIDE_ENOSPC, -13},
    {"BIDE_EPIPE", BIDE_EPIPE, -14},
    {"BIDE_EINTR", BIDE_EINTR, -15},
    {"BIDE_EFAULT", BIDE_EFAULT, -16},
    {"BIDE_ENOTSUP", BIDE_ENOTSUP, -17},
    {"BIDE_EOVERFLOW", BIDE_EOVERFLOW, -18},
    {"BIDE_ENOTSOCK", BIDE_ENOTSOCK, -19},
    {"BIDE_EADDRINUSE", BIDE_EADDRINUSE, -20},
    {"BIDE_EADDRNOTAVAIL", BIDE_EADDRNOTAVAIL, -21},
    {"BIDE_EAFNOSUPPORT", BIDE_EAFNOSUPPORT, -22},
    {"BIDE_EALREADY", BIDE_EALREADY, -23},
    {"BIDE_ECONNABORTED", BIDE_ECONNABORTED, -24},
    {"BIDE_ECONNREFUSED", BIDE_ECONNREFUSED, -25},
    {"BIDE_ECONNRESET", BIDE_ECONNRESET, -26},
    {"BIDE_EDESTADDRREQ", BIDE_EDESTADDRREQ, -27},
    {"BIDE_EHOSTUNREACH", BIDE_EHOSTUNREACH, -28},
    {"BIDE_EINPROGRESS", BIDE_EINPROGRESS, -29},
    {"BIDE_EISCONN", BIDE_EISCONN, -30},
    {"BIDE_EMSGSIZE", BIDE_EMSGSIZE, -31},
    {"BIDE_ENETDOWN", BIDE_ENETDOWN, -32},
    {"BIDE_ENETUNREACH", BIDE_ENETUNREACH, -33},
    {"BIDE_ENOBUFS", BIDE_ENOBUFS, -34},
    {"BIDE_ENOTCONN", BIDE_ENOTCONN, -35},
    {"BIDE_EPROTO", BIDE_EPROTO, -36},
    {"BIDE_EPROTONOSUPPORT", BIDE_EPROTONOSUPPORT, -37},
    {"BIDE_EPROTOTYPE", BIDE_EPROTOTYPE, -38},
    {"BIDE_ENOPROTOOPT", BIDE_ENOPROTOOPT, -39},
    {"BIDE_ENODEV", BIDE_ENODEV, -40},
    {"BIDE_ENAMETOOLONG", BIDE_ENAMETOOLONG, -41},
    {"BIDE_ENOTDIR", BIDE_ENOTDIR, -42},
    {"BIDE_EISDIR", BIDE_EISDIR, -43},
    {"BIDE_ENOTEMPTY", BIDE_ENOTEMPTY, -44},
    {"BIDE_EROFS", BIDE_EROFS, -45},
    {"BIDE_EXDEV", BIDE_EXDEV, -46},
    {"BIDE_ELOOP", BIDE_ELOOP, -47},
    {"BIDE_EFBIG", BIDE_EFBIG, -48},
    {"BIDE_EDQUOT", BIDE_EDQUOT, -49},
    {"BIDE_ESPIPE", BIDE_ESPIPE, -50},
    {"BIDE_ETXTBSY", BIDE_ETXTBSY, -51},
    {"BIDE_ESTALE", BIDE_ESTALE, -52},
    {"BIDE_EMLINK", BIDE_EMLINK, -53},
    {"BIDE_ETIMEDOUT", BIDE_ETIMEDOUT, -100},
    {"BIDE_ECANCELED", BIDE_ECANCELED, -101},
    {"BIDE_EDEADLK", BIDE_EDEADLK, -102},
    {"BIDE_ENOTPOLLABLE", BIDE_ENOTPOLLABLE, -103},
    {"BIDE_ENOTHREAD", BIDE_ENOTHREAD, -104},
    {"BIDE_EFORKED", BIDE_EFORKED, -105},
    {"BIDE_EMOVED", BIDE_EMOVED, -106},
    {"BIDE_EFREED", BIDE_EFREED, -107},
    {"BIDE_EADDRSYNTAX", BIDE_EADDRSYNTAX, -108},
    {"BIDE_EPORTRANGE", BIDE_EPORTRANGE, -109},
    {"BIDE_EBACKEND", BIDE_EBACKEND, -110},
    {"BIDE_END", BIDE_END, -111},
    {"BIDE_EEOF", BIDE_EEOF, -112},
    {"BIDE_ETOOLONG", BIDE_ETOOLONG, -113},
    {"BIDE_ENOCAPACITY", BIDE_ENOCAPACITY, -114},
    {"BIDE_ESHUTDOWN", BIDE_ESHUTDOWN, -115},
    {"BIDE_ECLOSED", BIDE_ECLOSED, -116},
    {"BIDE_ERESOLVE_NONAME", BIDE_ERESOLVE_NONAME, -200},
    {"BIDE_ERESOLVE_NODATA", BIDE_ERESOLVE_NODATA, -201},
    {"BIDE_ERESOLVE_AGAIN", BIDE_ERESOLVE_AGAIN, -202},
    {"BIDE_ERESOLVE_FAIL", BIDE_ERESOLVE_FAIL, -203},
    {"BIDE_ERESOLVE_SERVICE", BIDE_ERESOLVE_SERVICE, -204},
    {"BIDE_ERESOLVE_SYNTAX", BIDE_ERESOLVE_SYNTAX, -205},
};

enum { CODES = sizeof codes / sizeof *codes };

/* The list of the header, to compare with. */
static const struct {
    int code;
    const char *message;
} listed[] = {
#define LISTED(name, value, message) {name, message},
    BIDE_ERRORS(LISTED)
#undef LISTED
};

Test(error, the_codes_keep_their_values)
{
    for (size_t i = 0; i < CODES; i++)
        cr_assert_eq(codes[i].code, codes[i].expected, "%s is %d, not %d", codes[i].name, codes[i].code,
                     codes[i].expected);
    cr_assert_eq(sizeof listed / sizeof *listed, CODES, "%zu codes, and %d are known here",
                 sizeof listed / sizeof *listed, CODES);
    cr_assert_eq(BIDE_OK, 0, "BIDE_OK is %d", BIDE_OK);
}

Test(error, each_code_is_negative_and_differs_from_all_others)
{
    for (size_t i = 0; i < CODES; i++) {
        cr_assert(codes[i].code < 0 && codes[i].code > BIDE_ESYSTEM_BASE, "%s is %d", codes[i].name,
                  codes[i].code);
        for (size_t j = 0; j < i; j++)
            cr_assert_neq(codes[i].code, codes[j].code, "%s and %s", codes[i].name, codes[j].name);
    }
}

Test(error, each_code_has_its_name)
{
    for (size_t i = 0; i < CODES; i++)
        cr_assert_str_eq(bide_error_name(codes[i].code), codes[i].name, "%d is called %s", codes[i].code,
                         bide_error_name(codes[i].code));
}

Test(error, each_code_has_words_of_its_own)
{
    for (size_t i = 0; i < CODES; i++) {
        const char *message = bide_strerror(listed[i].code);
        cr_assert_str_eq(message, listed[i].message, "%d: \"%s\"", listed[i].code, message);
        size_t length = strlen(message);
        cr_assert(length > 3 && !isupper((unsigned char)*message) && message[length - 1] != '.',
                  "\"%s\" is no fragment of a sentence", message);
        for (size_t j = 0; j < i; j++)
            cr_assert_str_neq(message, bide_strerror(listed[j].code), "both %d and %d", listed[i].code,
                              listed[j].code);
    }
}

Test(error, zero_and_counts_are_success)
{
    static const bide_ssize counts[] = {0, 1, 4096, INT_MAX, PTRDIFF_MAX};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        cr_assert_str_eq(bide_strerror(counts[i]), "success", "%td: \"%s\"", counts[i],
                         bide_strerror(counts[i]));
        cr_assert_str_eq(bide_error_name(counts[i]), "BIDE_OK", "%td: %s", counts[i],
                         bide_error_name(counts[i]));
        cr_assert_eq(bide_system_error(counts[i]), 0, "%td: %d", counts[i], bide_system_error(counts[i]));
    }
}

Test(error, a_number_that_is_no_code_says_so)
{
    static const int numbers[] = {-54, -99, -199, -1000, BIDE_ESYSTEM_BASE + 1};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        cr_assert_str_eq(bide_error_name(numbers[i]), "BIDE_E?", "%d is called %s", numbers[i],
                         bide_error_name(numbers[i]));
        cr_assert_str_eq(bide_strerror(numbers[i]), "not an error code of Bide", "%d: \"%s\"", numbers[i],
                         bide_strerror(numbers[i]));
        cr_assert_eq(bide_system_error(numbers[i]), 0, "%d is %d of the system", numbers[i],
                     bide_system_error(numbers[i]));
    }
}

Test(error, a_known_system_error_is_its_code_and_the_way_back)
{
    static const struct {
        int system, code;
    } known[] = {
        {EAGAIN, BIDE_EAGAIN},
        {EWOULDBLOCK, BIDE_EAGAIN},
        {EINVAL, BIDE_EINVAL},
        {ENOMEM, BIDE_ENOMEM},
        {EBADF, BIDE_EBADF},
        {EPIPE, BIDE_EPIPE},
        {EINTR, BIDE_EINTR},
        {EMFILE, BIDE_EMFILE},
        {ENFILE, BIDE_ENFILE},
        {ENOSYS, BIDE_ENOTSUP},
        {ENOTSUP, BIDE_ENOTSUP},
        {EOPNOTSUPP, BIDE_ENOTSUP},
        {ECONNREFUSED, BIDE_ECONNREFUSED},
        {ECONNRESET, BIDE_ECONNRESET},
        {EADDRINUSE, BIDE_EADDRINUSE},
        {EINPROGRESS, BIDE_EINPROGRESS},
        {ETIMEDOUT, BIDE_ETIMEDOUT},
        {ECANCELED, BIDE_ECANCELED},
        {EDEADLK, BIDE_EDEADLK},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        int code = bide_error_from_system(known[i].system);
        cr_assert_eq(code, known[i].code, "%s gives %s", strerror(known[i].system), bide_error_name(code));
        int back = bide_system_error(code);
        cr_assert_eq(bide_error_from_system(back), code, "%s gives %d, which is %s", bide_error_name(code),
                     back, bide_error_name(bide_error_from_system(back)));
    }
    for (size_t i = 0; i < CODES; i++) {
        int back = bide_system_error(codes[i].code);
        bool own = codes[i].code <= -100 && back == 0;
        cr_assert(own || bide_error_from_system(back) == codes[i].code, "%s is %d of the system, which is %s",
                  codes[i].name, back, bide_error_name(bide_error_from_system(back)));
    }
}

Test(error, an_unknown_system_error_is_kept_without_loss)
{
    int unknown = 0;
    for (int system = 1; system < 200000; system++) {
        int code = bide_error_from_system(system);
        cr_assert_lt(code, 0, "%d gives %d", system, code);
        if (code > BIDE_ESYSTEM_BASE) continue;
        unknown++;
        cr_assert_eq(bide_system_error(code), system, "%d came back as %d", system, bide_system_error(code));
        cr_assert_str_eq(bide_error_name(code), "BIDE_ESYSTEM", "%d is called %s", system,
                         bide_error_name(code));
        cr_assert_str_eq(bide_strerror(code), "unknown system error", "%d: \"%s\"", system,
                         bide_strerror(code));
    }
    cr_assert_gt(unknown, 199000, "only %d are unknown", unknown);
}

Test(error, no_system_error_is_none)
{
    cr_assert_eq(bide_error_from_system(0), 0, "0 gives %d", bide_error_from_system(0));
    cr_assert_eq(bide_system_error(0), 0, "0 gives %d", bide_system_error(0));
    static const int own[] = {BIDE_ENOTPOLLABLE, BIDE_ENOTHREAD,  BIDE_EFORKED, BIDE_EMOVED,
                              BIDE_EADDRSYNTAX,  BIDE_EPORTRANGE, BIDE_END,     BIDE_EEOF};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        cr_assert_eq(bide_system_error(own[i]), 0, "%s is %d of the system", bide_error_name(own[i]),
                     bide_system_error(own[i]));
}

Test(error, the_last_error_is_that_of_errno)
{
    errno = ECONNRESET;
    cr_assert_eq(bide_last_error(), BIDE_ECONNRESET, "%s", bide_error_name(bide_last_error()));
    errno = ELOOP;
    int code = bide_last_error();
    cr_assert_eq(bide_system_error(code), ELOOP, "%d, not %d", bide_system_error(code), ELOOP);
    errno = 0;
    cr_assert_eq(bide_last_error(), 0, "%s", bide_error_name(bide_last_error()));
}
