"""One deadline for all that a request needs: the host's address, the connection, every byte.

A timeout of a socket is for one step, and whoever sends a byte now and then never meets it.
"""

import io
import socket
import ssl
import threading
import time


class Deadline:
    """A moment by which something must be done.

    Args:
        seconds: from now on.
    """

    def __init__(self, seconds):
        self._end = time.monotonic() + seconds

    def left(self):
        """Return the seconds that are left.

        Raises:
            TimeoutError: none are.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def look_up(host, port, deadline):
    """Return the addresses of a host, as `socket.getaddrinfo` does for TCP.

    Raises:
        OSError: there is no such host (`socket.gaierror`), or no answer in time (`TimeoutError`).
    """
    found = []

    def ask():
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:  # a name that is too long is no text to Python
            found.append(error)

    # The system's own call knows no timeout.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(deadline.left())
    deadline.left()
    if isinstance(found[0], UnicodeError):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    if isinstance(found[0], OSError):
        raise found[0]
    return found[0]


class Connection:
    """A socket that keeps a deadline, with what `http.client` needs of one.

    Attributes:
        deadline: of all that is done until it is set anew.

    Args:
        host, port: to connect to.
        deadline: of connecting, too.
        context: an `ssl.SSLContext` to speak TLS; None otherwise.
    """

    def __init__(self, host, port, deadline, context=None):
        self.deadline = deadline
        self._users = {self}  # also the readers, which may be needed for longer
        self._socket = self._connected(host, port)
        try:
            if context is not None:
                self._socket.settimeout(deadline.left())
                self._socket = context.wrap_socket(self._socket, server_hostname=host)
        except BaseException:
            self._socket.close()
            raise

    def _connected(self, host, port):
        problem = OSError("it has no address")
        for family, kind, protocol, _, address in look_up(host, port, self.deadline):
            one = socket.socket(family, kind, protocol)
            try:
                one.settimeout(self.deadline.left())
                one.connect(address)
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return one
            except OSError as error:
                one.close()
                problem = error
        raise problem

    def sendall(self, content):
        """Send all bytes."""
        rest = memoryview(content)
        while rest:
            self._socket.settimeout(self.deadline.left())
            rest = rest[self._socket.send(rest) :]

    def makefile(self, mode):
        """Return a reader of what arrives; `mode` is "rb"."""
        reader = _Arriving(self)
        self._users.add(reader)
        return io.BufferedReader(reader)

    def receive(self, buffer):
        """Wait for bytes, put them into a buffer, and return how many; 0 at the end."""
        self._socket.settimeout(self.deadline.left())
        try:
            return self._socket.recv_into(buffer)
        except ssl.SSLEOFError:
            return 0

    def shutdown(self, how):
        """End the connection in one direction or both, as a socket does."""
        self._socket.shutdown(how)

    def close(self):
        """Close the connection as soon as no reader is open either."""
        self.release(self)

    def release(self, user):
        """Take note that a reader, or the connection itself, is no longer needed."""
        self._users.discard(user)
        if not self._users:
            self._socket.close()


class _Arriving(io.RawIOBase):
    def __init__(self, connection):
        self._connection = connection

    def readable(self):
        return True

    def readinto(self, buffer):
        return self._connection.receive(buffer)

    def close(self):
        super().close()
        self._connection.release(self)
