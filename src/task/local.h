/* Values of tasks and threads, as tasks know them: see local.c.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TASK_LOCAL_H
#define BIDE_TASK_LOCAL_H

struct bide_locals;

/* Makes the table that a task begins with that is spawned by the owner of this one: NULL if nothing is inherited. 0 or
 * BIDE_ENOMEM. */
int bide_locals_inherit(struct bide_locals *locals, struct bide_locals **inherited);

/* Drops all values, and those that are set meanwhile; frees the table. */
void bide_locals_end(struct bide_locals **locals);

#endif
