/* The standard descriptors, 0 to 2: their open files are shared with the programs before and after this one
 * in the terminal, whose reads and writes must not meet a non-blocking mode of ours.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_STANDARD_H
#define BIDE_OS_STANDARD_H

#include <bide/base.h>

/* Notes that we made it non-blocking: it is made blocking again when the process ends by exit(3) or a return
 * from main. Others than 0 to 2 are not noted. */
void bide_os_standard_changed(bide_fd fd);

/* It has been given back, or is to stay as it is: nothing is to be done at the end. Returns whether it was
 * noted. */
bool bide_os_standard_forget(bide_fd fd);

/* What to write to for a descriptor: where 0 to 2 are no descriptors, but names that C's libraries give them, what
 * they stand for. */
bide_fd bide_os_standard_of(bide_fd fd);

#endif
