/* The min-heap of deadlines: an 8-ary heap in an array and, when many timers are due at once, the bulk beside
 * it: a sorted run of due timers in the same array, handed out one by one.
 *
 * With many timers all cost is that of memory, so: keys lie in the entries; eight children share two cache
 * lines that are fetched together (the root has index 7, the array is aligned to 128 bytes); positions, which
 * every step of an entry writes, are an array of their own, which caches hold longest; removing only marks
 * the entry, and a move to an earlier deadline marks it and adds another; both are put off until some have
 * come together or somebody looks, by when what they touch has been fetched. Marked entries are thrown out
 * when they outnumber the others two to one, or when the array is full.
 *
 * INVARIANTS
 *  1. The tree is entries[ROOT .. ROOT + size), the bulk entries[bulk .. limit), and ROOT + size <= bulk <=
 *     limit <= top: the tree grows towards the bulk, which is handed out from its lower end. When the bulk
 *     is empty, bulk == limit == top. Before the first growth all of them but ROOT are 0.
 *  2. A timer has exactly one entry with its id, at positions[id]. A free id has none, and FREED with
 *     the next free id there. Entries with id 0 are dead: `dead` of them in the tree, any number in
 *     the bulk; slots[0] and positions[0] take what is written for them.
 *  3. A slot has the timer's true deadline and sequence. Its entry has the same two or, after moves to later
 *     deadlines, an earlier deadline: it is stale then.
 *  4. No entry of the tree is before its parent, none of the bulk before the one that precedes it (order.h).
 *     Equal deadlines 2^31 arms apart or more may come in either order; nothing else hangs on sequences.
 *  5. There are 21 entries for 16 ids. So with no room left for an entry, 5 of 21 at least are dead or lie above
 *     the bulk, and putting that right costs a constant time for each. (With 24 moving a timer is faster by some
 *     hundredths when the tables are full.)
 *  6. The pending operations happened in their order after everything in the tree and the bulk. None of
 *     them lies before the root: those that do are carried out at once, so the root bounds all deadlines.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "timer/heap.h"

#include "os/assert.h"
#include "os/compiler.h"
#include "timer/order.h"
#include "timer/tree.h"

#include <bide/error.h>

#include <stdlib.h>
#include <string.h>

#define LINES 128u /* bytes in a pair of cache lines */

#define FREED UINT32_C(0x80000000) /* in a position: the id is free; in a pending id: remove */
#define FIRST_CAPACITY 64u
/* Arrays that leave holes among the program's memory when they grow, rather than be moved by pages, grow fourfold: so
 * there are fewer holes, and what is not used is not touched. */
#define FEW_CAPACITY 16384u
/* 8 times the highest index fits in 32 bits, and all arrays in half the address space. */
#define MOST_CAPACITY (SIZE_MAX / 96 < (1u << 27) ? (uint32_t)(SIZE_MAX / 96) : 1u << 27)

/* The bulk pays from an eighth due on: with a million, building the tree anew costs some 15 ns an entry, and
 * taking one out of it over 100. */
#define BULK_SIZE 64u
#define SAMPLES 32u
#define SAMPLES_DUE 4u
#define AHEAD ((size_t)8) /* how far before it is handed out a timer is fetched */

_Static_assert(sizeof(struct bide_heap_entry) * 8 == LINES, "eight children share two cache lines");

/* The entries for so many ids. */
static inline uint32_t top_for(uint32_t capacity)
{
    return ROOT + capacity + capacity / 16 * 5;
}

static inline int64_t deadline_of(const struct bide_heap_slot *slot)
{
    int64_t deadline;
    memcpy(&deadline, slot->deadline, sizeof deadline);
    return deadline;
}

static inline void set_slot(struct bide_heap_slot *slot, int64_t deadline, uint32_t sequence)
{
    memcpy(slot->deadline, &deadline, sizeof deadline);
    slot->sequence = sequence;
}

