"""`make audit`: known advisories of what we are built on, against a service on loopback that answers as OSV does."""

import shutil
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.support.ports import free_port
from tests.support.scripts import Finished, environment, finished, started
from tests.support.served import served
from tests.support.stack import PROJECT

LIST = PROJECT / "scripts" / "accepted-advisories.toml"
TODAY = date(2026, 11, 26)
IDS = {"tornado": "GHSA-0000-0000-0001", "h2": "GHSA-0000-0000-0002"}


def _uv_can_audit() -> bool:
    own = Path(sys.executable).with_name("uv")
    uv = str(own) if own.exists() else shutil.which("uv")
    return uv is not None and subprocess.run([uv, "audit", "--help"], capture_output=True, check=False).returncode == 0


needs_uv = pytest.mark.skipif(not _uv_can_audit(), reason="no uv with `uv audit` here: make setup brings one")


@dataclass
class Service:
    """An advisory service that knows an advisory of each of the packages *bad*."""

    bad: tuple[str, ...] = ()
    status: int = 200
    text: str | None = None
    url: str = ""
    asked: set[str] = field(default_factory=set)

    async def batch(self, request: web.Request) -> web.Response:
        if self.text is not None or self.status != 200:
            return web.Response(status=self.status, text=self.text or "out of order")
        names = [query["package"]["name"] for query in (await request.json())["queries"]]
        self.asked |= set(names)
        return web.json_response({"results": [self._known(name) for name in names]})

    def _known(self, name: str) -> Mapping[str, Any]:
        return {"vulns": [{"id": IDS[name], "modified": "2026-10-01T00:00:00Z"}]} if name in self.bad else {}

    async def one(self, request: web.Request) -> web.Response:
        name = next(name for name, known in IDS.items() if known == request.match_info["id"])
        times = {"published": "2026-10-01T00:00:00Z", "modified": "2026-10-01T00:00:00Z"}
        events = [{"introduced": "0"}, {"fixed": "99.0"}]
        affected = {"package": {"name": name, "ecosystem": "PyPI"}, "ranges": [{"type": "ECOSYSTEM", "events": events}]}
        about = {"id": IDS[name], "aliases": [f"CVE-2099-{name}"], "summary": f"{name} is odd", "affected": [affected]}
        return web.json_response({"schema_version": "1.6.0", **about, **times})


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    found, app = Service(), web.Application()
    app.router.add_post("/v1/querybatch", found.batch)
    app.router.add_get("/v1/vulns/{id}", found.one)
    async with served(app, access_log=None) as url:
        found.url = f"{url}/"
        yield found


def entry(**changed: object) -> str:
    """An entry of the list as TOML."""
    values = {"id": f'"{IDS["tornado"]}"', "package": '"tornado"', "why": '"We do not use it."', "until": str(TODAY)}
    lines = [f"{name} = {value}" for name, value in (values | changed).items() if value is not None]
    return "\n".join(["[[accepted]]", *lines, ""])


async def audit(folder: Path, accepted: str, url: str, *more: str) -> Finished:
    (folder / "accepted.toml").write_text(accepted, encoding="utf-8")
    arguments = ("--accepted", folder / "accepted.toml", "--service-url", url, "--today", TODAY, *more)
    async with started("audit.py", *arguments, environ=environment(), cwd=folder) as process:
        return await finished(process)


@needs_uv
async def test_every_locked_package_is_asked_about(tmp_path: Path, service: Service) -> None:
    done = await audit(tmp_path, "", service.url)
    locked = tomllib.loads((PROJECT / "uv.lock").read_text(encoding="utf-8"))["package"]

    assert (done.status, done.out) == (0, "0 advisories, 0 of them not accepted\n"), done.err
    assert service.asked == {package["name"] for package in locked if "registry" in package["source"]}


YESTERDAY, TOMORROW = TODAY - timedelta(1), TODAY + timedelta(1)


