"""Which server is asked next, and how long those that fail are left alone; on a clock of the test's own."""

from hypothesis import given
from hypothesis import strategies as st

from agents.llm.servers import Backoff, Servers, Taken, retry_after

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
        pool.give_back(took(pool), answered=False)


def took(pool: Servers) -> Taken:
    taken = pool.take()
    assert taken is not None
    return taken


@given(st.lists(st.booleans(), max_size=60))
def test_calls_in_flight_are_shared_out_evenly(taking: list[bool]):
    pool = servers(Clock(), ["http://a", "http://b", "http://c"])
    held: list[Taken] = []
    for take in taking:
        if take:
            held.append(took(pool))
            mine = held[-1].server
            assert mine.in_flight - 1 == min(s.in_flight - (s is mine) for s in pool.all)
        elif held:
            pool.give_back(held.pop(), answered=True)
    assert sum(s.in_flight for s in pool.all) == len(held)


def test_idle_servers_take_turns():
    pool = servers(Clock())
    for turn in range(6):
        taken = took(pool)
        assert taken.server is pool.all[turn % 2]
        pool.give_back(taken, answered=True)


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
    trial = took(pool)
    assert pool.take() is None  # only one call tries
    pool.give_back(trial, answered=True)
    assert took(pool).server is took(pool).server


def test_many_calls_that_fail_together_are_one_reason_to_rest():
    clock = Clock()
    pool = servers(clock, URLS[:1])
    burst = [took(pool) for _ in range(256)]
    for taken in burst:
        pool.give_back(taken, answered=False)
    assert pool.rest() == 1.0


def test_calls_that_are_given_up_say_nothing_of_their_server():
    pool = servers(Clock(), URLS[:1])
    for taken in [took(pool) for _ in range(64)]:
        pool.give_back(taken, answered=None)
    assert took(pool).server.failures == 0


def test_while_one_rests_the_other_is_asked():
    pool = servers(Clock())
    broken = pool.all[0]
    pool.leave(broken, 5.0)
    assert {took(pool).server for _ in range(4)} == {pool.all[1]}


def test_where_a_call_failed_it_is_not_sent_again_while_another_is_up():
    pool = servers(Clock())
    for _ in range(3):
        took(pool)
    first, second = pool.all
    taken = pool.take(avoid=second)
    assert taken is not None
    assert taken.server is first
    pool.leave(first, 5.0)
    taken = pool.take(avoid=second)
    assert taken is not None
    assert taken.server is second


def test_a_server_that_asks_to_be_left_alone_is():
    clock = Clock()
    pool = servers(clock, URLS[:1])
    pool.leave(pool.all[0], 7.0)
    assert pool.take() is None
    assert pool.rest() == 7.0
    clock.now += 7.0
    assert took(pool).server is pool.all[0]


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
