r"""A camera of GStreamer's RTSP server, an independent implementation.

    /usr/bin/python3 gst_camera.py USER PASSWORD
    apt-get install --no-install-recommends gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base \
        gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly

It writes its port, then executes lines and writes `done` for each: `shade N` paints its picture in that grey,
`size W H` sets another size of pictures, `still yes|no` stalls it, `password P` sets another one.
"""

import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

PIPELINE = (
    "( videotestsrc name=lens is-live=true pattern=solid-color ! capsfilter name=size "
    "caps=video/x-raw,format=I420,width=640,height=360,framerate=25/1 ! valve name=tap "
    "! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 "
    "! rtph264pay name=pay0 pt=96 config-interval=-1 )"
)
user, password = sys.argv[1:]
Gst.init(None)
server = GstRtspServer.RTSPServer(address="127.0.0.1", service="0")
token = GstRtspServer.RTSPToken()
token.set_string("media.factory.role", "watcher")
auth = GstRtspServer.RTSPAuth()
auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
auth.add_digest(user, password, token)
server.set_auth(auth)
permissions = GstRtspServer.RTSPPermissions()
permissions.add_permission_for_role("watcher", "media.factory.access", True)
permissions.add_permission_for_role("watcher", "media.factory.construct", True)
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(PIPELINE)
factory.set_shared(True)
factory.set_permissions(permissions)
seen = {"shade": 128, "elements": None}


def paint():
    if seen["elements"] is not None:
        grey = seen["shade"]
        lens = seen["elements"].get_by_name("lens")
        lens.set_property("foreground-color", 0xFF000000 | grey << 16 | grey << 8 | grey)


def configured(_factory, media):
    seen["elements"] = media.get_element()
    paint()


def execute(line):
    match line.split():
        case ["shade", grey]:
            seen["shade"] = int(grey)
            paint()
        case ["size", width, height]:
            caps = Gst.Caps.from_string(
                f"video/x-raw,format=I420,width={width},height={height},framerate=25/1"
            )
            seen["elements"].get_by_name("size").set_property("caps", caps)
        case ["still", yes]:
            seen["elements"].get_by_name("tap").set_property("drop", yes == "yes")
        case ["password", another]:
            auth.remove_digest(user)
            auth.add_digest(user, another, token)
    print("done", flush=True)


def listen():
    for line in sys.stdin:
        GLib.idle_add(execute, line)
    GLib.idle_add(loop.quit)


factory.connect("media-configure", configured)
server.get_mount_points().add_factory("/stream", factory)
server.attach(None)
loop = GLib.MainLoop()
threading.Thread(target=listen, daemon=True).start()
print(server.get_bound_port(), flush=True)
loop.run()
