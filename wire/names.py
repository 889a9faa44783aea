"""The one rule for a file name that comes from outside: from a prompt, a worker, an archive or a manifest.

A name that we read or write because somebody asks for it is accepted as it is, or refused: :func:`confined`.
The name of a result is changed where it must be and never refused, because the GPU has been paid: :func:`stored_name`.
"""

import hashlib
import re

_SEPARATORS = re.compile(r"[/\\]")
_DRIVE = re.compile(r"[A-Za-z]:")
_UNPRINTABLE = r"\x00-\x1f\x7f-\x9f\ud800-\udfff"  # control characters, and halves of characters
_TEXT_DIRECTION = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # they make "gnp.exe" look like "exe.png"
_REFUSED = re.compile(f"[{_UNPRINTABLE}]")
_REPLACED = re.compile(rf"[{_UNPRINTABLE}{_TEXT_DIRECTION}\\]")
_REPLACED_ON_WINDOWS = re.compile(r'[<>:"|?*]')
_RESERVED_ON_WINDOWS = re.compile(r"(?i)(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³])[ ]*(\..*)?", re.DOTALL)
_OBEYED = re.compile(
    r"(?i).*\.("
    r"lnk|pif|url|website|appref-ms"  # Windows: start something, and hide that: x.png.lnk is shown as x.png
    r"|scf|library-ms|search-ms|searchconnector-ms|theme"  # Windows: call another computer once the folder is shown
    r"|settingcontent-ms|\{[^.]*\}"  # Windows: run a command; a class id makes of a file whatever it names
    r"|desktop|directory"  # Linux: start a program under any name and icon; settings of the folder
    r"|webloc|inetloc|fileloc|ftploc|terminal"  # macOS: open an address, or a terminal with a command
    r")[ .]*",
    re.DOTALL,
)
"""names of files that a desktop follows, or takes for another file. Chromium renames some of them in downloads as well:
net/base/filename_util_internal.cc, ``IsShellIntegratedExtension``"""
_OBEYED_AS_A_WHOLE = frozenset(
    {"desktop.ini", "thumbs.db", "autorun.inf", ".git", ".htaccess", ".user.ini", "web.config"}
)
"""what Explorer reads of a folder or disk, git (also in a shell's prompt), and a web server"""
_UNSEEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
"""signs that some file systems leave out when they compare names"""
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9._()+-]")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_TAIL = re.compile(r"(_\d{1,20}_?)?(-\w{1,20})?(\.\w{1,20})?\Z")
"""the counter of ComfyUI or of VideoHelperSuite, and the extension"""

_LONGEST = 255
"""bytes of one name: the limit of most file systems"""
_CUT_TO = 240
"""a name that is too long is cut to fewer bytes, since its counter may grow"""
_PLAIN = 100
"""fewer than the 143 bytes that an encrypted home folder takes"""


class NameRefused(ValueError):
    """The name leads out of its folder, or no file can have it."""


def confined(subfolder: str, filename: str) -> str:
    """``subfolder/filename`` as a relative path with ``/``, unchanged. Raises NameRefused: see confined_path."""
    if not filename or "/" in filename:
        raise NameRefused(f"{filename[:200]!r} is not a file name")
    return confined_path(f"{subfolder}/{filename}" if subfolder else filename)


def confined_path(path: str) -> str:
    """*path* unchanged. Raises NameRefused when it is not a path inside a folder, whichever system reads it.

    Refused are absolute paths, drives, parts that are blank, ``.`` or ``..``, control characters and surrogates.
    """
    if any(_is_refused(part) for part in _SEPARATORS.split(path)):
        raise NameRefused(f"{path[:200]!r} is not a path inside ComfyUI's folders")
    return path


def leads_out(path: str) -> bool:
    """Whether *path* may mean a file elsewhere: it is absolute, begins with a drive, or has a part ``..``."""
    first, *rest = _SEPARATORS.split(path)
    return bool(rest and not first) or bool(_DRIVE.match(first)) or ".." in (part.strip() for part in (first, *rest))


def _is_refused(part: str) -> bool:
    return part.strip() in ("", ".", "..") or bool(_DRIVE.match(part) or _REFUSED.search(part))


def stored_name(subfolder: str, filename: str, *, windows: bool) -> tuple[str, str]:
    """The subfolder and name under which a result is stored: always inside its folder, and possible on this system.

    On Linux and macOS this is the worker's name, unless it holds what nobody can see, or a backslash, or is one that a
    desktop obeys, or a device of Windows: such a file could not be copied there.
    """
    folders = [*_parts(subfolder), *_parts(filename)[:-1]]
    name = (_parts(filename) or ["_"])[-1]
    return "/".join(_stored(part, windows) for part in folders), _stored(name, windows, is_file=True)


def plain_name(name: str) -> str:
    """A name like *name* that every file system takes: short, ASCII, without signs that mean something to one."""
    plain = _shortened(_NOT_PLAIN.sub("_", _stored(name, windows=True)), _PLAIN, _PLAIN).rstrip(".") or "_"
    return _harmless(plain, _PLAIN, _PLAIN)


def plain_id(text: str) -> str:
    """*text* itself when it is an id as our own programs make them, else its SHA-256: a part of a file name, never a
    path.
    """
    return text if _ID.fullmatch(text) else hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".", "..")]


def _stored(part: str, windows: bool, *, is_file: bool = False) -> str:
    name = _REPLACED.sub("_", part)
    if windows:
        name = _shortened(_REPLACED_ON_WINDOWS.sub("_", name), _LONGEST - 1, _CUT_TO).rstrip(" .")
    else:
        name = _shortened(name, _LONGEST, _CUT_TO)
    if (windows or is_file) and _RESERVED_ON_WINDOWS.fullmatch(name):
        name = f"_{_shortened(name, _LONGEST - 1, _CUT_TO)}"
    return _harmless(name, _LONGEST, _CUT_TO) if name.strip() else "_"


def _harmless(name: str, longest: int, size: int) -> str:
    """*name*, or one like it that no desktop obeys, of at most *longest* bytes."""
    seen = _UNSEEN.sub("", name)
    if seen.rstrip(" .").lower() in _OBEYED_AS_A_WHOLE:
        return f"_{name}"
    if _OBEYED.fullmatch(seen):
        return f"{_shortened(name, longest - 1, size - 1)}_"
    return name


def _shortened(name: str, longest: int, size: int) -> str:
    """*name* cut to *size* bytes when it has more than *longest*; it keeps its counter and its extension."""
    if len(name.encode()) <= longest:
        return name
    match = _TAIL.search(name)
    tail = match[0] if match and len(match[0].encode()) < size // 2 else ""
    return _cut(name.removesuffix(tail), size - len(tail.encode())) + tail


def _cut(text: str, size: int) -> str:
    """The beginning of *text*, at most *size* bytes of UTF-8."""
    return text.encode()[:size].decode(errors="ignore")
