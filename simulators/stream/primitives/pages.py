"""
A map from coordinates of several levels to words: the memory of the accumulator of order n.

The map is a tree of fibers. A fiber is a list of pages, and a page stands for 64 coordinates, 64 q
to 64 q + 63. Its header has a mask of the coordinates that are there and tells where their entries
are: up to `NARROW` of them side by side in order, more in a block with a place for each
coordinate. A dense fiber is thus updated as an array is, while a coordinate that is alone in its
page takes 12 to 14 words with its share of the table. An entry of the innermost level is whatever
the caller keeps there; one further out is the number of the fiber inside it.

A hash table finds a page by fiber and q. Fibers arrive in order, so that each page is looked for
once a fiber. The pages of a fiber are linked in order of arrival, last first, and sorted when they
are read out; a mask has its coordinates in order.
"""

from headrace.simulators.stream.language import IntWork, ones, reserve, trailing_zeros
from headrace.simulators.stream.primitive import helper

FIBER, NUMBER, NEXT, PLACE, MASK, BLOCK = 0, 1, 2, 3, 4, 5
HEADER = 6
"""
The header of a page: its fiber, q, the next page of the fiber, its place in the table, the mask,
and where its entries begin.
"""

WIDTH, NARROW = 64, 4
"""Coordinates of a page, and the most entries that lie side by side."""

PAGES, FIBERS, WORDS, SLOTS = FIBER, NEXT, PLACE, MASK
"""Page 0 is none; its header counts pages, fibers, words of entries and places in the table."""

ROOT = 0
"""The fiber of the outermost level."""

SLOTS_AT_FIRST = 256

PRIME = 1_000_003
GOLDEN = -7046029254386353131
"""2^64 divided by the golden ratio, as a signed integer (multiplicative hashing)."""


@helper
def start(table: IntWork, pages: IntWork, fibers: IntWork) -> None:
    """Make an empty map."""
    reserve(table, SLOTS_AT_FIRST)
    reserve(pages, HEADER)
    reserve(fibers, 1)
    pages[NUMBER] = 1 << 62  # Of no page, and far from the numbers of all.
    pages[PAGES] = 1
    pages[FIBERS] = 1
    pages[SLOTS] = SLOTS_AT_FIRST


@helper
def new_fiber(pages: IntWork, fibers: IntWork) -> int:
    """The number of a new fiber without pages."""
    reserve(fibers, pages[FIBERS] + 1)
    added = pages[FIBERS]
    fibers[added] = 0
    pages[FIBERS] = added + 1
    return added


@helper
def find(table: IntWork, pages: IntWork, fiber: int, number: int) -> int:
    """The place in the table where the page is, or where it belongs (open addressing)."""
    place = ((fiber * PRIME + number) * GOLDEN >> 20) & (pages[SLOTS] - 1)
    candidate = table[place]
    while candidate != 0 and (
        pages[HEADER * candidate + FIBER] != fiber or pages[HEADER * candidate + NUMBER] != number
    ):
        place = (place + 1) & (pages[SLOTS] - 1)
        candidate = table[place]
    return place


@helper
def enlarge_table(table: IntWork, pages: IntWork) -> None:
    """Double the table."""
    reserve(table, 2 * pages[SLOTS])
    slot = 0
    while slot < pages[SLOTS]:
        table[slot] = 0
        slot += 1
    pages[SLOTS] = 2 * pages[SLOTS]
    moved = 1
    while moved < pages[PAGES]:
        place = find(table, pages, pages[HEADER * moved + FIBER], pages[HEADER * moved + NUMBER])
        table[place] = moved
        pages[HEADER * moved + PLACE] = place
        moved += 1


@helper
def page_of(
    table: IntWork,
    pages: IntWork,
    fibers: IntWork,
    entries: IntWork,
    fiber: int,
    number: int,
    near: int,
) -> int:
    """
    The page of a fiber for the coordinates 64 * number and following, made if there is none.

    Pages of a fiber are often made one after the other: it is first looked for at its distance
    from `near`, another page of the fiber or 0.
    """
    page = near + number - pages[HEADER * near + NUMBER]
    if (
        page <= 0
        or page >= pages[PAGES]
        or pages[HEADER * page + FIBER] != fiber
        or pages[HEADER * page + NUMBER] != number
    ):
        reserve(pages, HEADER * (pages[PAGES] + 1))
        reserve(entries, pages[WORDS] + NARROW)
        if 2 * pages[PAGES] > pages[SLOTS]:
            enlarge_table(table, pages)
        place = find(table, pages, fiber, number)
        page = table[place]
        if page == 0:
            page = pages[PAGES]
            pages[PAGES] = page + 1
            table[place] = page
            pages[HEADER * page + FIBER] = fiber
            pages[HEADER * page + NUMBER] = number
            pages[HEADER * page + NEXT] = fibers[fiber]
            pages[HEADER * page + PLACE] = place
            pages[HEADER * page + MASK] = 0
            pages[HEADER * page + BLOCK] = pages[WORDS]
            pages[WORDS] = pages[WORDS] + NARROW
            fibers[fiber] = page
    return page


