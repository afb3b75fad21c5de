"""The bytes between a script and the manifest's server: see protocol.rs."""

PRE_REQ_SIZE = 8
PRE_REQ_ACK = "\x01"
REQ_COMPLETE = "\x02"
EMPTY_STR = "\x03"
RECV_PARAMS_RECVD = "\x04"
TERM_LINK = "\x05"
STRING_SEP = "\x00"
