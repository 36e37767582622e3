/* The hashed timing wheel: see slots.h.
 *
 * With many timers all cost is that of memory. So a slot's timers are not chained through their entries, but
 * listed in blocks of 14 ids, a cache line each: taking out a timer touches its entry, its block, and the
 * entry of the one that takes its place; and the entries of a slot that has come are fetched side by side
 * rather than one after the other. Moves and removals are put off until some have come together or somebody
 * looks, by when their entries have been fetched.
 *
 * INVARIANTS
 *  1. A timer is in one list. Its entry has the block and the index in it: entries[ids[index]].place.
 *  2. All blocks of a list but the newest are full; the newest is not empty. So there are no more blocks than
 *     ids, and no more than one a list beyond those that are full.
 *  3. Each list but two is that of one slot; list_of and `slot` are inverse to one another. A slot that has
 *     come changes lists with `due`, which is empty then: nothing is copied. The other one is `free`: ids
 *     that are no timers, whose entries say nothing.
 *  4. A slot's bit is set if and only if its list is not empty; a bit of an upper level, if and only if its
 *     word below is not 0. `used` counts the first level's.
 *  5. A timer in a slot is found no later than at its tick: the slot is one at which `current`, counting on,
 *     arrives by then. It may be found earlier: in an earlier revolution, or because it was moved to a later
 *     tick. Then it is put where it belongs.
 *  6. A timer in `due` is looked at by the next pop.
 *  7. The pending operations happened in their order, after all else. `count` has them in already; ids of
 *     timers that they remove are not free yet.
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

#define HALF (BIDE_SLOTS_IDS / 2u)

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

/* --- The bitmap --- */

#define NONE UINT32_MAX

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

/* --- Lists --- */

static inline uint32_t take_block(struct bide_slots *slots)
{
    uint32_t number = slots->free_block;
    if (number == 0) {
        BIDE_ASSERT(slots->block_numbers < slots->block_capacity); /* invariant 2 */
        return ++slots->block_numbers;
    }
    slots->free_block = block_of(slots, number)->older;
    return number;
}

/* Returns the place. */
static inline uint32_t append(struct bide_slots *slots, uint32_t number, bide_slots_id id)
{
    struct bide_slots_list *list = &slots->lists[number];
    struct bide_slots_block *block;
    uint32_t index = list->size & 15;
    if (list->head == 0 || index == BIDE_SLOTS_IDS) {
        uint32_t head = take_block(slots);
        block = block_of(slots, head);
        block->list = number;
        block->older = list->head;
        if (list->head == 0) {
            list->size = 0;
            if (list->slot <= slots->mask) mark(slots, list->slot);
        } else {
            list->size += 16 - BIDE_SLOTS_IDS;
        }
        list->head = head;
        index = 0;
    } else {
        block = block_of(slots, list->head);
    }
    block->ids[index] = id;
    list->size++;
    return list->head * 16 + index;
}

/* Takes the last id out of a list that is not empty. */
static inline bide_slots_id take_last(struct bide_slots *slots, uint32_t number)
{
    struct bide_slots_list *list = &slots->lists[number];
    struct bide_slots_block *block = block_of(slots, list->head);
    uint32_t index = (--list->size) & 15;
    bide_slots_id id = block->ids[index];
    if (index > 0) return id;
    uint32_t emptied = list->head;
    list->head = block->older;
    block->older = slots->free_block;
    slots->free_block = emptied;
    if (list->head != 0)
        list->size -= 16 - BIDE_SLOTS_IDS;
    else if (list->slot <= slots->mask)
        unmark(slots, list->slot);
    return id;
}

/* The last of its list takes its place. */
static inline void unlink_entry(struct bide_slots *slots, bide_slots_id id,
                                const struct bide_slots_entry *entry)
{
    uint32_t place = entry->place;
    struct bide_slots_block *block = block_of(slots, place / 16);
    BIDE_ASSERT(block->ids[place & 15] == id); /* invariant 1 */
    bide_slots_id last = take_last(slots, block->list);
    if (last == id) return;
    block->ids[place & 15] = last;
    entry_of(slots, last)->place = place;
}

