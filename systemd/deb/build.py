"""Build the Debian 13 packages gateway, cameras and training, reproducibly.

The gateway's libraries are installed from wheels with the hashes in `requirements.txt`, together with the
gateway, into an environment under /opt/borderpost, on Debian's python3. Installation downloads nothing.
"""

import argparse
import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import distributions
from pathlib import Path

from sbom import bill, licences

HERE = Path(__file__).resolve().parent
UNITS = HERE.parent
REPOSITORY = UNITS.parent
PYTHON = "/usr/bin/python3"
HOME = Path("opt/borderpost")
SITE = HOME / "lib/python3.13/site-packages"
LOCAL = "/usr/local/lib/borderpost"
"""Folder for wheels of the post's operator, which this package must not or need not contain."""
PAGE = Path("gateway/counter/dist")
"""The counter page, as `make counter` builds it."""
DOC = "usr/share/doc"
WHO_INSTALLED = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json")
"""Records of an installer; dpkg has its own list, and some of these name the build machine."""

UNDER_GPL = ("av", "av.libs", "av-*", "linuxpy", "linuxpy-*")
"""linuxpy, and the wheel of PyAV, whose FFmpeg is linked with x264 and x265."""

PLACES = {
    "borderpost.service": "usr/lib/systemd/system/borderpost.service",
    "borderpost.socket": "usr/lib/systemd/system/borderpost.socket",
    "borderpost-key.service": "usr/lib/systemd/system/borderpost-key.service",
    "mosquitto.service.d/borderpost.conf": "usr/lib/systemd/system/mosquitto.service.d/borderpost.conf",
    "borderpost.sysusers": "usr/lib/sysusers.d/borderpost.conf",
    "borderpost.tmpfiles": "usr/lib/tmpfiles.d/borderpost.conf",
    "borderpost.modules-load": "usr/lib/modules-load.d/borderpost.conf",
    "borderpost.modprobe": "usr/lib/modprobe.d/borderpost.conf",
    "60-borderpost.rules": "usr/lib/udev/rules.d/60-borderpost.rules",
    "borderpost.polkit.rules": "usr/share/polkit-1/rules.d/borderpost.rules",
    "make-key": "usr/lib/borderpost/make-key",
    "mosquitto.conf": "usr/share/borderpost/mosquitto.conf",
    "mosquitto.acl": "usr/share/borderpost/mosquitto.acl",
    "post.toml": "etc/borderpost/post.toml",
    "README.md": f"{DOC}/borderpost-gateway/README.md",
    "../LICENSE": f"{DOC}/borderpost-gateway/LICENSE",
    "../config/mosquitto/trust.toml": "usr/share/borderpost/trust.toml",
    "../config/mosquitto/borderpost.nft": "usr/share/borderpost/borderpost.nft",
    "../config/mosquitto/README.md": f"{DOC}/borderpost-gateway/mosquitto.md",
    "../config/example.toml": f"{DOC}/borderpost-gateway/examples/example.toml",
}
"""Destination of each file."""
MAINTAINER_SCRIPTS = ("preinst", "postinst", "prerm", "postrm")


