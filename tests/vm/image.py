# SPDX-License-Identifier: GPL-2.0-or-later
"""
The file system of a guest: a cpio archive with this tree's programs and tests, and what they
need of a Debian root: Python, a shell, small tools, libraries. Nothing of it is a disk, so no
kernel module is needed, and all of it is in memory when the guest starts.
"""

import os
import pathlib
import re
import stat
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAMS = """
bash dash sh env cat cp mv rm ln ls mkdir mktemp rmdir sleep true false echo printf test expr head
tail sort uniq wc tr cut id kill stat touch timeout taskset nproc uname date dd seq tee chmod chown
readlink realpath dirname basename grep sed awk mount umount unshare nsenter setsid setpriv dmesg ps
python3 bpftool
""".split()
# What no program names, but loads: pthread_exit() wants it.
LIBRARIES = ("libgcc_s.so.1",)
FOLDERS = ("usr/bin", "usr/sbin")
# Of Python's library: what needs a display, a database or is there to test Python itself.
UNUSED = re.compile(
    r"/(test|tests|idlelib|tkinter|lib2to3|ensurepip|distutils|pydoc_data|turtledemo|curses|"
    r"sqlite3|dbm|config-[^/]*|dist-packages|site-packages|venv|wsgiref|xmlrpc)(/|$)"
    r"|/_(ssl|hashlib|tkinter|sqlite3|dbm|gdbm|curses|curses_panel|uuid|crypt)\.|/readline\."
    r"|\.opt-[12]\.pyc$"
)
TEXTS = {
    # games, mail, news and bin are the people of the gate's tests.
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/sh\n"
                  "bin:x:2:2::/:/bin/sh\ngames:x:5:60::/:/bin/sh\nmail:x:8:8::/:/bin/sh\nnews:x:9:9::/:/bin/sh\n",
    "etc/group": "root:x:0:\nbin:x:2:\nnogroup:x:65534:\ngames:x:60:\nmail:x:8:\nnews:x:9:\n",
    "etc/hosts": "127.0.0.1 localhost\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "etc/hostname": "guest\n",
}
EMPTY = ("proc", "sys", "dev", "tmp", "run", "root", "var/lib", "var/tmp", "mnt", "usr/local/bin")
TREE = ("tests/e2e", "tests/soak", "tests/vm", "tests/helpers", "include", "deploy/systemd")
BUILT = re.compile(r"\.(o|a|d)$|\.skel\.h$|/tests/unit/")
UNIT = ("tests/unit/gate/test_confine",)  # unit tests that the kernel of the guest matters to


class Cpio:
    """An archive in the "newc" form, the one that the kernel unpacks."""

    def __init__(self, path):
        self.out = open(path, "wb")
        self.seen = set()
        self.inode = 0

    def _entry(self, name, mode, data=b"", device=(0, 0), mtime=0):
        if name in self.seen:
            return
        parent = os.path.dirname(name)
        if parent and parent not in self.seen:
            self._entry(parent, stat.S_IFDIR | 0o755)
        self.seen.add(name)
        self.inode += 1
        fields = (self.inode, mode, 0, 0, 1, mtime, len(data), 0, 0, *device, len(name) + 1, 0)
        raw = b"070701" + b"".join(b"%08x" % f for f in fields) + os.fsencode(name) + b"\0"
        for part in (raw, data):
            self.out.write(part + b"\0" * (-len(part) % 4))

    def folder(self, name):
        self._entry(name, stat.S_IFDIR | 0o755)

    def link(self, name, target):
        self._entry(name, stat.S_IFLNK | 0o777, os.fsencode(target))

    def text(self, name, data):
        self._entry(name, stat.S_IFREG | 0o644, data.encode())

    def device(self, name, major, minor):
        self._entry(name, stat.S_IFCHR | 0o600, device=(major, minor))

    def file(self, name, path):
        """What the path leads to, under that name."""
        with open(path, "rb") as f:
            st = os.fstat(f.fileno())
            # Python compares a module's time with that in its compiled form.
            self._entry(name, stat.S_IFREG | stat.S_IMODE(st.st_mode), f.read(),
                        mtime=int(st.st_mtime))

    def close(self):
        self._entry("TRAILER!!!", 0)
        self.out.close()


def find(root, name):
    for folder in FOLDERS:
        path = root / folder / name
        if path.exists():
            return f"{folder}/{name}", path.resolve()
    return None, None


