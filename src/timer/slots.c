/* The hashed timing wheel: see slots.h.
 *
 * With many timers all cost is that of memory. So a slot's timers are not chained through their entries, but
 * listed in blocks of 14 ids, a cache line each. Taking out a timer touches its entry alone: its id stays in
 * the list, dead, and is told from a live one by the place that the entry names. When a slot comes, its dead
 * ids are passed over, and the entries of the others are fetched side by side rather than one after the other.
 * Moves and removals are put off until some have come together or somebody looks, by when their entries have
 * been fetched.
 *
 * Who needs a block while more than half of their room is taken by the dead pays for it by sweeping a few
 * others: two ids looked at for each one added. So no call takes long, but for those that grow the storage.
 *
 * INVARIANTS
 *  1. A timer is in one list, its entry's, which has its id at the entry's place. Every other id in a list is
 *     dead. A free id's entry has place 0.
 *  2. All blocks of a list but the newest are full (of live and dead ids); the newest is not empty. A list
 *     without live ids has no blocks: the last one that leaves it gives them back.
 *  3. Each list but one is that of one slot; list_of and `slot` are inverse to one another. A slot that has
 *     come changes lists with `due`, which is empty then: nothing is copied.
 *  4. A slot's bit is set if and only if its list is not empty; a bit of an upper level, if and only if its
 *     word below is not 0. `used` counts the first level's.
 *  5. A timer in a slot is found no later than at its tick: the slot is one at which `current`, counting on,
 *     arrives by then. It may be found earlier: in an earlier revolution, or because it was moved to a later
 *     tick. Then it is put where it belongs.
 *  6. A timer in `due` is looked at by the next pop.
 *  7. The pending operations happened in their order, after all else. `count` has them in already; ids of
 *     timers that they remove are not free yet.
 *  8. Swept of the dead, lists take no more than enough() blocks: of two, all ids in one are live. There is
 *     storage for twice as many.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "timer/slots.h"

#include "os/assert.h"
#include "os/compiler.h"

#include <bide/error.h>

#include <stdlib.h>
#include <string.h>

#define LINE 64u

/* Entries, and blocks, in a chunk. */
#define CHUNK_SHIFT 10u
#define CHUNK (1u << CHUNK_SHIFT)
#define BLOCKS_SHIFT 7u
#define BLOCKS (1u << BLOCKS_SHIFT)

#define NO_BLOCK BIDE_SLOTS_IDS /* a list's next place: as if a block 0 was full */

/* Blocks over what is needed, so that a few timers are not swept all the time; and those swept for a new one
 * when there are too many: twice as many as become free if half of all ids are dead. */
#define SPARE 16u
#define SWEEP 4

#define REMOVES UINT32_C(0x80000000) /* in an operation's id */

_Static_assert(sizeof(struct bide_slots_block) == LINE, "a block is a cache line");

static inline struct bide_slots_entry *entry_of(const struct bide_slots *slots, bide_slots_id id)
{
    return &slots->entries[id >> CHUNK_SHIFT][id & (CHUNK - 1)];
}

static inline void **owner_of(const struct bide_slots *slots, bide_slots_id id)
{
    return &slots->owners[id >> CHUNK_SHIFT][id & (CHUNK - 1)];
}

static inline struct bide_slots_block *block_of(const struct bide_slots *slots, uint32_t number)
{
    return &slots->blocks[number >> BLOCKS_SHIFT][number & (BLOCKS - 1)];
}

static inline bide_slots_id *id_at(const struct bide_slots *slots, uint32_t place)
{
    return &block_of(slots, place / 16)->ids[place & 15];
}

/* --- The bitmap --- */

#define NONE UINT32_MAX
#define NO_TICK UINT64_MAX

static void mark(struct bide_slots *slots, uint32_t slot)
{
    slots->used++;
    for (int level = 0; level < 3; level++, slot >>= 6)
        slots->bits[level][slot >> 6] |= UINT64_C(1) << (slot & 63);
}

static void unmark(struct bide_slots *slots, uint32_t slot)
{
    slots->used--;
    for (int level = 0; level < 3; level++, slot >>= 6) {
        slots->bits[level][slot >> 6] &= ~(UINT64_C(1) << (slot & 63));
        if (slots->bits[level][slot >> 6] != 0) return;
    }
}

