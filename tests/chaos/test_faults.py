from chaos.faults import FAULTS, OTHERWISE, Dice


def drawn(seed: int) -> list[object]:
    dice = Dice(seed, 0.5)
    return [
        draw
        for _ in range(50)
        for draw in (dice.request_fault("run"), dice.machine_fault(), dice.job(), dice.cancels(), dice.seconds(0, 9))
    ]


def test_a_seed_decides_everything() -> None:
    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)


def test_a_share_of_the_requests_meets_a_fault_that_fits_the_operation() -> None:
    dice = Dice(1, 0.25)
    faults = [dice.request_fault("run") for _ in range(4000)]
    met = [fault for fault in faults if fault is not None]

    assert 800 < len(met) < 1200
    assert set(met) == set(FAULTS["run"])
    assert all(dice.request_fault("stream") in {None, *OTHERWISE} for _ in range(100))


def test_without_a_share_nothing_happens() -> None:
    assert all(Dice(1, 0.0).request_fault("run") is None for _ in range(100))
