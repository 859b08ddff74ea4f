"""The search for the largest packet: right to the step, in few questions, whatever the path carries."""

from hypothesis import example, given
from hypothesis import strategies as st

from mcnet.plan.largest import FLOOR, STEP, Search


def found(size: int, limit: int) -> tuple[int | None, list[int]]:
    """What the search finds on a path that carries `limit` bytes, and what it asked."""
    search, asked = Search.below(size), []
    while search.ask is not None:
        asked.append(search.ask)
        search = search.passed() if search.ask <= limit else search.lost()
    return search.found, asked


@given(st.integers(FLOOR, 9000), st.integers(0, 9000))
@example(1450, 1450)
@example(1450, 1449)
@example(FLOOR, FLOOR - 1)
def test_it_finds_what_passes_to_the_step(size: int, limit: int) -> None:
    largest, asked = found(size, limit)
    if limit >= size:
        assert (largest, asked) == (size, [size])
    elif limit < FLOOR:
        assert largest is None
    else:
        assert largest is not None
        assert largest <= limit < largest + STEP
    assert len(asked) <= 14
    assert all(FLOOR <= one <= size for one in asked)