static inline void put(struct bide_slots *slots, bide_slots_id id, struct bide_slots_entry *entry)
{
    uint32_t number = entry->tick <= slots->current ? slots->due : slots->list_of[entry->tick & slots->mask];
    entry->place = append(slots, number, id);
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

/* The blocks that so many ids may need: invariant 2. */
static uint32_t blocks_for(const struct bide_slots *slots, uint32_t ids)
{
    uint32_t most = ids / BIDE_SLOTS_IDS + slots->mask + 3;
    return ids < most ? ids : most;
}

/* Both get one piece of memory each time, so that a large one is left to large pages. Ids and numbers count
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

int bide_slots_init(struct bide_slots *slots, uint32_t count, uint32_t initial, uint32_t most)
{
    memset(slots, 0, sizeof *slots);
    slots->mask = count - 1;
    slots->most = most;
    slots->due = count;
    slots->free = count + 1;
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
    for (uint32_t i = 0; i < count + 2; i++)
        slots->lists[i].slot = i;
    for (uint32_t i = 0; i < count; i++)
        slots->list_of[i] = i;
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

/* An id, and storage for it. */
static BIDE_OS_NOINLINE int new_id(struct bide_slots *slots, bide_slots_id *id)
{
    if (slots->waiting) {
        flush(slots); /* which may free one */
        if (slots->lists[slots->free].head != 0) {
            *id = take_last(slots, slots->free);
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
    BIDE_ASSERT(slots->used == 0 && slots->lists[slots->due].head == 0 && slots->waiting == 0);
    slots->lists[slots->free].head = 0;
    slots->ids = 0;
    slots->block_numbers = 0;
    slots->free_block = 0;
}

int bide_slots_add(struct bide_slots *slots, uint64_t tick, void *owner, bide_slots_id *out)
{
    bide_slots_id id;
    if (slots->count == slots->most) return BIDE_ENOCAPACITY;
    const struct bide_slots_list *free_ids = &slots->lists[slots->free];
    if (free_ids->head != 0) {
        id = take_last(slots, slots->free);
    } else if (slots->ids < slots->capacity && slots->waiting == 0) {
        id = ++slots->ids;
    } else {
        int error = new_id(slots, &id);
        if (error) return error;
    }
    struct bide_slots_entry *entry = entry_of(slots, id);
    slots->count++;
    entry->tick = tick;
    *owner_of(slots, id) = owner;
    put(slots, id, entry);
    *out = id;
    return 0;
}

static void carry_out(struct bide_slots *slots, const struct bide_slots_operation *operation)
{
    struct bide_slots_entry *entry = entry_of(slots, operation->id);
    if (operation->removes) {
        unlink_entry(slots, operation->id, entry);
        (void)append(slots, slots->free, operation->id);
    } else if (operation->tick >= entry->tick) {
        entry->tick = operation->tick;
    } else {
        entry->tick = operation->tick;
        unlink_entry(slots, operation->id, entry);
        put(slots, operation->id, entry);
    }
}

/* Carries the pending operations out. Their entries have been fetched; now their blocks, side by side. */
static BIDE_OS_NOINLINE void flush(struct bide_slots *slots)
{
    uint32_t waiting = slots->waiting;
    uint32_t places[BIDE_SLOTS_PENDING];
    for (uint32_t i = 0; i < waiting; i++) {
        const struct bide_slots_operation *operation = &slots->pending[i];
        const struct bide_slots_entry *entry = entry_of(slots, operation->id);
        places[i] = operation->tick < entry->tick ? entry->place : 0;
        if (places[i]) BIDE_OS_PREFETCH(block_of(slots, places[i] / 16));
    }
    for (uint32_t i = 0; i < waiting; i++) {
        if (places[i] == 0) continue;
        const struct bide_slots_list *list = &slots->lists[block_of(slots, places[i] / 16)->list];
        bide_slots_id last = block_of(slots, list->head)->ids[(list->size & 15) - 1];
        BIDE_OS_PREFETCH(entry_of(slots, last));
    }
    for (uint32_t i = 0; i < waiting; i++)
        carry_out(slots, &slots->pending[i]);
    slots->waiting = 0;
    if (slots->count == 0) start_again(slots);
}

static inline void put_off(struct bide_slots *slots, struct bide_slots_operation operation)
{
    BIDE_OS_PREFETCH(entry_of(slots, operation.id));
    slots->pending[slots->waiting++] = operation;
    if (slots->waiting == BIDE_SLOTS_PENDING) flush(slots);
}

void bide_slots_move(struct bide_slots *slots, bide_slots_id id, uint64_t tick)
{
    put_off(slots, (struct bide_slots_operation){tick, id, false});
}

void bide_slots_remove(struct bide_slots *slots, bide_slots_id id)
{
    slots->count--;
    put_off(slots, (struct bide_slots_operation){0, id, true});
}

/* The next tick at which a list is looked at; nothing is pending. */
static uint64_t next_tick(const struct bide_slots *slots)
{
    if (slots->lists[slots->due].head != 0) return slots->current;
    uint32_t from = (uint32_t)(slots->current + 1) & slots->mask;
    uint32_t slot = find(slots, from);
    if (slot == NONE) slot = find(slots, 0);
    if (slot == NONE) return BIDE_SLOTS_NEVER;
    return slots->current + 1 + ((slot - from) & slots->mask);
}

uint64_t bide_slots_next(struct bide_slots *slots)
{
    if (slots->waiting) flush(slots);
    return next_tick(slots);
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

/* Fetches, while one is handed out, the timer that comes a block later, and what the owner of that which
 * comes half a block later points to. */
static inline void look_ahead(const struct bide_slots *slots, const struct bide_slots_list *list)
{
    const struct bide_slots_block *block = block_of(slots, list->head);
    uint32_t left = list->size & 15; /* in this block, with the one that is handed out now */
    bide_slots_id soon = 0;
    if (left > HALF) soon = block->ids[left - HALF - 1];
    if (block->older) {
        const struct bide_slots_block *older = block_of(slots, block->older);
        if (left == BIDE_SLOTS_IDS) BIDE_OS_PREFETCH(block_of(slots, older->older));
        bide_slots_id later = older->ids[left - 1];
        BIDE_OS_PREFETCH(entry_of(slots, later));
        BIDE_OS_PREFETCH(owner_of(slots, later));
        if (left <= HALF) soon = older->ids[left + HALF - 1];
    }
    if (soon) BIDE_OS_PREFETCH(*owner_of(slots, soon));
}

void *bide_slots_pop(struct bide_slots *slots, uint64_t now)
{
    if (slots->waiting) flush(slots);
    if (now < slots->current) now = slots->current;
    if (now == BIDE_SLOTS_NEVER) now--; /* which is no tick */
    for (;;) {
        struct bide_slots_list *list = &slots->lists[slots->due];
        while (list->head != 0) {
            look_ahead(slots, list);
            bide_slots_id id = take_last(slots, slots->due);
            struct bide_slots_entry *entry = entry_of(slots, id);
            if (entry->tick <= slots->current) {
                void *owner = *owner_of(slots, id);
                (void)append(slots, slots->free, id);
                if (--slots->count == 0) start_again(slots);
                return owner;
            }
            put(slots, id, entry);
        }
        /* Each slot once: what is due after more than a revolution is in one of those before now. */
        if (now > slots->current && now - slots->current > slots->mask + UINT64_C(1))
            slots->current = now - slots->mask - 1;
        uint64_t next = next_tick(slots);
        if (next > now) {
            if (now > slots->current) slots->current = now;
            return NULL;
        }
        slots->current = next;
        change_lists(slots);
    }
}

static size_t length_of(const struct bide_slots_list *list)
{
    return list->head == 0 ? 0 : (size_t)(list->size / 16) * BIDE_SLOTS_IDS + (list->size & 15);
}

void bide_slots_look(struct bide_slots *slots, struct bide_slots_stats *stats)
{
    if (slots->waiting) flush(slots);
    stats->used = slots->used;
    stats->longest = 0;
    for (uint32_t slot = 0; slot <= slots->mask; slot++) {
        size_t length = length_of(&slots->lists[slots->list_of[slot]]);
        if (length > stats->longest) stats->longest = length;
    }
}