/* The first marked slot from that one on, without going round; or NONE. */
static uint32_t find(const struct bide_slots *slots, uint32_t from)
{
    uint32_t words = slots->mask / 64 + 1;
    for (int level = 0; level < 3; level++) {
        uint32_t word = from >> 6;
        if (word >= words) return NONE;
        uint64_t found = slots->bits[level][word] & (UINT64_MAX << (from & 63));
        if (found) {
            uint32_t slot = word * 64 + bide_os_lowest_one(found);
            while (level-- > 0)
                slot = slot * 64 + bide_os_lowest_one(slots->bits[level][slot]);
            return slot;
        }
        from = word + 1;
        words = (words - 1) / 64 + 1;
    }
    return NONE;
}

/* --- Blocks --- */

/* As many as so many timers in so many slots may need: each a block, or full ones and a last one in each
 * slot and in `due`. */
static uint32_t enough(uint32_t timers, uint32_t used)
{
    uint32_t most = timers / BIDE_SLOTS_IDS + used + 1;
    return timers < most ? timers : most;
}

static inline void give_block(struct bide_slots *slots, uint32_t number)
{
    struct bide_slots_block *block = block_of(slots, number);
    block->list = 0;
    block->older = slots->free_block;
    slots->free_block = number;
    slots->block_count--;
}

/* Takes the last place out of a list that is not empty. */
static inline uint32_t take_last(struct bide_slots *slots, struct bide_slots_list *list)
{
    uint32_t place = --list->next;
    if ((place & 15) == 0) {
        list->next = block_of(slots, place / 16)->older * 16 + BIDE_SLOTS_IDS;
        give_block(slots, place / 16);
    }
    return place;
}

/* Gives up the blocks of a list without live ids. */
static BIDE_OS_NOINLINE void empty(struct bide_slots *slots, struct bide_slots_list *list)
{
    for (uint32_t number = list->next / 16; number != 0;) {
        uint32_t older = block_of(slots, number)->older;
        give_block(slots, number);
        number = older;
    }
    list->next = NO_BLOCK;
    if (list->slot <= slots->mask) unmark(slots, list->slot);
}

/* Fills the places of a block's dead ids with the last live ones of its list. */
static void sweep(struct bide_slots *slots, uint32_t number)
{
    struct bide_slots_block *block = block_of(slots, number);
    struct bide_slots_list *list = &slots->lists[block->list];
    for (uint32_t place = number * 16; (place & 15) < BIDE_SLOTS_IDS && place != list->next; place++) {
        if (entry_of(slots, block->ids[place & 15])->place == place) continue;
        uint32_t from;
        bide_slots_id id;
        do {
            id = *id_at(slots, list->next - 1);
            from = take_last(slots, list);
            if (from == place) return;
        } while (entry_of(slots, id)->place != from);
        entry_of(slots, id)->place = place;
        block->ids[place & 15] = id;
    }
}

static void sweep_next(struct bide_slots *slots)
{
    if (slots->swept >= slots->block_numbers) slots->swept = 0;
    uint32_t number = ++slots->swept;
    if (number < slots->block_numbers) {
        const struct bide_slots_block *next = block_of(slots, number + 1);
        for (int i = 0; i < BIDE_SLOTS_IDS && next->list != 0; i++)
            BIDE_OS_PREFETCH(entry_of(slots, next->ids[i]));
    }
    if (block_of(slots, number)->list != 0) sweep(slots, number);
}

static uint32_t take_block(struct bide_slots *slots)
{
    uint32_t number = slots->free_block;
    if (number != 0)
        slots->free_block = block_of(slots, number)->older;
    else
        number = ++slots->block_numbers;
    BIDE_ASSERT(number <= slots->block_capacity); /* invariant 8 */
    slots->block_count++;
    return number;
}

/* The next place in a list whose newest block is full. */
static BIDE_OS_NOINLINE uint32_t extend(struct bide_slots *slots, uint32_t number)
{
    struct bide_slots_list *list = &slots->lists[number];
    uint32_t limit = 2 * enough(bide_slots_count(slots), slots->used) + SPARE;
    for (int i = 0; slots->block_count >= (i < SWEEP ? limit : slots->block_capacity); i++)
        sweep_next(slots);
    if ((list->next & 15) != BIDE_SLOTS_IDS) return list->next; /* it was swept itself */
    uint32_t newest = take_block(slots);
    struct bide_slots_block *block = block_of(slots, newest);
    block->list = number;
    block->older = list->next / 16;
    if (block->older == 0 && list->slot <= slots->mask) mark(slots, list->slot);
    return newest * 16;
}

/* --- Lists --- */

static inline void put(struct bide_slots *slots, bide_slots_id id, struct bide_slots_entry *entry)
{
    uint64_t tick = bide_ticks_up(&slots->ticks, entry->deadline);
    uint32_t number = tick <= slots->current ? slots->due : slots->list_of[tick & slots->mask];
    struct bide_slots_list *list = &slots->lists[number];
    uint32_t place = list->next;
    if ((place & 15) == BIDE_SLOTS_IDS) place = extend(slots, number);
    *id_at(slots, place) = id;
    list->next = place + 1;
    list->live++;
    entry->place = place;
    entry->list = number;
}

