/* Files of a folder for http_server.c: found by the path of a URL, and never outside of the folder.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef EXAMPLES_HTTP_FILES_H
#define EXAMPLES_HTTP_FILES_H

#include <stdint.h>
#include <time.h>

struct http_file {
    int status; /* 200; 301: it is a folder, and the path lacks its slash; else why there is none */
    int fd;     /* with 200: open, the caller's */
    uint64_t length;
    time_t changed;
    const char *type; /* "text/html; charset=utf-8" */
};

/* Opens the file that a URL's path (%-encoded, beginning with a slash) names in the folder `root`; of a folder its
 * index.html. Symbolic links are not followed, and names that begin with a dot are not served, so that nothing outside
 * of the folder, and nothing hidden in it, is. May block, as files do. */
void http_file_open(struct http_file *file, int root, const char *path);

#endif
