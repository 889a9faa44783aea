"""The rules that import-linter cannot express; the arrows between the rooms are in pyproject.toml."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
ROOMS = ("wire", "storage", "engine", "proxy", "client", "worker", "sandbox", "scripts", "bench", "chaos", "tests")
PURE = ("wire/*.py", "engine/model/*.py", "engine/prompt/*.py", "engine/messages/*.py", "engine/views/*.py",
        "engine/jobs/machine.py", "engine/jobs/results.py", "engine/jobs/result_queue.py", "engine/jobs/setbacks.py",
        "engine/jobs/endings.py", "engine/jobs/events.py", "engine/jobs/commands.py", "engine/runpod/replies.py",
        "engine/runpod/submission.py", "client/workflow/*.py", "client/deployment.py", "client/gpu_catalog.py",
        "worker/events/prompt_run.py", "sandbox/endpoint/state.py")  # fmt: skip
PROCESS_STARTERS = {
    "engine": {"engine/key_command.py"},
    "proxy": {"proxy/stack/machine.py", "proxy/stack/processes.py"},
    "client": {"client/send/page.py", "client/sync/runpodctl.py"},
    "worker": {"worker/comfyui/process.py"},
    "sandbox": {"sandbox/endpoint/workers.py"},
}

FOLDERS_OF_THE_PERSON = {
    "client/send/folders.py",  # results
    "client/sync/extract_models.py",  # models, on the volume
    "engine/files/atomic_save.py",  # results have the rights of an example
    "engine/files/subfolders.py",  # results
}


def sources(*rooms: str) -> list[Path]:
    return sorted(path for room in rooms for path in (PROJECT / room).rglob("*.py"))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def names_used(path: Path) -> set[str]:
    """Every name and attribute that the module mentions, imported ones included."""
    found = set[str]()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Attribute(value=ast.Name(id=owner), attr=name):
                found |= {name, f"{owner}.{name}"}
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
                found.add(name)
            case ast.ImportFrom(module=str(module)):
                found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return found


def relative(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


@pytest.mark.parametrize("path", sources(*ROOMS), ids=relative)
def test_a_module_is_one_noun_and_a_function_does_one_thing(path: Path) -> None:
    length = len(path.read_text(encoding="utf-8").splitlines())
    long = [f"{f.name}: {f.end_lineno - f.lineno + 1}" for f in functions(path) if f.end_lineno - f.lineno >= 50]  # type: ignore[operator]

    assert length <= 400
    assert not long


def test_pure_rooms_touch_no_files() -> None:
    pure = [path for pattern in PURE for path in PROJECT.glob(pattern)]

    guilty = {relative(path): names_used(path) & {"Path", "open", "print"} for path in pure}

    assert len(pure) > 10
    assert not {path: names for path, names in guilty.items() if names}


@pytest.mark.parametrize("room", PROCESS_STARTERS)
def test_processes_are_started_in_one_place_of_a_room(room: str) -> None:
    starters = {
        relative(path)
        for path in sources(room)
        if names_used(path) & {"create_subprocess_exec", "create_subprocess_shell", "Popen", "subprocess_exec"}
    }

    assert starters <= PROCESS_STARTERS[room]


def test_what_is_not_the_persons_own_is_made_private() -> None:
    """By storage.private: other users of the machine must not read prompts and results that are on their way."""
    making = {"mkdir", "makedirs", "mkdtemp", "mkstemp", "touch"}
    makers = {relative(path) for path in sources("engine", "proxy", "client") if names_used(path) & making}

    assert makers == FOLDERS_OF_THE_PERSON


def test_the_environment_is_read_in_the_settings_only() -> None:
    readers = {
        relative(path)
        for path in sources("wire", "storage", "engine", "proxy", "client", "worker")
        if names_used(path) & {"os.environ", "os.getenv"}
    }

    assert readers <= {"engine/settings.py", "worker/settings.py"}


def test_every_module_has_a_test_file_of_its_name() -> None:
    """``proxy/addons/submit.py`` has ``tests/proxy/addons/test_submit.py``; the list of exceptions only shrinks."""
    rooms = ("wire", "storage", "engine", "proxy", "client", "worker", "sandbox")
    modules = {relative(path) for path in sources(*rooms) if not path.name.startswith("__")}
    untested = {module for module in modules if not _test_file(module).exists()}
    listed = set((PROJECT / "tests" / "modules-without-tests.txt").read_text(encoding="utf-8").split())

    assert not untested - listed, "give each a test file of its name"
    assert not listed - untested, "take these off tests/modules-without-tests.txt"


def _test_file(module: str) -> Path:
    folder, _, name = module.rpartition("/")
    return PROJECT / "tests" / folder / f"test_{name}"


def test_nothing_of_the_project_is_mocked() -> None:
    mocking = {relative(path) for path in sources("tests") if "unittest.mock" in names_used(path)}

    assert not mocking
