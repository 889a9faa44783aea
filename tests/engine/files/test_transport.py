"""Each file has a way, the job stays small enough, and no content is sent twice."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.files.transport import InputContent, Transport, inline_room, transports
from engine.model.input_file import InputFile
from engine.prompt.inputs import WorkflowError
from wire.limits import INLINE_INPUTS_MAX, KEPT_MIN, MIB, RUN_BODY_MAX


def content(number: int, size: int) -> InputContent:
    file = InputFile(str(number), "image", f"{number}.png", "input", f"{number}.png")
    return InputContent(file, hashlib.sha256(b"%d" % number).hexdigest(), size)


FILES = st.lists(st.builds(content, st.integers(0, 8), st.integers(0, 4 * MIB)), max_size=12)


@given(FILES, st.sets(st.integers(0, 8)), st.integers(0, 8 * MIB), st.booleans())
def test_what_goes_inside_fits_and_what_is_kept_is_only_named(
    files: list[InputContent], known: set[int], room: int, has_store: bool
) -> None:
    kept = {content(number, 0).sha256 for number in known}
    try:
        chosen = transports(files, kept, room, store=Transport.VOLUME if has_store else None)
    except WorkflowError:
        assert not has_store
        return

    inside = [file for file, way in zip(files, chosen, strict=True) if way is Transport.INLINE]
    stored = [file for file, way in zip(files, chosen, strict=True) if way is Transport.VOLUME]
    named = [file for file, way in zip(files, chosen, strict=True) if way is Transport.CACHED]
    assert sum(file.size for file in inside) <= room
    assert all(file.size >= KEPT_MIN for file in named)
    assert all(file.sha256 in kept or file.sha256 in {other.sha256 for other in inside + stored} for file in named)
    assert not stored or has_store


def test_the_largest_go_another_way_first() -> None:
    sizes = [MIB, 6 * MIB, 2 * MIB]
    chosen = transports([content(n, size) for n, size in enumerate(sizes)], (), 4 * MIB, store=Transport.URL)

    assert chosen == [Transport.INLINE, Transport.URL, Transport.INLINE]


def test_a_refusal_has_the_exact_sizes_the_node_and_three_ways_out() -> None:
    with pytest.raises(WorkflowError) as caught:
        transports([content(1, 3_000_001), content(2, 5_000_002), content(3, 9_000_000)], {content(3, 0).sha256},
             INLINE_INPUTS_MAX, store=None)  # fmt: skip

    assert caught.value.node_id == "2"
    for part in (
        "8,000,003",
        "2.png: 5,000,002",
        "1.png: 3,000,001",
        "7,340,032",
        "BUCKET_",
        "RUNPOD_VOLUME_ID",
        "smaller",
    ):
        assert part in caught.value.message
    assert "3.png" not in caught.value.message


@pytest.mark.parametrize("rest", [0, 100_000, 2 * MIB, 9 * MIB, 20 * MIB])
def test_the_room_in_a_job_is_what_its_prompt_leaves(rest: int) -> None:
    assert inline_room(rest) <= INLINE_INPUTS_MAX
    assert inline_room(rest) * 4 // 3 + rest <= max(RUN_BODY_MAX, rest)
