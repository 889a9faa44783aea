import pytest

from client.sync.instructions import instructions
from client.sync.transfer_code import transfer_code

CODE = "8338-galileo-collect-fidel-3"


@pytest.mark.parametrize(
    "line",
    [
        f"runpodctl receive {CODE}",
        f"  RunPodCTL Receive {CODE}\n",
        f"Code is: {CODE}",
        f"code is: {CODE}",
        f"{CODE}\n",
    ],
)
def test_the_code_is_found_in_both_versions_output(line: str) -> None:
    assert transfer_code(line) == CODE


@pytest.mark.parametrize(
    "line",
    ["Sending 'models.zip' (5 B)", "On the other computer run", "", "could not get list of relays", "12-a"],
)
def test_other_lines_have_none(line: str) -> None:
    assert transfer_code(line) is None


def test_the_instructions_repeat_the_code_with_its_relay() -> None:
    assert f"runpodctl receive {CODE}\n" in instructions(CODE, "vol1")
