"""One run of chaos, from the start of all processes to the verdict."""

import asyncio
import contextlib
import hashlib
import re
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import psutil

from chaos import machines
from chaos.faults import Dice, MachineFault
from chaos.people import Person
from chaos.relay import Relay, relaying
from chaos.verdict import EndpointJob, Observed, StoredJob, Verdict, judge
from engine.store.runpod_jobs import SentState
from sandbox.endpoint.__main__ import worker_environ
from sandbox.endpoint.job import EndpointJob as SandboxJob
from sandbox.endpoint.job import Status
from sandbox.endpoint.server import Running, running_endpoint
from sandbox.endpoint.service import Options
from sandbox.endpoint.workers import WorkerCommand
from storage.atomic import is_part
from wire.events import FilesMissing, FilesSaved, NodeOutput
from wire.job import decode_result

_WORKERS = 2
_FAULT_SHARE = 0.15
_MACHINE_FAULT_S = (2.0, 7.0)
_PAUSE_S = (0.5, 6.0)
_AWAY_S = (0.0, 4.0)
_CALM_S = 600.0
"""how long everything may take to come to its end after the last fault"""
_LOOK_S = 1.0

_WAS_FOUND = re.compile(r"(\S+) was submitted after all")

Say = Callable[[str], None]


@dataclass
class Arena:
    """*say* tells how far it is. What is known at the end of RunPod's jobs is collected all the time."""

    home: Path
    dice: Dice
    say: Say
    endpoint: Running
    relay: Relay
    comfyui: machines.Machine
    proxy: machines.Machine
    session: aiohttp.ClientSession
    faults: Counter[str] = field(default_factory=Counter)
    killed_workers: set[str] = field(default_factory=set)
    seen: dict[str, EndpointJob] = field(default_factory=dict)

    @property
    def fault_count(self) -> int:
        return self.faults.total() + self.relay.faults.total()

    async def trouble(self) -> None:
        """Kill and pause processes, until cancelled."""
        while True:
            await asyncio.sleep(self.dice.seconds(*_MACHINE_FAULT_S))
            fault = self.dice.machine_fault()
            if await self._happen(fault):
                self.faults[fault.value] += 1

    async def _happen(self, fault: MachineFault) -> bool:
        """Whether there was anything for it to happen to."""
        match fault:
            case MachineFault.PROXY_KILLED:
                return await self._killed(self.proxy)
            case MachineFault.COMFYUI_KILLED:
                return await self._killed(self.comfyui)
            case MachineFault.PROXY_PAUSED:
                await self.proxy.pause(self.dice.seconds(*_PAUSE_S))
                return True
            case MachineFault.COMFYUI_PAUSED:
                await self.comfyui.pause(self.dice.seconds(*_PAUSE_S))
                return True
            case _:
                return await self._happen_to_a_worker(fault)

    async def _killed(self, machine: machines.Machine) -> bool:
        await machine.kill()
        await asyncio.sleep(self.dice.seconds(*_AWAY_S))
        await machine.start(self.session)
        return True

    async def _happen_to_a_worker(self, fault: MachineFault) -> bool:
        there = machines.workers()
        if not there:
            return False
        worker = self.dice.one_of(there)
        with contextlib.suppress(psutil.NoSuchProcess):
            if fault in (MachineFault.WORKER_KILLED, MachineFault.WORKER_PAUSED):
                return await self._hit(worker, worker, kills=fault is MachineFault.WORKER_KILLED)
            comfyui = machines.comfyui_of(worker)
            if comfyui is not None:
                return await self._hit(comfyui, None, kills=fault is MachineFault.WORKER_COMFYUI_KILLED)
        return False

    async def _hit(self, process: psutil.Process, worker: psutil.Process | None, *, kills: bool) -> bool:
        if not kills:
            await machines.paused(process.pid, self.dice.seconds(*_PAUSE_S))
            return True
        if worker is not None:
            self.killed_workers.add(machines.worker_id(worker))
        process.kill()
        return True

    # -- what RunPod knows

    async def watch(self) -> None:
        """Write down what RunPod knows of its jobs, for it forgets them."""
        while True:
            self.look()
            await asyncio.sleep(_LOOK_S)

    def look(self) -> None:
        for job_id, job in self.endpoint.service.state.jobs.items():
            self.seen[job_id] = _endpoint_job(job)

    # -- the end

    async def calm_down(self) -> None:
        """Until every job has ended, here and at RunPod."""
        deadline = time.monotonic() + _CALM_S
        while time.monotonic() < deadline:
            self.look()
            busy = [one for one, job in self.seen.items() if job.status in ("IN_QUEUE", "IN_PROGRESS")]
            waiting = _waiting(self.home)
            if not busy and not waiting:
                return
            self.say(f"{len(busy)} jobs run at RunPod, {waiting} are not done here")
            await asyncio.sleep(5)

    def observed(self, person: Person) -> Observed:
        self.look()
        output = self.home / "output"
        return Observed(
            submissions=self.relay.submissions,
            endpoint=self.seen,
            stored=_stored(self.home),
            disk={_sha256(path) for path in _files(output)},
            litter=[*_litter(output), *(str(path) for path in _files(self.home / "data" / "parts"))],
            cancelled=person.cancelled,
            found=_found(self.home),
            killed_workers=self.killed_workers,
        )


