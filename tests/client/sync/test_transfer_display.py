"""What a person sees of a transfer."""

import io
import re
import threading

from rich.console import Console

from client.sync.transfer_display import TransferDisplay


def display(*, bars: bool = False) -> tuple[TransferDisplay, io.StringIO]:
    text = io.StringIO()
    return TransferDisplay(Console(file=text, force_terminal=bars, width=120)), text


def test_each_file_has_a_line_with_its_size_when_it_is_done() -> None:
    shown, text = display()
    with shown:
        shown.expect(3000)
        shown.begin("loras/a [1].pt", 3000)
        shown.advance("loras/a [1].pt", 3000)
        shown.end("loras/a [1].pt", "sent")

    assert text.getvalue() == "sent  loras/a [1].pt  3.0 kB\n"


def test_what_was_there_before_is_said_and_does_not_count_for_the_speed() -> None:
    shown, text = display()
    with shown:
        shown.begin("a", 5_000_000)
        shown.end("a", "sent", 2_000_000)
        shown.begin("b", 5_000_000)
        shown.end("b", "sent", 4_500_000)

    first, second = text.getvalue().splitlines()
    assert re.fullmatch(r"sent  a  5\.0 MB, 2\.0 MB of it earlier  [\d.]+ \wB/s", first)
    assert second == "sent  b  5.0 MB, 4.5 MB of it earlier"


def test_a_failure_is_a_line_whether_the_file_was_begun_or_not() -> None:
    shown, text = display()
    with shown:
        shown.begin("a", 10)
        shown.give_up("a", "a: refused")
        shown.give_up("b", "b: cannot be read")

    assert text.getvalue() == "FAILED  a: refused\nFAILED  b: cannot be read\n"


def test_bars_are_drawn_on_a_terminal_only() -> None:
    shown, text = display(bars=True)
    with shown:
        shown.expect(100)
        shown.begin("a", 100)
        shown.advance("a", 50)
        shown.advance("unknown", 1)

    assert "all" in text.getvalue()
    assert "50/100 bytes" in text.getvalue()


def test_many_threads_may_report_at_once() -> None:
    shown, text = display()

    def transfer(name: str) -> None:
        shown.begin(name, 100)
        for _ in range(100):
            shown.advance(name, 1)
        shown.end(name, "sent")

    threads = [threading.Thread(target=transfer, args=(str(number),)) for number in range(16)]
    with shown:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sorted(text.getvalue().splitlines()) == sorted(f"sent  {number}  100 bytes" for number in range(16))