def main() -> None:
    """Build all packages into the given folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uv", default="uv", help="program that installs wheels")
    parser.add_argument("--work", type=Path, default=REPOSITORY / "build/deb")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "dist")
    parser.add_argument("--version", default="", help="version of the packages, if not that of the source")
    parser.add_argument("--without-counter", action="store_true", help="build without the counter page")
    options = parser.parse_args()
    _require_page(without=options.without_counter)
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or _last_commit())
    os.environ.update(SOURCE_DATE_EPOCH=str(epoch), PYTHONHASHSEED="0", LC_ALL="C.UTF-8", TZ="UTC")
    os.umask(0o022)
    shutil.rmtree(options.work, ignore_errors=True)
    options.out.mkdir(parents=True, exist_ok=True)
    version = options.version or project["version"]
    wheel = _wheel(options.uv, options.work / "source", options.out, without_page=options.without_counter)
    gateway, cameras, training = (options.work / name for name in ("gateway", "cameras", "training"))
    _environment(options.uv, wheel, gateway)
    _moved(gateway, cameras, UNDER_GPL)
    _moved(gateway, training, ("simulators",))
    _examples(gateway, training)
    _ours(gateway)
    for tree in (gateway, cameras, training):
        _compiled(tree)
        _package(tree, version, epoch, options.out)


def _require_page(*, without: bool) -> None:
    """End where the counter page is not built, unless packages without it are wanted."""
    if without:
        sys.stderr.write("These packages have no counter page.\n")
    elif not (REPOSITORY / PAGE / "index.html").exists():
        sys.exit(
            f"{PAGE} is not built: run `make counter`, which needs Node and the npm registry, "
            "or build packages without the counter page by --without-counter"
        )


def _last_commit() -> str:
    done = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def _wheel(uv: str, source: Path, out: Path, *, without_page: bool) -> Path:
    """Build our own wheel from the source files and the counter page only, not from leftovers in the tree."""
    source.mkdir(parents=True)
    for name in ("gateway", "drivers", "simulators"):
        ignored = shutil.ignore_patterns("__pycache__", "*.pyc", "screenshots", "node_modules")
        shutil.copytree(REPOSITORY / name, source / name, ignore=ignored)
    shutil.rmtree(source / "gateway/client/web")  # a package of its own, for npm
    if without_page:
        shutil.rmtree(source / PAGE, ignore_errors=True)
    (source / ".ci").mkdir()
    for name in (".ci/build_backend.py", ".manifest.in", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source / name)
    for path in source.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    built = source.parent / "wheel"
    constraints = HERE / "build-requirements.txt"
    _run(uv, "build", "--quiet", "--wheel", "--python", PYTHON, "--build-constraints", constraints,
         "--require-hashes", "--out-dir", built, source)  # fmt: skip
    (wheel,) = built.glob("*.whl")
    return Path(shutil.copy(wheel, out))


def _environment(uv: str, wheel: Path, tree: Path) -> None:
    """Install the locked versions and the gateway, independent of time and place."""
    site = tree / SITE
    site.mkdir(parents=True)
    install = (uv, "pip", "install", "--quiet", "--python", PYTHON, "--target", site, "--no-deps",
               "--link-mode", "copy")  # fmt: skip
    _run(*install, "--require-hashes", "--build-constraints", HERE / "build-requirements.txt",
         "-r", HERE / "requirements.txt")  # fmt: skip
    _run(*install, wheel)
    _without_origin(site)
    shutil.rmtree(site / "bin", ignore_errors=True)
    for path in [*site.rglob("*.dist-info/*"), site / ".lock"]:
        if path.name in (*WHO_INSTALLED, ".lock"):
            path.unlink(missing_ok=True)
    for cache in site.rglob("__pycache__"):
        shutil.rmtree(cache)
    (site / "borderpost-local.pth").write_text(f"{LOCAL}\n")
    home = tree / HOME
    (home / "pyvenv.cfg").write_text(
        "home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.13\n"
    )
    (home / "bin").mkdir()
    (home / "bin/python3").symlink_to(PYTHON)
    command = home / "bin/borderpost"
    command.write_text(
        "#!/opt/borderpost/bin/python3 -IB\nimport sys\n\n"
        "from gateway.borderpost import main\n\nsys.exit(main())\n"
    )
    command.chmod(0o755)
    (tree / "usr/bin").mkdir(parents=True)
    (tree / "usr/bin/borderpost").symlink_to("/opt/borderpost/bin/borderpost")


def _without_origin(site: Path) -> None:
    """Remove the time and place of compilation from files compiled here."""
    for each in distributions(path=[str(site)]):
        if "-linux_" in (each.read_text("WHEEL") or ""):
            for file in each.files or ():
                if file.suffix == ".so":
                    _run("strip", "--strip-unneeded", "--remove-section=.note.gnu.build-id", file.locate())


def _moved(gateway: Path, other: Path, patterns: Iterable[str]) -> None:
    """Move files into another package that the gateway's package must not contain."""
    (other / SITE).mkdir(parents=True)
    for pattern in patterns:
        for path in sorted((gateway / SITE).glob(pattern)):
            shutil.move(path, other / SITE / path.name)


def _examples(gateway: Path, training: Path) -> None:
    """Move the demonstration post into the training package, at the path where `borderpost demo` reads it."""
    folder = SITE / "gateway/cli/demo_files"
    (training / folder).parent.mkdir(parents=True)
    shutil.move(gateway / folder, training / folder)


def _ours(tree: Path) -> None:
    for name, place in PLACES.items():
        target = tree / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(UNITS / name, target)


def _compiled(tree: Path) -> None:
    """Compile here: no file may appear under /opt later, and a mini-PC takes a minute for it."""
    _run(PYTHON, "-m", "compileall", "-q", "-j", "1", "--invalidation-mode", "unchecked-hash",
         "-s", tree, "-p", "/", tree / SITE)  # fmt: skip


def _package(tree: Path, version: str, epoch: int, out: Path) -> None:
    """Make one package of a tree."""
    kind = tree.name
    name = f"borderpost-{kind}"
    document = tree / DOC / name
    document.mkdir(parents=True, exist_ok=True)
    changelog = (REPOSITORY / "CHANGELOG.md").read_bytes()
    (document / "sbom.cdx.json").write_text(bill(tree / SITE, name, version, epoch))
    (document / "copyright").write_text(licences(tree / SITE, str(SITE)))
    (document / "changelog.gz").write_bytes(gzip.compress(changelog, 9, mtime=0))
    for path in tree.rglob("*"):
        if not path.is_symlink():
            runs = path.is_dir() or (path.stat().st_mode & 0o111 and path.read_bytes()[:2] == b"#!")
            path.chmod(0o755 if runs else 0o644)
    files = sorted(path for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    control = tree / "DEBIAN"
    control.mkdir()
    size = sum(-(-path.stat().st_size // 1024) for path in files)
    text = (HERE / kind / "control").read_text().replace("@VERSION@", version).replace("@SIZE@", str(size))
    (control / "control").write_text(text)
    sums = [f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(tree)}\n" for path in files]  # noqa: S324
    (control / "md5sums").write_text("".join(sums))
    for script in (*MAINTAINER_SCRIPTS, "conffiles"):
        if (source := HERE / kind / script).exists():
            shutil.copy(source, control / script)
            (control / script).chmod(0o644 if script == "conffiles" else 0o755)
    for path in [*tree.rglob("*"), tree]:
        os.utime(path, (epoch, epoch), follow_symlinks=False)
    (architecture,) = re.findall(r"^Architecture: (.*)$", text, re.MULTILINE)
    package = out / f"{name}_{version}_{architecture}.deb"
    _run("dpkg-deb", "-Zzstd", "-z12", "--threads-max=1", "--root-owner-group", "--build", tree, package)


def _run(*command: object) -> None:
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