def is_elf(path):
    with open(path, "rb") as f:
        return f.read(4) == b"\x7fELF"


# Loaded by name while a program runs: the C library wants it to end a thread.
LOADED_LATER = ("libgcc_s.so.1",)


def libraries(root, paths):
    """Shared libraries that these programs need, with the loader: name in the image -> file."""
    where = [root / p for p in ("usr/lib64", "usr/lib")]
    where += [p for p in (root / "usr/lib").glob("*-linux-gnu")]
    # systemd's own, which its programs find by their run path.
    where += [p for p in (root / "usr/lib").glob("*-linux-gnu/systemd")]
    found, todo = {}, [str(p) for p in paths if is_elf(p)]
    while todo:
        said = subprocess.run(["readelf", "-ldW", *todo], capture_output=True, text=True, check=True)
        names = set(re.findall(r"\(NEEDED\).*\[(.+?)\]", said.stdout)) | set(LIBRARIES)
        loaders = re.findall(r"interpreter: (.+?)\]", said.stdout)
        todo = []
        for name in sorted(names | {os.path.basename(x) for x in loaders} | set(LOADED_LATER)):
            path = next((d / name for d in where if (d / name).exists()), None)
            if not path:
                raise FileNotFoundError(f"{name}: not below {root}/usr/lib")
            key = str(path.relative_to(root))
            if key not in found:
                found[key] = path.resolve()
                todo.append(str(found[key]))
    return found


def python_library(root):
    for top in sorted((root / "usr/lib").glob("python3.[0-9]*")):
        for folder, _, names in os.walk(top):
            for name in names:
                path = os.path.join(folder, name)
                if not UNUSED.search(path) and os.path.exists(path):
                    yield os.path.relpath(path, root), path


def wanted_object(path):
    """A BPF object that is loaded as it is: the linked one, and those that are not part of it."""
    return path.name.endswith((".bpf.o.linked", "gate.bpf.o"))


def own_files(build, compilers):
    for tree in TREE:
        for path in sorted((ROOT / tree).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield f"runawayd/{path.relative_to(ROOT)}", path
    folders = ["bin", "bpf", "upgraded/bin", "tests/helpers", "tests/vm"]
    for folder in folders + [f"{c}/bpf" for c in compilers]:
        for path in sorted((build / folder).rglob("*")):
            if path.is_file() and (wanted_object(path) or not BUILT.search(str(path))):
                yield f"runawayd/build/{path.relative_to(build)}", path
    for name in UNIT:
        # Not cross-built: a case that wants it there fails in the guest.
        if (build / name).exists():
            yield f"runawayd/build/{name}", build / name


def make(out, build, init, texts, root="/", compilers=(), programs=(), more=()):
    """
    Writes the archive. `texts`: files of the run itself, name -> content; `compilers`: whose
    BPF objects are in it besides the build's own; `programs`: of the root, besides PROGRAMS;
    `more`: pairs of a name and a path, where a symbolic link stays one.
    """
    root = pathlib.Path(root)
    more = dict(more)
    files = dict(python_library(root))
    for name in [*PROGRAMS, *programs]:
        key, path = find(root, name)
        if not key:
            raise FileNotFoundError(f"{name}: not in {root}")
        files[key] = path
    files.update(own_files(build, compilers))
    links = {k: os.readlink(p) for k, p in more.items() if os.path.islink(p)}
    files.update({k: p for k, p in more.items() if k not in links})
    binaries = [p for k, p in files.items() if k.startswith(("usr/", "runawayd/build/"))
                and os.access(p, os.X_OK) or str(p).endswith(".so")]
    files.update(libraries(root, binaries))

    cpio = Cpio(out)
    for name in ("bin", "sbin", "lib", "lib64"):
        cpio.link(name, f"usr/{name}")
    for name in EMPTY:
        cpio.folder(name)
    # Before /dev is mounted the kernel wants a console for the first process.
    cpio.device("dev/console", 5, 1)
    cpio.file("init", init)
    for name, target in links.items():
        cpio.link(name, target)
    # What `more` has of the same name is meant.
    for name, text in {**TEXTS, **texts}.items():
        if name not in more:
            cpio.text(name, text)
    for name, path in files.items():
        cpio.file(name, path)
    cpio.close()
