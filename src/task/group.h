/* Groups of tasks, as the tasks know them: see group.c.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TASK_GROUP_H
#define BIDE_TASK_GROUP_H

#include <bide/group.h>

struct bide_task_record;

/* The task, whose body has returned and whose clean-up is done, leaves its group. */
void bide_group_leave(struct bide_task_record *record);

/* The task has been cancelled: so are the groups that it has opened. */
void bide_group_cancel_owned(const struct bide_task_record *record);

#endif