@needs_uv
@pytest.mark.parametrize(
    ("bad", "accepted", "status", "said"),
    [
        (("tornado",), "", 1, "NOT ACCEPTED  tornado"),
        (("tornado",), entry(until=TOMORROW), 0, "accepted      tornado"),
        (("tornado",), entry(), 0, "until 2026-11-26: We do not use it."),
        (("tornado",), entry(until=YESTERDAY), 1, "EXPIRED       tornado"),
        (("tornado",), entry(id='"CVE-2099-tornado"'), 0, "accepted      tornado"),
        (("tornado",), entry(id='"GHSA-0000-0000-0009"'), 1, "NOT ACCEPTED  tornado"),
        (("tornado",), entry(package='"h2"'), 1, "not needed    h2"),
        (("tornado", "h2"), entry(), 1, "2 advisories, 1 of them not accepted"),
        ((), entry(), 0, "not needed    tornado: GHSA-0000-0000-0001 was not found; take it off the list"),
        ((), entry(until=YESTERDAY), 0, "not needed    tornado"),
    ],
)
async def test_what_is_not_accepted_or_not_any_more_fails(
    tmp_path: Path, service: Service, bad: tuple[str, ...], accepted: str, status: int, said: str
) -> None:
    service.bad = bad
    done = await audit(tmp_path, accepted, service.url)

    assert done.status == status, done.err
    assert said in done.out


FAULTS = {
    "not TOML": "[[accepted",
    "a table": "[accepted]\nid = 1",
    "something else": 'ignored = ["GHSA-0000-0000-0001"]',
    "texts": 'accepted = ["GHSA-0000-0000-0001"]',
    "no end": entry(until=None),
    "an end as text": entry(until='"2026-11-26"'),
    "an end with a time": entry(until="2026-11-26T00:00:00Z"),
    "no date": entry(until="2026-02-31"),
    "no reason": entry(why=None),
    "an empty reason": entry(why='" "'),
    "no package": entry(package=None),
    "a number as id": entry(id="5"),
    "a further field": entry(severity='"low"'),
    "one twice": entry() + entry(),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("more", [(), ("--if-reachable",)], ids=["always", "if reachable"])
async def test_a_list_with_a_fault_accepts_nothing(tmp_path: Path, fault: str, more: tuple[str, ...]) -> None:
    done = await audit(tmp_path, FAULTS[fault], f"http://127.0.0.1:{free_port()}/", *more)

    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("audit: ")
    assert "accepted.toml: " in done.err
    assert done.err.count("\n") == 1


async def test_a_list_that_is_missing_is_not_an_empty_one(tmp_path: Path) -> None:
    arguments = ("--accepted", tmp_path / "nowhere.toml")
    async with started("audit.py", *arguments, environ=environment(), cwd=tmp_path) as process:
        done = await finished(process)

    assert (done.status, done.err.count("\n")) == (2, 1)


@needs_uv
@pytest.mark.parametrize(("more", "status"), [((), 3), (("--if-reachable",), 0)], ids=["always", "if reachable"])
@pytest.mark.parametrize("fault", ["nobody there", "503", "403", "a page of somebody else"])
async def test_a_service_that_cannot_be_asked_is_not_a_good_answer(
    tmp_path: Path, service: Service, fault: str, more: tuple[str, ...], status: int
) -> None:
    if fault.isdigit():
        service.status = int(fault)
    service.text = "<html>please sign in</html>" if fault.startswith("a page") else None
    url = f"http://127.0.0.1:{free_port()}/" if fault == "nobody there" else service.url
    done = await audit(tmp_path, "", url, *more)

    assert done.status == status, done.err
    assert done.out == ""
    assert "nobody could be asked about advisories" in done.err
    assert done.err.count("\n") == 1


@needs_uv
async def test_a_lock_that_is_missing_is_our_own_fault(tmp_path: Path, service: Service) -> None:
    done = await audit(tmp_path, "", service.url, "--project", str(tmp_path), "--if-reachable")

    assert done.status == 2
    assert "uv audit failed" in done.err


def test_the_checked_in_list_is_of_locked_packages_and_each_entry_ends_within_a_year() -> None:
    accepted = tomllib.loads(LIST.read_text(encoding="utf-8"))["accepted"]
    lock = tomllib.loads((PROJECT / "uv.lock").read_text(encoding="utf-8"))
    locked = {package["name"] for package in lock["package"]}

    for one in accepted:
        assert one["package"] in locked
        assert one["until"] <= date.today() + timedelta(365)
        assert one["why"].endswith(".")


@needs_uv
async def test_the_checked_in_list_can_be_read(tmp_path: Path, service: Service) -> None:
    done = await audit(tmp_path, LIST.read_text(encoding="utf-8"), service.url)

    assert done.status == 0, done.err
    assert "0 advisories, 0 of them not accepted" in done.out


def test_ci_asks_where_it_can() -> None:
    assert "make audit ARGS=--if-reachable" in (PROJECT / ".ci" / "run").read_text(encoding="utf-8")
