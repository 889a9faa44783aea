"""The sandbox ComfyUI's file routes, in the form of each version that it can imitate."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from sandbox.comfyui.folders import ComfyFolders
from sandbox.comfyui.routes_files import FileRoutes
from tests.support.files import fill
from tests.support.served import served


@asynccontextmanager
async def routes_of(tmp_path: Path, version: str = "0.33.0") -> AsyncIterator[aiohttp.ClientSession]:
    folders = ComfyFolders(*(tmp_path / name for name in ("input", "output", "temp", "user")))
    folders.create()
    app, routes = web.Application(), web.RouteTableDef()
    FileRoutes(folders, version).add_to(routes)
    app.add_routes(routes)
    async with served(app) as url, aiohttp.ClientSession(url) as session:
        yield session


@pytest.mark.parametrize(
    ("version", "listed"),
    [
        ("0.8.0", ["new.png", "old [output]"]),
        ("0.32.9", ["new.png", "old [output]"]),
        ("0.33.0", ["new.png [output]", "old [output] [output]"]),
        ("1.0", ["new.png [output]", "old [output] [output]"]),
    ],
)
async def test_a_listing_has_the_form_of_its_version(tmp_path: Path, version: str, listed: list[str]) -> None:
    async with routes_of(tmp_path, version) as session:
        fill(tmp_path / "output", ["old [output]", "new.png", ".hidden", "sub/below.png"])
        os.utime(tmp_path / "output" / "old [output]", (1, 1))
        async with session.get("/internal/files/output") as response:
            assert await response.json() == listed


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"filename": "a.png", "type": "input"}, 200),
        ({"filename": "a.png [input]", "type": "output"}, 200),
        ({"filename": "b [output] [input]"}, 200),
        ({"filename": "below.png", "subfolder": "sub", "type": "input"}, 200),
        ({"filename": "a.png"}, 404),
        ({"filename": "nowhere.png", "type": "input"}, 404),
        ({"filename": "../a.png", "type": "input"}, 400),
        ({"filename": "/a.png", "type": "input"}, 400),
        ({"filename": "a.png", "type": "user"}, 400),
        ({"filename": "a.png", "subfolder": "..", "type": "input"}, 403),
        ({}, 404),
    ],
)
async def test_a_view_is_answered_as_by_comfyui(tmp_path: Path, query: dict[str, str], status: int) -> None:
    async with routes_of(tmp_path) as session:
        fill(tmp_path / "input", ["a.png", "b [output]", "sub/below.png"])
        async with session.get("/view", params=query) as response:
            assert response.status == status


async def test_a_head_says_size_and_time_of_change(tmp_path: Path) -> None:
    async with routes_of(tmp_path) as session:
        fill(tmp_path / "input", ["a.png"])
        os.utime(tmp_path / "input" / "a.png", (1e9, 1e9))
        async with session.head("/view", params={"filename": "a.png [input]"}) as response:
            assert response.content_length == len("a.png")
            assert response.headers["Last-Modified"] == "Sun, 09 Sep 2001 01:46:40 GMT"