/* Its id in the list is dead from now on. */
static inline void leave(struct bide_slots *slots, struct bide_slots_entry *entry)
{
    struct bide_slots_list *list = &slots->lists[entry->list];
    entry->place = 0;
    if (--list->live == 0) empty(slots, list);
}

/* --- Storage --- */

/* So many bytes from the begin of a cache line on, not cleared; freed by bide_slots_clear. */
static void *allocate_lines(struct bide_slots *slots, size_t size)
{
    void **raw = malloc(size + LINE);
    if (!raw) return NULL;
    *raw = slots->memory;
    slots->memory = raw;
    /* A block of malloc's is aligned to two pointers at least, so that one fits before. */
    char *start = (char *)raw;
    return start + (LINE - ((uintptr_t)start & (LINE - 1)));
}

/* All get one piece of memory each time, so that a large one is left to large pages. Ids and numbers count
 * from 1, so that the first chunks hold one less. */
static int reserve_blocks(struct bide_slots *slots, uint32_t blocks)
{
    if (slots->block_capacity >= blocks) return 0;
    uint32_t chunk = (slots->block_capacity + 1) >> BLOCKS_SHIFT;
    uint32_t chunks = (blocks >> BLOCKS_SHIFT) + 1 - chunk;
    struct bide_slots_block *memory = allocate_lines(slots, (size_t)chunks * BLOCKS * sizeof *memory);
    if (!memory) return BIDE_ENOMEM;
    for (uint32_t i = 0; i < chunks; i++)
        slots->blocks[chunk + i] = memory + (size_t)i * BLOCKS;
    slots->block_capacity = (chunk + chunks) * BLOCKS - 1;
    return 0;
}

/* Invariant 8; more than the limit in extend() */
static uint32_t blocks_for(const struct bide_slots *slots, uint32_t timers)
{
    return 2 * (enough(timers, slots->mask + 1) + SPARE);
}

int bide_slots_reserve(struct bide_slots *slots, uint32_t timers)
{
    if (slots->capacity >= timers) return 0;
    uint32_t chunk = (slots->capacity + 1) >> CHUNK_SHIFT;
    uint32_t chunks = (timers >> CHUNK_SHIFT) + 1 - chunk;
    uint32_t capacity = (chunk + chunks) * CHUNK - 1;
    if (capacity > slots->most) capacity = slots->most;
    if (reserve_blocks(slots, blocks_for(slots, capacity)) != 0) return BIDE_ENOMEM;
    struct bide_slots_entry *memory = allocate_lines(slots, (size_t)chunks * CHUNK * sizeof *memory);
    void **owners = memory ? allocate_lines(slots, (size_t)chunks * CHUNK * sizeof *owners) : NULL;
    if (!owners) return BIDE_ENOMEM;
    for (uint32_t i = 0; i < chunks; i++) {
        slots->entries[chunk + i] = memory + (size_t)i * CHUNK;
        slots->owners[chunk + i] = owners + (size_t)i * CHUNK;
    }
    slots->capacity = capacity;
    return 0;
}

int bide_slots_init(struct bide_slots *slots, struct bide_ticks ticks, uint32_t count, uint32_t initial,
                    uint32_t most)
{
    memset(slots, 0, sizeof *slots);
    slots->ticks = ticks;
    slots->reached = ticks.origin;
    slots->mask = count - 1;
    slots->most = most;
    slots->due = count + 1;
    slots->entries = calloc((most >> CHUNK_SHIFT) + 1, sizeof *slots->entries);
    slots->owners = calloc((most >> CHUNK_SHIFT) + 1, sizeof *slots->owners);
    slots->blocks = calloc((blocks_for(slots, most) >> BLOCKS_SHIFT) + 1, sizeof *slots->blocks);
    slots->lists = calloc((size_t)count + 2, sizeof *slots->lists);
    slots->list_of = calloc(count, sizeof *slots->list_of);
    bool whole = slots->entries && slots->owners && slots->blocks && slots->lists && slots->list_of;
    uint32_t words = count;
    for (int level = 0; level < 3; level++) {
        words = (words - 1) / 64 + 1;
        slots->bits[level] = calloc(words, sizeof *slots->bits[level]);
        whole = whole && slots->bits[level];
    }
    if (!whole || bide_slots_reserve(slots, initial) != 0) {
        bide_slots_clear(slots);
        return BIDE_ENOMEM;
    }
    for (uint32_t i = 1; i <= count + 1; i++) {
        slots->lists[i].slot = i - 1;
        slots->lists[i].next = NO_BLOCK;
    }
    for (uint32_t i = 0; i < count; i++)
        slots->list_of[i] = i + 1;
    return 0;
}