static inline bool stale(const struct bide_heap *heap, const struct bide_heap_entry *entry)
{
    return deadline_of(&heap->slots[entry->id]) != entry->deadline;
}

static inline struct bide_heap_entry renewed(const struct bide_heap *heap, bide_heap_id id)
{
    return (struct bide_heap_entry){deadline_of(&heap->slots[id]), id, heap->slots[id].sequence};
}

/* Throws the dead out of the tree and, if asked, gives the stale their true keys. The order is lost. */
static inline void compact(struct bide_heap *heap, bool renew)
{
    struct bide_heap_entry *entries = heap->entries;
    uint32_t end = ROOT + heap->size, to = ROOT;
    for (uint32_t from = ROOT; from < end; from++) {
        bide_heap_id id = entries[from].id;
        entries[to] = renew ? renewed(heap, id) : entries[from];
        to += id != 0; /* no branch: whether an entry is dead cannot be predicted */
    }
    heap->size = to - ROOT;
    heap->dead = 0;
}

static BIDE_OS_NOINLINE void rebuild(struct bide_heap *heap, bool renew)
{
    if (renew)
        compact(heap, true);
    else
        compact(heap, false);
    heapify(heap);
}

/* Makes room between tree and bulk: at least 5 of 21 entries. */
static BIDE_OS_NOINLINE void make_room(struct bide_heap *heap)
{
    uint32_t top = top_for(heap->capacity), to = top;
    for (uint32_t from = heap->limit; from-- > heap->bulk;)
        if (heap->entries[from].id) put(heap, --to, heap->entries[from]);
    heap->bulk = to;
    heap->limit = top;
    rebuild(heap, false);
    BIDE_ASSERT(ROOT + heap->size < heap->bulk);
}

static void insert(struct bide_heap *heap, struct bide_heap_entry entry)
{
    if (ROOT + heap->size == heap->bulk) make_room(heap);
    sift_up(heap, ROOT + heap->size++, entry);
}

static struct bide_heap_entry *aligned(void *block)
{
    return (struct bide_heap_entry *)(((uintptr_t)block + LINES - 1) & ~(uintptr_t)(LINES - 1));
}

/* realloc rather than new memory: for large arrays it moves pages, not bytes. An array that became larger
 * before another one could not is larger than it need be, and no harm done. */
static int grow(struct bide_heap *heap)
{
    uint32_t capacity = heap->capacity == 0             ? FIRST_CAPACITY
                        : heap->capacity < FEW_CAPACITY ? heap->capacity * 4
                                                        : heap->capacity * 2;
    uint32_t top = top_for(capacity);
    if (capacity > MOST_CAPACITY) return BIDE_ENOMEM;

    struct bide_heap_slot *slots = realloc(heap->slots, capacity * sizeof *slots);
    if (!slots) return BIDE_ENOMEM;
    heap->slots = slots;

    uint32_t *positions = realloc(heap->positions, capacity * sizeof *positions);
    if (!positions) return BIDE_ENOMEM;
    heap->positions = positions;

    void **owners = realloc(heap->owners, capacity * sizeof *owners);
    if (!owners) return BIDE_ENOMEM;
    heap->owners = owners;

    size_t offset = heap->block ? (size_t)((char *)heap->entries - (char *)heap->block) : 0;
    char *block = realloc(heap->block, top * sizeof *heap->entries + LINES);
    if (!block) return BIDE_ENOMEM;
    heap->block = block;
    heap->entries = aligned(block);
    if (heap->capacity && (char *)heap->entries != block + offset)
        memmove(heap->entries, block + offset, top_for(heap->capacity) * sizeof *heap->entries);

    if (heap->capacity == 0) {
        slots[0] = (struct bide_heap_slot){0};
        positions[0] = 0;
        owners[0] = NULL;
        memset(heap->entries, 0, ROOT * sizeof *heap->entries);
    }
    if (heap->bulk == heap->limit) heap->bulk = heap->limit = top;
    heap->capacity = capacity;
    return 0;
}

