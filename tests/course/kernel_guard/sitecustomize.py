"""Loaded by every Python process of a notebook under test: refuses and records network access.

The suite puts this folder on PYTHONPATH of the kernel. What a notebook tries is also written to the file
COURSE_NETWORK_LOG, so that a notebook that swallows the exception fails as well.
"""

import os
import socket
import sys

LOCAL = {None, "", "localhost", "localhost.localdomain", "ip6-localhost", "0.0.0.0", "::", "::1"}
DOWNLOADERS = {"curl", "wget"}


def is_local(host):
    """True for a host that stands for this machine."""
    host = host.decode(errors="replace") if isinstance(host, bytes) else host
    return host in LOCAL or host == socket.gethostname() or str(host).startswith("127.")


def target(event, args):
    """The host that an audit event wants to reach, or None."""
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = args[0]
    elif event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        if not isinstance(args[1], tuple):  # a path: a socket of this machine
            return None
        host = args[1][0]
    elif event == "subprocess.Popen":
        program = os.path.basename(os.fsdecode(args[0] or "")).removesuffix(".exe")
        return f"the program {program}" if program in DOWNLOADERS else None
    else:
        return None
    return None if is_local(host) else host


def refuse_network(event, args):
    """Audit hook: raises ConnectionError and writes one line to the log."""
    if not event.startswith(("socket.", "subprocess.")):
        return
    host = target(event, args)
    if host is not None:
        with open(os.environ["COURSE_NETWORK_LOG"], "a", encoding="utf-8") as log:
            log.write(f"{event} {host}\n")
        raise ConnectionError(f"a notebook under test may not use the network, but it tried to reach {host}")


def import_next():
    """Run the sitecustomize that this one hides, if there is one."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != here]
    this = sys.modules.pop(__name__)
    try:
        import sitecustomize  # noqa: F401
    except ImportError:
        sys.modules[__name__] = this


if os.environ.get("COURSE_NETWORK_LOG"):
    sys.addaudithook(refuse_network)
import_next()