void bide_slots_clear(struct bide_slots *slots)
{
    while (slots->memory) {
        void *memory = slots->memory;
        slots->memory = *(void **)memory;
        free(memory);
    }
    free(slots->entries);
    free(slots->owners);
    free(slots->blocks);
    free(slots->lists);
    free(slots->list_of);
    for (int level = 0; level < 3; level++)
        free(slots->bits[level]);
    memset(slots, 0, sizeof *slots);
}

/* --- Timers --- */

static void flush(struct bide_slots *slots);

/* A load and a store: who looks sees one of the two numbers. */
static inline void set_count(struct bide_slots *slots, uint32_t count)
{
    atomic_store_explicit(&slots->count, count, memory_order_relaxed);
}

static inline bide_slots_id take_id(struct bide_slots *slots)
{
    bide_slots_id id = slots->free;
    slots->free = entry_of(slots, id)->list;
    return id;
}

/* An id, and storage for it. */
static BIDE_OS_NOINLINE int new_id(struct bide_slots *slots, bide_slots_id *id)
{
    if (slots->waiting) {
        flush(slots); /* which may free one */
        if (slots->free != 0) {
            *id = take_id(slots);
            return 0;
        }
    }
    if (slots->ids == slots->capacity) {
        /* Doubled, so that growing is rare; or as much as can be had. */
        uint32_t wanted = slots->capacity < slots->most / 2 ? slots->capacity * 2 : slots->most;
        if (bide_slots_reserve(slots, wanted) != 0 && bide_slots_reserve(slots, slots->capacity + 1) != 0)
            return BIDE_ENOMEM;
    }
    *id = ++slots->ids;
    return 0;
}

/* Without timers all ids are free: they are given out in order again, and the blocks. */
static void start_again(struct bide_slots *slots)
{
    BIDE_ASSERT(slots->used == 0 && slots->block_count == 0 && slots->waiting == 0); /* invariant 2 */
    slots->ids = slots->free = 0;
    slots->block_numbers = slots->free_block = 0;
}

int bide_slots_add(struct bide_slots *slots, int64_t deadline, void *owner, bide_slots_id *out)
{
    bide_slots_id id;
    if (bide_slots_count(slots) == slots->most) return BIDE_ENOCAPACITY;
    if (slots->free != 0) {
        id = take_id(slots);
    } else if (slots->ids < slots->capacity && slots->waiting == 0) {
        id = ++slots->ids;
    } else {
        int error = new_id(slots, &id);
        if (error) return error;
    }
    struct bide_slots_entry *entry = entry_of(slots, id);
    set_count(slots, bide_slots_count(slots) + 1);
    entry->deadline = deadline;
    *owner_of(slots, id) = owner;
    put(slots, id, entry);
    *out = id;
    return 0;
}

static inline void release(struct bide_slots *slots, bide_slots_id id, struct bide_slots_entry *entry)
{
    entry->list = slots->free;
    slots->free = id;
}

/* Carries the pending operations out: first the stores, without a branch on whether they are all there is to
 * do, which could not be predicted; then the rest. */
static BIDE_OS_NOINLINE void flush(struct bide_slots *slots)
{
    uint32_t waiting = slots->waiting, rest = 0;
    slots->waiting = 0;
    for (uint32_t i = 0; i < waiting; i++) {
        struct bide_slots_operation operation = slots->pending[i];
        struct bide_slots_entry *entry = entry_of(slots, operation.id & ~REMOVES);
        slots->pending[rest] = operation;
        rest += operation.deadline <= entry->deadline;
        entry->deadline = operation.deadline;
    }
    for (uint32_t i = 0; i < rest; i++) {
        bide_slots_id id = slots->pending[i].id & ~REMOVES;
        struct bide_slots_entry *entry = entry_of(slots, id);
        leave(slots, entry);
        if (slots->pending[i].id & REMOVES)
            release(slots, id, entry);
        else
            put(slots, id, entry);
    }
    if (bide_slots_count(slots) == 0) start_again(slots);
}

static inline void put_off(struct bide_slots *slots, bide_slots_id id, int64_t deadline)
{
    slots->pending[slots->waiting++] = (struct bide_slots_operation){deadline, id};
    if (slots->waiting == BIDE_SLOTS_PENDING) flush(slots);
}

