"""ManifestRead: values of the manifest, by the socket that a finalizer script gets."""

import errno
import socket
import sys

from osol_install import SocketServProtocol as protocol


def _bytes(text):
    return text if isinstance(text, bytes) else text.encode("utf-8")


def _text(data):
    return data if isinstance(data, str) else data.decode("utf-8", "replace")


def _out_of_order(why):
    return socket.error(errno.EPROTO, "Protocol error: " + why)


class ManifestRead(object):
    """One connection; it lasts as long as the object."""

    def __init__(self, sock_name):
        self.debug = False
        self.client_sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.client_sock.connect(sock_name)
        except socket.error:
            sys.stderr.write("Error connecting to listener socket %s\n" % sock_name)
            raise

    def __del__(self):
        try:
            self.client_sock.sendall(_bytes(protocol.TERM_LINK))
            self.client_sock.close()
        except (AttributeError, socket.error):
            pass

    def set_debug(self, on_off):
        """Tell of each message on standard output, or do not."""
        self.debug = on_off

    def get_values(self, request, is_key=False):
        """The values at a node path, or of a key, as a list of strings."""
        asked = _bytes(request)
        self._say("Sending request: %s" % _text(asked))
        self.client_sock.sendall(_bytes("%d %6.6d" % (bool(is_key), len(asked))))
        if self._receive(1) != _bytes(protocol.PRE_REQ_ACK):
            raise _out_of_order("pre_request acknowledge is incorrect")
        self.client_sock.sendall(asked)
        # The server says nothing more until it is told that this came.
        sizes = _text(self.client_sock.recv(1024)).split(",")
        try:
            count, size = int(sizes[0]), int(sizes[1])
        except (IndexError, ValueError):
            raise _out_of_order("Did not receive request count and size.")
        self.client_sock.sendall(_bytes(protocol.RECV_PARAMS_RECVD))
        self._say("Receiving %d results..." % count)
        if count == 0:
            return []
        values = _text(self._receive(size)).split(protocol.STRING_SEP)
        if len(values) != count + 1 or values[count] != protocol.REQ_COMPLETE:
            raise _out_of_order("Improper request termination.")
        empty = protocol.EMPTY_STR
        return ["" if value == empty else value for value in values[:count]]

    def _receive(self, size):
        received = _bytes("")
        while len(received) < size:
            part = self.client_sock.recv(size - len(received))
            if not part:
                raise _out_of_order("the server has gone")
            received += part
        return received

    def _say(self, line):
        if self.debug:
            sys.stdout.write(line + "\n")
