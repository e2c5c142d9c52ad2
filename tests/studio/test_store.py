"""What the studio keeps, and for how long."""

from cmgen.studio.store import Store


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_keys_are_random_and_give_back_what_was_kept() -> None:
    store = Store(100, 10)
    keys = [store.put(value, 1) for value in range(20)]
    assert [store.get(key) for key in keys] == list(range(20))
    assert len(set(keys)) == 20 and min(map(len, keys)) >= 22
    assert store.get("0") is None


def test_what_nobody_asks_for_goes_after_a_while() -> None:
    clock = Clock()
    store = Store(100, 10, clock)
    kept, left = store.put("kept", 1), store.put("left", 1)
    clock.now = 6
    assert store.get(kept) == "kept"
    clock.now = 12
    assert (store.get(kept), store.get(left)) == ("kept", None)
    clock.now = 30
    assert (store.drop_old(), store.drop_old()) == (True, False)


def test_the_longest_unused_makes_room() -> None:
    store = Store(100, 10)
    first, second = store.put("first", 40), store.put("second", 40)
    store.get(first)
    third = store.put("third", 40)
    assert [store.get(key) for key in (first, second, third)] == ["first", None, "third"]


def test_what_is_too_large_stays_alone() -> None:
    store = Store(100, 10)
    small, large = store.put("small", 1), store.put("large", 1000)
    assert (store.get(small), store.get(large)) == (None, "large")
