"""Mosquitto's configuration for a broker that requires certificates."""

FOLDER = "/etc/mosquitto/borderpost"
"""Directory of the broker's files on Mosquitto's machine."""

_TEXT = """\
# Made by `borderpost trust`. Mosquitto 2; copy this folder to {folder}, and start it with
#     mosquitto -c {folder}/mosquitto.conf
# Travellers' data passes through it: it stores no files, and its log names topics and clients, never content.
persistence false
log_type error
log_type warning
log_type notice
connection_messages true

# No anonymous clients: the common name of a certificate is the user name, and the access list has all users.
per_listener_settings false
allow_anonymous false
acl_file {folder}/acl
{passwords}
# TLS 1.3 only; clients without a certificate of this authority, or with a revoked one, are refused.
listener {port}
cafile {folder}/ca.crt
crlfile {folder}/crl.pem
certfile {folder}/broker.crt
keyfile {folder}/broker.key
require_certificate true
use_identity_as_username true
tls_version tlsv1.3
# Each connection costs up to 100 KB, also before its certificate is seen: more of them than memory must not
# end the broker, and with it the connections of all other lanes.
max_connections 1000
{websockets}
# Images are messages: the gateway's largest (delivery.max_image_bytes, 8 MiB) and its topic must fit.
max_packet_size 9437184
# Above this, Mosquitto silently drops messages that it has acknowledged.
max_queued_messages 10000
# Identifiers of clients are not bound to names (use_username_as_clientid): that allows one connection for a
# name, and the gateway has one for each station. Its identifiers are random, and new for each connection.
# Bytes that wait for one client, at most: the images of some travellers, for a workstation that restarts.
max_queued_bytes 67108864
# A session whose client stays away is ended after an hour, with the travellers' data that waits in it,
# whatever the client has requested: kept sessions could otherwise hold images until the memory is full. Ours
# request five minutes.
persistent_client_expiration 1h
# Without this, a command and its answer wait up to 40 ms each in the broker, for an acknowledgement of TCP.
set_tcp_nodelay true
"""

_PASSWORDS = """\
# Passwords of browsers; at the listener for certificates the name in the certificate is the user.
password_file {folder}/passwords
"""
_WEBSOCKETS = """
# WebSockets, for browsers. Any page in a browser may use the browser's certificate, so a certificate of this
# authority and a password are both required; the user is that of the password. Mosquitto 2.0 reads no
# revocation list here: a revoked principal is refused because it has no password any more.
listener {port}
protocol websockets
cafile {folder}/ca.crt
certfile {folder}/broker.crt
keyfile {folder}/broker.key
require_certificate true
tls_version tlsv1.3
max_connections 1000
"""


def listener_conf(port: int, folder: str = FOLDER, websocket_port: int | None = None) -> str:
    """Return the text of mosquitto.conf (mosquitto.conf(5)), for the files in a directory."""
    passwords = websockets = ""
    if websocket_port is not None:
        passwords = _PASSWORDS.format(folder=folder)
        websockets = _WEBSOCKETS.format(port=websocket_port, folder=folder)
    return _TEXT.format(port=port, folder=folder, passwords=passwords, websockets=websockets)