/* Whether the deadline lies before all entries. */
static inline bool is_first(const struct bide_heap *heap, int64_t deadline)
{
    return (heap->size == 0 || deadline < heap->entries[ROOT].deadline) &&
           (heap->bulk == heap->limit || deadline < heap->entries[heap->bulk].deadline);
}

static BIDE_OS_NOINLINE int add_with_more_room(struct bide_heap *heap, bide_instant deadline, void *owner,
                                               bide_heap_id *id, bool *earliest)
{
    if (heap->free == 0 && heap->ids + 1 >= heap->capacity) {
        int error = grow(heap);
        if (error) return error;
    }
    if (ROOT + heap->size == heap->bulk) make_room(heap);
    return bide_heap_add(heap, deadline, owner, id, earliest);
}

int bide_heap_add(struct bide_heap *heap, bide_instant deadline, void *owner, bide_heap_id *id,
                  bool *earliest)
{
    bide_heap_id new_id = heap->free;
    uint32_t position = ROOT + heap->size;
    if (position >= heap->bulk || (new_id == 0 && heap->ids + 1 >= heap->capacity))
        return add_with_more_room(heap, deadline, owner, id, earliest);
    if (new_id)
        heap->free = heap->positions[new_id] & ~FREED;
    else
        new_id = ++heap->ids;
    /* What is the heap's own comes before the stores into its arrays: for all the compiler knows these may
     * overlap. */
    struct bide_heap_entry entry = {deadline.ns, new_id, heap->sequence++};
    struct bide_heap_slot *slot = &heap->slots[new_id];
    void **place = &heap->owners[new_id];
    bool first = is_first(heap, deadline.ns);
    *id = new_id;
    *earliest = first;
    heap->count++;
    heap->size++;
    set_slot(slot, entry.deadline, entry.sequence);
    *place = owner;
    sift_up(heap, position, entry);
    return 0;
}

/* With no timer left, forgets the dead and starts with low ids, which lie close together. */
static void start_again(struct bide_heap *heap)
{
    heap->ids = heap->free = 0;
    heap->size = heap->dead = 0;
    heap->bulk = heap->limit = top_for(heap->capacity);
    heap->waiting = 0;
}

static inline void release(struct bide_heap *heap, bide_heap_id id)
{
    heap->positions[id] = FREED | heap->free;
    heap->free = id;
}

/* Carries out what is pending: first the stores into slots (a removal's go to slots[0]), without a branch on
 * whether they are all there is to do, which could not be predicted; then the rest, for which all that is not
 * fetched yet is fetched first. */
static BIDE_OS_NOINLINE void flush(struct bide_heap *heap)
{
    struct bide_heap_slot *slots = heap->slots;
    uint32_t waiting = heap->waiting, rest = 0;
    heap->waiting = 0;
    for (uint32_t i = 0; i < waiting; i++) {
        struct bide_heap_entry operation = heap->pending[i];
        struct bide_heap_slot *slot = &slots[operation.id & FREED ? 0 : operation.id];
        heap->pending[rest] = operation;
        rest += operation.deadline <= deadline_of(slot);
        set_slot(slot, operation.deadline, operation.sequence);
    }
    for (uint32_t i = 0; i < rest; i++)
        BIDE_OS_PREFETCH(&heap->positions[heap->pending[i].id & ~FREED]);
    for (uint32_t i = 0; i < rest; i++)
        BIDE_OS_PREFETCH(&heap->entries[heap->positions[heap->pending[i].id & ~FREED] & ~FREED]);
    for (uint32_t i = 0; i < rest; i++) {
        struct bide_heap_entry operation = heap->pending[i];
        bide_heap_id id = operation.id & ~FREED;
        uint32_t position = heap->positions[id];
        BIDE_ASSERT(position < heap->limit && heap->entries[position].id == id);
        if (position + 1 == ROOT + heap->size) {
            heap->size--;
        } else {
            heap->entries[position].id = 0;
            heap->dead += position < heap->bulk;
        }
        if (operation.id & FREED)
            release(heap, id);
        else
            insert(heap, operation);
    }
    if (heap->dead > 2 * heap->count + BULK_SIZE) rebuild(heap, false);
}