@helper
def place_in(mask: int, block: int, position: int) -> int:
    """Where the entry for bit `position` of a mask is, in the block of its page."""
    return block + (position if ones(mask) > NARROW else ones(mask & ((1 << position) - 1)))


@helper
def make_room(pages: IntWork, entries: IntWork, page: int, position: int) -> None:
    """Before one more entry of a page gets its place: move up those after it, or widen."""
    block = pages[HEADER * page + BLOCK]
    mask = pages[HEADER * page + MASK]
    if ones(mask) == NARROW:
        reserve(entries, pages[WORDS] + WIDTH)
        pages[HEADER * page + BLOCK] = pages[WORDS]
        while mask != 0:
            entries[pages[WORDS] + trailing_zeros(mask)] = entries[block]
            entries[block] = 0  # Or the address of a tile would keep it alive.
            block += 1
            mask = mask & (mask - 1)
        pages[WORDS] = pages[WORDS] + WIDTH
    else:
        place = place_in(mask, block, position)
        last = block + ones(mask)
        while last > place:
            entries[last] = entries[last - 1]
            last -= 1


@helper
def entry_of(pages: IntWork, entries: IntWork, page: int, position: int) -> int:
    """Where an entry of a page is; made, without a value, if there is none."""
    mask = pages[HEADER * page + MASK]
    bit = 1 << position
    entry = pages[HEADER * page + BLOCK] + position
    if ones(mask) <= NARROW:
        if (mask & bit) == 0:
            make_room(pages, entries, page, position)
        entry = place_in(mask | bit, pages[HEADER * page + BLOCK], position)
    pages[HEADER * page + MASK] = mask | bit
    return entry


@helper
def end_of_run(pages: IntWork, first: int) -> int:
    """The last page of a list whose numbers rise from `first`."""
    last = first
    following = pages[HEADER * last + NEXT]
    while following != 0 and pages[HEADER * following + NUMBER] > pages[HEADER * last + NUMBER]:
        last = following
        following = pages[HEADER * last + NEXT]
    return last


@helper
def sort_pages(pages: IntWork, fibers: IntWork, fiber: int) -> None:
    """Natural merge sort, since every fiber arrives in order."""
    rest = fibers[fiber]
    last = 0
    while rest != 0:
        chosen = rest
        rest = pages[HEADER * chosen + NEXT]
        pages[HEADER * chosen + NEXT] = last
        last = chosen
    fibers[fiber] = last
    runs = 2
    while runs > 1:
        runs = 0
        rest = fibers[fiber]
        last = 0
        while rest != 0:
            left = rest
            end = end_of_run(pages, left)
            right = pages[HEADER * end + NEXT]
            pages[HEADER * end + NEXT] = 0
            rest = 0
            if right != 0:
                end = end_of_run(pages, right)
                rest = pages[HEADER * end + NEXT]
                pages[HEADER * end + NEXT] = 0
            while left != 0 or right != 0:
                if right == 0 or (
                    left != 0 and pages[HEADER * left + NUMBER] < pages[HEADER * right + NUMBER]
                ):
                    chosen = left
                    left = pages[HEADER * left + NEXT]
                else:
                    chosen = right
                    right = pages[HEADER * right + NEXT]
                if last == 0:
                    fibers[fiber] = chosen
                else:
                    pages[HEADER * last + NEXT] = chosen
                last = chosen
            runs += 1


@helper
def begin(pages: IntWork, fibers: IntWork, path: IntWork, depth: int, fiber: int) -> None:
    """Go to the first page of a fiber that is about to be written out."""
    sort_pages(pages, fibers, fiber)
    path[2 * depth] = fibers[fiber]
    path[2 * depth + 1] = pages[HEADER * fibers[fiber] + MASK]


@helper
def turn(pages: IntWork, path: IntWork, depth: int) -> None:
    """Go to the next page of a fiber that is being written out."""
    path[2 * depth] = pages[HEADER * path[2 * depth] + NEXT]
    path[2 * depth + 1] = pages[HEADER * path[2 * depth] + MASK]


@helper
def clear(table: IntWork, pages: IntWork, fibers: IntWork) -> None:
    """Forget all pages and all fibers but the root."""
    while pages[PAGES] > 1:
        pages[PAGES] = pages[PAGES] - 1
        table[pages[HEADER * pages[PAGES] + PLACE]] = 0
    pages[FIBERS] = 1
    pages[WORDS] = 0
    fibers[ROOT] = 0
