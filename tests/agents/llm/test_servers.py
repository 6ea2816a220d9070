"""Which server is asked next, and how long those that fail are left alone; on a clock of the test's own."""

from hypothesis import given
from hypothesis import strategies as st

from agents.llm.servers import Backoff, Server, Servers, retry_after

URLS = ["http://a", "http://b"]


class Clock:
    """Stands still unless it is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def servers(clock: Clock, urls: list[str] = URLS, breaks_after: int = 2) -> Servers:
    return Servers(urls, breaks_after, Backoff(1.0, 8.0), clock, lambda: 1.0)


def fail(pool: Servers, times: int) -> None:
    for _ in range(times):
        server = pool.take()
        assert server is not None
        pool.give_back(server, failed=True)


@given(st.lists(st.booleans(), max_size=60))
def test_calls_in_flight_are_shared_out_evenly(taking: list[bool]):
    pool = servers(Clock(), ["http://a", "http://b", "http://c"])
    held: list[Server] = []
    for take in taking:
        if take:
            server = pool.take()
            assert server is not None
            assert server.in_flight - 1 == min(s.in_flight - (s is server) for s in pool.all)
            held.append(server)
        elif held:
            pool.give_back(held.pop(), failed=False)
    assert sum(s.in_flight for s in pool.all) == len(held)


def test_a_server_that_fails_in_a_row_rests_twice_as_long_every_time_and_is_then_tried_by_one_call():
    clock = Clock()
    pool = servers(clock, URLS[:1])
    fail(pool, 2)
    assert pool.take() is None
    assert pool.rest() == 1.0
    clock.now += 1.0
    fail(pool, 1)
    assert pool.rest() == 2.0
    clock.now += 2.0
    trial = pool.take()
    assert trial is not None
    assert pool.take() is None  # only one call tries
    pool.give_back(trial, failed=False)
    assert pool.take() is not None
    assert pool.take() is not None


def test_while_one_rests_the_other_is_asked():
    clock = Clock()
    pool = servers(clock)
    broken = pool.take()
    assert broken is not None
    for _ in range(2):
        broken.in_flight += 1
        pool.give_back(broken, failed=True)
    assert {pool.take() for _ in range(4)} == {s for s in pool.all if s is not broken}


def test_a_server_that_asks_to_be_left_alone_is():
    clock = Clock()
    pool = servers(clock, URLS[:1])
    pool.leave(pool.all[0], 7.0)
    assert pool.take() is None
    assert pool.rest() == 7.0
    clock.now += 7.0
    assert pool.take() is pool.all[0]


@given(st.integers(1, 200), st.floats(0, 1, exclude_max=True))
def test_pauses_grow_to_their_bound_and_are_never_negative(failures: int, chance: float):
    pause = Backoff(0.5, 30.0).seconds(failures, chance)
    assert 0 <= pause <= min(30.0, 0.5 * 2.0 ** (failures - 1))


def test_retry_after_is_read_as_seconds_or_as_a_date():
    assert retry_after("7", 0.0) == 7.0
    assert retry_after("Thu, 01 Jan 1970 00:01:40 GMT", 40.0) == 60.0
    assert retry_after("Thu, 01 Jan 1970 00:01:40 GMT", 400.0) == 0.0
    for nothing in (None, "soon", "", "-3", "²"):
        assert retry_after(nothing, 0.0) is None