@asynccontextmanager
async def arena(home: Path, dice: Dice, say: Say) -> AsyncIterator[Arena]:
    """Everything started, and answering."""
    command = WorkerCommand((sys.executable, "-m", "worker"), home / "workers", worker_environ(None, None, ()))
    options = Options(wanted_workers=_WORKERS)
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120), auto_decompress=False) as session,
        running_endpoint(options, command=command) as endpoint,
    ):
        relay = Relay(endpoint.url, session)
        async with relaying(relay):
            comfyui = machines.local_comfyui(home)
            proxy = machines.proxy(home, comfyui, relay.url)
            ring = Arena(home, dice, say, endpoint, relay, comfyui, proxy, session)
            try:
                await comfyui.start(session)
                await proxy.start(session)
                yield ring
            finally:
                await proxy.stop()
                await comfyui.stop()


async def fight(home: Path, seed: int, faults: int, minutes: float, say: Say) -> tuple[Verdict, Counter[str], int]:
    """The verdict, the faults that happened, and how many prompts were pressed."""
    dice = Dice(seed, _FAULT_SHARE)
    async with arena(home, dice, say) as ring, aiohttp.ClientSession() as session:
        person = Person(ring.proxy.url.removesuffix("/runpod/"), dice, session)
        watching = asyncio.create_task(ring.watch())
        try:
            await _trouble_and_work(ring, person, faults, minutes)
            await ring.calm_down()
            await person.press_run_once_more(2 * _WORKERS)
            await ring.calm_down()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        verdict = judge(ring.observed(person))
        return verdict, ring.faults + ring.relay.faults, len(person.pressed)


async def _trouble_and_work(ring: Arena, person: Person, faults: int, minutes: float) -> None:
    ring.relay.fault = ring.dice.request_fault
    tasks = [asyncio.create_task(ring.trouble()), asyncio.create_task(person.work())]
    deadline = time.monotonic() + minutes * 60
    said = 0.0
    try:
        while ring.fault_count < faults and time.monotonic() < deadline:
            done, _ = await asyncio.wait(tasks, timeout=1, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
            if time.monotonic() - said > 20:
                said = time.monotonic()
                ring.say(f"{ring.fault_count} of {faults} faults, {len(person.pressed)} prompts")
    finally:
        ring.relay.fault = lambda operation: None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for machine in (ring.comfyui, ring.proxy):
            await machine.be_there(ring.session)


# -- what is known at the end


def _endpoint_job(job: SandboxJob) -> EndpointJob:
    results: list[str] = []
    unrun = False
    if job.status is Status.COMPLETED:
        for batch in decode_result(job.output):
            for item in batch.events:
                unrun = unrun or isinstance(item.event, FilesMissing)
                if isinstance(item.event, NodeOutput | FilesSaved):
                    results += [file.sha256 for file in item.event.files if file.type == "output"]
    return EndpointJob(job.status.value, job.worker or "", tuple(results), unrun)


def _waiting(home: Path) -> int:
    """Jobs that have not ended here, and those that are still to be stopped at RunPod."""
    with _database(home) as database:
        (jobs,) = database.execute(
            "SELECT count(*) FROM jobs WHERE state NOT IN ('completed', 'failed', 'cancelled')"
        ).fetchone()
        stopping = database.execute(
            "SELECT count(*) FROM runpod_jobs WHERE state = ?", (SentState.STOPPING.value,)
        ).fetchone()[0]
    return int(jobs + stopping)


def _found(home: Path) -> set[str]:
    """What the proxy's log says."""
    lines = (home / "proxy.log").read_text(encoding="utf-8", errors="replace").splitlines()
    return {match[1] for line in lines if (match := _WAS_FOUND.search(line))}


def _stored(home: Path) -> dict[str, StoredJob]:
    with _database(home) as database:
        sent = database.execute("SELECT prompt_id, runpod_id, state FROM runpod_jobs").fetchall()
        jobs = database.execute("SELECT prompt_id, state, error FROM jobs").fetchall()
    known: dict[str, list[str]] = {}
    uncertain: Counter[str] = Counter()
    for prompt_id, runpod_id, state in sent:
        known.setdefault(prompt_id, []).extend([runpod_id] if runpod_id else [])
        uncertain[prompt_id] += state == SentState.UNCERTAIN.value
    return {
        prompt_id: StoredJob(state, error, tuple(known.get(prompt_id, ())), uncertain[prompt_id])
        for prompt_id, state, error in jobs
    }


@contextlib.contextmanager
def _database(home: Path) -> Iterator[sqlite3.Connection]:
    address = f"file:{home / 'data' / 'jobs.sqlite'}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as database:
        yield database


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _litter(output: Path) -> list[str]:
    return [path.name for path in _files(output) if is_part(path.name) or path.name.startswith(".")]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
