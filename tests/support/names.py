"""The one table of file names from outside: whoever makes a path of a name is tried with all of them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NameCase:
    """A path as somebody gives it, whether it may be read and written, and where a result of that path is stored."""

    path: str
    accepted: bool
    stored: str
    on_windows: str


def _same(path: str) -> NameCase:
    """An honest name, which nothing changes."""
    return NameCase(path, accepted=True, stored=path, on_windows=path)


def _posix(path: str, on_windows: str) -> NameCase:
    """A name that Linux and macOS take and Windows does not."""
    return NameCase(path, accepted=True, stored=path, on_windows=on_windows)


def _odd(path: str, stored: str, on_windows: str | None = None) -> NameCase:
    """A name that may not be read or written as it is."""
    return NameCase(path, accepted=False, stored=stored, on_windows=stored if on_windows is None else on_windows)


def _renamed(path: str, stored: str) -> NameCase:
    """A name that means something to a desktop, and is changed everywhere."""
    return NameCase(path, accepted=True, stored=stored, on_windows=stored)


OBEYED = ("lnk", "pif", "url", "website", "appref-ms", "scf", "library-ms", "search-ms", "searchConnector-ms", "theme",
          "settingcontent-ms", "desktop", "directory", "webloc", "inetloc", "fileloc", "ftploc",
          "terminal")  # fmt: skip

NAMES = [
    _same("a.png"),
    _same("sub/a.png"),
    _same("ä ö/漢字 (1).png"),
    _same("caf\u00e9.png"),
    _same("cafe\u0301.png"),
    _same(".hidden"),
    _same("a..b.png"),
    _same("-rf"),
    _same("~"),
    _same("$HOME.png"),
    _same("%2e%2e%2fx.png"),
    _same("a b/c d.png"),
    _same("x.png [output"),
    _same("'quoted'.png"),
    _same("a&b=c;d.png"),
    _same("🙂.png"),
    _same("CONSOLE.png"),
    _same("n" * 250),
    _posix("shot 12:30.png", "shot 12_30.png"),
    _posix("run 10:15:33_00001_.png", "run 10_15_33_00001_.png"),
    _posix("1:1.png", "1_1.png"),
    _posix("x.png:stream", "x.png_stream"),
    _posix('<what>|"why"?*.png', "_what___why___.png"),
    _posix("...", "_"),
    _posix("x.", "x"),
    _posix("x ", "x"),
    _posix("clips./x.png", "clips/x.png"),
    _renamed("CON", "_CON"),
    _renamed("nul.png", "_nul.png"),
    _renamed("Com1 .tar.gz", "_Com1 .tar.gz"),
    _renamed("lpt\u00b3", "_lpt\u00b3"),
    _renamed("a/CONOUT$", "a/_CONOUT$"),
    _posix("aux/x.png", "_aux/x.png"),
    *(_renamed(f"x.{ending}", f"x.{ending}_") for ending in OBEYED),
    _renamed("picture.png.LNK", "picture.png.LNK_"),
    _renamed("a_00001_.Desktop", "a_00001_.Desktop_"),
    _renamed("x.l\u200bnk", "x.l\u200bnk_"),
    _renamed("x.{20D04FE0-3AEA-1069-A2D8-08002B30309D}", "x.{20D04FE0-3AEA-1069-A2D8-08002B30309D}_"),
    _renamed("mine.{20D04FE0}/x.png", "mine.{20D04FE0}_/x.png"),
    _renamed("mine/desktop.ini", "mine/_desktop.ini"),
    _renamed("Thumbs.db", "_Thumbs.db"),
    _renamed("AutoRun.inf", "_AutoRun.inf"),
    _renamed(".git/config", "_.git/config"),
    _renamed("a/.GIT", "a/_.GIT"),
    _renamed(".g\u200ci\ufefft/hooks/post-checkout", "_.g\u200ci\ufefft/hooks/post-checkout"),
    _renamed(".htaccess", "_.htaccess"),
    _renamed(".user.ini", "_.user.ini"),
    _renamed("web.config", "_web.config"),
    _renamed(".directory", ".directory_"),
    NameCase("x.url .", accepted=True, stored="x.url ._", on_windows="x.url_"),
    NameCase("desktop.ini ", accepted=True, stored="_desktop.ini ", on_windows="_desktop.ini"),
    NameCase(f"{'n' * 251}.lnk", accepted=True, stored=f"{'n' * 235}.lnk_", on_windows=f"{'n' * 236}.lnk_"),
    NameCase(f"{'n' * 236}.lnk{'n' * 60}", accepted=True, stored=f"{'n' * 236}.lnk_", on_windows=f"{'n' * 236}.lnk_"),
    _same("x.lnk.png"),
    _same("lnk"),
    _same("url/theme/x.png"),
    _same("git/.gitignore"),
    _same("a {b}.png"),
    NameCase("a\\b.png", accepted=True, stored="a_b.png", on_windows="a_b.png"),
    NameCase("clips\\x_00001_.png", accepted=True, stored="clips_x_00001_.png", on_windows="clips_x_00001_.png"),
    NameCase("\u202egnp.exe", accepted=True, stored="_gnp.exe", on_windows="_gnp.exe"),
    NameCase("\u200fa\u2066.png", accepted=True, stored="_a_.png", on_windows="_a_.png"),
    NameCase(f"{'n' * 300}_00001_.png", accepted=True, stored=f"{'n' * 229}_00001_.png",
             on_windows=f"{'n' * 229}_00001_.png"),
    NameCase(f"{'漢' * 90}.webp", accepted=True, stored=f"{'漢' * 78}.webp", on_windows=f"{'漢' * 78}.webp"),
    NameCase(f"{'d' * 256}/{'n' * 255}", accepted=True, stored=f"{'d' * 240}/{'n' * 255}",
             on_windows=f"{'d' * 240}/{'n' * 240}"),
    _odd("../x.png", "x.png"),
    _odd("a/../../x.png", "a/x.png"),
    _odd("../output/x.png", "output/x.png"),
    _odd("./../x.png", "x.png"),
    _odd("/etc/passwd", "etc/passwd"),
    _odd("//etc/passwd", "etc/passwd"),
    _odd("~/../x.png/..", "~/x.png/_"),
    _odd("a//b.png", "a/b.png"),
    _odd("./a.png", "a.png"),
    _odd("a/./b.png", "a/b.png"),
    _odd("..", "_"),
    _odd(".", "_"),
    _odd("", "_"),
    _odd("/", "_"),
    _odd("a/", "a/_"),
    _odd("C:/x.png", "C:/x.png", "C_/x.png"),
    _odd("a:b", "a:b", "a_b"),
    _odd("C:\\x.png", "C:_x.png", "C__x.png"),
    _odd("\\\\server\\share\\x.png", "__server_share_x.png"),
    _odd("\\\\?\\C:\\x.png", "__?_C:_x.png", "____C__x.png"),
    _odd("..\\x.png", ".._x.png"),
    _odd("a\\..\\..\\x.png", "a_.._.._x.png"),
    _odd("x.png\\", "x.png_"),
    _odd("x\0.png", "x_.png"),
    _odd("x\t.png", "x_.png"),
    _odd("x\n.png", "x_.png"),
    _odd("x\r\nContent-Type: a", "x__Content-Type: a", "x__Content-Type_ a"),
    _odd("x\x1b[2J.png", "x_[2J.png"),
    _odd("x\x7f.png", "x_.png"),
    _odd("\u0085.png", "_.png"),
    _odd(" ", "_"),
    _odd("\u00a0", "_"),
    _odd(". ", ". ", "_"),
    _odd(" ..", " ..", "_"),
    _odd(".. /x.png", ".. /x.png", "_/x.png"),
    _odd("a/ /x.png", "a/_/x.png"),
    _odd("\ud800.png", "_.png"),
]  # fmt: skip

ACCEPTED = [case.path for case in NAMES if case.accepted]
REFUSED = [case.path for case in NAMES if not case.accepted]