void bide_slots_move(struct bide_slots *slots, bide_slots_id id, int64_t deadline)
{
    BIDE_OS_PREFETCH(entry_of(slots, id));
    put_off(slots, id, deadline);
}

void bide_slots_remove(struct bide_slots *slots, bide_slots_id id)
{
    BIDE_OS_PREFETCH(entry_of(slots, id));
    set_count(slots, bide_slots_count(slots) - 1);
    put_off(slots, id | REMOVES, INT64_MIN);
}

/* The next tick at which a list is looked at; nothing is pending. */
static uint64_t next_tick(const struct bide_slots *slots)
{
    if (slots->lists[slots->due].live != 0) return slots->current;
    uint32_t from = (uint32_t)(slots->current + 1) & slots->mask;
    uint32_t slot = find(slots, from);
    if (slot == NONE) slot = find(slots, 0);
    if (slot == NONE) return NO_TICK;
    return slots->current + 1 + ((slot - from) & slots->mask);
}

int64_t bide_slots_next(struct bide_slots *slots)
{
    if (slots->waiting) flush(slots);
    return bide_ticks_instant(&slots->ticks, next_tick(slots));
}

static void reach(struct bide_slots *slots, uint64_t tick)
{
    slots->current = tick;
    slots->reached = bide_ticks_instant(&slots->ticks, tick);
}

/* The slot of the current tick has come: invariant 3. */
static void change_lists(struct bide_slots *slots)
{
    uint32_t slot = (uint32_t)slots->current & slots->mask;
    uint32_t come = slots->list_of[slot];
    slots->list_of[slot] = slots->due;
    slots->lists[slots->due].slot = slot;
    slots->lists[come].slot = slots->mask + 1;
    slots->due = come;
    unmark(slots, slot);
}

/* Fetches, while one is handed out, the timer that comes two blocks later, and what the owner of that which
 * comes a block later points to. */
static inline void look_ahead(const struct bide_slots *slots, uint32_t place)
{
    uint32_t index = place & 15, older = block_of(slots, place / 16)->older;
    if (older == 0) return;
    const struct bide_slots_block *soon = block_of(slots, older);
    if (soon->older == 0) return;
    const struct bide_slots_block *later = block_of(slots, soon->older);
    if (index == 0) BIDE_OS_PREFETCH(block_of(slots, later->older));
    BIDE_OS_PREFETCH(entry_of(slots, later->ids[index]));
    BIDE_OS_PREFETCH(owner_of(slots, later->ids[index]));
    BIDE_OS_PREFETCH(*owner_of(slots, soon->ids[index]));
}

/* Takes a timer out of `due` that is, and returns its owner; puts those that are not where they belong. */
static void *pop_due(struct bide_slots *slots)
{
    struct bide_slots_list *list = &slots->lists[slots->due];
    while (list->live != 0) {
        look_ahead(slots, list->next - 1);
        bide_slots_id id = *id_at(slots, list->next - 1);
        uint32_t place = take_last(slots, list);
        struct bide_slots_entry *entry = entry_of(slots, id);
        if (entry->place != place) continue;
        leave(slots, entry);
        if (entry->deadline > slots->reached) {
            put(slots, id, entry);
            continue;
        }
        void *owner = *owner_of(slots, id);
        release(slots, id, entry);
        set_count(slots, bide_slots_count(slots) - 1);
        if (bide_slots_count(slots) == 0) start_again(slots);
        return owner;
    }
    return NULL;
}

void *bide_slots_pop(struct bide_slots *slots, int64_t now)
{
    if (slots->waiting) flush(slots);
    void *owner = pop_due(slots);
    if (owner) return owner;
    uint64_t last = now == BIDE_SLOTS_NEVER ? NO_TICK - 1 : bide_ticks_down(&slots->ticks, now);
    while (last > slots->current) {
        /* Each slot once: what is due after more than a revolution is in one of those before the last. */
        if (last - slots->current > slots->mask + UINT64_C(1)) slots->current = last - slots->mask - 1;
        uint64_t next = next_tick(slots);
        reach(slots, next < last ? next : last);
        if (next > last) break;
        change_lists(slots);
        owner = pop_due(slots);
        if (owner) return owner;
    }
    return NULL;
}

void bide_slots_look(struct bide_slots *slots, struct bide_slots_stats *stats)
{
    if (slots->waiting) flush(slots);
    stats->used = slots->used;
    stats->longest = 0;
    for (uint32_t slot = 0; slot <= slots->mask; slot++) {
        size_t length = slots->lists[slots->list_of[slot]].live;
        if (length > stats->longest) stats->longest = length;
    }
}
