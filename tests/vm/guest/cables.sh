#!/bin/sh
# Every USB cable is in from the start, as it is after a power cut: attach what the host exports, whatever is there.
modprobe vhci-hcd
modprobe vivid n_devs=1 node_types=0x1 vid_cap_nr=0 || true
. /etc/vm-cables
for busid in $BUSIDS; do
    until usbip --tcp-port "$PORT" attach -r 10.0.2.2 -b "$busid"; do sleep 0.5; done
done