static inline void put_off(struct bide_heap *heap, struct bide_heap_entry operation, bool now)
{
    heap->pending[heap->waiting++] = operation;
    if (now || heap->waiting == BIDE_HEAP_PENDING) flush(heap);
}

void bide_heap_move(struct bide_heap *heap, bide_heap_id id, bide_instant deadline, bool *earliest)
{
    BIDE_OS_PREFETCH(&heap->slots[id]);
    bool first = is_first(heap, deadline.ns);
    *earliest = first;
    put_off(heap, (struct bide_heap_entry){deadline.ns, id, heap->sequence++}, first);
}

void bide_heap_remove(struct bide_heap *heap, bide_heap_id id)
{
    if (--heap->count == 0) {
        start_again(heap);
    } else if (heap->entries[ROOT + heap->size - 1].id == id && heap->waiting == 0) {
        /* added last, as by a call that was soon done */
        heap->size--;
        release(heap, id);
    } else {
        BIDE_OS_PREFETCH(&heap->positions[id]);
        put_off(heap, (struct bide_heap_entry){INT64_MIN, id | FREED, 0}, false);
    }
}

/* An estimate: the share of due ones among entries at even distances. */
static bool many_due(struct bide_heap *heap, int64_t now)
{
    if (heap->size < BULK_SIZE || heap->entries[ROOT].deadline > now) return false;
    if (heap->singles > 0) {
        heap->singles--;
        return false;
    }
    uint32_t due = 0, stride = heap->size / SAMPLES;
    for (uint32_t i = 0; i < SAMPLES; i++)
        due += heap->entries[ROOT + i * stride].deadline <= now;
    if (due >= SAMPLES_DUE) return true;
    heap->singles = SAMPLES;
    return false;
}

/* Splits the tree into the rest, a heap again, and the due ones, sorted, which stay where they are. */
static void take_bulk(struct bide_heap *heap, int64_t now)
{
    struct bide_heap_entry *entries = heap->entries;
    compact(heap, true);
    uint32_t end = ROOT + heap->size, rest = ROOT;
    for (uint32_t i = ROOT; i < end; i++) {
        struct bide_heap_entry entry = entries[i];
        if (entry.deadline <= now) continue;
        entries[i] = entries[rest];
        entries[rest++] = entry;
    }
    heap->size = rest - ROOT;
    heapify(heap);
    if (rest == end) return; /* of those that seemed due, all were dead or stale */
    heap->bulk = rest;
    heap->limit = end;
    bide_heap_sort(entries + rest, end - rest);
    for (uint32_t i = rest; i < end; i++)
        heap->positions[entries[i].id] = i;
}

/* Drops the bulk's first entry, which makes room for one in the tree. */
static inline void drop_of_bulk(struct bide_heap *heap)
{
    if (++heap->bulk == heap->limit) heap->bulk = heap->limit = top_for(heap->capacity);
}

/* The bulk's first entry, neither dead nor stale, or NULL if there is none. */
static inline const struct bide_heap_entry *bulk_first(struct bide_heap *heap)
{
    while (heap->bulk < heap->limit) {
        const struct bide_heap_entry *entry = &heap->entries[heap->bulk];
        bide_heap_id id = entry->id;
        if (id != 0 && !stale(heap, entry)) return entry;
        drop_of_bulk(heap);
        if (id != 0) sift_up(heap, ROOT + heap->size++, renewed(heap, id));
    }
    return NULL;
}

/* Gives the next of the stale, from the tree's end towards its root, their true keys, and the dead the last
 * of all. Keys only grow by that, so that each is sifted down by itself; and the lower ones come first, so
 * that it need not go far (as in heapify). */
