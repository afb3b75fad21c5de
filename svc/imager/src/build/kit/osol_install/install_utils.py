"""Small things that finalizer scripts share."""

import errno
import os
import random
import stat
import string
import sys
import threading
from logging import DEBUG, ERROR
from subprocess import PIPE, Popen


def space_parse(input_str):
    """The words of a text: what stands in quotes, of either kind; without any, all of it."""
    words, word, quote = [], "", None
    text = input_str.strip()
    at = 0
    while at < len(text):
        char = text[at]
        if char == "\\" and text[at + 1:at + 2] in ("'", '"', "\\"):
            at += 1
            # A backslash before another is one of the text's own, and so is the other.
            word += text[at] if text[at] != "\\" else "\\\\"
        elif char in "'\"" and quote in (None, char):
            if quote and word:
                words.append(word.strip())
                word = ""
            quote = None if quote else char
        else:
            word += char
        at += 1
    if quote:
        raise Exception("Unexpected unescaped quote found: " + input_str)
    if word:
        words.append(word.strip())
    return words


def isnumber(arg):
    """Whether a text is a number, of any base."""
    for number in (lambda text: int(text, 0), float):
        try:
            number(arg)
            return True
        except ValueError:
            pass
    return False


def canaccess(filename, mode):
    """Raises what keeps a file from being opened: "r", "w" or "rw"."""
    modes = {"r": "r", "w": "a", "rw": "a+"}
    if mode not in modes:
        raise IOError(errno.EINVAL, os.strerror(errno.EINVAL) + ": mode")
    # Opening for writing would make one that is not there.
    os.stat(filename)
    open(filename, modes[mode]).close()


def exec_cmd_outputs_to_log(cmd, log, stdout_log_level=None, stderr_log_level=None,
                            discard_stdout=False):
    """Runs a command; its lines go to a logger, or without one to the script's own streams."""
    out_level = DEBUG if stdout_log_level is None else stdout_log_level
    err_level = ERROR if stderr_log_level is None else stderr_log_level

    def tell(level, stream, line):
        if log is not None:
            log.log(level, line)
        else:
            stream.write(line + "\n")

    tell(out_level, sys.stdout, "exec command: " + " ".join(cmd))
    child = Popen(cmd, stdin=PIPE, stdout=PIPE, stderr=PIPE, close_fds=True,
                  universal_newlines=True)
    child.stdin.close()

    def errors():
        for line in child.stderr:
            tell(err_level, sys.stderr, line.rstrip("\n"))

    # Both at once: who fills the one may be waiting for the other to be read.
    other = threading.Thread(target=errors)
    other.start()
    for line in child.stdout:
        if not discard_stdout:
            tell(out_level, sys.stdout, line.rstrip("\n"))
    other.join()
    return child.wait()


def find(rootpaths, path_type=None, raise_errors=False):
    """The paths at and below others, as find(1) lists them: all, or "dir" or "file" ones."""
    if path_type not in (None, "dir", "file"):
        raise Exception('find: "path_type" must be None, "dir" or "file"')
    wanted = {None: lambda mode: True, "dir": stat.S_ISDIR, "file": stat.S_ISREG}[path_type]
    found = []

    def visit(path):
        try:
            mode = os.lstat(path).st_mode
            names = sorted(os.listdir(path)) if stat.S_ISDIR(mode) else []
        except OSError:
            if raise_errors:
                raise
            return
        if wanted(mode):
            found.append(path)
        for name in names:
            visit(path + "/" + name)

    for path in rootpaths:
        visit(path)
    return found


def file_size(filename):
    """Bytes of a file, a directory or a link, rounded up to 1 KiB."""
    return (os.lstat(filename).st_size + 1023) // 1024 * 1024


def dir_size(rootpath):
    """Bytes of a directory and all below it, each rounded up to 1 KiB."""
    size = file_size(rootpath)
    for root, dirs, files in os.walk(rootpath):
        for name in files + dirs:
            try:
                size += file_size(root + "/" + name)
            except OSError:
                sys.stderr.write("Error getting information about %s/%s\n" % (root, name))
    return size


def _lines(path):
    try:
        opened = open(path)
    except IOError:
        return []
    try:
        return [line.rstrip("\n") for line in opened]
    finally:
        opened.close()


def validate_crypt_id(val, alt_root=None):
    """Raises ValueError unless an algorithm is one of /etc/security/crypt.conf."""
    lines = _lines((alt_root or "") + "/etc/security/crypt.conf")
    if val not in [line.split()[0] for line in lines if line.split()]:
        raise ValueError(val)


def crypt_gensalt(alt_root=None):
    """A salt for the algorithm that an image's policy.conf prefers and its crypt.conf has."""
    policy = dict(line.strip().split("=", 1) for line in
                  _lines((alt_root or "") + "/etc/security/policy.conf") if "=" in line)
    algorithms = [policy[key] for key in ("CRYPT_DEFAULT",) if key in policy]
    algorithms += policy.get("CRYPT_ALGORITHMS_ALLOW", "").split(",")
    salt = ""
    for algorithm in algorithms:
        try:
            validate_crypt_id(algorithm, alt_root)
        except ValueError:
            continue
        salt = "$" + algorithm + "$"
        break
    letters = string.ascii_letters + string.digits + "./"
    return salt + random.choice(letters) + random.choice(letters)


def encrypt_password(plaintext, salt=None, alt_root=None):
    """A password as /etc/shadow has it; needs the crypt module, which Python 3.13 has no more."""
    import crypt
    return crypt.crypt(plaintext, crypt_gensalt(alt_root) if salt is None else salt)
