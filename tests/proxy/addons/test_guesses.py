"""How often a token may be guessed."""

from proxy.addons.guesses import Guesses


def test_after_twenty_different_guesses_an_address_waits_for_the_rest_of_the_minute() -> None:
    guesses = Guesses()
    for number in range(20):
        assert not guesses.are_too_many("10.0.0.1", 100 + number)
        assert guesses.add("10.0.0.1", f"guess {number}", 100 + number)

    assert guesses.are_too_many("10.0.0.1", 159)
    assert not guesses.are_too_many("10.0.0.2", 159)
    assert not guesses.are_too_many("10.0.0.1", 160)
    assert guesses.add("10.0.0.1", "guess 0", 160)
    assert not guesses.are_too_many("10.0.0.1", 160)


def test_a_script_with_an_old_token_does_not_lock_its_machine_out() -> None:
    guesses = Guesses()

    assert guesses.add("127.0.0.1", "old", 0)
    assert not any(guesses.add("127.0.0.1", "old", 1) for _ in range(1000))
    assert not guesses.are_too_many("127.0.0.1", 2)


def test_many_addresses_together_have_a_limit_too() -> None:
    guesses = Guesses()
    for number in range(1000):
        guesses.add(f"fd00::{number:x}", "guess", 0)

    assert guesses.are_too_many("fd00::ffff", 59)
    assert not guesses.are_too_many("fd00::ffff", 60)