static BIDE_OS_NOINLINE void sweep(struct bide_heap *heap)
{
    const struct bide_heap_entry *entries = heap->entries;
    uint32_t end = ROOT + heap->size;
    uint32_t from = heap->swept > ROOT && heap->swept < end ? heap->swept : end;
    uint32_t to = from - ROOT > BIDE_HEAP_SWEEP ? from - BIDE_HEAP_SWEEP : ROOT;
    for (uint32_t i = from; i-- > to;) {
        if (i >= to + 2 * AHEAD) BIDE_OS_PREFETCH(&heap->slots[entries[i - 2 * AHEAD].id]);
        struct bide_heap_entry entry = entries[i];
        if (entry.id != 0)
            entry = renewed(heap, entry.id);
        else
            entry.deadline = INT64_MAX;
        if (entry.deadline != entries[i].deadline) sift_down(heap, i, entry);
    }
    heap->swept = to;
}

/* The tree's first entry, neither dead nor stale, or NULL if there is none until then. When `patience` of
 * those before it have been put right, one by one, either all are, at once, or a part of all, and the root is
 * returned as it is: no timer of the tree is before it. */
static inline const struct bide_heap_entry *tree_first(struct bide_heap *heap, int64_t until,
                                                       uint32_t patience, bool exactly)
{
    while (heap->size > 0) {
        const struct bide_heap_entry *root = &heap->entries[ROOT];
        if (root->deadline > until) return NULL;
        if (root->id != 0 && !stale(heap, root)) return root;
        if (patience-- == 0) {
            if (!exactly) {
                sweep(heap);
                return root;
            }
            rebuild(heap, true);
            patience = heap->size;
        } else if (root->id != 0) {
            sift_down(heap, ROOT, renewed(heap, root->id));
        } else {
            heap->dead--;
            drop_root(heap);
        }
    }
    return NULL;
}

/* With so many to put right, doing so one by one costs more than building anew. */
static inline uint32_t many_of(const struct bide_heap *heap)
{
    return heap->size / 8;
}

bide_instant bide_heap_first(struct bide_heap *heap)
{
    if (heap->waiting) flush(heap);
    const struct bide_heap_entry *due = bulk_first(heap);
    bool small = heap->size <= BIDE_HEAP_SMALL;
    const struct bide_heap_entry *root =
        tree_first(heap, INT64_MAX, small ? many_of(heap) : BIDE_HEAP_PATIENCE, small);
    if (root && !(due && bide_heap_before(due, root))) due = root;
    return due ? bide_instant_from_ns(due->deadline) : BIDE_NEVER;
}

void *bide_heap_pop(struct bide_heap *heap, bide_instant now)
{
    if (heap->waiting) flush(heap);
    const struct bide_heap_entry *due = bulk_first(heap);
    if (!due && many_due(heap, now.ns)) {
        take_bulk(heap, now.ns);
        due = bulk_first(heap);
    }
    const struct bide_heap_entry *root = tree_first(heap, now.ns, many_of(heap), true);
    bide_heap_id id;
    if (root && !(due && bide_heap_before(due, root))) {
        id = root->id;
        drop_root(heap);
    } else if (due && due->deadline <= now.ns) {
        id = due->id;
        if (heap->limit - heap->bulk > 2 * AHEAD) {
            BIDE_OS_PREFETCH(&heap->slots[due[2 * AHEAD].id]);
            BIDE_OS_PREFETCH(&heap->positions[due[2 * AHEAD].id]);
            BIDE_OS_PREFETCH(&heap->owners[due[2 * AHEAD].id]);
            BIDE_OS_PREFETCH(heap->owners[due[AHEAD].id]);
        }
        drop_of_bulk(heap);
    } else {
        return NULL;
    }
    void *owner = heap->owners[id];
    release(heap, id);
    if (--heap->count == 0) start_again(heap);
    return owner;
}

size_t bide_heap_count(const struct bide_heap *heap)
{
    return heap->count;
}

void bide_heap_clear(struct bide_heap *heap)
{
    free(heap->block);
    free(heap->slots);
    free(heap->positions);
    free(heap->owners);
    memset(heap, 0, sizeof *heap);
}
